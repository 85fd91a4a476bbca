//! Room 5: facts → policy → [`Permitted`], or a [`Refused`] with reasons.
//!
//! Only [`permit`] makes a [`Permitted`], and `forward` takes nothing else: a new way through
//! that forgets policy does not compile.
//!
//! ```compile_fail
//! use usher::request::authorize::Permitted;
//! let forged = Permitted { request: (), standing: todo!() }; // private fields
//! ```

mod admins;
mod on_record;
mod path_case;
mod somebody_else;
mod stream;
mod whole;

pub use on_record::AskedOnRecord;
pub use stream::{PermitEnd, Stream};

use std::{net::IpAddr, sync::Arc};

use http::{Method, header, request::Parts};
use usher_rules::{
    fields::other_methods,
    names::{Authority, RequestPath, is_registered},
    plan::{Action, Plan, Route},
    policy::{
        Certificate, ClientCertificate, Decision, Explanation, Facts, Policy, RequestFacts,
        Verdict, WholeRequest,
    },
    session::SignedIn,
    time::{Now, UnixTime},
};

use self::whole::KeptWhole;
pub use self::whole::reads_messages;
use super::{
    accept::Presented,
    identify::{Identified, LiveSession},
    route::{self, Destination},
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
    asked: Box<PolicyInput>,
    is_open_to_strangers: bool,
    /// What the route's app wanted to let it in, too.
    also: Option<Arc<Policy>>,
}

/// What was asked for, and the facts about it beside the session, owned: a long stream is decided
/// again. Made here alone, from the request that is let through.
#[derive(Debug)]
pub struct PolicyInput {
    method: Method,
    other_methods: Box<[Box<str>]>,
    authority: Authority,
    path: RequestPath,
    source: IpAddr,
    presented: Arc<Presented>,
    at: UnixTime,
    origin: Option<Box<str>>,
    preflight_method: Option<Box<str>>,
    tool: Option<Box<str>>,
    message_was_read: bool,
    whole: Option<Box<KeptWhole>>,
}

/// What a route's app says of a stranger's request that its policy wants to know somebody for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// It is as any other.
    No,
    /// Strangers may ask it, for this reason: a word that stands on the record.
    Open(&'static str),
}

/// Policy, or app: on the record they are told apart.
#[derive(Debug)]
pub enum Grounds {
    /// The route's policy; and, where it has a `shadow_policy`, what that would have said.
    Policy(Decision, Option<Decision>),
    /// The route's app, and why.
    Unbound(&'static str),
}

/// Policy did not say yes.
#[derive(Debug)]
pub struct Refused<'a> {
    /// The request, for whoever answers it.
    pub request: Identified<'a>,
    /// Never `Allow`.
    pub decision: Decision,
    /// By which reading of the request.
    pub by: ReadingOf,
    /// What the route's `shadow_policy` would have said, where it has one.
    pub shadow: Option<Decision>,
    /// For the record.
    pub asked: Box<PolicyInput>,
}

/// Which reading of a request a decision was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadingOf {
    /// Ours.
    Canonical,
    /// Another server's of the path ([`RequestPath::other_readings`]): ours would have been let in.
    Others,
    /// An app's that takes the method from a field or a parameter.
    OtherMethod,
}

impl<R> Permitted<R> {
    /// The request.
    pub fn request(&self) -> &R {
        &self.request
    }

    /// For the record.
    pub fn asked(&self) -> &PolicyInput {
        &self.standing.asked
    }

    /// The same permit for the request in another form: shaping does not decide again. `None` when
    /// it can't be given that form: then the permit is gone, and nothing is forwarded.
    pub fn shaped<S>(self, shape: impl FnOnce(R, &Standing) -> Option<S>) -> Option<Permitted<S>> {
        let request = shape(self.request, &self.standing)?;
        Some(Permitted { request, standing: self.standing })
    }

    /// See [`Standing::session_goes_on`].
    ///
    /// # Errors
    ///
    /// [`PermitEnd::SessionEnded`].
    pub fn session_goes_on(&self) -> Result<(), PermitEnd> {
        self.standing.session_goes_on()
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

    /// The session under which it was permitted; `None` on a public route without one.
    pub fn session(&self) -> Option<&Arc<LiveSession>> {
        self.session.as_ref()
    }

    /// Whom the request that was let in is for.
    pub fn authority(&self) -> &Authority {
        &self.asked.authority
    }

    /// Its path, as policy read it.
    pub fn path(&self) -> &RequestPath {
        &self.asked.path
    }

    /// What the upstream may be told of the client's certificate.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.asked.certificate(&self.route, self.asked.at).told()
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
        let PolicyInput { authority, path, .. } = &*self.asked;
        let belongs = match &self.route.tunnel {
            Some(tunnel) => Ok(route::tunnel_to(plan, authority, tunnel.carried)),
            None => route::belongs(plan, authority, path),
        };
        let Ok(Destination::Route(route)) = belongs else {
            return Err(PermitEnd::RouteGone);
        };
        if !matches!(route.action, Action::Forward(_)) || !stream.is_open_on(&route) {
            return Err(PermitEnd::RouteGone);
        }
        if reads_messages(&route) && !reads_messages(&self.route) {
            return Err(PermitEnd::PolicyChanged); // what its message was nobody knows now
        }
        if reads_whole(&route) && self.asked.whole.is_none() {
            return Err(PermitEnd::PolicyChanged); // nor what its fields were
        }
        let session = self.session.as_ref();
        let has_expired = session.is_some_and(|session| session.is_over(now));
        let (providers, by) = (&plan.sign_in.providers, route.sign_in_by.as_ref());
        let goes_on = |session: &Arc<LiveSession>| match stream {
            Stream::Body => !session.is_over_for(plan.sessions.playing, now),
            Stream::TunnelAfterSession => !session.is_over_for(route.after_session(), now),
            Stream::Socket | Stream::Tunnel => !has_expired,
        };
        let newest = session
            .filter(|session| goes_on(session))
            .filter(|session| providers.counts_on(by, &session.session().idp_id))
            .map(|session| session.newest());
        let who = newest.as_deref();
        // A film goes on by the sign-in that was recent when it began.
        let at = if stream == Stream::Body { self.asked.at } else { now.wall };
        let also = self.also_now(&route)?;
        let also = also.map(AsRef::as_ref);
        let decision = self.asked.decide_both((&route, also), who, at).0;
        match decision.verdict {
            Verdict::Allow => Ok(()),
            // The same app as before: what it opens, it opens to all, and takes from nobody.
            Verdict::SignIn
                if self.is_open_to_strangers
                    && self.route.app == route.app
                    && self.asked.may_be_opened(&decision) =>
            {
                Ok(())
            }
            Verdict::SignIn if has_expired => Err(PermitEnd::SessionExpired),
            // `tunnel_after_session` is for a session that ran out, not for a proof that did.
            Verdict::SignInAgain
                if stream == Stream::TunnelAfterSession && !route.after_session().is_zero() =>
            {
                Ok(())
            }
            Verdict::SignInAgain | Verdict::ShowPasskey => Err(PermitEnd::SessionExpired),
            Verdict::ShowCertificate => Err(PermitEnd::CertificateOver),
            Verdict::SignIn | Verdict::ShowDevice | Verdict::Deny => Err(PermitEnd::PolicyChanged),
        }
    }
}

/// Is the whole of a request kept, because rules in Rego may ask for it?
pub fn reads_whole(route: &Route) -> bool {
    route.policy.asks_modules()
}

impl PolicyInput {
    fn of(request: &Identified<'_>) -> Self {
        let Identified { head, seen, routed, .. } = request;
        let (method, fields) = (&head.method, &head.headers);
        let added = &seen.plan.additional_methods;
        let is_added = |name: &str| added.iter().any(|added| **added == *name);
        let is_known = |name: &str| is_registered(name) || is_added(name);
        let other_methods = other_methods(method.as_str(), fields, head.uri.query(), is_known);
        let text = |name| {
            // What is no text is there all the same: a `deny` of preflights must see it.
            let value = fields.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
            value.filter(|text| !text.is_empty()).map(Into::into)
        };
        let preflight = method == Method::OPTIONS;
        Self {
            method: method.clone(),
            other_methods,
            authority: routed.authority.clone(),
            path: routed.path.clone(),
            source: seen.source(),
            presented: Arc::clone(&seen.connection.presented),
            at: seen.now.wall,
            origin: preflight.then(|| text(header::ORIGIN)).flatten(),
            preflight_method: preflight
                .then(|| text(header::ACCESS_CONTROL_REQUEST_METHOD))
                .flatten(),
            tool: request.message.tool().map(Into::into),
            message_was_read: routed.route().is_some_and(|route| reads_messages(route)),
            whole: KeptWhole::of(request),
        }
    }

    /// Every reading of path and method must be let in; the first that is not is what was decided.
    fn decide(
        &self,
        (route, policy): (&Route, &Policy),
        who: Option<&SignedIn>,
        at: UnixTime,
    ) -> (Decision, ReadingOf) {
        let certificate = self.certificate(route, at);
        let decide = |facts: RequestFacts<'_>| {
            let facts = Facts::of(who, facts).at(at).with_certificate(certificate);
            policy.decide(&facts.with_whole(self.whole()))
        };
        let decision = decide(self.own_reading(route));
        if decision.verdict != Verdict::Allow {
            return (decision, ReadingOf::Canonical);
        }
        let mut others = self.other_readings(route).map(|(by, facts)| (decide(facts), by));
        let refuses = |(other, _): &(Decision, ReadingOf)| other.verdict != Verdict::Allow;
        others.find(refuses).unwrap_or((decision, ReadingOf::Canonical))
    }

    /// The route's policy decides, and where that lets it in the one that the app wants beside it.
    fn decide_both(
        &self,
        (route, also): (&Route, Option<&Policy>),
        who: Option<&SignedIn>,
        at: UnixTime,
    ) -> (Decision, ReadingOf) {
        let decided = self.decide((route, &route.policy), who, at);
        match also {
            Some(also) if decided.0.verdict == Verdict::Allow => {
                self.decide((route, also), who, at)
            }
            Some(_) | None => decided,
        }
    }

    /// As [`Self::decide`] does, with all that was asked on the way to it.
    fn explain<'p>(
        &self,
        (route, policy): (&Route, &'p Policy),
        who: Option<&SignedIn>,
    ) -> Explanation<'p> {
        let certificate = self.certificate(route, self.at);
        let explain = |facts: RequestFacts<'_>| {
            let facts = Facts::of(who, facts).at(self.at).with_certificate(certificate);
            policy.explain(&facts.with_whole(self.whole()))
        };
        let refuses = |one: &Explanation<'_>| one.decision.verdict != Verdict::Allow;
        let own = explain(self.own_reading(route));
        if refuses(&own) {
            return own;
        }
        self.other_readings(route).map(|(_, facts)| explain(facts)).find(refuses).unwrap_or(own)
    }

    fn own_reading(&self, route: &Route) -> RequestFacts<'_> {
        self.facts(self.method.as_str(), path_case::own(route, &self.path))
    }

    /// Others' of the path, and then those of an app that takes another method.
    fn other_readings(&self, route: &Route) -> impl Iterator<Item = (ReadingOf, RequestFacts<'_>)> {
        let others =
            || self.path.other_readings().iter().map(|other| path_case::other(route, other));
        let own = self.method.as_str();
        let by_path = others().map(move |path| (ReadingOf::Others, self.facts(own, path)));
        let by_method = self.other_methods.iter().flat_map(move |method| {
            let paths = std::iter::once(path_case::own(route, &self.path)).chain(others());
            paths.map(move |path| (ReadingOf::OtherMethod, self.facts(method, path)))
        });
        by_path.chain(by_method)
    }

    /// May the app of a route open it to strangers? Not beside a rule that denies it, and where it
    /// is read in one way only.
    fn may_be_opened(&self, decision: &Decision) -> bool {
        let is_read_in_one_way =
            self.other_methods.is_empty() && self.path.other_readings().is_empty();
        decision.verdict == Verdict::SignIn && !decision.deny.holds && is_read_in_one_way
    }

    /// The client's certificate, judged by what the route trusts, then.
    fn certificate(&self, route: &Route, at: UnixTime) -> ClientCertificate<'_> {
        self.presented.standing(route.client_trust.as_ref(), at)
    }

    fn whole(&self) -> Option<WholeRequest<'_>> {
        self.whole.as_deref().map(|whole| whole.facts(self.path.wire()))
    }

    fn facts<'a>(&'a self, method: &'a str, path: &'a str) -> RequestFacts<'a> {
        RequestFacts {
            method,
            path,
            source: Some(self.source),
            origin: self.origin.as_deref(),
            access_control_request_method: self.preflight_method.as_deref(),
            tool: self.tool.as_deref(),
        }
    }
}

/// Asks the route's policy, and the route's app where a stranger would have to sign in. What was
/// decided comes back either way: it is what gets recorded.
///
/// # Errors
///
/// [`Refused`] gives the request back with a decision that is not `Allow`.
#[expect(clippy::result_large_err, reason = "a permit is as large: the head moves on either way")]
pub fn permit<'a>(
    request: Identified<'a>,
    (route, also): (&Arc<Route>, Option<Arc<Policy>>),
    stranger: impl FnOnce(&Identified<'a>) -> Unbound,
) -> Result<(Permitted<Box<Parts>>, Grounds), Refused<'a>> {
    let (asked, session) = (Box::new(PolicyInput::of(&request)), request.identity.session());
    let who = session.map(|session| session.signed_in());
    let (decision, by) = asked.decide_both((route, also.as_deref()), who, asked.at);
    let shadow = route.shadow.as_ref().map(|policy| asked.decide((route, policy), who, asked.at).0);
    let unbound = match session {
        None if also.is_none() && asked.may_be_opened(&decision) => stranger(&request),
        Some(_) | None => Unbound::No,
    };
    let grounds = match (decision.verdict, unbound) {
        (Verdict::Allow, _) => Grounds::Policy(decision, shadow),
        (_, Unbound::Open(why)) => Grounds::Unbound(why),
        (_, Unbound::No) => {
            return Err(Refused { request, decision, by, shadow, asked });
        }
    };
    let is_open_to_strangers = matches!(grounds, Grounds::Unbound(_));
    let (route, session) = (Arc::clone(route), session.map(Arc::clone));
    let standing = Standing { route, session, asked, is_open_to_strangers, also };
    Ok((Permitted { request: request.head, standing }, grounds))
}

/// As [`permit`] asks the route's policy and the one beside it, criterion by criterion.
pub fn explain<'p>(
    request: &Identified<'_>,
    (route, also): (&'p Route, Option<&'p Policy>),
) -> Explanation<'p> {
    let who = request.identity.session().map(|session| session.signed_in());
    let asked = PolicyInput::of(request);
    let own = asked.explain((route, &route.policy), who);
    match also {
        Some(also) if own.decision.verdict == Verdict::Allow => asked.explain((route, also), who),
        Some(_) | None => own,
    }
}
