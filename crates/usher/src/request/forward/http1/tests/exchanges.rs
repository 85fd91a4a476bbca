//! Both directions at once, and one exchange after another.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex,
    },
    sync::mpsc,
    task::consume_budget,
};

use super::{Client, Content, Heard, arrived, asked, connected, octets, sent};
use crate::request::forward::http1::{Connection, Http1Error};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A body whose pieces come from the test.
fn fed() -> (mpsc::UnboundedSender<io::Result<Bytes>>, Content) {
    let (feed, mut pieces) = mpsc::unbounded_channel();
    let pieces = stream::poll_fn(move |cx| {
        pieces.poll_recv(cx).map(|piece| piece.map(|piece: io::Result<_>| piece.map(Frame::data)))
    });
    (feed, StreamBody::new(pieces).boxed_unsync())
}

fn post(body: Content) -> Request<Content> {
    let mut request = asked(Method::POST);
    *request.body_mut() = body;
    request
}

async fn refused(client: &mut Client) -> bool {
    poll_fn(|cx| Poll::Ready(client.start(&mut asked(Method::GET), cx).is_err())).await
}

#[tokio::test]
async fn one_exchange_follows_another() {
    let (mut client, mut far) = connected();
    for n in 0..3 {
        sent(&mut client, post(octets(b"hello"))).await;
        assert!(arrived(&mut far).await.ends_with("\r\n\r\nhello"), "{n}");
        far.write_all(OK).await.unwrap();
        let mut heard = Heard::default();
        heard.more(&mut client).await.unwrap();
        assert!(heard.is_whole && heard.body == b"ok", "{n}");
        assert!(client.finish() && client.is_alive(), "{n}");
    }
}

/// Response splitting: an answer that was there before its request would be somebody else's.
#[tokio::test]
async fn an_answer_that_nobody_asked_for_ends_the_connection() {
    for said in [OK, b"\r\n", b"HTTP/1.1 408 Request Timeout\r\n\r\n"] {
        let (mut client, mut far) = connected();
        far.write_all(said).await.unwrap();
        assert!(!client.is_alive());
        let (mut client, mut far) = connected();
        far.write_all(said).await.unwrap();
        assert!(refused(&mut client).await, "nothing was sent, and the request is there still");
    }
    let (mut client, far) = connected();
    drop(far);
    assert!(!client.is_alive() && refused(&mut client).await, "nor over one that was closed");
}

/// The runtime answers a task that has had many turns as if nothing had come.
#[tokio::test]
async fn a_busy_task_finds_an_answer_that_nobody_asked_for_as_well() {
    let (mut client, mut far) = connected();
    far.write_all(OK).await.unwrap();
    poll_fn(|cx| {
        while pin!(consume_budget()).poll(cx).is_ready() {}
        assert!(!client.is_alive() && client.start(&mut asked(Method::GET), cx).is_err());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn only_one_request_at_a_time() {
    let (mut client, mut far) = connected();
    sent(&mut client, asked(Method::GET)).await;
    assert!(refused(&mut client).await && !client.is_alive() && !client.finish());
    far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok").await.unwrap();
    let mut heard = Heard::default();
    heard.more(&mut client).await.unwrap();
    assert!(!heard.is_whole && !client.finish(), "the body is not over");
    assert!(refused(&mut client).await);
}

#[tokio::test]
async fn an_early_answer_is_passed_on_and_the_connection_is_not_used_again() {
    let (mut client, mut far) = connected();
    let (feed, body) = fed();
    sent(&mut client, post(body)).await;
    feed.send(Ok(Bytes::from_static(b"half"))).unwrap();
    far.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
    let mut heard = Heard::default();
    heard.more(&mut client).await.unwrap();
    assert!(heard.is_whole && heard.body == b"no");
    assert!(!client.finish(), "the rest of the upload would be taken for a request");
}

/// The body of the answer and that of the request, at once.
#[tokio::test]
async fn an_upload_goes_on_while_its_answer_comes() {
    let (mut client, mut far) = connected();
    let (feed, body) = fed();
    sent(&mut client, post(body)).await;
    assert!(arrived(&mut far).await.ends_with("transfer-encoding: chunked\r\n\r\n"));
    far.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let mut heard = Heard::default();
    for n in 0..3 {
        feed.send(Ok(Bytes::from_static(b"up"))).unwrap();
        far.write_all(b"4\r\ndown\r\n").await.unwrap();
        heard.more(&mut client).await.unwrap();
        assert_eq!(arrived(&mut far).await, "2\r\nup\r\n", "{n}");
    }
    drop(feed);
    far.write_all(b"0\r\n\r\n").await.unwrap();
    heard.more(&mut client).await.unwrap();
    assert_eq!((heard.body.as_slice(), heard.is_whole), (&b"downdowndown"[..], true));
    assert_eq!(arrived(&mut far).await, "0\r\n\r\n");
    assert!(client.finish() && client.is_alive());
}

/// Nothing more is taken from the client than the upstream has room for.
#[tokio::test]
async fn an_upload_waits_for_the_upstream() {
    let (near, mut far) = duplex(1024);
    let mut client: Client = Connection::new(near);
    let (feed, body) = fed();
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    for _ in 0..4 {
        feed.send(Ok(piece.clone())).unwrap();
    }
    drop(feed);
    let mut request = post(body);
    let length = HeaderValue::from(4 * piece.len());
    request.headers_mut().insert(header::CONTENT_LENGTH, length);
    sent(&mut client, request).await;
    assert!(!piece.is_unique(), "one is under way, the others wait");
    let mut uploaded =
        vec![0; "POST / HTTP/1.1\r\ncontent-length: 262144\r\n\r\n".len() + 4 * piece.len()];
    let read = async {
        far.read_exact(&mut uploaded).await.unwrap();
        far.write_all(OK).await.unwrap();
    };
    let head = poll_fn(|cx| client.poll_head(cx));
    let (head, ()) = tokio::join!(head, read);
    assert_eq!(head.unwrap().status(), 200);
    assert!(uploaded.ends_with(&piece));
    let mut heard = Heard { head: Some(http::Response::new(())), ..Heard::default() };
    heard.more(&mut client).await.unwrap();
    assert!(heard.body == b"ok" && client.finish());
}

#[tokio::test]
async fn an_upload_that_breaks_or_lies_is_an_error_of_the_request() {
    for (length, pieces, why) in [
        (Some("5"), vec![Ok(&b"toolong"[..])], "longer than said"),
        (Some("5"), vec![Ok(&b"half"[..])], "shorter than said"),
        (None, vec![Ok(&b"half"[..]), Err(io::ErrorKind::ConnectionReset)], "broken off"),
    ] {
        let (mut client, mut far) = connected();
        let (feed, body) = fed();
        for piece in pieces {
            feed.send(piece.map(Bytes::from_static).map_err(io::Error::from)).unwrap();
        }
        drop(feed);
        let mut request = post(body);
        if let Some(length) = length {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static(length));
        }
        poll_fn(|cx| Poll::Ready(client.start(&mut request, cx))).await.unwrap();
        let answer = poll_fn(|cx| client.poll_head(cx)).await;
        assert!(matches!(answer, Err(Http1Error::Body(_))), "{why}: {answer:?}");
        far.write_all(OK).await.unwrap();
        let again = poll_fn(|cx| client.poll_head(cx)).await;
        assert!(
            again.is_err() && !client.finish(),
            "{why}: an answer to half of a request is none"
        );
    }
}

/// RFC 9112 §9.5: a server may answer and close while the request still comes.
#[tokio::test]
async fn an_answer_counts_that_came_before_the_upstream_stopped_reading() {
    let (near, mut far) = duplex(1024);
    let mut client: Client = Connection::new(near);
    let (feed, body) = fed();
    sent(&mut client, post(body)).await;
    far.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
    drop(far);
    feed.send(Ok(Bytes::from(vec![b'x'; 64 * 1024]))).unwrap();
    let mut heard = Heard::default();
    heard.more(&mut client).await.unwrap();
    assert!(heard.is_whole && heard.body == b"no" && !client.finish());
}

#[tokio::test]
async fn a_socket_begins_behind_the_head() {
    let (mut client, mut far) = connected();
    let mut request = asked(Method::GET);
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    sent(&mut client, request).await;
    arrived(&mut far).await;
    far.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\nframes").await.unwrap();
    let head = poll_fn(|cx| client.poll_head(cx)).await.unwrap();
    assert_eq!(head.status(), 101);
    assert!(client.is_end_stream() && !client.finish());
    let (mut stream, before): (DuplexStream, Bytes) = client.into_stream();
    assert_eq!(before, "frames");
    stream.write_all(b"up").await.unwrap();
    assert_eq!(arrived(&mut far).await, "up");
}

/// Whoever refused an upgrade may still be reading what he took for its first octets.
#[tokio::test]
async fn a_refused_upgrade_ends_with_its_answer() {
    let (mut client, mut far) = connected();
    let mut request = asked(Method::GET);
    request.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    sent(&mut client, request).await;
    far.write_all(OK).await.unwrap();
    let mut heard = Heard::default();
    heard.more(&mut client).await.unwrap();
    assert!(heard.is_whole && !client.finish());
}

/// Large bodies come in large pieces and are whole; what is idle holds nothing of them.
#[tokio::test]
async fn a_film_comes_in_large_pieces() {
    let length: usize = 3 << 20;
    let (near, mut far) = duplex(1 << 20);
    let mut client: Client = Connection::new(near);
    sent(&mut client, asked(Method::GET)).await;
    arrived(&mut far).await;
    let film: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let write = async {
        far.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        far.write_all(&film).await.unwrap();
    };
    let read = async {
        poll_fn(|cx| client.poll_head(cx)).await.unwrap();
        assert_eq!(client.size_hint().exact(), u64::try_from(length).ok());
        let (mut body, mut largest) = (Vec::new(), 0);
        while let Some(frame) = poll_fn(|cx| client.poll_frame(cx)).await {
            let data = frame.unwrap().into_data().unwrap();
            largest = largest.max(data.len());
            body.extend_from_slice(&data);
        }
        (body, largest)
    };
    let ((), (body, largest)) = tokio::join!(write, read);
    assert!(body == film);
    assert_eq!(largest, 256 * 1024);
    assert!(client.finish());
    assert_eq!(client.held(), 0, "an idle connection holds no room");
}

/// Nothing can be written, and what has come is told at the third look.
struct Torn(usize);

impl AsyncRead for Torn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0 += 1;
        if self.0 < 3 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        room.put_slice(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Torn {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// RFC 9112 §9.5: a readiness that has not been heard of is no word that nothing came.
#[tokio::test]
async fn an_answer_behind_a_failed_write_is_waited_for() {
    let mut client = Connection::new(Torn(0));
    let mut request = Some(asked(Method::GET));
    let answer = poll_fn(|cx| {
        if let Some(mut request) = request.take() {
            client.start(&mut request, cx).expect("nothing has come");
        }
        client.poll_head(cx)
    });
    assert_eq!(answer.await.unwrap().status(), 413);
    assert!(!client.finish(), "no other request can be sent");
}
