use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Uri};
use usher_rules::{
    plan::Plan,
    session::{BadCredential, Credential, HandleError, Keys, credential_by},
    time::UnixTime,
};

use super::{Identity, Rejection, SessionStore, verified::verify};

/// Verifies handles with one set of keys.
pub struct Verifier {
    keys: Arc<Keys>,
    id: [u8; 16],
}

impl Verifier {
    /// Verifies with `keys`.
    pub fn new(keys: Arc<Keys>) -> Self {
        let id = keys.id();
        Self { keys, id }
    }
}

/// Finds out who is asking: the credential is read and judged, then the session is looked up.
///
/// A credential that arrives is judged, never skipped: a bad one is [`Identity::Rejected`], not
/// anonymous (invariant 6).
pub fn who(
    plan: &Plan,
    verifier: &Verifier,
    sessions: &dyn SessionStore,
    fields: &HeaderMap,
    uri: &Uri,
    now: UnixTime,
) -> Identity {
    let verify = |token: &str| verify(&verifier.keys, verifier.id, token, now);
    let handle = match credential_by(&verify, fields, uri.query(), &plan.cookie.name) {
        Credential::Absent => return Identity::Anonymous,
        Credential::Bad(why, _) => return Identity::Rejected(rejection(why)),
        Credential::Handle(handle, _) => handle,
    };
    let Some(live) = sessions.find(&handle.session).filter(|live| !live.is_ended()) else {
        return Identity::Rejected(Rejection::Unknown);
    };
    let session = live.session();
    if session.expires_at().is_expired_at(now, Duration::ZERO) {
        return Identity::Rejected(Rejection::Expired);
    }
    if *session.idp_id != *plan.sign_in.provider.id() {
        return Identity::Rejected(Rejection::OtherProvider);
    }
    Identity::Session(live)
}

fn rejection(why: BadCredential) -> Rejection {
    match why {
        BadCredential::Handle(HandleError::NotInForce) => Rejection::Expired,
        BadCredential::Handle(
            HandleError::TooLong
            | HandleError::Malformed
            | HandleError::OtherKind
            | HandleError::BadSignature
            | HandleError::NoSession,
        )
        | BadCredential::Contradiction => Rejection::Forged,
    }
}
