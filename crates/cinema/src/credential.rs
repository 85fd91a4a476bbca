//! Where a token may stand in a request, and the grammar of the header that carries it.
//!
//! Six places, looked at in a fixed order; the first one that is not empty decides and nothing
//! falls back to a later one. Cookies, `Basic` and `Bearer` are never read.

use std::collections::HashMap;

use http::HeaderMap;

use crate::{
    options::JellyfinVersion,
    target::{Query, form_decode},
};

/// Whether places that Jellyfin calls legacy are read (`EnableLegacyAuthorization`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Legacy {
    Accepted,
    Refused,
}

/// What a request says about its client, none of it proven.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Claimed {
    pub client: String,
    pub device: String,
    pub device_id: String,
    pub version: String,
    /// The token that decides, from whichever place. Empty when there is none.
    pub token: String,
}

impl Claimed {
    /// Reads all six places.
    pub(crate) fn read(
        headers: &HeaderMap,
        query: &Query,
        version: JellyfinVersion,
        legacy: Legacy,
    ) -> Self {
        let mut fields = scheme_header(headers, version, legacy)
            .and_then(|value| header_fields(&value, legacy))
            .unwrap_or_default();
        let mut take = |key: &str| fields.remove(key).unwrap_or_default();
        let mut claimed = Self {
            client: take("Client"),
            device: take("Device"),
            device_id: take("DeviceId"),
            version: take("Version"),
            token: take("Token"),
        };
        let legacy_place = |value: Option<String>| match legacy {
            Legacy::Accepted => value,
            Legacy::Refused => None,
        };
        let places = [
            legacy_place(joined(headers, "x-emby-token")),
            legacy_place(joined(headers, "x-mediabrowser-token")),
            query.joined("ApiKey"),
            legacy_place(query.joined("api_key")),
        ];
        for place in places.into_iter().flatten() {
            if claimed.token.is_empty() {
                claimed.token = place;
            }
        }
        claimed
    }
}

/// The header whose grammar is [`header_fields`]. Only the first line of a repeated one counts.
///
/// 10.10 looks at `X-Emby-Authorization` first; later releases only where there is no
/// `Authorization` at all, so that `Basic` beside it hides the token.
fn scheme_header(headers: &HeaderMap, version: JellyfinVersion, legacy: Legacy) -> Option<String> {
    let first = |name: &str| {
        headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let emby = || match legacy {
        Legacy::Accepted => first("x-emby-authorization"),
        Legacy::Refused => None,
    };
    match version {
        JellyfinVersion::V10_10 => emby().or_else(|| first("authorization")),
        JellyfinVersion::V10_11 | JellyfinVersion::V12 => first("authorization").or_else(emby),
    }
}

/// A header that is given several times is joined by commas, which makes the token unknown.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Reads `MediaBrowser Key="value", …`, or `None` for another scheme.
///
/// The scheme ends at the first blank; a tab does not end it. Keys are trimmed and their case
/// counts; values lose their quotes but not their blanks, and are form-decoded. A key given twice:
/// the last one holds. There is no escape inside quotes.
pub(crate) fn header_fields(value: &str, legacy: Legacy) -> Option<HashMap<String, String>> {
    let (scheme, rest) = value.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("MediaBrowser")
        || (legacy == Legacy::Accepted && scheme.eq_ignore_ascii_case("Emby"));
    if !known {
        return None;
    }
    let mut fields = HashMap::new();
    let mut quoted = false;
    let (mut key, mut text) = (String::new(), String::new());
    let mut close = |key: &mut String, text: &mut String| {
        if !text.is_empty() {
            let value = form_decode(text.trim_matches('"'));
            fields.insert(std::mem::take(key), value);
            text.clear();
        }
    };
    for letter in rest.chars() {
        match letter {
            '=' if !quoted => {
                // An unquoted value with `=` in it becomes the next key, as on the real server.
                key = std::mem::take(&mut text).trim().to_owned();
            }
            ',' if !quoted => close(&mut key, &mut text),
            _ => {
                if letter == '"' {
                    quoted = !quoted;
                }
                text.push(letter);
            }
        }
    }
    close(&mut key, &mut text);
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_grammar() {
        for (given, expected, why) in [
            (r#"MediaBrowser Token="t""#, Some("t"), "the plain form"),
            (r#"mediabrowser Token="t""#, Some("t"), "the scheme's case does not count"),
            (r#"Emby Token="t""#, Some("t"), "the old scheme name"),
            (r#"Bearer t"#, None, "another scheme"),
            (r#"MediaBrowser"#, None, "no blank, no fields"),
            ("MediaBrowser\tToken=\"t\"", None, "a tab does not end the scheme"),
            ("MediaBrowser Token=t", Some("t"), "quotes are optional"),
            (r#"MediaBrowser token="t""#, None, "the key's case counts"),
            (r#"MediaBrowser Token = "t""#, Some(" \"t"), "blanks of the value stay"),
            (r#"MediaBrowser  Token="t""#, Some("t"), "blanks of the key go"),
            (r#"MediaBrowser Token="a", Token="t""#, Some("t"), "the last one holds"),
            (r#"MediaBrowser Device="a,b=c", Token="t""#, Some("t"), "quotes hide separators"),
            (r#"MediaBrowser Device="a\", Token="t""#, Some("t"), "a backslash escapes nothing"),
            ("MediaBrowser Token=a=b", None, "an unquoted `=` takes the value for a key"),
            (r#"MediaBrowser Token="a+b%20c""#, Some("a b c"), "form decoding"),
            (r#"MediaBrowser Token="a%zz""#, Some("a%zz"), "a broken escape stays"),
            (r#"MediaBrowser UserId="u", Token="t""#, Some("t"), "unknown keys are passed over"),
            (r#"MediaBrowser Token="""#, Some(""), "signed out: present and empty"),
            ("MediaBrowser Token=", None, "nothing at all after the sign"),
        ] {
            let token = header_fields(given, Legacy::Accepted).and_then(|mut f| f.remove("Token"));
            assert_eq!(token.as_deref(), expected, "{given:?}: {why}");
        }
        assert_eq!(header_fields(r#"Emby Token="t""#, Legacy::Refused), None, "legacy scheme");
    }

    #[test]
    fn order_of_places() {
        use JellyfinVersion::{V10_10, V10_11, V12};
        use Legacy::{Accepted, Refused};
        let a = ("authorization", r#"MediaBrowser Token="a""#);
        let basic = ("authorization", "Basic YTpi");
        let x = ("x-emby-authorization", r#"MediaBrowser Token="x""#);
        let (t, m) = (("x-emby-token", "t"), ("x-mediabrowser-token", "m"));
        for (headers, query, version, legacy, expected, why) in [
            (&[a, x][..], "", V10_11, Accepted, "a", "Authorization first"),
            (&[a, x], "", V10_10, Accepted, "x", "10.10 the other way round"),
            (&[x], "", V10_11, Accepted, "x", "alone it is read"),
            (&[x], "", V12, Refused, "", "legacy"),
            (&[basic, x], "", V10_11, Accepted, "", "hidden by any Authorization"),
            (&[basic, x], "", V10_10, Accepted, "x", "10.10 never looks at Basic"),
            (&[basic, t], "", V10_11, Accepted, "t", "the token header is not hidden"),
            (&[a, t], "ApiKey=k", V10_11, Accepted, "a", "the scheme header wins"),
            (&[m, t], "ApiKey=k", V10_11, Accepted, "t", "then X-Emby-Token"),
            (&[m], "ApiKey=k&api_key=l", V10_11, Accepted, "m", "then X-MediaBrowser-Token"),
            (&[], "api_key=l&apikey=k", V10_11, Accepted, "k", "then ApiKey, in any case"),
            (&[], "API_KEY=l", V10_11, Accepted, "l", "then api_key, in any case"),
            (&[], "API_KEY=l", V12, Refused, "", "legacy"),
            (&[t, m], "ApiKey=k", V12, Refused, "k", "what is left of them on 12"),
            (&[t, t], "", V10_11, Accepted, "t,t", "twice makes an unknown token"),
            (&[], "ApiKey=a&APIKEY=b", V10_11, Accepted, "a,b", "twice in the query too"),
            (&[a, a], "", V10_11, Accepted, "a", "of the scheme header the first line counts"),
            (&[("cookie", "ApiKey=c")], "", V10_11, Accepted, "", "cookies are never read"),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            let claimed = Claimed::read(&map, &Query::parse(query), version, legacy);
            assert_eq!(claimed.token, expected, "{headers:?} ?{query} {version:?}: {why}");
        }
    }
}
