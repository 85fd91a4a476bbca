//! Events beside a request: what went wrong with an upstream, or will with what it is told.

use std::fmt;

use http::{HeaderMap, HeaderValue};
use usher_rules::plan::{Level, Route};

use super::{
    Door, EventField, EventName, authorize,
    forward::{Ejected, ForwardError},
    route::Routed,
    seen::Seen,
    shape,
    tls_words::full_cause,
};

/// From so many octets on, what we say about the visitor is told of: many servers take 8 KiB in all.
const LARGE_IDENTITY: usize = 8 * 1024;

impl Door {
    /// One of several upstreams did not answer; the request went on to the next.
    pub(super) fn note_passed_over(&self, seen: &Seen, route: &Route, error: &ForwardError) {
        let effect = "another address of the route is asked; this one is let alone for a while";
        self.trouble(seen, &route.name, (EventName::Upstream, error), format_args!("{effect}"));
    }

    /// One of several upstreams is left alone for what it answered (`outlier_detection`).
    pub(super) fn note_ejected(&self, seen: &Seen, route: &Route, ejected: &Ejected) {
        self.recorder
            .event(Level::Warn, EventName::Upstream, seen.now)
            .with(EventField::RequestId, seen.id())
            .with(EventField::Route, &route.name)
            .with(EventField::Upstream, &ejected.upstream)
            .with(EventField::Problem, "the upstream is an outlier")
            .with(EventField::Cause, ejected.why)
            .with(EventField::Effect, format_args!("it is left alone for {:?}", ejected.length))
            .write_if(&seen.plan.log);
    }

    /// A tunnel is open; its access line comes when it ends.
    pub(super) fn note_opened(
        &self,
        seen: &Seen,
        (routed, route): (&Routed, &Route),
        upstream: Option<&HeaderValue>,
    ) {
        let upstream = upstream.and_then(|upstream| upstream.to_str().ok()).unwrap_or_default();
        self.recorder
            .event(Level::Info, EventName::Tunnel, seen.now)
            .with(EventField::RequestId, seen.id())
            .with(EventField::Route, &route.name)
            .with(EventField::Host, &routed.authority)
            .with(EventField::Upstream, upstream)
            .write_if(&seen.plan.log);
    }

    /// Told once of a session and a route: apps and servers between refuse fields of this size, with
    /// 400 or 431 and no word of why.
    pub(super) fn note_large_identity(
        &self,
        seen: &Seen,
        standing: &authorize::Standing,
        fields: &HeaderMap,
    ) {
        let octets = shape::identity_octets(&seen.plan, fields);
        let (route, session) = (standing.route(), standing.session());
        let Some(session) = session.filter(|_| octets >= LARGE_IDENTITY) else { return };
        if !session.first_logged(&format!("{} {}", route.id, route.name)) {
            return;
        }
        self.recorder
            .event(Level::Warn, EventName::Identity, seen.now)
            .with(EventField::RequestId, seen.id())
            .with(EventField::Route, &route.name)
            .with(EventField::UserId, &session.person().id)
            .with(EventField::Octets, octets)
            .with(EventField::Effect, "many apps refuse requests with so long fields")
            .with(
                EventField::Hint,
                "have the provider send fewer groups and claims, or leave out \
                 `pass_identity_headers` and `jwt_claims_headers` where the app does not read them",
            )
            .write();
    }

    pub(super) fn trouble(
        &self,
        seen: &Seen,
        route: &str,
        (event, error): (EventName, &dyn std::error::Error),
        effect: fmt::Arguments<'_>,
    ) {
        let cause = error.source().map(full_cause).unwrap_or_default();
        self.recorder
            .event(Level::Warn, event, seen.now)
            .with(EventField::RequestId, seen.id())
            .with(EventField::Route, route)
            .with(EventField::Problem, error)
            .with(EventField::Cause, cause)
            .with(EventField::Effect, effect)
            .write_if(&seen.plan.log);
    }
}
