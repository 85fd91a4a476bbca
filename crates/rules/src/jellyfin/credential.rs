use http::{HeaderMap, HeaderName, header};

use super::{
    ambiguity::Ambiguity,
    authorization::{self, Client},
    query::pairs,
    token::Token,
};

/// What a request brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Its token, in whichever of the six places.
    pub token: Option<Token>,
    /// What the client says of itself.
    pub client: Option<Client>,
    /// Does any of it stand where servers of version 12 don't look?
    pub is_legacy: bool,
}

const EMBY_AUTHORIZATION: HeaderName = HeaderName::from_static("x-emby-authorization");
const EMBY_TOKEN: HeaderName = HeaderName::from_static("x-emby-token");
const MEDIABROWSER_TOKEN: HeaderName = HeaderName::from_static("x-mediabrowser-token");

/// Parameters that decide something: none of them counts twice.
const DECISIVE: [&str; 5] = ["apikey", "api_key", "secret", "code", "static"];

/// Looks into all six places. The first that is not empty decides at the server, in an order that
/// its version makes; so they have to agree.
///
/// # Errors
///
/// [`Ambiguity`]; the answer is 400.
pub fn credentials(fields: &HeaderMap, query: Option<&str>) -> Result<Credentials, Ambiguity> {
    let mut found = Credentials::default();
    for (name, is_always_legacy) in [(header::AUTHORIZATION, false), (EMBY_AUTHORIZATION, true)] {
        let Some(value) = one(fields, &name)? else { continue };
        let Some(parts) = authorization::read(value)? else { continue };
        let old_scheme = value.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("Emby "));
        found.is_legacy |= is_always_legacy || old_scheme;
        found.client.get_or_insert(parts.client);
        found.take(parts.token)?;
    }
    for name in [EMBY_TOKEN, MEDIABROWSER_TOKEN] {
        let Some(value) = one(fields, &name)? else { continue };
        found.is_legacy |= !value.is_empty();
        found.take(Some(Token::new(value)))?;
    }
    found.read_query(query.unwrap_or_default())?;
    Ok(found)
}

impl Credentials {
    fn take(&mut self, token: Option<Token>) -> Result<(), Ambiguity> {
        let Some(token) = token.filter(|token| !token.expose().is_empty()) else { return Ok(()) };
        match &self.token {
            Some(before) if *before != token => Err(Ambiguity::TwoTokens),
            _ => {
                self.token = Some(token);
                Ok(())
            }
        }
    }

    fn read_query(&mut self, query: &str) -> Result<(), Ambiguity> {
        let mut seen = [false; DECISIVE.len()];
        for (name, value) in pairs(query) {
            if name.contains('=') {
                return Err(Ambiguity::EscapedQuery);
            }
            let decisive = DECISIVE.iter().zip(&mut seen);
            let mut decisive = decisive.filter(|(it, _)| it.eq_ignore_ascii_case(&name));
            let Some((name, seen)) = decisive.next() else { continue };
            if std::mem::replace(seen, true) {
                return Err(Ambiguity::RepeatedParameter);
            }
            if matches!(*name, "apikey" | "api_key") {
                self.is_legacy |= *name == "api_key";
                self.take(Some(Token::new(value)))?;
            }
        }
        Ok(())
    }
}

/// The one value of a field.
fn one<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Ambiguity> {
    let mut values = fields.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Ambiguity::RepeatedField);
    }
    std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| Ambiguity::NoText)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Ambiguity::*, credentials};

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn a_token_is_found_in_each_of_six_places() {
        const ONE: &str = "MediaBrowser Token=\"a\"";
        for (lines, query, legacy) in [
            (&[("authorization", ONE)][..], "", false),
            (&[("authorization", "Emby Token=\"a\"")], "", true),
            (&[("x-emby-authorization", ONE)], "", true),
            (&[("x-emby-token", "a")], "", true),
            (&[("x-mediabrowser-token", "a")], "", true),
            (&[], "ApiKey=a", false),
            (&[], "x=1&API%4Bey=%61", false),
            (&[], "Api_Key=a", true),
            (&[("authorization", "Basic abc")], "apikey=a", false),
            (&[("authorization", ONE), ("x-emby-token", "a")], "api_key=a", true),
            (&[("authorization", "MediaBrowser Token=\"\"")], "apikey=a", false),
        ] {
            let found = credentials(&fields(lines), Some(query)).unwrap();
            assert_eq!(found.token.as_ref().map(|it| it.expose()), Some("a"), "{lines:?} {query}");
            assert_eq!(found.is_legacy, legacy, "{lines:?} {query}");
        }
    }

    #[test]
    fn what_servers_read_in_two_ways_is_refused() {
        const A: &str = "MediaBrowser Token=\"a\"";
        for (lines, query, expected) in [
            (&[("authorization", A), ("x-emby-token", "b")][..], "", TwoTokens),
            (&[("authorization", A)], "ApiKey=b", TwoTokens),
            (&[], "ApiKey=a&api_key=b", TwoTokens),
            (&[("authorization", A), ("authorization", A)], "", RepeatedField),
            (&[("x-emby-token", "a"), ("x-emby-token", "a")], "", RepeatedField),
            (&[], "ApiKey=a&apikey=a", RepeatedParameter),
            (&[], "static=true&Static=false", RepeatedParameter),
            (&[], "secret=a&SECRET=b", RepeatedParameter),
            (&[], "api_key%3Da%26static%3Dtrue", EscapedQuery),
            (&[], "x=1&api_key%3da", EscapedQuery),
        ] {
            assert_eq!(
                credentials(&fields(lines), Some(query)),
                Err(expected),
                "{lines:?} {query}"
            );
        }
        let mut odd = HeaderMap::new();
        odd.insert("x-emby-token", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(credentials(&odd, None), Err(NoText));
    }
}
