//! Bodies that an app has to see whole: bounded, counted in their client's share, and put back
//! with fields that are true of what they are now.

use std::{io, pin::pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request, response,
};
use http_body_util::BodyExt as _;

use super::{
    Body,
    accept::Waiting,
    app::{AnswerNeed, Rewrite},
    forward::{Cut, ForwardError, RequestBody, Unreadable},
    refusal::Refusal,
};

/// Fields that are true of one sequence of octets alone (RFC 9110 §8, RFC 9530): a changed body
/// has others. A validator that the upstream gave would tell a cache that ours is its.
const OF_THE_OCTETS: [HeaderName; 9] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Why a body was not had whole.
enum NotWhole {
    TooLarge,
    Broke(io::Error),
}

/// Reads a body to its end; trailers stay behind. What has come waits in its client's share.
async fn gather<B>(body: B, at_most: usize, waiting: &Waiting) -> Result<Bytes, NotWhole>
where
    B: http_body::Body<Data = Bytes, Error = io::Error>,
{
    // Told by its length: nothing of it is read, and nobody is asked to go on sending it.
    if body.size_hint().lower() > at_most as u64 {
        return Err(NotWhole::TooLarge);
    }
    let (mut body, mut pieces, mut octets) = (pin!(body), Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(NotWhole::Broke)?.into_data() else { continue };
        octets += data.len();
        if octets > at_most {
            return Err(NotWhole::TooLarge);
        }
        pieces.push(waiting.count(data));
    }
    let mut whole = BytesMut::with_capacity(octets);
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    Ok(whole.freeze())
}

/// A request's whole body; `silence` is what its client may keep.
pub(super) async fn request_body(
    body: RequestBody,
    at_most: usize,
    silence: Option<Duration>,
    waiting: &Waiting,
) -> Result<Bytes, Refusal> {
    gather(body, at_most, waiting).await.map_err(|why| match why {
        NotWhole::TooLarge => Refusal::TooLarge,
        NotWhole::Broke(error) if error.kind() == io::ErrorKind::TimedOut => {
            ForwardError::ClientStalled { after: silence.unwrap_or_default() }.into()
        }
        NotWhole::Broke(_) => ForwardError::ClientGone.into(),
    })
}

/// A request whose body an app has read and changed.
pub(super) fn rewritten(
    head: &mut request::Parts,
    whole: Bytes,
    rewrite: Rewrite<request::Parts>,
) -> Result<RequestBody, Refusal> {
    let body = rewrite(head, whole).map_err(Refusal::Malformed)?;
    put(&mut head.headers, &body);
    Ok(RequestBody::whole(body))
}

fn put(fields: &mut HeaderMap, body: &Bytes) {
    for name in &OF_THE_OCTETS {
        fields.remove(name);
    }
    frame(fields, body);
}

/// As what has come whole is sent: its length was not known before, maybe, and no trailers follow.
pub(super) fn frame(fields: &mut HeaderMap, body: &Bytes) {
    // hyper would take two framings for one too many (RFC 9112 §6.3).
    fields.remove(header::TRANSFER_ENCODING);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
}

/// Has the upstream answer with all of it, as it is, and not with "you have it already": what the
/// visitor has is what an app made of it. Preconditions of what changes something stay.
pub(super) fn ask_for_readable(need: AnswerNeed, head: &mut request::Parts) {
    if need == AnswerNeed::AsItIs {
        return;
    }
    let fields = &mut head.headers;
    fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    fields.remove(header::RANGE);
    fields.remove(header::IF_RANGE);
    if head.method == Method::GET || head.method == Method::HEAD {
        fields.remove(header::IF_NONE_MATCH);
        fields.remove(header::IF_MODIFIED_SINCE);
    }
}

/// Is the content coded? Then nobody here can read it.
pub(super) fn is_coded(fields: &HeaderMap) -> bool {
    let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    !fields.get_all(header::CONTENT_ENCODING).iter().all(plain)
}

/// An answer whose body an app reads and changes.
pub(super) async fn answer(
    method: &Method,
    response: Response<Body>,
    (at_most, rewrite): (usize, Rewrite<response::Parts>),
    waiting: &Waiting,
) -> Result<Response<Body>, ForwardError> {
    let (mut head, body) = response.into_parts();
    if has_none(method, head.status) {
        // It says what a GET would have got, which is not what the app would make of it.
        OF_THE_OCTETS.iter().for_each(|name| drop(head.headers.remove(name)));
        return Ok(Response::from_parts(head, body));
    }
    let unreadable = |why| ForwardError::Unreadable { why };
    if is_coded(&head.headers) {
        return Err(unreadable(Unreadable::Coded));
    }
    if head.status == StatusCode::PARTIAL_CONTENT {
        return Err(unreadable(Unreadable::Part));
    }
    let whole = gather(body, at_most, waiting).await.map_err(|why| match why {
        NotWhole::TooLarge => unreadable(Unreadable::TooLarge { at_most }),
        NotWhole::Broke(error) => match Cut::of(&error) {
            Some(Cut::PermitEnded(why)) => ForwardError::PermitEnded(why),
            Some(Cut::Timeout | Cut::Idle) => unreadable(Unreadable::Slow),
            None => unreadable(Unreadable::Broke(error)),
        },
    })?;
    let body = rewrite(&mut head, whole).map_err(|why| unreadable(Unreadable::Malformed(why)))?;
    put(&mut head.headers, &body);
    head.headers.remove(header::TRAILER); // they stayed behind
    Ok(Response::from_parts(head, Body::full(body)))
}

/// Answers that have no content, whatever their fields say (RFC 9110 §6.4.1).
fn has_none(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
