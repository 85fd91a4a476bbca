use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    AuthorizationRequest, GrantId,
    grant::{ACCESS_TOKEN_LIFETIME, CODE_LIFETIME},
};
use crate::{
    people::UnixTimeSeconds,
    plan::Scopes,
    session::{Keys, Purpose, SessionId},
    time::UnixTime,
};

/// An authorization code (RFC 6749 §1.3.1): all that was agreed on, sealed. It counts once, by the
/// [`Grant`](super::Grant) that it becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// What it becomes.
    pub grant: GrantId,
    /// Who it is about.
    pub session: SessionId,
    /// For whom.
    pub client: Box<str>,
    /// What was agreed on.
    pub scopes: Scopes,
    /// For the ID token.
    pub nonce: Option<Box<str>>,
    /// From where the person asked: what policy judges, later as well.
    pub source: Box<str>,
    redirect_uri: Box<str>,
    challenge: Box<str>,
    issued_at: UnixTimeSeconds,
}

/// Why a code is not redeemed. The app learns `invalid_grant` of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// Not of our making.
    #[error("it is no code of ours")]
    NotOurs,
    /// RFC 6749 §4.1.3: a client gets nothing for another's.
    #[error("it was given to another client")]
    OtherClient,
    /// RFC 6749 §4.1.2.
    #[error("it is too old")]
    Expired,
    /// RFC 6749 §4.1.3.
    #[error("`redirect_uri` is another one than in the request")]
    RedirectUri,
    /// RFC 7636 §4.6: whoever brings it did not begin.
    #[error("`code_verifier` does not match")]
    Verifier,
}

impl Code {
    /// How long it counts: an app redeems it at once.
    pub const LIFETIME: Duration = CODE_LIFETIME;

    /// For a request that was agreed to.
    pub fn new(
        request: &AuthorizationRequest<'_>,
        (grant, session): (GrantId, SessionId),
        source: &str,
        now: UnixTime,
    ) -> Self {
        Self {
            grant,
            session,
            client: request.client.id.clone(),
            scopes: request.scopes,
            nonce: request.nonce.clone(),
            source: source.into(),
            redirect_uri: s256(&request.redirect_uri).into(),
            challenge: request.challenge.clone(),
            issued_at: now.seconds(),
        }
    }

    /// As an app gets it. `nonce` is fresh random bytes.
    pub fn seal(&self, keys: &Keys, nonce: [u8; 12]) -> String {
        seal(keys, b"code", self, nonce)
    }

    /// Opens one that an app brings, for that app.
    ///
    /// # Errors
    ///
    /// [`CodeFault`], one variant per rule.
    pub fn redeem(
        keys: &Keys,
        sealed: &str,
        (client, redirect_uri, verifier): (&str, &str, &str),
        now: UnixTime,
    ) -> Result<Self, CodeFault> {
        let code: Self = open(keys, b"code", sealed).ok_or(CodeFault::NotOurs)?;
        let end = UnixTime::from_seconds(code.issued_at).plus(Self::LIFETIME);
        if *code.client != *client {
            return Err(CodeFault::OtherClient);
        }
        if !end.is_ahead_of(now, Self::LIFETIME) {
            return Err(CodeFault::Expired);
        }
        if s256(redirect_uri) != *code.redirect_uri {
            return Err(CodeFault::RedirectUri);
        }
        // RFC 7636 §4.1: 43 to 128 of these.
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
        let is_verifier = (43..=128).contains(&verifier.len()) && verifier.bytes().all(plain);
        let (given, expected) = (s256(verifier), code.challenge.as_bytes());
        let same = constant_time::verify_slices_are_equal(given.as_bytes(), expected).is_ok();
        if is_verifier && same { Ok(code) } else { Err(CodeFault::Verifier) }
    }
}

/// Opens the userinfo endpoint, and nothing else. No app can read it, so none takes it for an ID
/// token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// By which it was given.
    pub grant: GrantId,
    /// Who it is about.
    pub session: SessionId,
    /// Whose it is.
    pub client: Box<str>,
    /// What it opens.
    pub scopes: Scopes,
    over_at: UnixTimeSeconds,
}

impl AccessToken {
    /// How long it counts.
    pub const LIFETIME: Duration = ACCESS_TOKEN_LIFETIME;

    /// A new one.
    pub fn new(
        (grant, session): (GrantId, SessionId),
        client: &str,
        scopes: Scopes,
        now: UnixTime,
    ) -> Self {
        let over_at = now.plus(Self::LIFETIME).seconds();
        Self { grant, session, client: client.into(), scopes, over_at }
    }

    /// As an app gets it.
    pub fn seal(&self, keys: &Keys, nonce: [u8; 12]) -> String {
        seal(keys, b"access", self, nonce)
    }

    /// One that is brought, if it counts.
    pub fn open(keys: &Keys, sealed: &str, now: UnixTime) -> Option<Self> {
        let token: Self = open(keys, b"access", sealed)?;
        UnixTime::from_seconds(token.over_at).is_ahead_of(now, Self::LIFETIME).then_some(token)
    }
}

/// Gives new tokens, once (RFC 9700 §4.14.2). When it ends is known by its grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// Of which it is one.
    pub grant: GrantId,
    /// Whose it is.
    pub client: Box<str>,
    /// The how-many-th.
    pub generation: u32,
}

impl RefreshToken {
    /// As an app gets it.
    pub fn seal(&self, keys: &Keys, nonce: [u8; 12]) -> String {
        seal(keys, b"refresh", self, nonce)
    }

    /// One that is brought.
    pub fn open(keys: &Keys, sealed: &str) -> Option<Self> {
        open(keys, b"refresh", sealed)
    }
}

/// BASE64URL(SHA-256(text)) (RFC 7636 §4.2).
fn s256(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

fn seal(keys: &Keys, kind: &[u8], what: &impl Serialize, nonce: [u8; 12]) -> String {
    // Text and numbers always serialise; what does not would not open.
    let text = serde_json::to_vec(what).unwrap_or_default();
    keys.seal(Purpose::OpenId, kind, &text, nonce)
}

fn open<T: DeserializeOwned>(keys: &Keys, kind: &[u8], sealed: &str) -> Option<T> {
    serde_json::from_slice(&keys.open(Purpose::OpenId, kind, sealed).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::{AccessToken, Code, CodeFault, RefreshToken};
    use crate::{
        openid::{
            AuthorizationRequest, GrantId,
            authorize::tests::{CHALLENGE, clients},
        },
        session::{SessionId, test_keys},
        time::UnixTime,
    };

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636, appendix B
    const URI: &str = "com.example.app:/cb";

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_seconds(1_700_000_000 + seconds)
    }

    fn code() -> String {
        let clients = clients();
        let query = format!(
            "client_id=phone&redirect_uri={URI}&response_type=code&scope=openid\
             &code_challenge={CHALLENGE}&code_challenge_method=S256"
        );
        let request = AuthorizationRequest::read(&clients, &query).unwrap();
        let ids = (GrantId::from_random([1; 16]), SessionId::from_random([2; 16]));
        Code::new(&request, ids, "127.0.0.1", at(0)).seal(&test_keys(), [3; 12])
    }

    #[test]
    fn a_code_is_good_for_whoever_began_alone() {
        let long = "x".repeat(129);
        for (client, uri, verifier, time, expected) in [
            ("phone", URI, VERIFIER, 59, None),
            ("photos", URI, VERIFIER, 1, Some(CodeFault::OtherClient)),
            ("phone", "com.example.app:/other", VERIFIER, 1, Some(CodeFault::RedirectUri)),
            ("phone", "", VERIFIER, 1, Some(CodeFault::RedirectUri)),
            ("phone", URI, "", 1, Some(CodeFault::Verifier)),
            ("phone", URI, CHALLENGE, 1, Some(CodeFault::Verifier)),
            ("phone", URI, &long, 1, Some(CodeFault::Verifier)),
            ("phone", URI, VERIFIER, 60, Some(CodeFault::Expired)),
        ] {
            let told = Code::redeem(&test_keys(), &code(), (client, uri, verifier), at(time));
            assert_eq!(told.err(), expected, "{client} {uri} {verifier} {time}");
        }
        let early = UnixTime::from_seconds(1_600_000_000);
        let told = Code::redeem(&test_keys(), &code(), ("phone", URI, VERIFIER), early);
        assert_eq!(told.err(), Some(CodeFault::Expired), "a clock that was set back");
    }

    #[test]
    fn nothing_opens_as_something_else() {
        let keys = test_keys();
        let ids = || (GrantId::from_random([1; 16]), SessionId::from_random([2; 16]));
        let scopes = crate::plan::Scopes::parse("openid");
        let access = AccessToken::new(ids(), "phone", scopes, at(0)).seal(&keys, [4; 12]);
        let refresh = RefreshToken { grant: ids().0, client: "phone".into(), generation: 0 };
        let refresh = refresh.seal(&keys, [5; 12]);
        assert!(AccessToken::open(&keys, &access, at(299)).is_some());
        assert!(AccessToken::open(&keys, &access, at(300)).is_none(), "over");
        assert!(RefreshToken::open(&keys, &refresh).is_some());
        for other in [&code(), &refresh, "", "x"] {
            assert!(AccessToken::open(&keys, other, at(1)).is_none(), "{other}");
        }
        for other in [&code(), &access] {
            assert!(RefreshToken::open(&keys, other).is_none(), "{other}");
        }
        let told = Code::redeem(&keys, &access, ("phone", URI, VERIFIER), at(1));
        assert_eq!(told, Err(CodeFault::NotOurs));
    }
}
