use askama::Template;

use crate::{filters, language::Language, link::Link, qr, rendered};

/// How phones and computers come to trust the local authority.
#[derive(Clone, Debug, Template)]
#[template(path = "trust.html")]
pub struct Trust<'a> {
    /// The host that it signed for.
    pub host: &'a str,
    /// This page's own address, for a phone's camera.
    pub address: &'a str,
    /// SHA-256 of the authority's certificate.
    pub fingerprint: &'a str,
    /// The certificate as PEM.
    pub pem: Link<'a>,
    /// The certificate as DER, which Android opens.
    pub der: Link<'a>,
    /// A profile, which iPhones and iPads open.
    pub profile: Link<'a>,
}

impl Trust<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }

    /// The address as squares.
    fn code(&self) -> (String, usize) {
        qr::path(self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::Trust;
    use crate::{Language, Link};

    #[test]
    fn the_code_is_one_path_on_a_white_square() {
        let page = Trust {
            host: "nas.local",
            address: "https://nas.local/.pomerium/trust",
            fingerprint: "AA:BB",
            pem: Link::new("/a.pem"),
            der: Link::new("/a.crt"),
            profile: Link::new("/a.mobileconfig"),
        };
        let (path, size) = page.code();
        assert!(path.starts_with("M4 4h1v1h-1z"), "the corner of the first finder");
        assert_eq!(size, 29 + 8, "version 3 and its quiet zone");
        let html = page.render(Language::English);
        assert!(html.contains(&path) && html.contains("AA:BB"));
        let long = "x".repeat(5000);
        let page = Trust { address: &long, ..page };
        assert!(
            !page.render(Language::English).contains("<svg"),
            "no code rather than a wrong one"
        );
    }
}
