use http::HeaderValue;

/// The pairs of one `Cookie` field (RFC 6265 §4.2.1), `name=value` each, without the blanks around
/// them. Session cookies are long and come with every request, so `;` is looked for by the dozen.
pub fn cookie_pairs(field: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(field.as_bytes());
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (pair, after) = match memchr::memchr(b';', bytes) {
            Some(at) => (bytes.get(..at)?, bytes.get(at + 1..)),
            None => (bytes, None),
        };
        rest = after;
        Some(pair.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::cookie_pairs;

    #[test]
    fn pairs() {
        for (given, expected) in [
            ("a=1", &["a=1"][..]),
            ("a=1; b=2", &["a=1", "b=2"]),
            ("a=1;b=2 ;c", &["a=1", "b=2", "c"]),
            ("a=1;", &["a=1", ""]),
            (";", &["", ""]),
            ("", &[""]),
        ] {
            let field = HeaderValue::from_static(given);
            let found: Vec<_> = cookie_pairs(&field).collect();
            assert_eq!(found, expected.iter().map(|pair| pair.as_bytes()).collect::<Vec<_>>());
        }
    }
}
