/// What tells browsers and apps apart in a `User-Agent`, the particular before the general: every
/// browser also says that it is some older ones.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("Tizen", "a Samsung TV"),
    ("Web0S", "an LG TV"),
    ("webOS", "an LG TV"),
    ("AppleTV", "Apple TV"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// What a person reads of a browser, such as `Firefox on Linux`. Only words of ours: a `User-Agent`
/// is whatever its sender likes.
pub fn shown_browser(user_agent: &str) -> Box<str> {
    let named = |known: &[(&str, &'static str)]| {
        known.iter().find(|(word, _)| user_agent.contains(word)).map(|(_, name)| *name)
    };
    match (named(PROGRAMS), named(SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}").into(),
        (Some(one), None) | (None, Some(one)) => one.into(),
        (None, None) => "another program".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown_browser;

    #[test]
    fn browsers_by_the_words_that_they_have_alone() {
        for (user_agent, shown) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 \
                 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 \
                 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("Mozilla/5.0 (Linux; Tizen 6.0) AppleWebKit/537.36", "a Samsung TV"),
            ("curl/8.0", "curl"),
            ("<script>alert(1)</script>", "another program"),
            ("", "another program"),
        ] {
            assert_eq!(&*shown_browser(user_agent), shown);
        }
    }
}
