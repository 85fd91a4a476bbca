//! Room 4: who is asking: cookie or bearer → [`Identity`]. Owns [`SessionStore`].
//!
//! | takes | a request's fields and target |
//! |---|---|
//! | gives | a live session, nobody, or a credential that was rejected; or that nobody can say |
//! | never | treats a bad credential as none (invariant 6), or decides anything |

#[cfg(test)]
pub mod contract;
mod facts;
mod live;
#[cfg(test)]
pub mod memory;
mod over;
mod store;
#[cfg(test)]
mod tests;
mod verified;
mod who;

pub use facts::SessionFacts;
pub use live::{LiveSession, MadeFields, Use};
pub(crate) use store::UsedHere;
pub use store::{
    Found, NotOnce, SessionStore, StoreError, end_with_replaced, look_up, replaced_by,
};
pub use who::{Asker, Verifier, in_force, who};

use std::sync::Arc;

use http::request::Parts;
use usher_rules::{
    mcp::Message,
    plan::{Plan, Route},
};

use super::{route::Routed, seen::Seen};

/// A request of which it is known where it belongs and who asks: what policy is asked about. It
/// holds the head, so that nobody asks about one request and forwards another.
#[derive(Debug)]
pub struct Identified<'a> {
    /// Its head: on the heap, since it goes from step to step.
    pub head: Box<Parts>,
    /// As soon as the head was here.
    pub seen: &'a Seen,
    /// Where it belongs.
    pub routed: &'a Routed,
    /// Who asks.
    pub identity: &'a Identity,
    /// What its body says, on a route whose rules ask for it.
    pub message: Message,
}

impl Identified<'_> {
    /// Is it for the host that signs people in?
    pub fn is_where_people_sign_in(&self) -> bool {
        self.seen.plan.sign_in.is_at(&self.routed.authority.host)
    }
}

/// Who is asking, as far as this request proves.
#[derive(Clone, Debug)]
pub enum Identity {
    /// No credential was sent.
    Anonymous,
    /// A handle that we sealed, to a session that is in force.
    Session(Arc<LiveSession>),
    /// A credential was sent and is no good. Not the same as anonymous: it is logged, and the
    /// cookie is cleared.
    Rejected(Rejection),
}

/// Why a credential is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its session ran out.
    Expired,
    /// Its session was ended, here or elsewhere, or never was.
    Unknown,
    /// We did not seal it.
    Forged,
    /// Its session came from another provider than the one in force.
    OtherProvider,
    /// It was made for another host.
    OtherHost,
    /// A cookie that a sibling host could have set: it says nothing of this browser.
    NotBegunHere,
    /// Several for different sessions were sent.
    Contradiction,
    /// It is one that only the route's app knows, and the app says that it is none, or that it is
    /// somebody else's than the cookie beside it.
    OfApp,
}

impl Identity {
    /// On a route: sessions of providers and OAuth clients that it does not name do not count there.
    #[must_use]
    pub fn on(self, route: &Route, plan: &Plan) -> Self {
        let (providers, by) = (&plan.sign_in.providers, route.sign_in_by.as_ref());
        match self {
            Self::Session(live) if !providers.counts_on(by, &live.session().idp_id) => {
                Self::Rejected(Rejection::OtherProvider)
            }
            Self::Session(_) | Self::Anonymous | Self::Rejected(_) => self,
        }
    }

    /// Is it the route's app that knows the credential, and that it is no good?
    pub(super) const fn is_refused_by_app(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::OfApp))
    }

    /// The session in force; `None` for both kinds of stranger.
    pub fn session(&self) -> Option<&Arc<LiveSession>> {
        match self {
            Self::Session(session) => Some(session),
            Self::Anonymous | Self::Rejected(_) => None,
        }
    }
}
