use http::{HeaderMap, header::ORIGIN};

use crate::names::Origin;

/// A page of another site asked for something that only our own pages may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request comes from a page of another site")]
pub struct CrossSite;

/// Refuses what another site's page posts (CSRF).
///
/// `Sec-Fetch-Site` decides where a browser sends it (W3C Fetch Metadata); else `Origin`, which
/// every browser sends along a cross-site POST; a request with neither comes from no page. A
/// sibling domain (`same-site`) is another site here: apps live there.
///
/// # Errors
///
/// [`CrossSite`].
pub fn same_origin(fields: &HeaderMap, own: &Origin) -> Result<(), CrossSite> {
    let mut sites = fields.get_all("sec-fetch-site").iter();
    let same = match (sites.next(), sites.next()) {
        (Some(site), None) => site == "same-origin" || site == "none",
        (Some(_), Some(_)) => false,
        (None, _) => {
            let own = own.to_string();
            fields.get_all(ORIGIN).iter().all(|origin| origin.as_bytes() == own.as_bytes())
        }
    };
    if same { Ok(()) } else { Err(CrossSite) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::same_origin;
    use crate::names::Origin;

    /// T18.
    #[test]
    fn t18_who_may_post() {
        let own = Origin::parse("https://tv.example").unwrap();
        for (given, allowed, why) in [
            (&[][..], true, "no page at all: curl"),
            (&[("sec-fetch-site", "same-origin")], true, "our own page"),
            (&[("sec-fetch-site", "none")], true, "the person, by the address bar or a reload"),
            (&[("sec-fetch-site", "same-site")], false, "a sibling domain"),
            (&[("sec-fetch-site", "cross-site")], false, "another site"),
            (
                &[("sec-fetch-site", "cross-site"), ("origin", "https://tv.example")],
                false,
                "the browser knows better",
            ),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false, "both"),
            (&[("origin", "https://tv.example")], true, "an older browser, our page"),
            (&[("origin", "https://evil.example")], false, "an older browser, another page"),
            (&[("origin", "http://tv.example")], false, "another scheme"),
            (&[("origin", "https://tv.example:8443")], false, "another port"),
            (&[("origin", "null")], false, "a sandboxed frame"),
        ] {
            let fields: HeaderMap = given
                .iter()
                .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
                .fold(HeaderMap::new(), |mut map, (name, value)| {
                    map.append(name, value);
                    map
                });
            assert_eq!(same_origin(&fields, &own).is_ok(), allowed, "{why}");
        }
    }
}
