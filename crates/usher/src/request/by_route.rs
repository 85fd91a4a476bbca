//! What a route answers by itself: a text, or a redirect.

use http::{HeaderMap, Response, request::Parts};
use usher_rules::{
    fields::{remove_query_session, trusted_scheme},
    plan::{Action, AskedFor, Plan, Route},
};

use super::{
    Body,
    answer::{redirect_to, text},
    route::Routed,
    seen::Seen,
};

/// The answer of a route without an upstream, once its policy let the request in.
pub(super) fn by_route(
    seen: &Seen,
    routed: &Routed,
    route: &Route,
    head: &Parts,
) -> Option<Response<Body>> {
    match &route.action {
        Action::Forward(_) => None,
        Action::Respond { status, body } => Some(text(*status, body.to_string())),
        Action::Redirect(redirect) => {
            let query = head.uri.query().map(remove_query_session);
            let asked = AskedFor {
                scheme: own_scheme(&seen.plan, &head.headers),
                authority: routed.authority_field.to_str().ok()?,
                path: routed.path.wire(),
                query: query.as_deref(),
            };
            redirect_to(redirect.status, redirect.location(&route.matches, asked))
        }
    }
}

/// The listener's, as in Pomerium, unless a proxy that is trusted tells of another one.
fn own_scheme(plan: &Plan, fields: &HeaderMap) -> &'static str {
    let listener = if plan.listen.insecure { "http" } else { "https" };
    trusted_scheme(fields, plan.xff_num_trusted_hops).unwrap_or(listener)
}
