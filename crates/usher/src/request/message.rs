//! What a request to a server of MCP says, read before it is decided: bounded in octets and time,
//! on routes alone whose rules ask for it. The same octets go on.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header, request::Parts};
use hyper::body::Incoming;
use serde_json::{Value, json};
use usher_rules::{
    mcp::{Message, Unreadable},
    plan::Route,
};

use super::{
    Body,
    accept::{Waiting, limits},
    forward::{RequestBody, Trailers, Upload},
    refusal::Refusal,
    seen::Seen,
    upgrade::Upgrade,
    whole,
};

/// A request's body: still to come, or here.
pub(super) enum Arriving {
    Incoming(Incoming),
    Read(Bytes),
}

impl Arriving {
    /// As it goes on; the second part tells how far it comes.
    pub(super) fn request_body(
        self,
        seen: &Seen,
        route: &Arc<Route>,
    ) -> (RequestBody, Option<Arc<Upload>>) {
        match self {
            Self::Incoming(incoming) => {
                let trailers = Trailers::toward_upstream(&seen.plan, route);
                RequestBody::new(incoming, seen.plan.timeouts.read, trailers)
            }
            Self::Read(octets) => (RequestBody::whole(octets), None),
        }
    }
}

/// The message, and the body to send on. What can't be read is no failure yet: a policy that lets
/// nobody in says so first.
pub(super) async fn read(
    head: &mut Parts,
    body: Arriving,
    (seen, route, upgrade): (&Seen, &Arc<Route>, Option<&Upgrade>),
    at_most: usize,
) -> Result<(Message, Arriving), Refusal> {
    let Arriving::Incoming(incoming) = body else { return Ok((Message::Nothing, body)) };
    if let Some(message) = without_body(head, &incoming, upgrade) {
        return Ok((message, Arriving::Incoming(incoming)));
    }
    let (body, _) = Arriving::Incoming(incoming).request_body(seen, route);
    let waiting = Waiting::new(Arc::clone(&seen.connection.pulse));
    let whole = whole::request_body(body, at_most, seen.plan.timeouts.read, &waiting);
    match tokio::time::timeout(limits::HEAD, whole).await {
        Ok(Ok(octets)) => {
            whole::frame(&mut head.headers, &octets);
            Ok((Message::read(&octets), Arriving::Read(octets)))
        }
        Ok(Err(Refusal::TooLarge)) => {
            Ok((Message::Unreadable(Unreadable::TooLarge), Arriving::Read(Bytes::new())))
        }
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => Err(Refusal::Slow),
    }
}

/// A message of which the head alone says all.
fn without_body(head: &Parts, incoming: &Incoming, upgrade: Option<&Upgrade>) -> Option<Message> {
    let is_post = head.method == Method::POST;
    let has_body = !http_body::Body::is_end_stream(incoming);
    let why = match (upgrade, is_post, has_body) {
        (Some(_), _, _) | (None, false, true) => Unreadable::OtherMethod,
        (None, false, false) => return Some(Message::Nothing),
        (None, true, false) => Unreadable::NoMessage,
        (None, true, true) if is_plain_json(&head.headers) => return None,
        (None, true, true) => Unreadable::OtherType,
    };
    Some(Message::Unreadable(why))
}

/// The app may read another type in another way, and a coded body after decoding it.
fn is_plain_json(fields: &HeaderMap) -> bool {
    let mut types = fields.get_all(header::CONTENT_TYPE).iter();
    let is_json = types.next().is_some_and(|kind| kind.as_bytes() == b"application/json");
    is_json && types.next().is_none() && !whole::is_coded(fields)
}

/// Who would be let in is told why the message is not passed on.
pub(super) fn refusal(why: Unreadable) -> Refusal {
    match why {
        Unreadable::TooLarge => Refusal::TooLarge,
        Unreadable::NoMessage
        | Unreadable::TwoReadings
        | Unreadable::OtherType
        | Unreadable::OtherMethod => Refusal::Malformed(why.words()),
    }
}

/// -32602 is JSON-RPC's for invalid parameters: clients of MCP show it as the tool's failure.
const DENIED: i32 = -32_602;

/// What its sender is told of a message that is refused: 200, as JSON-RPC has it over HTTP.
pub(super) fn denied(id: Option<&Value>, request_id: &str) -> Response<Body> {
    let message = format!(
        "access denied, please see the authorization log for the request {request_id} for details"
    );
    let error = json!({"code": DENIED, "message": message, "data": {"request_id": request_id}});
    let mut answer = json!({"jsonrpc": "2.0", "error": error});
    if let (Some(id), Some(members)) = (id, answer.as_object_mut()) {
        members.insert("id".into(), id.clone());
    }
    let mut response = Response::new(Body::full(answer.to_string()));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
