use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What upstream is told about the visitor. Anything of this prefix that the client sent is a
/// forgery, whether or not the route passes identity.
const IDENTITY_PREFIX: &str = "x-pomerium-";

/// Removes what only the proxy may say, in every spelling: the whole `x-pomerium-` namespace and
/// the configured claim fields, with `_` read as `-`, as CGI, WSGI and many servers do
/// (`pomerium-measured.md` §1.2, spoofing).
pub fn remove_identity(fields: &mut HeaderMap, claim_fields: &[(HeaderName, Box<str>)]) {
    let forged: Vec<HeaderName> =
        fields.keys().filter(|name| is_identity(name.as_str(), claim_fields)).cloned().collect();
    for name in forged {
        fields.remove(name);
    }
}

fn is_identity(name: &str, claim_fields: &[(HeaderName, Box<str>)]) -> bool {
    let could_be_ours =
        name.as_bytes().first() == Some(&b'x') && name.len() > IDENTITY_PREFIX.len();
    (could_be_ours
        && same_spelling(name.as_bytes().iter().take(IDENTITY_PREFIX.len()), IDENTITY_PREFIX))
        || claim_fields.iter().any(|(ours, _)| {
            ours.as_str().len() == name.len()
                && same_spelling(name.as_bytes().iter(), ours.as_str())
        })
}

/// Equal when `_` counts as `-` on both sides. Names in a `HeaderMap` are lower case.
fn same_spelling<'a>(name: impl Iterator<Item = &'a u8>, ours: &str) -> bool {
    let fold = |b: &u8| if *b == b'_' { b'-' } else { *b };
    name.map(fold).eq(ours.as_bytes().iter().map(fold))
}

/// Removes the visitor's credentials for this proxy, so that no upstream can replay them on
/// another route (`pomerium-protocols.md` §4.4): `Authorization: Pomerium …`,
/// `Bearer Pomerium-…` and `X-Pomerium-Authorization`. Other credentials are the app's own.
pub fn remove_credentials(fields: &mut HeaderMap) {
    if fields.get_all(header::AUTHORIZATION).iter().any(is_ours) {
        fields.remove(header::AUTHORIZATION);
    }
}

fn is_ours(value: &HeaderValue) -> bool {
    let value = value.as_bytes().trim_ascii_start();
    [&b"pomerium "[..], b"bearer pomerium-"]
        .iter()
        .any(|ours| value.get(..ours.len()).is_some_and(|start| start.eq_ignore_ascii_case(ours)))
}

/// The query without `pomerium_session`, which would hand the session to the app and its logs.
/// The other pairs keep their bytes.
pub fn remove_query_session(query: &str) -> Cow<'_, str> {
    if !query.contains("pomerium_session") && !query.contains('%') {
        return Cow::Borrowed(query);
    }
    let is_session = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
        percent_encoding::percent_decode_str(&name).decode_utf8_lossy() == "pomerium_session"
    };
    if !query.split('&').any(|pair| is_session(&pair)) {
        return Cow::Borrowed(query);
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_session(pair)).collect();
    Cow::Owned(kept.join("&"))
}

/// Takes a session out of the address that a page was linked from, which a browser repeats with
/// everything that the page loads.
pub fn clean_referer(fields: &mut HeaderMap) {
    let cleaned = fields.get(header::REFERER).and_then(|referer| {
        let (page, query) = referer.to_str().ok()?.split_once('?')?;
        match remove_query_session(query) {
            Cow::Owned(query) => HeaderValue::try_from(format!("{page}?{query}")).ok(),
            Cow::Borrowed(_) => None,
        }
    });
    if let Some(cleaned) = cleaned {
        fields.insert(header::REFERER, cleaned);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::{remove_credentials, remove_identity, remove_query_session};

    fn with(name: &str, value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        map
    }

    #[test]
    fn forged_identity_goes_in_every_spelling() {
        let claims = [(HeaderName::from_static("x-email"), "email".into())];
        for (name, goes) in [
            ("X-Pomerium-Jwt-Assertion", true),
            ("x_pomerium_jwt_assertion", true),
            ("X-Pomerium_Claim-Email", true),
            ("x-pomerium-jwt-assertion-for", true),
            ("X-Pomerium-Anything", true),
            ("X-Email", true),
            ("x_email", true),
            ("x-email-2", false),
            ("x-pomeriu", false),
            ("x-emby-token", false),
        ] {
            let mut fields = with(name, "boss");
            remove_identity(&mut fields, &claims);
            assert_eq!(fields.is_empty(), goes, "{name}");
        }
    }

    #[test]
    fn t8_credentials_for_us_do_not_reach_the_app() {
        for (value, goes) in [
            ("Pomerium abc", true),
            ("pomerium abc", true),
            ("Bearer Pomerium-abc", true),
            ("bearer pomerium-abc", true),
            ("Bearer abc", false),
            ("MediaBrowser Token=\"abc\"", false),
            ("Pomeriumx abc", false),
        ] {
            let mut fields = with("authorization", value);
            remove_credentials(&mut fields);
            assert_eq!(fields.is_empty(), goes, "{value}");
        }
    }

    #[test]
    fn t8_session_in_the_query_does_not_reach_the_app() {
        for (given, expected) in [
            ("a=1&b=2", "a=1&b=2"),
            ("pomerium_session=x", ""),
            ("a=%20&pomerium_session=x&b=;c", "a=%20&b=;c"),
            ("pomerium%5Fsession=x&a", "a"),
            ("my_pomerium_session=x", "my_pomerium_session=x"),
        ] {
            assert_eq!(remove_query_session(given), expected, "{given}");
        }
    }
}
