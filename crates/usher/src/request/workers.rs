//! Service workers of apps, on the host where people sign in.
//!
//! A worker sees every request below its scope, passwords that are typed there included. Its scope
//! is at most the folder of its script (Service Workers §4.1, "max scope"), unless the app widens
//! it with `Service-Worker-Allowed`. So on that host no script is served that could rule
//! `/.pomerium/`: one in the root is refused, and nothing is widened. `/web/serviceworker.js`
//! (Jellyfin's) rules `/web/` and passes.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use usher_rules::{names::Host, plan::Plan};

use super::{Body, identify::Identified, journey::Known};

const OURS: &str = "/.pomerium/";
const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");
const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");

/// Takes the place of a worker that was registered before people signed in here: it takes over,
/// unregisters itself, and the browser is as if there had been none. A worker that is new fails,
/// as its registration should. A plain refusal would leave the old one in force for good (seen in
/// Chromium with 403, 404 and 410).
const LEAVES: &str = "\
/* Nobody is signed in here, or people sign in on this host: then no service worker rules it.
   authenticate_service_url gives sign-in a host of its own. */
if (!self.registration.active) throw new Error('nobody is signed in, or people sign in here');
self.addEventListener('install', function () { self.skipWaiting(); });
self.addEventListener('activate', function (event) {
  event.waitUntil(self.registration.unregister());
});
";

/// The answer to a browser that fetches a script which could rule the sign-in page. It is given
/// before anybody is asked who they are: browsers look for newer scripts without a person.
pub(super) fn refused(request: &Identified<'_>) -> Option<Response<Body>> {
    let (fields, routed) = (&request.head.headers, request.routed);
    if !request.seen.plan.sign_in.is_at(&routed.authority.host) {
        return None;
    }
    if request.head.method == Method::CONNECT {
        return None; // no browser's, and whatever follows a 200 is taken for the tunnel's bytes
    }
    let by_name = is(fields, &SERVICE_WORKER, "script");
    let by_dest = is(fields, &HeaderName::from_static("sec-fetch-dest"), "serviceworker");
    if !(by_name || by_dest) {
        return None;
    }
    let path = routed.path.wire();
    let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or("/");
    if !OURS.starts_with(folder) {
        return None;
    }
    Some(if by_name && by_dest {
        answer(request, StatusCode::OK, "text/javascript; charset=utf-8", LEAVES)
    } else {
        answer(request, StatusCode::FORBIDDEN, "text/plain; charset=utf-8", WORDS)
    })
}

/// The same for an app's worker, wherever its script is, where nobody is signed in who could have
/// it: a worker that answers page loads from what it keeps would never let its person see that they
/// have to sign in. They get it back with the app.
pub(super) fn leave_with_their_person(request: &Identified<'_>) -> Option<Response<Body>> {
    let fields = &request.head.headers;
    let fetches = is(fields, &SERVICE_WORKER, "script")
        && is(fields, &HeaderName::from_static("sec-fetch-dest"), "serviceworker")
        && request.head.method != Method::CONNECT;
    fetches.then(|| answer(request, StatusCode::OK, "text/javascript; charset=utf-8", LEAVES))
}

fn answer(
    request: &Identified<'_>,
    status: StatusCode,
    kind: &'static str,
    words: &'static str,
) -> Response<Body> {
    let mut response = Response::new(Body::full(words));
    *response.status_mut() = status;
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Known::of(request).add_fields(&mut response);
    response
}

const WORDS: &str = "People sign in on this host, so no service worker rules all of it. Give \
                     sign-in a host of its own: authenticate_service_url\n";

/// Takes away what would widen a worker's scope beyond its folder.
pub(super) fn narrow(plan: &Plan, host: &Host, fields: &mut HeaderMap) {
    if plan.sign_in.is_at(host) {
        fields.remove(SERVICE_WORKER_ALLOWED);
    }
}

fn is(fields: &HeaderMap, name: &HeaderName, value: &str) -> bool {
    fields.get_all(name).iter().any(|field| field.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
}
