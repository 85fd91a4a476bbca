use std::{borrow::Cow, fmt};

/// An address that a page may lead to: `https`, `http`, or a path on this host.
///
/// Escaping does not help against `javascript:` in an `href`; this type does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link<'a>(Cow<'a, str>);

impl<'a> Link<'a> {
    /// The address as it is, or `/` when it is not one that a page may lead to.
    ///
    /// Total on purpose: an error page must not have errors of its own.
    pub fn new(address: impl Into<Cow<'a, str>>) -> Self {
        let address = address.into();
        if is_web_address(&address) { Self(address) } else { Self(Cow::Borrowed("/")) }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Browsers drop tabs and line ends inside an address and read `\` as `/` (WHATWG URL §4.4), so
/// none of them may be there; `//host` would leave this host.
fn is_web_address(address: &str) -> bool {
    let lower = address.get(..8).unwrap_or(address).to_ascii_lowercase();
    let absolute = lower.starts_with("https://") || lower.starts_with("http://");
    let own_path = address.starts_with('/') && !address.starts_with("//");
    (absolute || own_path) && !address.bytes().any(|b| b <= b' ' || b == b'\\' || b == 0x7f)
}

impl fmt::Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A form with nothing to fill in: a button that posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostForm<'a> {
    /// Where it posts to.
    pub action: Link<'a>,
    /// Names and values of its hidden fields.
    pub hidden: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> PostForm<'a> {
    /// A form without hidden fields.
    pub fn to(action: impl Into<Cow<'a, str>>) -> Self {
        Self { action: Link::new(action), hidden: Vec::new() }
    }

    /// The same form with one more hidden field.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        self.hidden.push((name, value.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Link;

    #[test]
    fn new() {
        for (given, expected, why) in [
            ("https://tv.example.com/web/", "https://tv.example.com/web/", "https"),
            ("HTTPS://tv.example.com", "HTTPS://tv.example.com", "case does not count"),
            ("http://localhost:8080/", "http://localhost:8080/", "http, for insecure_server"),
            ("/.pomerium/?a=b&c=d", "/.pomerium/?a=b&c=d", "a path on this host"),
            ("", "/", "nothing"),
            ("javascript:alert(1)", "/", "script"),
            ("JaVaScRiPt:alert(1)", "/", "script in any case"),
            ("java\tscript:alert(1)", "/", "browsers drop the tab"),
            (" javascript:alert(1)", "/", "and leading blanks"),
            ("data:text/html,<script>", "/", "a document of its own"),
            ("//evil.example/", "/", "another host in the scheme of this one"),
            ("/\\evil.example/", "/", "a backslash is a slash"),
            ("/\t/evil.example/", "/", "browsers drop the tab here too"),
            ("web/", "/", "relative to who knows what"),
            ("ünïcödé", "/", "no slicing inside a character"),
        ] {
            assert_eq!(Link::new(given).as_str(), expected, "{given:?}: {why}");
        }
    }
}
