//! How far a request came, and what became of it: what stands on its record.

use std::{mem, sync::Arc};

use http::{HeaderValue, Response, StatusCode, header::Entry};
use usher_rules::{plan::Route, policy::Verdict};

use super::{
    Body, Details, Door, PathRule,
    accept::InFlight,
    forward::Upload,
    identify::{Identified, Identity},
    record::{Access, By, Closing, Decided, Judgement},
    route::Routed,
    seen::Seen,
};

/// A request on its way. Each step leaves here what it learned and goes on with a reference to it,
/// which can't be absent. So whatever becomes of the steps, it is recorded how far they came: a
/// client that leaves while we wait takes them along, and so does a panic.
pub(super) struct Journey<'a> {
    door: &'a Door,
    /// `None` once it was recorded.
    in_flight: Option<InFlight>,
    pub seen: Seen,
    pub routed: Option<Routed>,
    pub identity: Identity,
    pub outcome: Outcome,
}

/// The decision, and where the answer comes from.
pub(super) struct Outcome {
    /// `None` until a decision was recorded.
    decided: Option<(Verdict, Arc<str>)>,
    /// Why it went no further, where it was no policy that said so.
    pub rule: Option<PathRule>,
    pub details: Details,
    /// The path as it came, escaped, of a request that was refused before it was canonical.
    pub unrouted_path: Box<str>,
    pub upload: Option<Arc<Upload>>,
    /// What the upstream sees as host, once one was asked.
    pub authority: Option<HeaderValue>,
}

/// What answers and decision lines name, however far the request came.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub seen: &'a Seen,
    pub routed: Option<&'a Routed>,
    pub identity: &'a Identity,
}

impl<'a> Journey<'a> {
    pub(super) fn begin(door: &'a Door, in_flight: InFlight, seen: Seen) -> Self {
        let outcome = Outcome {
            decided: None,
            rule: None,
            details: Details::DirectResponse,
            unrouted_path: Box::default(),
            upload: None,
            authority: None,
        };
        let (in_flight, identity) = (Some(in_flight), Identity::Anonymous);
        Self { door, in_flight, seen, routed: None, identity, outcome }
    }

    pub(super) fn known(&self) -> Known<'_> {
        Known { seen: &self.seen, routed: self.routed.as_ref(), identity: &self.identity }
    }

    /// Its lines: the decision's, if there is none yet, and the access line when what is returned is
    /// dropped. `None` when that was done before.
    pub(super) fn record(&mut self, status: Option<StatusCode>) -> Option<Closing> {
        let in_flight = self.in_flight.take()?;
        let (outcome, began) = (&self.outcome, self.seen.began);
        let recorder = match outcome.decided.is_some() || status.is_some() {
            true => self.door.recorder.clone(),
            // Taken back before anything happened: so cheap that thousands may come at once.
            false => self.door.recorder.of_taken_back(self.seen.now),
        };
        if outcome.decided.is_none() {
            let by = By::Path(outcome.rule.unwrap_or(PathRule::Internal).word());
            recorder.decided(self.known().decided(&outcome.unrouted_path, by));
        }
        let (upload, access) = (outcome.upload.clone(), self.access(status));
        Some(Closing::new(recorder, access, began, upload, in_flight))
    }

    /// The access line, as far as it is known now.
    fn access(&mut self, status: Option<StatusCode>) -> Box<Access> {
        let Self { door, seen, routed, identity, outcome, .. } = self;
        let path = match &routed {
            Some(routed) => routed.path.shared_wire(),
            None => mem::take(&mut outcome.unrouted_path).into(),
        };
        // Nobody reads what was seen after this.
        let moved = |field: &mut HeaderValue| mem::replace(field, HeaderValue::from_static(""));
        let host = moved(&mut seen.host);
        let (verdict, rule) = outcome.decided.take().unzip();
        let route = routed.as_ref().and_then(Routed::route).cloned();
        let app = route.as_ref().and_then(|route| door.apps.of(route).ok().flatten());
        let app_state = app.zip(route.as_ref()).and_then(|(app, route)| app.stands(route));
        Box::new(Access {
            plan: Arc::clone(&seen.plan),
            request_id: moved(&mut seen.request_id),
            method: mem::take(&mut seen.method),
            authority: outcome.authority.take().unwrap_or_else(|| host.clone()),
            host,
            path,
            user_agent: seen.user_agent.take(),
            referer: seen.referer.take(),
            ip: moved(&mut seen.visitor_text),
            way: moved(&mut seen.way),
            presented: Arc::clone(&seen.connection.presented),
            session: identity.session().cloned(),
            route,
            app_state,
            verdict: verdict.unwrap_or(Verdict::Deny),
            rule: match (outcome.rule, rule) {
                (None, Some(rule)) => rule,
                (word, _) => word.unwrap_or(PathRule::Internal).word().into(),
            },
            status,
            details: outcome.details,
            at: seen.now,
        })
    }
}

impl<'a> Known<'a> {
    pub(super) fn of(request: &Identified<'a>) -> Self {
        let Identified { seen, routed, identity, .. } = *request;
        Self { seen, routed: Some(routed), identity }
    }

    /// The host that pages name.
    pub(super) fn host(self) -> &'a str {
        self.routed.map_or("this address", |routed| routed.authority.host.as_str())
    }

    /// The route, where it belongs to an app.
    pub(super) fn route(self) -> Option<&'a Arc<Route>> {
        self.routed.and_then(Routed::route)
    }

    /// Fields of answers that belong to no route, or that a route's requests got from us.
    pub(super) fn add_fields(self, response: &mut Response<Body>) {
        let (ours, defaults) = match self.route() {
            Some(route) => (&route.set_response, &*route.default_response),
            None => (&self.seen.plan.response_fields, &[][..]),
        };
        for (name, value) in ours.iter().chain(defaults) {
            if let Entry::Vacant(place) = response.headers_mut().entry(name) {
                place.insert(value.clone());
            }
        }
    }

    /// The decision line.
    fn decided(self, unrouted_path: &'a str, by: By<'a>) -> Decided<'a> {
        let Self { seen, routed, identity } = self;
        let text = |value: Option<&'a HeaderValue>| {
            value.and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        Decided {
            plan: &seen.plan,
            request_id: seen.id(),
            check_request_id: text(seen.check_request_id.as_ref()),
            method: &seen.method,
            host: text(routed.map(|routed| &routed.authority_field)),
            path: routed.map_or(unrouted_path, |routed| routed.path.wire()),
            ip: text(Some(&seen.connection.peer.text)),
            identity,
            route: match by {
                By::Policy(_) | By::Path(_) | By::Unbound(_) => self.route().map(AsRef::as_ref),
                By::OwnPage | By::NobodysPage => None,
            },
            by,
            at: seen.now,
        }
    }
}

impl Door {
    /// Writes what was decided, before anything is done about it.
    pub(super) fn decided(&self, known: Known<'_>, by: By<'_>, outcome: &mut Outcome) {
        thread_local! {
            static OWN_PAGE: Arc<str> = Arc::from(PathRule::OwnPage.word());
        }
        self.recorder.decided(known.decided(&outcome.unrouted_path, by));
        outcome.decided = match by {
            By::Policy(Judgement { decision, .. }) => {
                Some((decision.verdict, Arc::clone(&decision.rule)))
            }
            By::OwnPage => Some((Verdict::Allow, OWN_PAGE.with(Arc::clone))),
            By::NobodysPage => Some((Verdict::SignIn, OWN_PAGE.with(Arc::clone))),
            By::Unbound(why) => Some((Verdict::Allow, why.into())),
            By::Path(why) => Some((Verdict::Deny, why.into())),
        };
    }
}

impl Drop for Journey<'_> {
    fn drop(&mut self) {
        if self.in_flight.is_some() {
            self.outcome.details = Details::ClientGone;
            drop(self.record(None));
        }
    }
}
