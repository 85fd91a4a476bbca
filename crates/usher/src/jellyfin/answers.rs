//! What is answered without the server.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use usher_rules::jellyfin::{Endpoint, Opening};

use super::{Devices, read::read, shield};
use crate::request::{Answers, AppRequest, Body};

const JSON: &str = "application/json; charset=utf-8";

/// Whether the server is asked at all.
pub(super) fn answers(devices: &dyn Devices, asked: AppRequest<'_>) -> Answers {
    if shield::is_preflight(asked) {
        return Answers::Own { at_most: 0 };
    }
    match read(asked).endpoint {
        Endpoint::Strangers(Opening::Ping | Opening::Health) => Answers::Own { at_most: 64 },
        Endpoint::Strangers(Opening::UserNames) if asked.identity.session().is_none() => {
            Answers::Own { at_most: 0 }
        }
        Endpoint::Strangers(opening) => devices.answers(opening, asked),
        Endpoint::Person => devices.answers_somebody(asked),
        Endpoint::Anonymous(_) => Answers::Upstream,
        Endpoint::Administration | Endpoint::Shut(_) => Answers::Upstream,
    }
}

/// What [`answers`] claimed.
pub(super) async fn answer(
    devices: &dyn Devices,
    asked: AppRequest<'_>,
    body: Bytes,
) -> Response<Body> {
    if shield::is_preflight(asked) {
        return preflight(asked);
    }
    let endpoint = read(asked).endpoint;
    match endpoint {
        Endpoint::Strangers(Opening::Ping) => text(&asked.head.method, JSON, "\"Jellyfin Server\""),
        Endpoint::Strangers(Opening::Health) => text(&asked.head.method, "text/plain", "Healthy"),
        Endpoint::Strangers(Opening::UserNames) => text(&asked.head.method, JSON, "[]"),
        Endpoint::Strangers(_) | Endpoint::Person => devices.answer(asked, body).await,
        Endpoint::Anonymous(_) | Endpoint::Administration | Endpoint::Shut(_) => {
            let mut response = Response::new(Body::full(""));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

fn text(method: &Method, kind: &'static str, words: &'static str) -> Response<Body> {
    let body = if *method == Method::HEAD { Body::full("") } else { Body::full(words) };
    let mut response = Response::new(body);
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Its receivers and embedded clients are pages of other origins; the server says the same.
    let any = HeaderValue::from_static("*");
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    response
}

/// Every method and field, to every page: none brings a cookie along, since no credentials are
/// allowed (Fetch §3.3.3).
fn preflight(asked: AppRequest<'_>) -> Response<Body> {
    let mut response = Response::new(Body::full(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let (sent, fields) = (&asked.head.headers, response.headers_mut());
    let any = HeaderValue::from_static("*");
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    let echoed: [(HeaderName, HeaderName); 2] = [
        (header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_ALLOW_METHODS),
        (header::ACCESS_CONTROL_REQUEST_HEADERS, header::ACCESS_CONTROL_ALLOW_HEADERS),
    ];
    for (wanted, allowed) in echoed {
        if let Some(value) = sent.get(wanted) {
            fields.insert(allowed, value.clone());
        }
    }
    response
}
