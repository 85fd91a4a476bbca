//! What would become of a request that nobody made: it goes the way of one, up to its decision.
//!
//! Tests of policies, `usher explain` and decisions that are made anew all come through here, and
//! here are only the steps that serve.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{HeaderName, HeaderValue, header, request::Parts};
use usher_rules::{
    fields::{Reader, one_length},
    mcp::Message,
    plan::{Plan, Route},
    policy::{Decision, Explanation, Verdict},
    session::SignedIn,
    time::Now,
};

use super::{
    PathRule,
    accept::{Connection, Presented, Protocol, Pulse},
    answer,
    app::{AppRequest, Apps, Demand},
    authorize::{self, Grounds, ReadingOf, Unbound},
    by_route::by_route,
    identify::{Identified, Identity, LiveSession},
    refusal::{AppRefusal, rule_of},
    route::{self, Destination, RouteError, Routed},
    seen::Seen,
    shape, workers,
};

/// A request that nobody made.
#[derive(Debug)]
pub struct Inquiry<'a> {
    /// By which plan it is decided.
    pub plan: &'a Arc<Plan>,
    /// Its head, as a client would send it.
    pub head: Parts,
    /// Who asks.
    pub who: Caller,
    /// From where.
    pub source: IpAddr,
    /// Their certificates.
    pub presented: Arc<Presented>,
    /// The tool that its message calls.
    pub tool: Option<Box<str>>,
    /// When.
    pub now: Now,
    /// What routes may name as their app.
    pub apps: &'a Apps,
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody who is signed in.
    Nobody,
    /// Somebody who never was: signed in with whoever the route asks.
    Imagined(SignedIn),
    /// Somebody whose session counts where it counted, and nowhere else.
    Kept(SignedIn),
}

impl Caller {
    /// The person and their session.
    pub const fn who(&self) -> Option<&SignedIn> {
        match self {
            Self::Nobody => None,
            Self::Imagined(who) | Self::Kept(who) => Some(who),
        }
    }

    fn identity(self, route: &Route, plan: &Plan) -> Identity {
        let session = |who| Identity::Session(Arc::new(LiveSession::new(who)));
        match self {
            Self::Nobody => Identity::Anonymous,
            Self::Imagined(mut who) => {
                let mut asked = plan.sign_in.providers.asked_by(route.sign_in_by.as_ref());
                let provider = asked.next().unwrap_or_else(|| plan.sign_in.providers.first());
                who.session.idp_id = provider.id().into();
                session(who)
            }
            Self::Kept(who) => session(who).on(route, plan),
        }
    }
}

/// How far it would come.
#[derive(Debug)]
pub enum Foretold<'a> {
    /// It is refused before anybody is asked who they are.
    Refused(RouteError),
    /// Its client is sent to the path as it is read here.
    Unescaped(&'a Routed),
    /// It is for one of our own pages, which are open to all.
    OwnPage(&'a Routed),
    /// No route takes it.
    Nowhere(&'a Routed),
    /// It is refused before its route's policy is asked.
    Barred(Barred),
    /// A route's policy decides.
    Judged(Box<Judged<'a>>),
}

/// What keeps a request from its route's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// It asks for a service worker that could rule the page on which people sign in.
    ServiceWorker,
    /// What its client shows is no certificate that can be read.
    UnreadableCertificate,
    /// The route's app lets it go no further.
    ByApp(AppRefusal),
}

impl Barred {
    /// The rule, as records have it.
    const fn rule(self) -> &'static str {
        match self {
            Self::ServiceWorker => PathRule::ServiceWorker.word(),
            Self::UnreadableCertificate => PathRule::ClientCertificate.word(),
            Self::ByApp(refusal) => refusal.rule,
        }
    }

    /// Why, as words with the status.
    pub const fn why(self) -> &'static str {
        match self {
            Self::ServiceWorker => {
                "people sign in on this host, so no service worker rules all of it: 403, or a script \
                 that unregisters itself"
            }
            Self::UnreadableCertificate => {
                "what its client shows is no certificate that can be read: 500, as in Pomerium"
            }
            Self::ByApp(refusal) => refusal.why,
        }
    }
}

/// A route's policy, asked.
#[derive(Debug)]
pub struct Judged<'a> {
    /// Where it belongs.
    pub routed: &'a Routed,
    /// Whose policy.
    pub route: &'a Route,
    /// The decision, and every criterion of it.
    pub explanation: Explanation<'a>,
    /// On which reading of the request.
    pub by: ReadingOf,
    /// What the route's `shadow_policy` says, where it has one.
    pub shadow: Option<Decision>,
    /// That the route's app lets strangers in here, whom the policy would have sign in.
    pub opened: Option<Opened>,
    /// What the route does with what is let in.
    pub after: After,
}

/// What an app opens to strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Why, as records have it.
    pub rule: &'static str,
    /// To whom.
    pub to: OpenedTo,
}

/// To whom an app opens something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedTo {
    /// Whoever asks, and however.
    All,
    /// Programs, and what a page loads by itself. Whoever opens it as a page is sent to sign in.
    AllButPages,
}

/// The route's part, once its policy has let a request in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// It is forwarded.
    Forwarded,
    /// The route answers by itself: with this status and, where it redirects, to this address
    /// without its query.
    Answered(u16, Option<String>),
    /// It is refused: the path that the upstream would see climbs out of the route's.
    Climbs,
}

impl<'a> Foretold<'a> {
    /// What the policy of a route says, where one was asked.
    pub const fn judged(&self) -> Option<&Judged<'a>> {
        match self {
            Self::Judged(judged) => Some(judged),
            Self::Refused(_) | Self::Unescaped(_) | Self::OwnPage(_) => None,
            Self::Nowhere(_) | Self::Barred(_) => None,
        }
    }

    /// As records have it.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Refused(_) | Self::Nowhere(_) | Self::Barred(_) => Verdict::Deny,
            Self::Unescaped(_) | Self::OwnPage(_) => Verdict::Allow,
            Self::Judged(judged) if judged.opened.is_some() => Verdict::Allow,
            Self::Judged(judged) => judged.explanation.decision.verdict,
        }
    }

    /// The rule that decides, as records have it.
    pub fn rule(&self) -> &str {
        match self {
            Self::Refused(error) => rule_of(error).word(),
            Self::Nowhere(_) => PathRule::NoRoute.word(),
            Self::Barred(why) => why.rule(),
            Self::Unescaped(_) | Self::OwnPage(_) => PathRule::OwnPage.word(),
            Self::Judged(judged) => {
                judged.opened.map_or(&judged.explanation.decision.rule, |opened| opened.rule)
            }
        }
    }
}

/// Tells what would become of a request.
pub fn foretell<T>(inquiry: Inquiry<'_>, tell: impl FnOnce(Foretold<'_>) -> T) -> T {
    let Inquiry { plan, mut head, who, source, presented, tool, now, apps } = inquiry;
    let plain = Connection::plain(SocketAddr::new(source, 0).into(), Pulse::new(Protocol::Http1));
    let connection = Connection { presented, ..plain };
    let seen = Seen::of(&head, Arc::clone(plan), Arc::new(connection), now, Reader::Person);
    let found = one_length(&mut head.headers)
        .map_err(RouteError::from)
        .and_then(|()| route::find(&seen, &head));
    let routed = match found {
        Ok(routed) => routed,
        Err(error) => return tell(Foretold::Refused(error)),
    };
    if answer::to_unescaped(plan, &routed, &head.uri).is_some() {
        return tell(Foretold::Unescaped(&routed));
    }
    let route = match &routed.to {
        Destination::Own(_) => return tell(Foretold::OwnPage(&routed)),
        Destination::Nowhere => return tell(Foretold::Nowhere(&routed)),
        Destination::Route(route) => route,
    };
    let after = after(&seen, &routed, route, &head);
    let identity = who.identity(route, plan);
    let (seen, routed, identity) = (&seen, &routed, &identity);
    let message =
        tool.map_or(Message::Nothing, |tool| Message::Request { id: None, tool: Some(tool) });
    let head = Box::new(head);
    let request = Identified { head, seen, routed, identity, message };
    if let Some(barred) = barred(&request, route) {
        return tell(Foretold::Barred(barred));
    }
    let app = apps.of(route).ok().flatten();
    let asked = AppRequest::new((seen, routed, route), &request.head, identity);
    let also = match app.map_or(Demand::Nothing, |app| app.demands(asked)) {
        Demand::Nothing => None,
        Demand::Also(policy) => Some(policy),
        Demand::Refused(refusal) => return tell(Foretold::Barred(Barred::ByApp(refusal))),
    };
    let explanation = authorize::explain(&request, (route, also.as_deref()));
    let stranger = |Identified { head, identity, .. }: &Identified<'_>| match app {
        Some(app) if !is_upgrade(head) => {
            app.allows_unbound(AppRequest::new((seen, routed, route), head, identity))
        }
        Some(_) | None => Unbound::No,
    };
    let page = as_page(&request.head);
    let pages =
        app.map(|app| app.allows_unbound(AppRequest::new((seen, routed, route), &page, identity)));
    let to = match pages {
        Some(Unbound::Open(_)) => OpenedTo::All,
        Some(Unbound::No) | None => OpenedTo::AllButPages,
    };
    let (by, opened, shadow) = match authorize::permit(request, (route, also.clone()), stranger) {
        Ok((_, Grounds::Policy(_, shadow))) => (ReadingOf::Canonical, None, shadow),
        Ok((_, Grounds::Unbound(rule))) => (ReadingOf::Canonical, Some(Opened { rule, to }), None),
        Err(refused) => (refused.by, None, refused.shadow),
    };
    let judged = Judged { routed, route, explanation, by, shadow, opened, after };
    tell(Foretold::Judged(Box::new(judged)))
}

/// The same, as a browser asks that opens it as a page (Fetch Metadata §2).
fn as_page(head: &Parts) -> Parts {
    let mut page = head.clone();
    for (name, value) in [
        (header::ACCEPT, "text/html"),
        (HeaderName::from_static("sec-fetch-mode"), "navigate"),
        (HeaderName::from_static("sec-fetch-dest"), "document"),
    ] {
        page.headers.insert(name, HeaderValue::from_static(value));
    }
    page
}

/// Sockets are nothing that an app opens to strangers.
fn is_upgrade(head: &Parts) -> bool {
    head.headers.contains_key(header::UPGRADE)
}

/// In the order of [`super::path`].
fn barred(request: &Identified<'_>, route: &Route) -> Option<Barred> {
    if workers::refused(request).is_some() {
        return Some(Barred::ServiceWorker);
    }
    let is_unreadable = request.seen.connection.presented.is_unreadable();
    (route.client_trust.is_some() && is_unreadable).then_some(Barred::UnreadableCertificate)
}

fn after(seen: &Seen, routed: &Routed, route: &Route, head: &Parts) -> After {
    if let Some(response) = by_route(seen, routed, route, head) {
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let location = location.and_then(|location| location.split('?').next()).map(Into::into);
        return After::Answered(response.status().as_u16(), location);
    }
    match shape::upstream_path(route, &routed.path) {
        Some(_) => After::Forwarded,
        None => After::Climbs,
    }
}
