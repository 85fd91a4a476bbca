//! Tokens of a provider's that a program brings, in place of a session.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{ClaimsFault, IdTokenExpected, IdTokenFault, check_id_token, somebody_at};
use crate::{plan::OidcProvider, session::Authentication, time::UnixTime};

/// The longest token that is looked at, in octets.
const LONGEST: usize = 16 * 1024;

/// Why a provider's token stands for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVouched {
    /// It was made for something else than to say who signed in.
    #[error("it is another kind of token")]
    OtherKind,
    /// It is for nobody that the config names.
    #[error("`aud`: it is for none of `idp_access_token_allowed_audiences`")]
    Audience,
    /// As an identity token it is no good.
    #[error(transparent)]
    IdToken(#[from] IdTokenFault),
    /// It does not say who it is about.
    #[error(transparent)]
    Claims(#[from] ClaimsFault),
}

/// Somebody whom a provider's token stands for, and until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Vouched {
    /// Who it is.
    pub authentication: Authentication,
    /// When the token ends, as far as it says so.
    pub ends_at: Option<UnixTime>,
}

/// A token as it was brought, its parts read and nothing of it believed.
#[derive(Debug)]
pub struct BroughtToken {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl BroughtToken {
    /// Reads a JWT; `None` where it is none: an access token may be anything (RFC 6749 §1.4).
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let mut part = || {
            let octets = BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
            serde_json::from_slice(&octets).ok()
        };
        Some(Self { header: part()?, claims: part()? })
    }

    /// Can it be brought at all? RFC 6750 §2.1 knows no others.
    pub fn is_one(token: &str) -> bool {
        (1..=LONGEST).contains(&token.len())
            && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b))
    }

    /// Does it say that it is of this provider?
    pub fn is_of(&self, provider: &OidcProvider) -> bool {
        let issuer = self.claims.get("iss").and_then(Value::as_str);
        issuer.is_some() && provider.issuer_of(&self.claims).as_deref() == issuer
    }

    /// Is it what says who signed in, and not what a provider signs for other ends with the same
    /// keys: access tokens (RFC 9068 §2.1), logout tokens (Back-Channel Logout 1.0 §2.4)?
    fn is_identity_token(&self) -> bool {
        let text = |object: &Map<String, Value>| {
            object.get("typ").and_then(Value::as_str).map(str::to_ascii_lowercase)
        };
        matches!(text(&self.header).as_deref(), None | Some("jwt"))
            && matches!(text(&self.claims).as_deref(), None | Some("id" | "jwt"))
            && !self.claims.contains_key("events")
    }
}

/// By an identity token whose signature holds.
///
/// # Errors
///
/// [`NotVouched`].
pub fn vouched_by_identity_token(
    provider: &OidcProvider,
    token: &BroughtToken,
    now: UnixTime,
) -> Result<Vouched, NotVouched> {
    let claims = &token.claims;
    if !token.is_identity_token() {
        return Err(NotVouched::OtherKind);
    }
    let issuer = provider.issuer_of(claims).ok_or(IdTokenFault::Issuer)?;
    let client_id = &provider.client_id;
    check_id_token(claims, &IdTokenExpected { issuer: &issuer, client_id, nonce: None }, now)?;
    let authentication = somebody_at(provider, claims, None)?;
    Ok(Vouched { authentication, ends_at: ends_at(claims) })
}

/// By what the userinfo endpoint says to an access token. `signed` is the token itself where its
/// signature holds: which audience it has is believed of no other.
///
/// # Errors
///
/// [`NotVouched`].
pub fn vouched_by_access_token(
    provider: &OidcProvider,
    userinfo: &Map<String, Value>,
    signed: Option<&BroughtToken>,
    allowed: Option<&[Box<str>]>,
) -> Result<Vouched, NotVouched> {
    if let Some(allowed) = allowed {
        let is_for = |one: &Value| allowed.iter().any(|name| one.as_str() == Some(&**name));
        let named = signed.and_then(|token| token.claims.get("aud"));
        let is_allowed = match named {
            Some(Value::Array(several)) => several.iter().any(is_for),
            Some(one) => is_for(one),
            None => false,
        };
        if !is_allowed {
            return Err(NotVouched::Audience);
        }
    }
    let mut said = userinfo.clone();
    said.remove("auth_time"); // only what is signed says when somebody signed in
    let authentication = somebody_at(provider, &said, None)?;
    Ok(Vouched { authentication, ends_at: signed.and_then(|token| ends_at(&token.claims)) })
}

/// RFC 7519 §4.1.4; below 1970 is 1970.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn ends_at(claims: &Map<String, Value>) -> Option<UnixTime> {
    Some(UnixTime::from_seconds(claims.get("exp")?.as_f64()? as u64))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::BroughtToken;

    fn token(header: Value, claims: Value) -> BroughtToken {
        let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        BroughtToken::read(&format!("{}.{}.x", part(header), part(claims))).unwrap()
    }

    /// Signed with the same keys, by the same provider, for the same client.
    #[test]
    fn what_a_provider_signs_for_other_ends_is_no_identity_token() {
        let plain = || json!({"alg": "RS256"});
        for (header, claims, is_one, why) in [
            (plain(), json!({"sub": "ann"}), true, "says nothing"),
            (json!({"typ": "JWT"}), json!({"typ": "ID"}), true, "Keycloak's"),
            (json!({"typ": "at+jwt"}), json!({}), false, "RFC 9068"),
            (json!({"typ": "AT+JWT"}), json!({}), false, "in capitals"),
            (json!({"typ": "logout+jwt"}), json!({}), false, "a logout token"),
            (plain(), json!({"typ": "Bearer"}), false, "Keycloak's access token"),
            (plain(), json!({"typ": "Logout"}), false, "Keycloak's logout token"),
            (plain(), json!({"events": {}}), false, "a logout token without a type"),
        ] {
            assert_eq!(token(header, claims).is_identity_token(), is_one, "{why}");
        }
        for odd in ["", "a b", "ü", "a\u{0}", &"x".repeat(16 * 1024 + 1)] {
            assert!(!BroughtToken::is_one(odd), "{odd:?}");
        }
        for odd in ["", "x", "x.y", "e30", "..", "W10.W10.x"] {
            assert!(BroughtToken::read(odd).is_none(), "{odd}");
        }
    }
}
