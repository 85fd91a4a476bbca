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

/// Reads a body to its end; trailers stay behind. What has come waits in its client's share, also
/// when it is whole.
///
/// It is copied piece by piece: one of a single octet would keep all that was read along with it.
async fn gather<B>(body: B, at_most: usize, waiting: &Waiting) -> Result<Bytes, NotWhole>
where
    B: http_body::Body<Data = Bytes, Error = io::Error>,
{
    // Told by its length: nothing of it is read, and nobody is asked to go on sending it.
    if body.size_hint().lower() > at_most as u64 {
        return Err(NotWhole::TooLarge);
    }
    let (mut body, mut whole, mut held) = (pin!(body), BytesMut::new(), waiting.nothing());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(NotWhole::Broke)?.into_data() else { continue };
        if whole.len() + data.len() > at_most {
            return Err(NotWhole::TooLarge);
        }
        whole.extend_from_slice(&data);
        held.grow_to(whole.capacity());
    }
    Ok(waiting.count(whole.freeze()))
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

/// A request whose body an app has read and changed. It waits for the upstream in its client's
/// share.
pub(super) fn rewritten(
    head: &mut request::Parts,
    whole: Bytes,
    rewrite: Rewrite<request::Parts>,
    waiting: &Waiting,
) -> Result<RequestBody, Refusal> {
    let body = rewrite(head, whole).map_err(Refusal::Malformed)?;
    put(&mut head.headers, &body);
    Ok(RequestBody::whole(waiting.count(body)))
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
    fields.remove(header::TRAILER); // they stayed behind
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
        // By its framing a 205 may have content all the same, and without a length it would be waited
        // for until the upstream hangs up (RFC 9110 §15.3.6).
        let body =
            if head.status == StatusCode::RESET_CONTENT { Body::full(Bytes::new()) } else { body };
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
    Ok(Response::from_parts(head, Body::full(waiting.count(body))))
}

/// Answers that have no content, whatever their fields say (RFC 9110 §6.4.1).
fn has_none(method: &Method, status: StatusCode) -> bool {
    use StatusCode as S;
    *method == Method::HEAD || matches!(status, S::NO_CONTENT | S::RESET_CONTENT | S::NOT_MODIFIED)
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::{NotWhole, gather};
    use crate::request::accept::{Bounds, Protocol, Pulse, Shares, Waiting, Whose};

    /// A read of 16 KiB, of which a client has framed one octet.
    struct Read(Arc<AtomicUsize>);

    impl AsRef<[u8]> for Read {
        fn as_ref(&self) -> &[u8] {
            &[b' '; 16 * 1024]
        }
    }

    impl Drop for Read {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A body of single octets, each cut out of a read of its own; how many reads are kept at most.
    fn octet_by_octet(
        kept: &Arc<AtomicUsize>,
        most: &Arc<AtomicUsize>,
        octets: usize,
    ) -> impl http_body::Body<Data = Bytes, Error = io::Error> {
        let (kept, most) = (Arc::clone(kept), Arc::clone(most));
        StreamBody::new(futures_util::stream::iter((0..octets).map(move |_| {
            most.fetch_max(kept.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            Ok(Frame::data(Bytes::from_owner(Read(Arc::clone(&kept))).slice(..1)))
        })))
    }

    /// A megabyte in pieces of an octet was counted as a megabyte, and took all that was read.
    #[tokio::test]
    async fn what_is_gathered_keeps_no_read_and_counts_until_it_is_gone() {
        let shares = Shares::new(Bounds::for_files(1024));
        let whose = Whose::client([192, 0, 2, 1].into());
        let pulse = Pulse::admitted(Protocol::Http1, shares.admit(whose).await.unwrap());
        let waiting = Waiting::new(pulse);
        let (kept, most) = (Arc::default(), Arc::default());
        let whole = gather(octet_by_octet(&kept, &most, 1000), 1000, &waiting).await;
        let whole = whole.unwrap_or_else(|_| panic!("it is as long as it may be"));
        assert_eq!((whole.len(), most.load(Ordering::Relaxed)), (1000, 1), "one read at a time");
        assert_eq!(shares.waiting(), 1000, "it waits for what becomes of it");
        drop(whole);
        let more = gather(octet_by_octet(&kept, &most, 1001), 1000, &waiting).await;
        assert!(matches!(more, Err(NotWhole::TooLarge)));
        assert_eq!((shares.waiting(), kept.load(Ordering::Relaxed)), (0, 0), "nothing stays");
    }
}
