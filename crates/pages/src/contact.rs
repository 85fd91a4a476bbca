use crate::link::Link;

/// Whom to ask: what the operator wrote, and where a click on it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact<'a>(pub &'a str);

impl Contact<'_> {
    /// The words.
    pub const fn words(&self) -> &str {
        self.0
    }

    /// `https:` for an address of the web, `mailto:` for one of e-mail; `None` for words.
    pub fn address(&self) -> Option<String> {
        // What no URL holds as it stands (RFC 3986 §2) is no address.
        let is_url = !self.0.contains(['"', '\'', '<', '>', '`']);
        let web = self.0.starts_with("https://") && is_url;
        let web = web && Link::new(self.0).as_str() == self.0;
        if web {
            return Some(self.0.to_owned());
        }
        let (local, domain) = self.0.split_once('@')?;
        // No `?` and no `%`: the address must not set a subject or a body (RFC 6068 §2).
        let part = |text: &str, signs: &[u8]| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || signs.contains(&b);
            !text.is_empty() && text.bytes().all(plain)
        };
        (part(local, b".+-_") && part(domain, b".-")).then(|| format!("mailto:{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Contact;

    #[test]
    fn address() {
        for (words, address) in [
            ("ann@example.com", Some("mailto:ann@example.com")),
            ("https://example.com/help", Some("https://example.com/help")),
            ("Ask Ann, extension 12", None),
            ("javascript:alert(1)//@a", None),
            ("http://example.com/", None),
            ("https://example.com/ or so", None),
            ("ann@example.com?body=x", None),
            ("ann@", None),
            ("", None),
        ] {
            assert_eq!(Contact(words).address().as_deref(), address, "{words:?}");
        }
    }
}
