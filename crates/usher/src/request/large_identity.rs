//! What is said about a visitor, and is more than many apps take.

use http::HeaderMap;

use super::{Door, EventField, EventName, authorize, seen::Seen, shape};

/// From so many octets on, what we say about the visitor is told of: many servers take 8 KiB in all.
const LARGE_IDENTITY: usize = 8 * 1024;

impl Door {
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
            .event(usher_rules::plan::Level::Warn, EventName::Identity, seen.now)
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
}
