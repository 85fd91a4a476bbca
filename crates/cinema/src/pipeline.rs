//! A request from its first byte to its answer, in the order in which the real server goes.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::{
    answer::{self, Answer},
    caller::Caller,
    endpoints::{self, Ask, web},
    fault,
    forwarded::Origin,
    media_server::MediaServer,
    options::{JellyfinVersion, Readiness},
    routes::{self, Endpoint, Found, InitiateMethods},
    socket,
    target::Target,
};

/// Kestrel's limit for the request line, in bytes, with its line end.
const LINE_LIMIT: usize = 8_192;

/// Kestrel's limit for all header lines, in bytes.
const HEADERS_LIMIT: usize = 32_768;

/// The largest body that is read though no endpoint wants it, in bytes.
const UNREAD_LIMIT: u64 = 64 * 1024;

/// Answers one request.
pub(crate) async fn serve(
    server: Arc<MediaServer>,
    peer: IpAddr,
    mut request: Request<Incoming>,
) -> Answer {
    if let Some(refusal) = too_large(&request) {
        return finished(refusal, server.version, &request);
    }
    if let Some(answer) = fault::meet(&server, &mut request) {
        return finished(answer, server.version, &request);
    }
    if is_preflight(&request) {
        return preflight(&request);
    }
    let target = Target::parse(
        request.uri().path(),
        request.uri().query().unwrap_or_default(),
        server.version,
    );
    let known = server.proxies_known_to(peer);
    let mut origin = Origin::read(peer, request.headers(), &known);
    origin.local = server.state().local_networks();
    if let Some(answer) = web::serve(&server, &request, &target, &origin) {
        return finished(answer, server.version, &request);
    }
    let caller = Caller::identify(&server, peer, origin, request.headers(), &target.query);
    let answer = route(&server, caller, target, &mut request).await;
    read_the_rest(&mut request).await;
    finished(answer, server.version, &request)
}

/// Takes what an endpoint left of a small body off the connection, so that the next request on it
/// is answered: Kestrel drains too, while hyper would close under a client that sends head and
/// body in two pieces.
async fn read_the_rest(request: &mut Request<Incoming>) {
    let small = request.body().size_hint().upper().is_some_and(|size| size <= UNREAD_LIMIT);
    if small && !request.headers().contains_key(header::EXPECT) {
        // A client that goes away in the middle needs no answer either.
        let _cut = request.body_mut().collect().await;
    }
}

async fn route(
    server: &Arc<MediaServer>,
    caller: Caller,
    mut target: Target,
    request: &mut Request<Incoming>,
) -> Answer {
    // The query that came wholly encoded is read only now, after the credential was judged.
    let decoded = target.query.decoded_whole();
    if let Some(query) = &decoded {
        target.query = query.clone();
    }
    let initiate = match server.version {
        JellyfinVersion::V10_10 | JellyfinVersion::V10_11 => InitiateMethods::GetAndPost,
        JellyfinVersion::V12 => InitiateMethods::PostOnly,
    };
    let found = routes::find(request.method(), &target.segments, initiate);
    if let Found::Route { access, .. } = &found
        && let Some(refusal) = caller.refusal(server, *access)
    {
        return refusal;
    }
    if server.state().turns_away(&caller.origin) {
        return answer::empty(StatusCode::SERVICE_UNAVAILABLE);
    }
    if socket::is_wanted(request) {
        return socket::accept(server, &caller, decoded.as_ref(), request);
    }
    let (endpoint, captured) = match found {
        Found::Route { endpoint, captured, .. } => (endpoint, captured),
        Found::OtherMethods(allowed) => {
            let mut refusal = answer::empty(StatusCode::METHOD_NOT_ALLOWED);
            answer::set(&mut refusal, header::ALLOW, &allowed);
            return refusal;
        }
        Found::Nothing if is_starting(server) => return loading(),
        Found::Nothing => return answer::empty(StatusCode::NOT_FOUND),
    };
    if endpoint != Endpoint::Health && is_starting(server) {
        return loading();
    }
    let ask = Ask { server, caller: &caller, target: &target, captured: &captured };
    match endpoints::answer(endpoint, ask, request).await {
        Ok(answer) | Err(answer) => answer,
    }
}

fn is_starting(server: &MediaServer) -> bool {
    server.state().readiness == Readiness::Starting
}

fn loading() -> Answer {
    let mut answer = answer::error(StatusCode::SERVICE_UNAVAILABLE);
    *answer.body_mut() =
        answer::AnswerBody::Chunked("Jellyfin Server is loading. Please try again shortly.".into());
    answer::set(&mut answer, header::CONTENT_TYPE, "text/html");
    answer
}

fn too_large(request: &Request<Incoming>) -> Option<Answer> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let line = request.method().as_str().len() + target + " HTTP/1.1\r\n ".len();
    let lines = request.headers().iter();
    let headers: usize =
        lines.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum();
    let status = if line > LINE_LIMIT {
        StatusCode::URI_TOO_LONG
    } else if headers > HEADERS_LIMIT {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else {
        return None;
    };
    let mut refusal = answer::empty(status);
    answer::set(&mut refusal, header::CONNECTION, "close");
    Some(refusal)
}

fn is_preflight(request: &Request<Incoming>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Allows whatever was asked for, on any path, before anything else is looked at.
fn preflight(request: &Request<Incoming>) -> Answer {
    let mut answer = answer::empty(StatusCode::NO_CONTENT);
    for (asked, allowed) in [
        (header::ACCESS_CONTROL_REQUEST_HEADERS, header::ACCESS_CONTROL_ALLOW_HEADERS),
        (header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_ALLOW_METHODS),
    ] {
        if let Some(value) = request.headers().get(asked) {
            answer.headers_mut().insert(allowed, value.clone());
        }
    }
    answer::set(&mut answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    answer::set(&mut answer, header::SERVER, "Kestrel");
    answer
}

/// What every answer carries.
fn finished(mut answer: Answer, version: JellyfinVersion, request: &Request<Incoming>) -> Answer {
    if wants_camel_case(request) {
        answer::into_camel_case(&mut answer);
    }
    answer::set(&mut answer, header::SERVER, "Kestrel");
    let is_root_redirect = answer.status() == StatusCode::FOUND;
    if version == JellyfinVersion::V12 && !is_root_redirect {
        answer::set(&mut answer, header::CONTENT_LANGUAGE, "en-US");
    }
    if request.headers().contains_key(header::ORIGIN) {
        answer::set(&mut answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
    answer
}

/// The first JSON type of `Accept` decides.
fn wants_camel_case(request: &Request<Incoming>) -> bool {
    let accept = request.headers().get(header::ACCEPT).map(HeaderValue::to_str);
    let Some(Ok(accept)) = accept else { return false };
    let accept = accept.to_ascii_lowercase();
    let first = accept.split(',').find(|kind| kind.trim().starts_with("application/json"));
    first.is_some_and(|kind| kind.contains("camelcase"))
}
