use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{foreign, spelling};
use crate::app_passwords::AppPassword;

/// What upstream is told about the visitor. Anything of this prefix that the client sent is a
/// forgery, whether or not the route passes identity.
const IDENTITY_PREFIX: &str = "x-pomerium-";

/// Fields that say where a message ends, whose it is or which it is: another spelling of them is
/// never an app's own. `Proxy` is an app's own outbound proxy to CGI (httpoxy, CVE-2016-5385).
const NEVER_SPELT: &[&str] = &[
    "content-length",
    "content-type",
    "transfer-encoding",
    "proxy-authorization",
    "x-request-id",
    "if-match",
    "user-agent",
];

/// What of the client's own fields a route lets through, and what the config itself says.
#[derive(Clone, Copy, Debug)]
pub struct Owned<'a> {
    /// `jwt_claims_headers`.
    pub claim_fields: &'a [(HeaderName, Box<str>)],
    /// Names that the route sets or removes (`set_request_headers`, `remove_request_headers`).
    pub by_route: &'a [HeaderName],
    /// Identity fields of other proxies that the route lets through
    /// (`allow_client_identity_headers`).
    pub let_through: &'a [HeaderName],
}

/// Removes what only the proxy may say, in every spelling that CGI, WSGI and FastCGI make equal:
/// the whole `x-pomerium-` namespace, the configured claim fields, what the route sets or removes,
/// and the identity fields of other proxies (`pomerium-measured.md` §1.2, spoofing).
pub fn remove_identity(fields: &mut HeaderMap, owned: Owned<'_>) {
    let forged: Vec<HeaderName> =
        fields.keys().filter(|name| is_forged(name.as_str(), owned)).cloned().collect();
    for name in forged {
        fields.remove(name);
    }
}

pub(super) fn is_forged(name: &str, owned: Owned<'_>) -> bool {
    // A gateway's own name for a field (RFC 3875 §4.1.18), sent as one.
    let as_variable = spelling::begins(name, "http-").then(|| name.get("http-".len()..)).flatten();
    is_forged_name(name, owned) || as_variable.is_some_and(|name| is_forged_name(name, owned))
}

/// Removes every field with `_` in its name (`headers_with_underscores_action: drop_header`).
pub fn remove_underscores(fields: &mut HeaderMap) {
    let names: Vec<HeaderName> =
        fields.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in names {
        fields.remove(name);
    }
}

fn is_forged_name(name: &str, owned: Owned<'_>) -> bool {
    is_identity(name, owned.claim_fields)
        || name == "proxy"
        || owned.by_route.iter().any(|own| spelling::is_same(own.as_str(), name))
        || !spelling::is_plain(name) && NEVER_SPELT.iter().any(|own| spelling::is_same(own, name))
        || foreign::is_identity(name) && !owned.let_through.iter().any(|open| open.as_str() == name)
}

pub(super) fn is_identity(name: &str, claim_fields: &[(HeaderName, Box<str>)]) -> bool {
    spelling::begins(name, IDENTITY_PREFIX)
        || claim_fields.iter().any(|(ours, _)| spelling::is_same(ours.as_str(), name))
}

const POMERIUM_AUTHORIZATION: &str = "x-pomerium-authorization";

/// Removes the visitor's credentials for this proxy, so that no upstream can replay them on
/// another route (`pomerium-protocols.md` §4.4): `Authorization: Pomerium …`,
/// `Bearer Pomerium-…` and `X-Pomerium-Authorization`. Other credentials are the app's own.
pub fn remove_credentials(fields: &mut HeaderMap) {
    if fields.get_all(header::AUTHORIZATION).iter().any(is_ours) {
        fields.remove(header::AUTHORIZATION);
    }
}

/// Does a request name a token for this proxy in a field? No browser does so by itself: whoever asks
/// is a program, and no page to sign in on helps it.
pub fn brings_credentials(fields: &HeaderMap) -> bool {
    fields.contains_key(POMERIUM_AUTHORIZATION)
        || fields.get_all(header::AUTHORIZATION).iter().any(is_ours)
}

/// Every token in `Authorization: Bearer` that is not ours (RFC 6750 §2.1).
pub fn bearer_tokens(fields: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = fields.get_all(header::AUTHORIZATION).iter().filter(|value| !is_ours(value));
    values.filter_map(|value| {
        let (scheme, token) = scheme_and_rest(value)?;
        scheme.eq_ignore_ascii_case(b"bearer").then_some(token)
    })
}

/// Removes tokens that were taken for a session: an upstream could bring them to another route.
pub fn remove_bearer_tokens(fields: &mut HeaderMap) {
    if bearer_tokens(fields).next().is_some() {
        fields.remove(header::AUTHORIZATION);
    }
}

/// RFC 9110 §11.6.2; spaces around are nobody's.
fn scheme_and_rest(value: &HeaderValue) -> Option<(&[u8], &[u8])> {
    let value = value.as_bytes().trim_ascii();
    let end = value.iter().position(u8::is_ascii_whitespace)?;
    let (scheme, rest) = value.split_at_checked(end)?;
    Some((scheme, rest.trim_ascii_start()))
}

/// Every app password of ours in `Authorization: Basic` (RFC 7617 §2), whatever the name beside it.
pub fn app_passwords(fields: &HeaderMap) -> impl Iterator<Item = String> {
    let values = fields.get_all(header::AUTHORIZATION).iter();
    values.filter_map(|value| app_password(scheme_and_rest(value)?))
}

fn app_password((scheme, rest): (&[u8], &[u8])) -> Option<String> {
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(rest).ok()?;
    let (_, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    AppPassword::is_one(password).then(|| password.to_owned())
}

fn is_ours(value: &HeaderValue) -> bool {
    let Some((scheme, token)) = scheme_and_rest(value) else { return false };
    if app_password((scheme, token)).is_some() {
        return true;
    }
    let token = token.get(..b"pomerium-".len()).unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"pomerium")
        || scheme.eq_ignore_ascii_case(b"bearer") && token.eq_ignore_ascii_case(b"pomerium-")
}

/// The query without `pomerium_session`, which would hand the session to the app and its logs.
/// The other pairs keep their bytes.
pub fn remove_query_session(query: &str) -> Cow<'_, str> {
    if !query.contains("pomerium_session") && !query.contains('%') {
        return Cow::Borrowed(query);
    }
    let is_session = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default(); // a `+` is a space: of another name
        percent_encoding::percent_decode_str(name).decode_utf8_lossy() == "pomerium_session"
    };
    if !query.split('&').any(|pair| is_session(&pair)) {
        return Cow::Borrowed(query);
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_session(pair)).collect();
    Cow::Owned(kept.join("&"))
}

/// Takes a session out of the address that a page was linked from, which a browser repeats with
/// everything that the page loads. One that comes twice, or is no URI, is nobody's page.
pub fn clean_referer(fields: &mut HeaderMap) {
    let mut lines = fields.get_all(header::REFERER).into_iter();
    let first = lines.next().map(HeaderValue::to_str);
    if lines.next().is_some() || matches!(first, Some(Err(_))) {
        fields.remove(header::REFERER);
        return;
    }
    let cleaned = first.and_then(|referer| {
        let (page, query) = referer.ok()?.split_once('?')?;
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
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Owned, clean_referer, remove_credentials, remove_identity, remove_query_session};

    fn with(name: &str, value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        map
    }

    #[test]
    fn a_session_leaves_in_no_form_of_referer() {
        let cleaned = |lines: &[&[u8]]| {
            let mut map = HeaderMap::new();
            for line in lines {
                map.append("referer", HeaderValue::from_bytes(line).unwrap());
            }
            clean_referer(&mut map);
            map.remove("referer").map(|left| left.to_str().unwrap().to_owned())
        };
        let session: &[u8] = b"https://tv.test/?pomerium_session=x&a=1";
        assert_eq!(cleaned(&[session]).as_deref(), Some("https://tv.test/?a=1"));
        assert_eq!(cleaned(&[b"https://tv.test/?a=1"]).as_deref(), Some("https://tv.test/?a=1"));
        assert_eq!(cleaned(&[b"https://tv.test/", session]), None, "a second line");
        assert_eq!(cleaned(&[b"https://tv.test/\xe9?pomerium_session=x"]), None, "no URI");
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
            ("x.pomerium.jwt.assertion", true),
            ("x.email", true),
            ("X_Auth_User", true),
            ("X-Auth.Team", true),
            ("X_Internal", true),
            ("X-Internal", true),
            ("Content_Length", true),
            ("Proxy", true),
            ("Remote-User", true),
            ("X-WebAuth-User", false),
            ("X_WebAuth_User", true),
            ("x_custom", false),
            ("HTTP_X_EMAIL", true),
            ("http-remote-user", true),
            ("HTTP_PROXY", true),
            ("http-date", false),
        ] {
            let mut fields = with(name, "boss");
            let owned = Owned {
                claim_fields: &claims,
                by_route: &["x-auth-team", "x-auth-user", "x-internal"]
                    .map(HeaderName::from_static),
                let_through: &[HeaderName::from_static("x-webauth-user")],
            };
            remove_identity(&mut fields, owned);
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
            ("Bearer  Pomerium-abc", true),
            ("Bearer\tPomerium-abc", true),
            ("Pomerium\tabc", true),
            ("Pomerium-abc", false),
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

    #[test]
    fn t8_a_session_in_referer_does_not_reach_the_app() {
        for (given, expected) in [
            ("https://tv.example/x?a=1&pomerium_session=s", "https://tv.example/x?a=1"),
            ("https://tv.example/x?a=%20", "https://tv.example/x?a=%20"),
            ("https://tv.example/pomerium_session=s", "https://tv.example/pomerium_session=s"),
        ] {
            let mut fields = with("referer", given);
            clean_referer(&mut fields);
            assert_eq!(fields["referer"], expected);
        }
    }
}
