//! What can be wrong with a server, or with what stands between it and its front door.

use http::{Request, StatusCode, header};
use hyper::body::{Body, Incoming};

use crate::{
    answer::{self, Answer},
    media_server::MediaServer,
    socket,
};

/// Octets of a body that a proxy with the usual limit refuses.
const UPLOAD_LIMIT: u64 = 1_048_576;

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A proxy in between takes `Upgrade` away.
    NoSockets,
    /// A proxy in between takes `Range` away.
    NoRanges,
    /// A proxy in between ends answers half-way.
    CutsLongAnswers,
    /// A proxy in between refuses large bodies with a page of its own.
    LimitsUploads,
    /// Pages of other origins are refused.
    RefusesPreflights,
    /// Its setup was never finished.
    SetupOpen,
    /// It is 10.8.
    Old,
    /// As before 10.10.7, an empty list of known proxies means that each is one.
    BelievesAnybody,
}

/// What a request meets of them before it is looked at.
pub(crate) fn meet(server: &MediaServer, request: &mut Request<Incoming>) -> Option<Answer> {
    let has = |fault| server.has(fault);
    if has(Fault::NoRanges) {
        request.headers_mut().remove(header::RANGE);
    }
    if has(Fault::NoSockets) && socket::is_wanted(request) {
        request.headers_mut().remove(header::UPGRADE);
        request.headers_mut().remove(header::CONNECTION);
    }
    if has(Fault::RefusesPreflights) && request.method() == http::Method::OPTIONS {
        return Some(answer::empty(StatusCode::UNAUTHORIZED));
    }
    if has(Fault::LimitsUploads) && request.body().size_hint().lower() > UPLOAD_LIMIT {
        let page = "<html><h1>413 Request Entity Too Large</h1></html>";
        let mut refusal = answer::text("text/html", page);
        *refusal.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        answer::set(&mut refusal, header::CONNECTION, "close");
        return Some(refusal);
    }
    None
}
