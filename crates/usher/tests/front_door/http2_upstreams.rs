//! Upstreams that give HTTP/2 streams back, or break them, by hand: what is sent again, and what never.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Method, StatusCode};
use tokio::{
    io::{self, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use usher_lab::upstream::{Exchange, Upstream};

use crate::{
    connections::{HEADERS, RST_STREAM, frame},
    test_server::{TestServer, config, public},
};

const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
/// `:status: 200` (RFC 7541, appendix A).
const OK: &[u8] = &[0x88];

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY: nothing was begun.
    GoAway,
    /// The connection breaks.
    Break,
    /// The head of an answer, then RST_STREAM.
    Half,
}

/// Which requests something happens to: the second one comes over a connection that was kept.
#[derive(Clone, Copy, Debug)]
enum When {
    First,
    Second,
    Always,
}

impl When {
    const fn is(self, before: usize) -> bool {
        match self {
            Self::First => before == 0,
            Self::Second => before == 1,
            Self::Always => true,
        }
    }
}

/// Does this with that request, and answers all others; counts them.
async fn upstream(when: When, act: Act) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, when, act, Arc::clone(&count)));
        }
    });
    (address, heads)
}

async fn serve(
    mut stream: TcpStream,
    when: When,
    act: Act,
    heads: Arc<AtomicUsize>,
) -> io::Result<()> {
    stream.read_exact(&mut [0; 24]).await?; // the preface
    stream.write_all(&frame(SETTINGS, 0, 0, b"")).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4]) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, 1, 0, b"")).await?,
            (HEADERS, _) if when.is(heads.fetch_add(1, Ordering::SeqCst)) => match act {
                Act::Reset(code) => {
                    stream.write_all(&frame(RST_STREAM, 0, id, &code.to_be_bytes())).await?;
                }
                Act::GoAway => {
                    let payload = [0_u32.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
                    stream.write_all(&frame(GOAWAY, 0, 0, &payload)).await?;
                    // What is closed before all of it was read is reset, and GOAWAY lost with it.
                    stream.shutdown().await?;
                    return stream.read_to_end(&mut Vec::new()).await.map(drop);
                }
                Act::Break => return Ok(()),
                Act::Half => {
                    let reset = frame(RST_STREAM, 0, id, &INTERNAL_ERROR.to_be_bytes());
                    let half = frame(HEADERS, END_HEADERS, id, OK);
                    stream.write_all(&[half, reset].concat()).await?;
                }
            },
            (HEADERS, _) => {
                let whole = frame(HEADERS, END_HEADERS | END_STREAM, id, OK);
                stream.write_all(&whole).await?;
            }
            _ => {}
        }
    }
}

async fn front_of(address: SocketAddr) -> TestServer {
    let route = public("tv.test", address).replace("to: http://", "to: h2c://");
    let route = route.replace("  allow_websockets: true\n", "");
    TestServer::open(&config(&[route])).await
}

/// RFC 9113 §8.7: what was refused or left out by a GOAWAY was not begun, and any method goes again.
/// What may have been done is done again only where that makes no difference (RFC 9110 §9.2.2).
#[tokio::test]
async fn what_an_http2_upstream_has_not_begun_is_sent_again_and_what_it_may_have_done_is_not() {
    for (method, second, status, heads) in [
        (Method::POST, Act::Reset(REFUSED_STREAM), StatusCode::OK, 3),
        (Method::GET, Act::Reset(REFUSED_STREAM), StatusCode::OK, 3),
        (Method::POST, Act::GoAway, StatusCode::OK, 3),
        (Method::GET, Act::GoAway, StatusCode::OK, 3),
        (Method::GET, Act::Break, StatusCode::OK, 3),
        (Method::POST, Act::Reset(INTERNAL_ERROR), StatusCode::SERVICE_UNAVAILABLE, 2),
        (Method::POST, Act::Break, StatusCode::SERVICE_UNAVAILABLE, 2),
    ] {
        let (address, seen) = upstream(When::Second, second).await;
        let server = front_of(address).await;
        let mut browser = server.browser();
        let whole = browser.send(Method::GET, "https://tv.test/", &[], "").await;
        assert_eq!(whole.status, StatusCode::OK);
        let answer = browser.send(method.clone(), "https://tv.test/", &[], "").await;
        assert_eq!(answer.status, status, "{method}, {second:?}: {}", server.log());
        assert_eq!(seen.load(Ordering::SeqCst), heads, "{method}, {second:?}");
    }
}

/// The same where the connection was made for it and there is no other upstream: once more, and no
/// more often.
#[tokio::test]
async fn what_a_single_http2_upstream_has_not_begun_is_sent_once_more() {
    for (when, act, status, heads) in [
        (When::First, Act::Reset(REFUSED_STREAM), StatusCode::OK, 2),
        (When::First, Act::GoAway, StatusCode::OK, 2),
        (When::Always, Act::Reset(REFUSED_STREAM), StatusCode::SERVICE_UNAVAILABLE, 2),
        (When::Always, Act::GoAway, StatusCode::SERVICE_UNAVAILABLE, 2),
        (When::First, Act::Reset(INTERNAL_ERROR), StatusCode::SERVICE_UNAVAILABLE, 1),
    ] {
        let (address, seen) = upstream(when, act).await;
        let server = front_of(address).await;
        let answer = server.browser().send(Method::POST, "https://tv.test/", &[], "").await;
        assert_eq!(answer.status, status, "{when:?}, {act:?}: {}", server.log());
        assert_eq!(seen.load(Ordering::SeqCst), heads, "{when:?}, {act:?}");
    }
}

/// What HTTP/2 gave back had the host in its `:authority` alone, and goes to the next upstream with it.
#[tokio::test]
async fn what_an_http2_upstream_gives_back_keeps_the_host_that_its_client_named() {
    for act in [Act::Reset(REFUSED_STREAM), Act::GoAway] {
        let (refusing, asked) = upstream(When::Always, act).await;
        let good = Upstream::start(async move |exchange: &mut Exchange| {
            let host = exchange.field("host").unwrap_or_default();
            exchange.reply(200, "", host.as_bytes()).await
        });
        let both = format!("['h2c://{refusing}', 'http://{}']", good.address);
        let route = public("tv.test", good.address)
            .replace(&format!("http://{}", good.address), &both)
            // with WebSockets HTTP/1.1 alone is spoken
            .replace("  allow_websockets: true\n", "  host_rewrite_header: x-wanted\n");
        let server = TestServer::open(&config(&[route])).await;
        let mut browser = server.browser();
        for _ in 0..2 {
            // whoever's turn it is, the good one answers
            let fields = [("x-wanted", "named.test")];
            let seen = browser.send(Method::GET, "https://tv.test/", &fields, "").await;
            assert_eq!(seen.body, "named.test", "{act:?}: {}", server.log());
        }
        assert_ne!(asked.load(Ordering::SeqCst), 0, "{act:?}: nothing was given back");
    }
}

/// A stream that breaks in the middle of an answer is no answer that has ended.
#[tokio::test]
async fn an_answer_that_an_http2_upstream_breaks_is_broken_for_the_client() {
    let (address, seen) = upstream(When::Second, Act::Half).await;
    let server = front_of(address).await;
    server.browser().send(Method::GET, "https://tv.test/", &[], "").await;
    let mut stream = server.browser().connect("tv.test").await;
    let request = b"GET / HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _may_be_cut = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 "), "its head is passed on: {answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "it does not end as a whole one does: {answer}");
    assert_eq!(seen.load(Ordering::SeqCst), 2, "its head was on its way");
}
