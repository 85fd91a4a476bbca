use std::fmt::Write as _;

use crate::assets::{favicon, lamp, style_sheet};

/// What stands on a page in the place of what is ours: addresses of our own host, under
/// [`ASSETS_PREFIX`](crate::ASSETS_PREFIX).
#[derive(Clone, Copy, Debug, Default)]
pub struct Branding<'a> {
    /// A style sheet beside ours.
    pub style_sheet: Option<&'a str>,
    /// The picture above the page.
    pub logo: Option<&'a str>,
    /// The picture in tabs, with its media type.
    pub favicon: Option<(&'a str, &'a str)>,
    /// What a page of an error begins with.
    pub first_paragraph: Option<&'a str>,
}

/// Colours of a style sheet, as CSS writes them.
#[derive(Clone, Debug, Default)]
pub struct Colours {
    /// Ground of a button, the same under a pointer, and what stands on both.
    pub button: Option<[String; 3]>,
    /// A link's text.
    pub link: Option<String>,
    /// The ring around what has the focus.
    pub ring: Option<String>,
}

/// A style sheet that gives our own one these colours; `None` where there are none.
pub fn colours(dark: &Colours, light: &Colours) -> Option<String> {
    let mut sheet = String::new();
    for (colours, open, close) in [
        (dark, ":root{", "}\n"),
        // behind the dark ones, which come without asking, as in our own sheet
        (light, "@media (prefers-color-scheme:light){:root{", "}}\n"),
    ] {
        let rules = colours.rules();
        if !rules.is_empty() {
            let _infallible = write!(sheet, "{open}{rules}{close}");
        }
    }
    (!sheet.is_empty()).then_some(sheet)
}

impl Colours {
    fn rules(&self) -> String {
        let [button, lit, on] = match &self.button {
            Some(button) => button.each_ref().map(Some),
            None => [None; 3],
        };
        let named = [
            ("--torch", button),
            ("--torch-warm", lit),
            ("--on-torch", on),
            ("--link", self.link.as_ref()),
            ("--ring", self.ring.as_ref()),
        ];
        let given = named.into_iter().filter_map(|(name, colour)| Some((name, colour?)));
        given.map(|(name, colour)| format!("{name}:{colour};")).collect()
    }
}

/// A page of ours, as an operator wants it to look. Nothing that a visitor or an app says can look
/// like what is replaced: it stands in a page with its signs escaped, and behind it.
pub fn branded(page: &str, branding: Branding<'_>) -> String {
    let mut page = page.to_owned();
    let mut put = |ours: &str, theirs: &str| {
        if let Some(at) = page.find(ours) {
            page.replace_range(at..at + ours.len(), theirs);
        }
    };
    if let Some(sheet) = branding.style_sheet {
        let own = format!("<link rel=\"stylesheet\" href=\"{}\">", style_sheet());
        put(&own, &format!("{own}\n<link rel=\"stylesheet\" href=\"{}\">", escaped(sheet)));
    }
    if let Some((icon, media_type)) = branding.favicon {
        let (icon, media_type) = (escaped(icon), escaped(media_type));
        put(
            &format!("type=\"image/svg+xml\" href=\"{}\"", favicon()),
            &format!("type=\"{media_type}\" href=\"{icon}\""),
        );
    }
    if let Some(logo) = branding.logo {
        put(
            &format!("class=\"mark\" src=\"{}\" width=\"64\" height=\"48\"", lamp()),
            &format!("class=\"logo\" src=\"{}\"", escaped(logo)),
        );
    }
    if let Some(words) = branding.first_paragraph.filter(|_| page.contains(TORN)) {
        let mut put = |ours: &str, theirs: &str| {
            if let Some(at) = page.find(ours) {
                page.replace_range(at..at + ours.len(), theirs);
            }
        };
        put("</h1>\n", &format!("</h1>\n<p>{}</p>\n", escaped(words)));
    }
    page
}

/// What every page of an error has.
const TORN: &str = "<main class=\"seat torn\">";

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&#38;"),
            '<' => out.push_str("&#60;"),
            '>' => out.push_str("&#62;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Branding, Colours, branded, colours};
    use crate::{ErrorPage as _, Language, NotFound, Receipt};

    fn page(host: &str) -> String {
        NotFound {
            host,
            receipt: Receipt { request_id: "1", at_seconds: 0, language: Language::English },
        }
        .render()
    }

    #[test]
    fn a_page_looks_as_its_operator_wants_it_and_nobody_else() {
        let branding = Branding {
            style_sheet: Some("/a.css"),
            logo: Some("/logo.png"),
            favicon: Some(("/icon.png", "image/png")),
            first_paragraph: Some("Ask <b>Ann</b> & Ben."),
        };
        let page = page("</h1>\n<script>");
        let branded = branded(&page, branding);
        for part in [
            "<link rel=\"stylesheet\" href=\"/a.css\">",
            "<img class=\"logo\" src=\"/logo.png\" alt=\"\">",
            "type=\"image/png\" href=\"/icon.png\"",
            "</h1>\n<p>Ask &#60;b&#62;Ann&#60;/b&#62; &#38; Ben.</p>\n",
        ] {
            assert_eq!(branded.matches(part).count(), 1, "{part}: {branded}");
        }
        assert!(!branded.contains("<script>") && !branded.contains("class=\"mark\""), "{branded}");
        assert_eq!(super::branded(&page, Branding::default()), page);
    }

    #[test]
    fn colours_stand_where_ours_do() {
        let some = |colour: &str| Colours { ring: Some(colour.to_owned()), ..Colours::default() };
        assert_eq!(colours(&Colours::default(), &Colours::default()), None);
        assert_eq!(
            colours(&some("#111111"), &some("#222222")).unwrap(),
            ":root{--ring:#111111;}\n@media (prefers-color-scheme:light){:root{--ring:#222222;}}\n"
        );
    }
}
