//! An upstream's answer, as the client gets it.

use std::sync::Arc;

use http::Response;
use usher_rules::plan::Route;

use super::{Body, forward::Trailers, route::Routed, seen::Seen, shape, upgrade, workers};

/// The answer as the client gets it.
pub(super) fn back(
    seen: &Seen,
    routed: &Routed,
    route: &Arc<Route>,
    response: Response<Body>,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let public = &routed.authority_field;
    shape::toward_client(&mut head, &seen.plan, route, public);
    workers::narrow(&seen.plan, &routed.authority.host, &mut head.headers);
    let body = body.with_trailers(Trailers::toward_client(&seen.plan, route));
    let mut response = Response::from_parts(head, body);
    upgrade::say_upgraded(&mut response, route, &seen.connection);
    if seen.connection.protocol().is_multiplexed() {
        shape::apart(response.headers_mut());
    }
    response
}
