use base64::{Engine, prelude::BASE64_STANDARD};

use super::authorize::client_of;
use crate::{
    plan::{OpenIdClient, Scopes},
    signin::Params,
};

/// What an app asks of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// To redeem a code (RFC 6749 §4.1.3).
    Code {
        /// The code.
        code: &'a str,
        /// As in the request.
        redirect_uri: &'a str,
        /// RFC 7636 §4.5.
        verifier: &'a str,
    },
    /// For new tokens (RFC 6749 §6).
    Refresh {
        /// With this one.
        token: &'a str,
        /// For less than was agreed on.
        scopes: Option<Scopes>,
    },
}

/// What an app is told by the token endpoint (RFC 6749 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Something is missing, or stands there twice.
    #[error("the request can't be read")]
    Request,
    /// No client of ours, or not its secret.
    #[error("the client is not known, or its secret is another one")]
    Client,
    /// Code or refresh token count for nothing here.
    #[error("the code or refresh token does not count")]
    Grant,
    /// Neither of the two.
    #[error("`grant_type` is neither `authorization_code` nor `refresh_token`")]
    GrantType,
    /// More than was agreed on.
    #[error("`scope` asks for more than was agreed on")]
    Scope,
    /// So many were wrong that none is looked at for a while.
    #[error("too many wrong secrets came from this address; try again later")]
    TooMany,
    /// The store or the keys fail.
    #[error("usher can't answer now")]
    NotNow,
}

impl TokenError {
    /// The word for the app.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Request => "invalid_request",
            Self::Client => "invalid_client",
            Self::Grant => "invalid_grant",
            Self::GrantType => "unsupported_grant_type",
            Self::Scope => "invalid_scope",
            Self::TooMany | Self::NotNow => "temporarily_unavailable",
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Client => 401,
            Self::TooMany => 429,
            Self::NotNow => 503,
            Self::Request | Self::Grant | Self::GrantType | Self::Scope => 400,
        }
    }
}

/// Which client asks: by `Authorization: Basic` or in the form, one of them (RFC 6749 §2.3). A client
/// with a secret has to show it, and one without can't have one.
///
/// # Errors
///
/// [`TokenError::Request`], [`TokenError::Client`].
pub fn authenticate<'a>(
    clients: &'a [OpenIdClient],
    authorization: Option<&str>,
    form: &Params,
) -> Result<&'a OpenIdClient, TokenError> {
    let (id, secret) = credentials(authorization, form)?;
    let client = client_of(clients, &id).ok_or(TokenError::Client)?;
    let shown = match (&client.secret, secret) {
        (Some(expected), Some(given)) => expected.is(given.as_bytes()),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if shown { Ok(client) } else { Err(TokenError::Client) }
}

/// Whose secret is tried, if anybody's: what a wrong one is counted by.
pub fn claimed<'a>(
    clients: &'a [OpenIdClient],
    authorization: Option<&str>,
    form: &Params,
) -> Option<&'a OpenIdClient> {
    let (id, _) = credentials(authorization, form).ok()?;
    client_of(clients, &id).filter(|client| client.secret.is_some())
}

/// Id and secret as they were brought.
fn credentials(
    authorization: Option<&str>,
    form: &Params,
) -> Result<(String, Option<String>), TokenError> {
    let (id, secret) = (form.text("client_id"), form.text("client_secret"));
    let Some(field) = authorization else {
        return Ok((id.ok_or(TokenError::Client)?.to_owned(), secret.map(str::to_owned)));
    };
    if secret.is_some() {
        return Err(TokenError::Request);
    }
    let (named, secret) = basic(field).ok_or(TokenError::Client)?;
    match id.is_none_or(|other| *other == *named) {
        true => Ok((named, Some(secret).filter(|secret| !secret.is_empty()))),
        false => Err(TokenError::Request),
    }
}

/// Id and secret are encoded as in a form before they are joined (RFC 6749 §2.3.1).
fn basic(field: &str) -> Option<(String, String)> {
    let (scheme, rest) = field.split_once(' ')?;
    let octets = BASE64_STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(octets).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (id, secret) = text.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

fn decoded(text: &str) -> Option<String> {
    let pair = format!("x={text}");
    let params = Params::parse(&pair).ok()?;
    params.text("x").map(str::to_owned)
}

impl<'a> Asked<'a> {
    /// Reads a form.
    ///
    /// # Errors
    ///
    /// [`TokenError::Request`], [`TokenError::GrantType`].
    pub fn read(form: &'a Params) -> Result<Self, TokenError> {
        let text =
            |name| form.text(name).filter(|text| !text.is_empty()).ok_or(TokenError::Request);
        match text("grant_type")? {
            "authorization_code" => Ok(Self::Code {
                code: text("code")?,
                redirect_uri: text("redirect_uri")?,
                verifier: text("code_verifier")?,
            }),
            "refresh_token" => Ok(Self::Refresh {
                token: text("refresh_token")?,
                scopes: text("scope").ok().map(Scopes::parse),
            }),
            _ => Err(TokenError::GrantType),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

    use super::{Asked, TokenError, authenticate};
    use crate::{openid::authorize::tests::clients, signin::Params};

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    #[test]
    fn a_client_is_who_shows_its_secret() {
        let encoded = "photos:canary+secret+%2B+%26";
        let secret = "&client_secret=canary+secret+%2B+%26";
        for (field, form, expected, why) in [
            (Some(basic(encoded)), "", Ok("photos"), "in the field"),
            (Some(basic(encoded)), "client_id=photos", Ok("photos"), "and the id again"),
            (None, &*format!("client_id=photos{secret}"), Ok("photos"), "in the form"),
            (None, "client_id=phone", Ok("phone"), "a public one has none"),
            (Some(basic("phone:")), "", Ok("phone"), "and an empty one is none"),
            (None, "client_id=photos", Err(TokenError::Client), "its secret is missing"),
            (None, "client_id=photos&client_secret=", Err(TokenError::Client), "empty"),
            (Some(basic("photos:")), "", Err(TokenError::Client), "empty"),
            (Some(basic("photos:wrong")), "", Err(TokenError::Client), "another one"),
            (None, &*format!("client_id=phone{secret}"), Err(TokenError::Client), "none is known"),
            (None, "", Err(TokenError::Client), "nobody"),
            (None, "client_id=other", Err(TokenError::Client), "no client"),
            (Some(basic(encoded)), secret, Err(TokenError::Request), "in two places"),
            (Some(basic(encoded)), "client_id=phone", Err(TokenError::Request), "two clients"),
            (Some("Bearer x".into()), "client_id=phone", Err(TokenError::Client), "not Basic"),
        ] {
            let form = Params::parse(form).unwrap();
            let clients = clients();
            let told = authenticate(&clients, field.as_deref(), &form).map(|client| &*client.id);
            assert_eq!(told, expected, "{why}");
        }
    }

    #[test]
    fn what_is_asked() {
        for (form, expected) in [
            ("", Err(TokenError::Request)),
            ("grant_type=password&username=a&password=b", Err(TokenError::GrantType)),
            ("grant_type=client_credentials", Err(TokenError::GrantType)),
            ("grant_type=authorization_code&code=c&redirect_uri=u", Err(TokenError::Request)),
            ("grant_type=authorization_code&code=c&code_verifier=v", Err(TokenError::Request)),
            ("grant_type=refresh_token", Err(TokenError::Request)),
            (
                "grant_type=refresh_token&refresh_token=t",
                Ok(Asked::Refresh { token: "t", scopes: None }),
            ),
        ] {
            assert_eq!(Asked::read(&Params::parse(form).unwrap()), expected, "{form}");
        }
    }
}
