//! `MediaBrowser Client="…", Device="…", DeviceId="…", Version="…", Token="…"`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{ambiguity::Ambiguity, query::decoded, token::Token};

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its app: `Jellyfin for Android TV`.
    pub name: Box<str>,
    /// The device, as its owner calls it. Any request may change it at the server: it proves nothing.
    pub device: Box<str>,
    /// Its own id of the device. It proves nothing either.
    pub device_id: Box<str>,
    /// The app's version.
    pub version: Box<str>,
}

impl Client {
    /// A value of `Authorization` that says this, and the token, in the form that every server
    /// reads.
    pub fn authorization(&self, token: Option<&Token>) -> String {
        let Self { name, device, device_id, version } = self;
        let parts = [
            ("Client", &**name),
            ("Device", device),
            ("DeviceId", device_id),
            ("Version", version),
            ("Token", token.map_or("", Token::expose)),
        ];
        let said = parts.into_iter().filter(|(_, value)| !value.is_empty());
        let said = said.map(|(key, value)| {
            format!("{key}=\"{}\"", utf8_percent_encode(value, NON_ALPHANUMERIC))
        });
        format!("MediaBrowser {}", said.collect::<Vec<_>>().join(", "))
    }
}

/// One value of `Authorization` or `X-Emby-Authorization`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub client: Client,
    pub token: Option<Token>,
}

/// Reads one; `None` where its scheme is another's.
///
/// The grammar is the server's own (no RFC's): a quotation mark opens or closes, and nothing
/// escapes one; `=` ends a key and `,` a pair outside of quotes; keys have case.
///
/// # Errors
///
/// Two tokens.
pub(super) fn read(value: &str) -> Result<Option<Parts>, Ambiguity> {
    let Some((scheme, rest)) = value.split_once(' ') else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("MediaBrowser") && !scheme.eq_ignore_ascii_case("Emby") {
        return Ok(None);
    }
    let mut parts = Parts::default();
    for (key, value) in pairs(rest) {
        let value = decoded(value.trim_matches('"'));
        match key {
            "Client" => parts.client.name = value.into(),
            "Device" => parts.client.device = value.into(),
            "DeviceId" => parts.client.device_id = value.into(),
            "Version" => parts.client.version = value.into(),
            // The last one counts, even where it is empty.
            "Token" if parts.token.as_ref().is_some_and(|token| token.expose() != value) => {
                return Err(Ambiguity::TwoTokens);
            }
            "Token" => parts.token = Some(Token::new(value)).filter(|it| !it.expose().is_empty()),
            _ => {}
        }
    }
    Ok(Some(parts))
}

/// Keys, trimmed, and values as they are written, quotation marks included.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    let (mut pairs, mut key, mut start, mut quoted) = (Vec::new(), "", 0, false);
    let part = |start: usize, end: usize| text.get(start..end).unwrap_or_default();
    let octets = text.as_bytes();
    for at in memchr::memchr3_iter(b'"', b',', b'=', octets) {
        match octets.get(at) {
            Some(b'"') => quoted = !quoted,
            Some(b',') if !quoted => {
                if start < at {
                    pairs.push((key, part(start, at)));
                    key = "";
                }
                start = at + 1;
            }
            Some(b'=') if !quoted => {
                key = part(start, at).trim();
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < text.len() {
        pairs.push((key, part(start, text.len())));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Ambiguity::TwoTokens, Client, Token, read};

    proptest! {
        /// Whatever stands in it, and what we write is read as it was meant.
        #[test]
        fn what_is_written_is_read(parts in proptest::array::uniform4(".*"), token in ".+") {
            let [name, device, device_id, version] = parts.map(String::into_boxed_str);
            let client = Client { name, device, device_id, version };
            let token = Token::new(token);
            let found = read(&client.authorization(Some(&token))).unwrap().unwrap();
            prop_assert_eq!(found.client, client);
            prop_assert_eq!(found.token, Some(token));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "(MediaBrowser )?[A-Za-z=,\" %+é]*") {
            let _ = read(&text);
        }
    }

    #[test]
    fn tokens_are_read_as_the_server_reads_them() {
        for (given, expected, why) in [
            (r#"MediaBrowser Token="abc""#, Ok(Some("abc")), "as clients write it"),
            (r#"mediabrowser Token="abc""#, Ok(Some("abc")), "schemes have no case"),
            (r#"Emby Token="abc""#, Ok(Some("abc")), "the old scheme"),
            ("MediaBrowser\tToken=\"abc\"", Ok(None), "a tab is no blank"),
            (r#"Bearer Token="abc""#, Ok(None), "another scheme"),
            ("MediaBrowser", Ok(None), "a scheme alone"),
            ("MediaBrowser Token=abc", Ok(Some("abc")), "without quotes"),
            (r#"MediaBrowser Token = "abc""#, Ok(Some(" \"abc")), "blanks stay, as does a quote"),
            (r#"MediaBrowser token="abc""#, Ok(None), "keys have case"),
            (r#"MediaBrowser  Token="abc""#, Ok(Some("abc")), "blanks before a key go"),
            (r#"MediaBrowser Token="""#, Ok(None), "none"),
            (r#"MediaBrowser Device="a, Token=x", Token="abc""#, Ok(Some("abc")), "quoted"),
            (r#"MediaBrowser Device="a\", Token="abc""#, Ok(Some("abc")), "nothing escapes"),
            (r#"MediaBrowser Token="a%62c""#, Ok(Some("abc")), "decoded"),
            (r#"MediaBrowser Token="a+c""#, Ok(Some("a c")), "as forms are"),
            (r#"MediaBrowser Token="a", Token="b""#, Err(TwoTokens), "the last one counts there"),
            (r#"MediaBrowser Token="a", Token="""#, Err(TwoTokens), "even an empty one"),
            (r#"MediaBrowser Token="a", Token="a""#, Ok(Some("a")), "the same twice"),
        ] {
            let found = read(given).map(|parts| parts.and_then(|parts| parts.token));
            let found = found.as_ref().map(|token| token.as_ref().map(|token| token.expose()));
            assert_eq!(found, expected.as_ref().copied(), "{given}: {why}");
        }
    }

    #[test]
    fn a_client_says_what_it_is() {
        let given = r#"MediaBrowser UserId="x", Client="Jellyfin%20Web", Device=SHIELD, DeviceId="1,2", Version="10.11.0""#;
        let client = read(given).unwrap().unwrap().client;
        let said = [&client.name, &client.device, &client.device_id, &client.version];
        assert_eq!(said.map(|it| &**it), ["Jellyfin Web", "SHIELD", "1,2", "10.11.0"]);
    }
}
