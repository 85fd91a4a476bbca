//! What clients of a Jellyfin send: nothing is read in two ways, and no spelling of a path opens
//! more than another.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use usher_rules::{
    jellyfin::{Credentials, Endpoint, credentials, endpoint, takes_sockets},
    names::{EscapedSlashes, RequestPath},
};

use super::text;

/// One that no input has.
const OTHER: &str = "ffffffffffffffffffffffffffffffffffffffff-other";

fn fields(lines: &[(HeaderName, &str)]) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(name, HeaderValue::from_str(value).ok()?);
    }
    Some(fields)
}

fn token(found: &Credentials) -> Option<&str> {
    found.token.as_ref().map(|token| token.expose())
}

/// A field: what it says, written anew, says the same; a second token beside it is refused.
pub fn credential_fields(input: &[u8]) {
    let Some(given) = text(input) else { return };
    for name in ["authorization", "x-emby-authorization", "x-emby-token", "x-mediabrowser-token"] {
        let name = HeaderName::from_static(name);
        let Some(sent) = fields(&[(name.clone(), given)]) else { return };
        let Ok(found) = credentials(&sent, None) else { continue };
        assert_ne!(token(&found), Some(""), "an empty one is none: {given}");
        if let Some(client) = &found.client {
            let written = client.authorization(found.token.as_ref());
            let Some(again) = fields(&[(header::AUTHORIZATION, &written)]) else { continue };
            let again = credentials(&again, None).expect("what we write can be read");
            let (one, other) = ((&found.client, &found.token), (&again.client, &again.token));
            assert_eq!(one, other, "{given}: {written}");
        }
        if found.token.is_some() {
            let query = format!("ApiKey={OTHER}");
            assert!(credentials(&sent, Some(&query)).is_err(), "two tokens: {given}");
            let twice = fields(&[(name.clone(), given), (name, given)]).expect("as before");
            assert!(credentials(&twice, None).is_err(), "one field twice: {given}");
        }
    }
}

/// A query: a token in it is the only one.
pub fn credential_query(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let none = HeaderMap::new();
    let Ok(found) = credentials(&none, Some(given)) else { return };
    let Some(found) = token(&found) else { return };
    for more in ["ApiKey", "apikey", "api_key", "API_KEY", "api%5Fkey"] {
        let two = format!("{given}&{more}={OTHER}");
        assert!(credentials(&none, Some(&two)).is_err(), "{found} and another: {two}");
    }
    let sent = fields(&[(HeaderName::from_static("x-emby-token"), OTHER)]).expect("a field");
    assert!(credentials(&sent, Some(given)).is_err(), "{found} and another in a field: {given}");
}

/// A path: in another case it is the same endpoint, and nothing in front of it opens it.
pub fn endpoints(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let given = given.split('?').next().unwrap_or_default();
    for slashes in [EscapedSlashes::Reject, EscapedSlashes::Keep, EscapedSlashes::Unescape] {
        let Ok(path) = RequestPath::parse_as(given, slashes) else { continue };
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            let found = endpoint(&method, &path, "");
            if matches!(found, Endpoint::Strangers(_)) {
                let decoded = path.decoded();
                assert!(decoded.bytes().all(|b| b.is_ascii_graphic()), "plainly written: {decoded}");
            }
            for other in [path.wire().to_ascii_uppercase(), path.wire().to_ascii_lowercase()] {
                let Ok(other) = RequestPath::parse_as(&other, slashes) else { continue };
                if other.other_readings().len() == path.other_readings().len() {
                    assert_eq!(endpoint(&method, &other, ""), found, "{method} {given}");
                }
                assert_eq!(takes_sockets(&other, ""), takes_sockets(&path, ""), "{given}");
            }
            for front in ["/emby", "/mediabrowser", "/other"] {
                let behind = format!("{front}{}", path.wire());
                let Ok(behind) = RequestPath::parse_as(&behind, slashes) else { continue };
                let other = endpoint(&method, &behind, "");
                assert!(other >= found, "{method} {given} behind {front}: {other:?}, not {found:?}");
            }
        }
    }
}
