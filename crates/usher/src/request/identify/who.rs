use std::time::Duration;

use http::{HeaderMap, Uri};
use usher_rules::{
    plan::Plan,
    session::{BadCredential, Credential, HandleError, Keys, credential},
    time::UnixTime,
};

use super::{Identity, Rejection, SessionStore};

/// Finds out who is asking: the credential is read and judged, then the session is looked up.
///
/// A credential that arrives is judged, never skipped: a bad one is [`Identity::Rejected`], not
/// anonymous (invariant 6).
pub fn who(
    plan: &Plan,
    keys: &Keys,
    sessions: &dyn SessionStore,
    fields: &HeaderMap,
    uri: &Uri,
    now: UnixTime,
) -> Identity {
    let handle = match credential(keys, fields, uri.query(), &plan.cookie.name, now) {
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
