//! Whose domain a name is in, by the Public Suffix List (publicsuffix.org).

/// The domain that somebody registered: `example.co.uk` for `tv.example.co.uk`, `ann.duckdns.org`
/// for itself. `None` for a public suffix, and for names under an end that the list does not know.
pub fn registrable_domain(host: &str) -> Option<&str> {
    let domain = psl::domain(host.as_bytes()).filter(|domain| domain.suffix().is_known())?;
    std::str::from_utf8(domain.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::registrable_domain;

    #[test]
    fn strangers_share_no_domain() {
        for (host, domain) in [
            ("tv.example.com", Some("example.com")),
            ("a.b.example.co.uk", Some("example.co.uk")),
            ("example.com", Some("example.com")),
            ("ann.duckdns.org", Some("ann.duckdns.org")),
            ("tv.ann.duckdns.org", Some("ann.duckdns.org")),
            ("duckdns.org", None),
            ("co.uk", None),
            ("com", None),
            ("localhost", None),
            ("nas.lan", None),
            ("", None),
        ] {
            assert_eq!(registrable_domain(host), domain, "{host}");
        }
    }
}
