//! What is written of a request, octet by octet.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::duplex;

use super::{Content, arrived, connected, nothing, octets, sent};

/// A body of these pieces, whose length nobody knows.
fn pieces(pieces: Vec<Frame<Bytes>>) -> Content {
    StreamBody::new(stream::iter(pieces.into_iter().map(Ok::<_, io::Error>))).boxed_unsync()
}

fn data(octets: &'static [u8]) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(octets))
}

fn request(
    method: Method,
    target: &str,
    fields: &[(&'static str, &'static str)],
    body: Content,
) -> Request<Content> {
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (method, target.parse().unwrap());
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    request
}

#[tokio::test]
async fn a_request_is_written_as_it_always_was() {
    let trailers = HeaderMap::from_iter(
        [("x-sum", "1"), ("x-other", "2"), ("content-length", "9")]
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))),
    );
    for (asked, expected, why) in [
        (
            request(
                Method::GET,
                "/a?b=c",
                &[("Host", "tv.example"), ("X-A", "1"), ("x-a", "2")],
                nothing(),
            ),
            "GET /a?b=c HTTP/1.1\r\nhost: tv.example\r\nx-a: 1\r\nx-a: 2\r\n\r\n",
            "no body",
        ),
        (
            request(Method::GET, "http://other.example/a", &[("host", "tv.example")], nothing()),
            "GET /a HTTP/1.1\r\nhost: tv.example\r\n\r\n",
            "a path, whatever the address",
        ),
        (
            request(Method::OPTIONS, "*", &[], nothing()),
            "OPTIONS * HTTP/1.1\r\n\r\n",
            "for the server",
        ),
        (request(Method::HEAD, "/", &[], nothing()), "HEAD / HTTP/1.1\r\n\r\n", "HEAD"),
        (
            request(Method::POST, "/", &[("content-length", "2"), ("x", "y")], octets(b"ok")),
            "POST / HTTP/1.1\r\ncontent-length: 2\r\nx: y\r\n\r\nok",
            "the length stays in its place",
        ),
        (
            request(Method::POST, "/", &[("x", "y")], octets(b"ok")),
            "POST / HTTP/1.1\r\nx: y\r\ncontent-length: 2\r\n\r\nok",
            "or is found out",
        ),
        (
            request(Method::POST, "/", &[("content-length", "0")], nothing()),
            "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
            "of nothing",
        ),
        (request(Method::POST, "/", &[], nothing()), "POST / HTTP/1.1\r\n\r\n", "nothing said"),
        (
            request(Method::POST, "/", &[("content-length", "5")], nothing()),
            "POST / HTTP/1.1\r\n\r\n",
            "a length that nothing follows would take the next request",
        ),
        (
            request(Method::POST, "/", &[("transfer-encoding", "chunked")], nothing()),
            "POST / HTTP/1.1\r\n\r\n",
            "chunks that don't come",
        ),
        (
            request(
                Method::PUT,
                "/",
                &[("transfer-encoding", "chunked"), ("x", "y")],
                pieces(vec![data(b"o"), data(b""), data(b"k")]),
            ),
            "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\nx: y\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            "chunks, none of which is empty",
        ),
        (
            request(
                Method::PUT,
                "/",
                &[("content-length", "2"), ("transfer-encoding", "chunked")],
                octets(b"ok"),
            ),
            "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "one framing, not two",
        ),
        (
            request(Method::PUT, "/", &[], pieces(vec![data(b"ok")])),
            "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "nobody knows how long",
        ),
        (
            request(
                Method::PUT,
                "/",
                &[("trailer", "x-sum, content-length")],
                pieces(vec![data(b"ok"), Frame::trailers(trailers)]),
            ),
            "PUT / HTTP/1.1\r\ntrailer: x-sum, content-length\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n",
            "trailers that were named and may be some",
        ),
    ] {
        let (mut client, mut far) = connected();
        sent(&mut client, asked).await;
        assert_eq!(arrived(&mut far).await, expected, "{why}");
    }
}

/// What the library's client writes of a request. Apps knew it before they knew ours.
async fn written_by_the_library(request: Request<Content>) -> String {
    let (near, mut far) = duplex(1 << 20);
    let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
    tokio::select! {
        biased;
        _ = connection => unreachable!("nobody closes it"),
        _ = sender.send_request(request) => unreachable!("nobody answers"),
        written = arrived(&mut far) => written,
    }
}

#[tokio::test]
async fn the_library_writes_the_same() {
    let fields = [("host", "tv.example"), ("cookie", "a=b"), ("x-a", "1"), ("x-a", "2")];
    let with = |more: &[(&'static str, &'static str)]| [&fields, more].concat();
    let length = || with(&[("content-length", "2"), ("x-last", "3")]);
    let chunked = || with(&[("transfer-encoding", "chunked"), ("x-last", "3")]);
    let socket = || with(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
    let long: &'static [u8] = &[b'x'; 20 * 1024];
    let cases: [(&str, &dyn Fn() -> Request<Content>); 9] = [
        ("GET", &|| request(Method::GET, "/a?b=%20c", &fields, nothing())),
        ("HEAD", &|| request(Method::HEAD, "/", &fields, nothing())),
        ("a length", &|| request(Method::POST, "/", &length(), octets(b"ok"))),
        ("none", &|| request(Method::POST, "/", &fields, octets(b"ok"))),
        ("a large body", &|| request(Method::PUT, "/", &fields, octets(long))),
        ("nothing", &|| request(Method::DELETE, "/", &fields, nothing())),
        ("chunks", &|| {
            request(Method::POST, "/", &chunked(), pieces(vec![data(b"o"), data(long), data(b"k")]))
        }),
        ("chunks of a GET", &|| request(Method::GET, "/", &chunked(), pieces(vec![data(b"ok")]))),
        ("a socket", &|| request(Method::GET, "/socket", &socket(), nothing())),
    ];
    for (what, asked) in cases {
        let (mut client, mut far) = connected();
        sent(&mut client, asked()).await;
        assert_eq!(arrived(&mut far).await, written_by_the_library(asked()).await, "{what}");
    }
}
