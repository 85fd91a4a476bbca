//! Room 5: facts → policy → [`Permitted`], or a [`Refused`] with reasons.
//!
//! Only [`permit`] makes a [`Permitted`], and `forward` takes nothing else: a new way through
//! that forgets policy does not compile.
//!
//! ```compile_fail
//! use usher::request::authorize::Permitted;
//! let forged = Permitted { request: (), standing: todo!() }; // private fields
//! ```

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, Method, header};
use usher_rules::{
    names::{Authority, RequestPath},
    people::Person,
    plan::{Action, Plan, Route},
    policy::{Decision, Facts, Policy, RequestFacts, Verdict},
    time::Now,
};

use super::{
    Details,
    identify::{Identity, LiveSession},
    route::{self, Destination, Routed},
};

/// Proof that policy said yes to this request. Not `Clone`, no public constructor.
#[derive(Debug)]
pub struct Permitted<R> {
    request: R,
    standing: Standing,
}

/// What a permit rests on, kept so that a long stream can be decided again.
#[derive(Debug)]
pub struct Standing {
    route: Arc<Route>,
    session: Option<Arc<LiveSession>>,
    asked: Asked,
}

/// What authorization looks at beside the identity, owned: a long stream is decided again.
#[derive(Clone, Debug)]
pub struct Asked {
    method: Method,
    authority: Authority,
    path: RequestPath,
    source: IpAddr,
    origin: Option<Box<str>>,
    preflight_method: Option<Box<str>>,
}

/// Policy did not say yes.
#[derive(Debug)]
pub struct Refused<R> {
    /// The request, for whoever answers it.
    pub request: R,
    /// What was decided; never `Allow`.
    pub decision: Decision,
    /// By which reading of the path.
    pub by: ReadingOf,
}

/// Which reading of a path a decision was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingOf {
    /// Ours.
    Canonical,
    /// Another server's ([`RequestPath::other_readings`]): ours would have been let in.
    Others,
}

impl<R> Permitted<R> {
    /// The route that permitted it.
    pub fn route(&self) -> &Arc<Route> {
        &self.standing.route
    }

    /// The session under which it was permitted; `None` on a public route without one.
    pub fn session(&self) -> Option<&Arc<LiveSession>> {
        self.standing.session.as_ref()
    }

    /// The request.
    pub fn request(&self) -> &R {
        &self.request
    }

    /// The same permit for the request in another form: shaping does not decide again.
    pub fn map<S>(self, shape: impl FnOnce(R, &Standing) -> S) -> Permitted<S> {
        Permitted { request: shape(self.request, &self.standing), standing: self.standing }
    }

    /// Gives up the proof: whoever calls this is the forwarder, and keeps the standing for as
    /// long as the stream lives.
    pub fn into_parts(self) -> (R, Standing) {
        (self.request, self.standing)
    }
}

impl Standing {
    /// The route that permitted it.
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The session under which it was permitted.
    pub fn session(&self) -> Option<&Arc<LiveSession>> {
        self.session.as_ref()
    }

    /// Sign-out and revocation end everything that runs under a session. Expiry is not an end.
    ///
    /// # Errors
    ///
    /// [`PermitEnd::SessionEnded`].
    pub fn session_goes_on(&self) -> Result<(), PermitEnd> {
        match &self.session {
            Some(session) if session.is_ended() => Err(PermitEnd::SessionEnded),
            Some(_) | None => Ok(()),
        }
    }

    /// Decides again (invariant 10): what was asked for is routed by the plan that is in force
    /// now, as if it came now, and the policy of the route that takes it is asked. A stricter
    /// route that was put in front rules at once, and where a route leads to changes nothing.
    ///
    /// # Errors
    ///
    /// [`PermitEnd`] says why it does not hold any longer.
    pub fn still_holds(&self, plan: &Plan, now: Now, stream: Stream) -> Result<(), PermitEnd> {
        self.session_goes_on()?;
        let Asked { authority, path, .. } = &self.asked;
        let Ok(Destination::Route(route)) = route::belongs(plan, authority, path) else {
            return Err(PermitEnd::RouteGone);
        };
        if !matches!(route.action, Action::Forward(_)) || !stream.is_open_on(&route) {
            return Err(PermitEnd::RouteGone);
        }
        let session = self.session.as_ref();
        let has_expired = session.is_some_and(|session| session.is_over(now));
        let person = session
            .filter(|_| !has_expired || stream.outlives_expiry())
            .map(|session| &session.session().person);
        match self.asked.decide(&route.policy, person).0.verdict {
            Verdict::Allow => Ok(()),
            Verdict::SignIn if has_expired => Err(PermitEnd::SessionExpired),
            Verdict::SignIn | Verdict::Deny => Err(PermitEnd::PolicyChanged),
        }
    }
}

/// What runs for long under a permit, and so what becomes of it when its session runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// A request's answer, or its upload: a film. It has an end of its own and plays to it.
    Body,
    /// A WebSocket, which may never end by itself: it ends with its session, and who has a new
    /// one opens it again.
    Socket,
}

impl Stream {
    /// Does it go on when its session has run out?
    const fn outlives_expiry(self) -> bool {
        match self {
            Self::Body => true,
            Self::Socket => false,
        }
    }

    /// Could it be opened on that route?
    fn is_open_on(self, route: &Route) -> bool {
        match self {
            Self::Body => true,
            Self::Socket => route.websockets,
        }
    }
}

/// Why a permit that was given ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermitEnd {
    /// Sign-out or revocation.
    #[error("the session was ended")]
    SessionEnded,
    /// The session ran out, and what runs is nothing that outlives it.
    #[error("the session ran out")]
    SessionExpired,
    /// The plan in force sends it nowhere, or to something that is no app.
    #[error("the config in force has no route for it")]
    RouteGone,
    /// The policy in force says no.
    #[error("the policy in force does not allow it")]
    PolicyChanged,
}

impl PermitEnd {
    /// What stands on the record.
    pub const fn details(self) -> Details {
        match self {
            Self::SessionEnded => Details::SessionEnded,
            Self::SessionExpired => Details::SessionExpired,
            Self::RouteGone => Details::RouteGone,
            Self::PolicyChanged => Details::PolicyChanged,
        }
    }
}

impl Asked {
    /// What is asked for, and the facts about it: method, host, canonical path, TCP peer, and
    /// fields of a preflight.
    pub fn of(method: &Method, routed: &Routed, source: IpAddr, fields: &HeaderMap) -> Self {
        let text = |name| {
            // What is no text is there all the same: a `deny` of preflights must see it.
            let value = fields.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
            value.filter(|text| !text.is_empty()).map(Into::into)
        };
        let preflight = method == Method::OPTIONS;
        Self {
            method: method.clone(),
            authority: routed.authority.clone(),
            path: routed.path.clone(),
            source,
            origin: preflight.then(|| text(header::ORIGIN)).flatten(),
            preflight_method: preflight
                .then(|| text(header::ACCESS_CONTROL_REQUEST_METHOD))
                .flatten(),
        }
    }

    /// Every reading of the path must be let in; the first that is not is what was decided.
    fn decide(&self, policy: &Policy, person: Option<&Person>) -> (Decision, ReadingOf) {
        let decide = |path| policy.decide(&Facts { person, request: self.facts(path) });
        let decision = decide(self.path.decoded());
        if decision.verdict != Verdict::Allow {
            return (decision, ReadingOf::Canonical);
        }
        let mut others = self.path.other_readings().iter().map(|other| decide(other.decoded()));
        match others.find(|other| other.verdict != Verdict::Allow) {
            Some(other) => (other, ReadingOf::Others),
            None => (decision, ReadingOf::Canonical),
        }
    }

    fn facts<'a>(&'a self, path: &'a str) -> RequestFacts<'a> {
        RequestFacts {
            method: self.method.as_str(),
            path,
            source: self.source,
            origin: self.origin.as_deref(),
            access_control_request_method: self.preflight_method.as_deref(),
        }
    }
}

/// Asks the route's policy. The decision comes back either way: it is what gets recorded.
///
/// # Errors
///
/// [`Refused`] gives the request back with a decision that is not `Allow`.
pub fn permit<R>(
    request: R,
    route: &Arc<Route>,
    identity: &Identity,
    asked: Asked,
) -> Result<(Permitted<R>, Decision), Refused<R>> {
    let session = identity.session();
    let person = session.map(|session| &session.session().person);
    let (decision, by) = asked.decide(&route.policy, person);
    match decision.verdict {
        Verdict::Allow => {
            let standing =
                Standing { route: Arc::clone(route), session: session.map(Arc::clone), asked };
            Ok((Permitted { request, standing }, decision))
        }
        Verdict::SignIn | Verdict::Deny => Err(Refused { request, decision, by }),
    }
}
