//! The request target as the server behind reads it: decoded, dots removed, case ignored.

use crate::options::JellyfinVersion;

/// Path and query, ready to be compared with routes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Decoded segments, in the case they came in. `//` leaves an empty one, which no route has.
    pub segments: Vec<String>,
    /// Whether the path ended with a slash; routes do not care, static files do.
    pub trailing_slash: bool,
    pub query: Query,
}

impl Target {
    pub(crate) fn parse(path: &str, query: &str, version: JellyfinVersion) -> Self {
        let mut segments: Vec<String> = Vec::new();
        let mut parts: Vec<String> =
            path.strip_prefix('/').unwrap_or(path).split('/').map(path_decode).collect();
        let trailing_slash = parts.last().is_some_and(String::is_empty);
        if trailing_slash {
            parts.pop();
        }
        for part in parts {
            match part.as_str() {
                "." => {}
                ".." => {
                    segments.pop();
                }
                _ => segments.push(part),
            }
        }
        let prefixed = matches!(version, JellyfinVersion::V10_10 | JellyfinVersion::V10_11)
            && segments.first().is_some_and(|first| {
                first.eq_ignore_ascii_case("emby") || first.eq_ignore_ascii_case("mediabrowser")
            });
        if prefixed {
            segments.remove(0); // once: `/emby/emby/…` is not a route
        }
        Self { segments, trailing_slash, query: Query::parse(query) }
    }
}

/// Query parameters, whose names are compared without regard to case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decode(name), form_decode(value))
        });
        Self(pairs.collect())
    }

    /// The value of the first parameter of this name.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// All values of this name, joined by commas as the server behind joins them.
    pub(crate) fn joined(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .0
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// A switch such as `static=true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.first(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The query with the decoding step that comes after authentication: one name without a value
    /// that holds a `=` once decoded (`?ApiKey%3D…`) is parsed again.
    pub(crate) fn decoded_whole(&self) -> Option<Self> {
        match self.0.as_slice() {
            [(name, value)] if value.is_empty() && name.contains('=') => Some(Self::parse(name)),
            _ => None,
        }
    }
}

/// Percent-decoding of one path segment, in which an encoded slash stays encoded.
fn path_decode(segment: &str) -> String {
    decode(segment.bytes(), |byte| byte != b'/')
}

/// `application/x-www-form-urlencoded` decoding: `+` is a blank, a broken escape stays as it is.
pub(crate) fn form_decode(text: &str) -> String {
    decode(text.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }), |_| true)
}

fn decode(bytes: impl Iterator<Item = u8>, may_decode: impl Fn(u8) -> bool) -> String {
    let bytes: Vec<u8> = bytes.collect();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        let escape = match (byte, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| h * 16 + l),
            _ => None,
        };
        match escape.filter(|byte| may_decode(*byte)) {
            Some(byte) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// A GUID in any of the spellings that are accepted, as 32 lower-case hex digits.
pub(crate) fn guid(text: &str) -> Option<String> {
    uuid::Uuid::try_parse(text).ok().map(|id| id.simple().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        use JellyfinVersion::{V10_11, V12};
        for (given, version, expected, why) in [
            ("/Users/Me", V10_11, &["Users", "Me"][..], "as it stands"),
            ("/Users/Me/", V10_11, &["Users", "Me"], "a trailing slash does not count"),
            ("/Users/%4De", V10_11, &["Users", "Me"], "escapes are read"),
            ("/Users%2FMe", V10_11, &["Users%2FMe"], "but not an encoded slash"),
            ("/web/../Users/Me", V10_11, &["Users", "Me"], "dots are walked"),
            ("/web/%2e%2e/Users/Me", V10_11, &["Users", "Me"], "encoded ones too"),
            ("/./Users/Me", V10_11, &["Users", "Me"], "here is here"),
            ("//Users/Me", V10_11, &["", "Users", "Me"], "an empty segment stays"),
            ("/Users//Me", V10_11, &["Users", "", "Me"], "in the middle too"),
            ("/emby/Users/Me", V10_11, &["Users", "Me"], "the old prefix"),
            ("/MEDIABROWSER/users/me", V10_11, &["users", "me"], "in any case"),
            ("/emby/emby/Users/Me", V10_11, &["emby", "Users", "Me"], "once"),
            ("/emby/Users/Me", V12, &["emby", "Users", "Me"], "not on 12"),
            ("/", V10_11, &[], "the root"),
        ] {
            assert_eq!(Target::parse(given, "", version).segments, expected, "{given}: {why}");
        }
    }

    #[test]
    fn whole_query_encoded() {
        let again = |text| Query::parse(text).decoded_whole();
        assert_eq!(again("a%3Db%26c%3Dd"), Some(Query::parse("a=b&c=d")));
        assert_eq!(again("a=b"), None, "an ordinary query");
        assert_eq!(again("a%3Db&c"), None, "two names");
    }
}
