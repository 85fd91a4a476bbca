//! Service workers of apps, on the host where people sign in.
//!
//! A worker sees every request below its scope, passwords that are typed there included. Its scope
//! is at most the folder of its script (Service Workers §4.1, "max scope"), unless the app widens
//! it with `Service-Worker-Allowed`. So on that host no script is served that could rule
//! `/.pomerium/`: one in the root is refused, and nothing is widened. `/web/serviceworker.js`
//! (Jellyfin's) rules `/web/` and passes.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use usher_rules::{names::Host, plan::Plan};

use super::{Body, trail::Trail};

const OURS: &str = "/.pomerium/";
const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");
const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");

/// The answer to a browser that fetches a script which could rule the sign-in page.
pub(super) fn refused(trail: &Trail, fields: &HeaderMap) -> Option<Response<Body>> {
    let routed = trail.routed.as_ref()?;
    let is_worker = is(fields, &SERVICE_WORKER, "script")
        || is(fields, &HeaderName::from_static("sec-fetch-dest"), "serviceworker");
    if !is_worker || !signs_in(&trail.plan, &routed.authority.host) {
        return None;
    }
    let path = routed.path.wire();
    let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or("/");
    if !OURS.starts_with(folder) {
        return None;
    }
    let words = "People sign in on this host, so no service worker rules all of it. Give sign-in \
                 a host of its own: authenticate_service_url\n";
    let mut response = Response::new(Body::full(words));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    trail.add_fields(&mut response);
    Some(response)
}

/// Takes away what would widen a worker's scope beyond its folder.
pub(super) fn narrow(plan: &Plan, host: &Host, fields: &mut HeaderMap) {
    if signs_in(plan, host) {
        fields.remove(SERVICE_WORKER_ALLOWED);
    }
}

fn signs_in(plan: &Plan, host: &Host) -> bool {
    plan.sign_in.own().is_some_and(|own| own.host == *host)
}

fn is(fields: &HeaderMap, name: &HeaderName, value: &str) -> bool {
    fields.get_all(name).iter().any(|field| field.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
}
