//! What an app may do on the path of its own requests.
//!
//! A route says which app it is; the app is asked on that route and on no other. It may know who
//! asks, open to strangers what they need before they are anybody, answer by itself, and change
//! what goes either way. It never lets in whom the policy denies, and what is said about the
//! visitor is written after it: no app can say it instead.

use std::{any::Any, collections::BTreeMap, fmt, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{Response, request, response};
use usher_rules::{
    names::{Authority, RequestPath},
    people::BoxFuture,
    plan::{Plan, Route},
    policy::Policy,
    time::Now,
};

use super::{
    Body,
    authorize::{Standing, Unbound},
    identify::{Identity, LiveSession, Rejection, in_force},
    read_once::ReadOnce,
    refusal::{AppRefusal, Refusal},
    route::Routed,
    seen::Seen,
};

/// An app that is known from inside.
///
/// What it is asked without waiting is asked on a serving thread: it answers from memory. A panic
/// in it is the 500 of that request alone.
pub trait App: Send + Sync {
    /// Who asks, by a credential that only this app knows; `None` where the request brings none.
    fn credential<'a>(&'a self, asked: AppRequest<'a>) -> BoxFuture<'a, Option<Credential>>;

    /// How what is behind a route of this app stands, in a word of its own, where that is not as it
    /// should be. It stands on the access line.
    fn stands(&self, _route: &Route) -> Option<&'static str> {
        None
    }

    /// What a request needs beside its route's policy, which is asked after this.
    fn demands(&self, _asked: AppRequest<'_>) -> Demand {
        Demand::Nothing
    }

    /// What strangers may ask although the policy wants to know who they are. Asked where it does,
    /// where no rule denies the request, and of no upgrade.
    fn allows_unbound(&self, asked: AppRequest<'_>) -> Unbound;

    /// Whether the answer is the app's own. Asked of what was let in and is no upgrade.
    fn answers(&self, asked: AppRequest<'_>) -> Answers;

    /// The answer to what [`App::answers`] claimed, with the request's whole body.
    fn answer<'a>(&'a self, asked: AppRequest<'a>, body: Bytes) -> BoxFuture<'a, Response<Body>>;

    /// Changes the head of what goes upstream, as the client sent it: identity, `Host` and what
    /// else we say to upstreams is written after this. The path stays the one that policy read.
    fn toward_upstream(&self, asked: AppRequest<'_>, head: &mut request::Parts) -> TowardUpstream;

    /// Changes the head of the upstream's answer, before what the route says of it. Not asked of
    /// an upgrade's 101.
    fn toward_client(
        &self,
        asked: AppRequest<'_>,
        head: &mut response::Parts,
    ) -> BodyNeed<response::Parts>;
}

/// A request of its route, as the client sent it.
#[derive(Clone, Copy, Debug)]
pub struct AppRequest<'a> {
    /// Its head.
    pub head: &'a request::Parts,
    /// Whom it is for.
    pub authority: &'a Authority,
    /// Its path as policy reads it.
    pub path: &'a RequestPath,
    /// The route that took it.
    pub route: &'a Route,
    /// Who asks, as far as is known when this is asked.
    pub identity: &'a Identity,
    /// The visitor: the TCP peer, or whom the proxies that are trusted name.
    pub visitor: IpAddr,
    /// The id on pages, logs and `X-Request-Id`.
    pub request_id: &'a str,
    /// The snapshot that the request runs with.
    pub plan: &'a Plan,
    /// The moment at which it came.
    pub now: Now,
    /// What it was let in by; `None` until it was.
    pub standing: Option<&'a Standing>,
    pub(super) read: &'a ReadOnce,
}

impl<'a> AppRequest<'a> {
    pub(super) fn new(
        (seen, routed, route): (&'a Seen, &'a Routed, &'a Route),
        head: &'a request::Parts,
        identity: &'a Identity,
    ) -> Self {
        let Routed { authority, path, .. } = routed;
        let Seen { plan, visitor, now, read, .. } = seen;
        let (visitor, now, request_id) = (*visitor, *now, seen.id());
        let standing = None;
        Self {
            head,
            authority,
            path,
            route,
            identity,
            visitor,
            request_id,
            plan,
            now,
            standing,
            read,
        }
    }

    /// What an app reads of its head, its path and its route: once, however often it is asked for.
    /// Whose it is, and what stands in it on its way to the upstream, is no part of that.
    pub fn once<T: Any + Send + Sync>(self, read: impl Fn(Self) -> T) -> Arc<T> {
        self.read.get(|| read(self))
    }
}

/// A credential that only an app can judge, judged.
#[derive(Clone, Debug)]
pub enum Credential {
    /// It is this session's.
    Session(Arc<LiveSession>),
    /// It is no good.
    Rejected,
}

/// What an app wants of a request beside its route's policy.
#[derive(Clone, Debug)]
pub enum Demand {
    /// Nothing.
    Nothing,
    /// That this policy lets it in, too. Strangers are none of those for whom the app opens it.
    Also(Arc<Policy>),
    /// It goes no further, whoever asks.
    Refused(AppRefusal),
}

/// Whether an app answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The upstream does.
    Upstream,
    /// The app does. A body of more octets is refused (413).
    Own {
        /// Octets of the request's body.
        at_most: usize,
    },
}

/// Gives a body in the place of one that was read whole, or says in fixed words why it can't. It
/// may change the head, too; `Content-Length` is written after it.
pub type Rewrite<H> = Box<dyn FnOnce(&mut H, Bytes) -> Result<Bytes, &'static str> + Send>;

/// How much of a body an app has to see.
pub enum BodyNeed<H> {
    /// Nothing: it streams.
    AsItIs,
    /// All of it, decoded. A request's that is longer is refused (413); an answer's is not passed
    /// on (502).
    Whole {
        /// Octets.
        at_most: usize,
        /// Gives the body that goes on.
        rewrite: Rewrite<H>,
    },
}

/// An app's needs of a request on its way to the upstream, and of the answer to it.
#[derive(Debug)]
pub struct TowardUpstream {
    /// Of its body. None is read where an upgrade was asked for.
    pub body: BodyNeed<request::Parts>,
    /// Of the body of the answer that will come.
    pub answer: AnswerNeed,
}

/// Whether the body of an answer will have to be read, which is settled before it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerNeed {
    /// No: the visitor and the upstream may agree on a coding, a part of it, or on its not having
    /// changed.
    AsItIs,
    /// Maybe: the upstream is asked for all of it, as it is.
    Readable,
}

impl TowardUpstream {
    /// Both bodies stream.
    pub const UNSEEN: Self = Self { body: BodyNeed::AsItIs, answer: AnswerNeed::AsItIs };
}

impl<H> fmt::Debug for BodyNeed<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsItIs => f.write_str("AsItIs"),
            Self::Whole { at_most, .. } => {
                f.debug_struct("Whole").field("at_most", at_most).finish()
            }
        }
    }
}

/// The apps that there are, each by the name by which routes name it.
#[derive(Clone, Default)]
pub struct Apps {
    /// By what the config calls them.
    known: Arc<BTreeMap<Box<str>, Arc<dyn App>>>,
    /// By the name of the route that is one, whatever the config says of it.
    attached: Arc<BTreeMap<Box<str>, Arc<dyn App>>>,
}

impl Apps {
    /// These apps, each by the name of its route.
    pub fn new<N: Into<Box<str>>>(apps: impl IntoIterator<Item = (N, Arc<dyn App>)>) -> Self {
        let attached = apps.into_iter().map(|(name, app)| (name.into(), app)).collect();
        Self { known: Arc::default(), attached: Arc::new(attached) }
    }

    /// And this one, which the config calls so.
    #[must_use]
    pub fn knowing(mut self, name: &str, app: Arc<dyn App>) -> Self {
        Arc::make_mut(&mut self.known).insert(name.into(), app);
        self
    }

    /// The app of a route; `None` where it has none.
    ///
    /// # Errors
    ///
    /// 500 where the route names one that there is not: nobody can say what it would refuse.
    pub(super) fn of(&self, route: &Route) -> Result<Option<&dyn App>, Refusal> {
        let Some(name) = &route.app else { return Ok(None) };
        let app = self.known.get(name).or_else(|| self.attached.get(name));
        app.map(|app| Some(&**app)).ok_or(Refusal::Unsayable)
    }

    /// Has the routes of these names be apps, unless the config says that they are one.
    pub fn attach(&self, plan: &mut Plan) {
        for route in &mut plan.routes {
            if route.app.is_none() && self.attached.contains_key(&route.name) {
                let name = route.name.clone();
                Arc::make_mut(route).app = Some(name);
            }
        }
    }
}

impl fmt::Debug for Apps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known.keys()).entries(self.attached.keys()).finish()
    }
}

/// Who asks, by what was sent to us and by what was sent to the app. The app's credential decides:
/// a device that was ended is refused beside a cookie that is good, and a film goes on beside one
/// that ran out. Two that are of different people are neither's.
pub(super) fn identity(
    by_us: Identity,
    by_app: Option<Credential>,
    plan: &Plan,
    now: Now,
) -> Identity {
    let live = match by_app {
        None => return by_us,
        Some(Credential::Rejected) => return Identity::Rejected(Rejection::OfApp),
        Some(Credential::Session(live)) => live,
    };
    match (in_force(plan, Some(live), now), by_us) {
        (Err(_), _) => Identity::Rejected(Rejection::OfApp),
        (Ok(_), Identity::Rejected(Rejection::Contradiction)) => {
            Identity::Rejected(Rejection::Contradiction)
        }
        // A link with somebody else's would otherwise sign its reader out.
        (Ok(live), Identity::Session(ours)) if !is_same_person(&ours, &live) => {
            Identity::Rejected(Rejection::OfApp)
        }
        (Ok(live), Identity::Session(_) | Identity::Rejected(_) | Identity::Anonymous) => {
            Identity::Session(live)
        }
    }
}

/// Two providers may give the same id to two people.
fn is_same_person(one: &LiveSession, other: &LiveSession) -> bool {
    one.session().idp_id == other.session().idp_id && one.person().id == other.person().id
}
