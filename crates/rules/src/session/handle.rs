use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{Keys, SessionId, SignedIn};
use crate::time::UnixTime;

/// What a browser or program carries: a signed pointer to a session, and nothing more.
///
/// The wire format is Pomerium's (`pomerium-protocols.md` §1.0): JWS compact, HS256 with the
/// shared secret. It has no expiry of its own; the session in the store decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// `jti`: which session.
    pub session: SessionId,
    /// `sub`, for the eye only: who somebody is, the session's record says. An `oid` claim does
    /// not override it, since a generic provider lets its users choose one.
    pub subject: Box<str>,
    /// `idp_id`: which provider it came from.
    pub idp_id: Option<Box<str>>,
    /// `iss`: the authenticate host.
    pub issuer: Option<Box<str>>,
    /// `aud`: the hosts that it was made for.
    pub audience: Vec<Box<str>>,
    /// `iat`.
    pub issued_at: Option<UnixTime>,
    /// It names `exp` or `nbf`: that it was good once says nothing of later.
    pub depends_on_time: bool,
}

/// Why a text is no handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// Over [`Handle::MAX_OCTETS`].
    #[error("it is too long for a handle")]
    TooLong,
    /// It is not three parts of base64url, or they hold no JSON.
    #[error("it does not read as a JWT")]
    Malformed,
    /// The header names another algorithm or type, or a key to use.
    #[error("it is another kind of token")]
    OtherKind,
    /// Signed with another secret, or changed since.
    #[error("we did not sign it")]
    BadSignature,
    /// No `jti` that is a UUID: signed with our secret, yet no handle.
    #[error("it names no session")]
    NoSession,
    /// It has an `exp`, and that has passed, or a `nbf` that has not.
    #[error("it is not in force now")]
    NotInForce,
}

/// `{"alg":"HS256","typ":"JWT"}`: what Pomerium and we write, compared without parsing.
const USUAL_HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: &'a str,
    #[serde(borrow)]
    typ: &'a str,
    // Presence is enough to refuse: a handle never says which key to check it with.
    kid: Option<serde::de::IgnoredAny>,
    jwk: Option<serde::de::IgnoredAny>,
    jku: Option<serde::de::IgnoredAny>,
    x5u: Option<serde::de::IgnoredAny>,
    x5c: Option<serde::de::IgnoredAny>,
    crit: Option<serde::de::IgnoredAny>,
    zip: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct ClaimsIn {
    jti: Option<Box<str>>,
    sub: Option<Box<str>>,
    idp_id: Option<Box<str>>,
    iss: Option<Box<str>>,
    aud: Option<Audience>,
    iat: Option<f64>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(Box<str>),
    Several(Vec<Box<str>>),
}

/// In alphabetical order, as Pomerium writes them.
#[derive(Serialize)]
struct ClaimsOut<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    aud: &'a [Box<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idp_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    jti: &'a str,
    sub: &'a str,
}

/// A service account's, likewise (`pomerium-protocols.md` §4.6).
#[derive(Serialize)]
struct ServiceAccountClaims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    iat: u64,
    jti: &'a str,
    nbf: u64,
    sub: &'a str,
}

impl Handle {
    /// Longest handle that is looked at, in octets.
    pub const MAX_OCTETS: usize = 4096;

    /// The handle to a session, for these hosts.
    pub fn to(to: &SignedIn, issuer: &str, audience: Vec<Box<str>>) -> Self {
        let SignedIn { session, person } = to;
        Self {
            session: session.id.clone(),
            subject: person.id.clone(),
            idp_id: (!session.idp_id.is_empty()).then(|| session.idp_id.clone()),
            issuer: Some(issuer.into()),
            audience,
            issued_at: Some(session.issued_at()),
            depends_on_time: false,
        }
    }

    /// Was it made for this host? One that names no host is for none (RFC 7519 §4.1.3).
    pub fn is_for(&self, host: &str) -> bool {
        self.audience.iter().any(|named| **named == *host)
    }

    /// Was it made for a host of this domain, all of which share one cookie?
    pub fn is_for_domain(&self, domain: &str) -> bool {
        self.audience.iter().any(|named| {
            let below = named.strip_suffix(domain);
            below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        })
    }
}

impl Keys {
    /// Signs a handle.
    pub fn sign_handle(&self, handle: &Handle) -> String {
        let claims = ClaimsOut {
            aud: &handle.audience,
            iat: handle.issued_at.map(UnixTime::seconds),
            idp_id: handle.idp_id.as_deref(),
            iss: handle.issuer.as_deref(),
            jti: handle.session.as_str(),
            sub: &handle.subject,
        };
        self.sign_claims(&claims)
    }

    /// The token of a service account. It names no host: which ones it opens, policies say.
    pub fn sign_service_account(&self, account: &SignedIn) -> String {
        let SignedIn { session, person } = account;
        let ends = session.expires_at() < UnixTime::MAX;
        self.sign_claims(&ServiceAccountClaims {
            exp: ends.then_some(session.expires_at),
            iat: session.issued_at,
            jti: session.id.as_str(),
            nbf: session.issued_at,
            sub: &person.id,
        })
    }

    fn sign_claims(&self, claims: &impl Serialize) -> String {
        // Text and numbers always serialise; an empty payload would verify nowhere.
        let payload = serde_json::to_vec(claims).unwrap_or_default();
        let mut token = format!("{USUAL_HEADER}.{}", BASE64_URL_SAFE_NO_PAD.encode(payload));
        let signature = hmac::sign(&self.handle, token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// Verifies a handle. Whether its session is in force is the store's to say.
    ///
    /// # Errors
    ///
    /// [`HandleError`], one variant per rule.
    pub fn verify_handle(&self, token: &str, now: UnixTime) -> Result<Handle, HandleError> {
        if token.len() > Handle::MAX_OCTETS {
            return Err(HandleError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(HandleError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(HandleError::Malformed)?;
        if header != USUAL_HEADER {
            check_header(header)?;
        }
        let mut given = [0; 36]; // the decoder wants room for whole groups of four characters
        let length = BASE64_URL_SAFE_NO_PAD
            .decode_slice(signature, &mut given)
            .map_err(|_| HandleError::BadSignature)?;
        let given = given.get(..length).ok_or(HandleError::BadSignature)?;
        let signed_by = |keys: &Self| {
            let ours = hmac::sign(&keys.handle, signed.as_bytes());
            constant_time::verify_slices_are_equal(ours.as_ref(), given).is_ok()
        };
        if !self.and_previous().any(signed_by) {
            return Err(HandleError::BadSignature);
        }

        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| HandleError::Malformed)?;
        let claims: ClaimsIn =
            serde_json::from_slice(&payload).map_err(|_| HandleError::Malformed)?;
        if claims.exp.is_some_and(|exp| seconds(exp) <= now)
            || claims.nbf.is_some_and(|nbf| seconds(nbf) > now)
        {
            return Err(HandleError::NotInForce);
        }
        let depends_on_time = claims.exp.is_some() || claims.nbf.is_some();
        let session = claims.jti.as_deref().and_then(SessionId::parse);
        Ok(Handle {
            session: session.ok_or(HandleError::NoSession)?,
            subject: claims.sub.unwrap_or_default(),
            idp_id: claims.idp_id.filter(|id| !id.is_empty()),
            issuer: claims.iss,
            audience: match claims.aud {
                None => Vec::new(),
                Some(Audience::One(host)) => vec![host],
                Some(Audience::Several(hosts)) => hosts,
            },
            issued_at: claims.iat.map(seconds),
            depends_on_time,
        })
    }
}

fn check_header(header: &str) -> Result<(), HandleError> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(header).map_err(|_| HandleError::Malformed)?;
    // An escaped or missing `alg` or `typ` does not borrow: another kind, too.
    let header: Header<'_> = serde_json::from_slice(&json).map_err(|_| HandleError::OtherKind)?;
    let names_a_key =
        [header.kid, header.jwk, header.jku, header.x5u, header.x5c, header.crit, header.zip]
            .iter()
            .any(Option::is_some);
    if header.alg == "HS256" && header.typ == "JWT" && !names_a_key {
        Ok(())
    } else {
        Err(HandleError::OtherKind)
    }
}

/// A NumericDate (RFC 7519 §2) in whole seconds; below 1970 is 1970.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn seconds(numeric_date: f64) -> UnixTime {
    UnixTime::from_seconds(numeric_date as u64)
}

#[cfg(test)]
mod tests;
