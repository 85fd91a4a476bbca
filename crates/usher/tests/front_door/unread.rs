//! What is refused before it is a request: it is on record, and no flood of it fills the record.

use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::upstream::Upstream;

use crate::{
    connections::{HEADERS, await_frame, frame, get, preface},
    metrics::{figures, value},
    test_server::{TestServer, config, eventually, public},
    wire::{say, status},
};

const SETTINGS: u8 = 4;
const A_MINUTE: Duration = Duration::from_secs(60);

async fn open_house() -> (TestServer, Upstream) {
    let upstream = Upstream::echo();
    (TestServer::open(&config(&[public("tv.test", upstream.address)])).await, upstream)
}

/// It was a bare 400 or 431, and nobody could say who had sent it and why it failed.
#[tokio::test]
async fn what_the_parser_refuses_is_on_record() {
    let (server, upstream) = open_house().await;
    let browser = server.browser();
    let many: String = (0..120).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(900 * 1024));
    let target = "x".repeat(70_000);
    for (line, fields, expected, words) in [
        ("GET /canary-q HTTP/1.1", "x-a: canary-\u{1}\r\n", 400, "field"),
        ("POST /canary-q HTTP/1.1", "content-length: canary-q\r\n", 400, "Content-Length"),
        ("POST / HTTP/1.1", "transfer-encoding: canary-q\r\n", 400, "Transfer-Encoding"),
        ("G(T /canary-q HTTP/1.1", "", 400, "method"),
        ("GET /canary-q HTTP/7.1", "", 400, "version"),
        (&*format!("GET /{target} HTTP/1.1"), "", 414, "target"),
        ("GET /canary-q HTTP/1.1", &*many, 431, "fields"),
        ("GET /canary-q HTTP/1.1", &*long, 431, "fields"),
    ] {
        let before = server.records("unreadable").len();
        let request = format!("{line}\r\nhost: tv.test\r\n{fields}\r\n");
        let answer = say(&browser, "tv.test", request.as_bytes()).await;
        let told =
            eventually("it is on record", || server.records("unreadable").into_iter().nth(before));
        let told = told.await;
        let short = &request[..60.min(request.len())];
        assert_eq!(status(&answer), expected, "{short}");
        assert_eq!(told["status"], expected.to_string(), "what was told is what was answered");
        assert!(told["connection"].as_str().unwrap().starts_with("127.0.0.1:"), "{told}");
        assert!(told["problem"].as_str().unwrap().contains(words), "{short}: {told}");
        server.clock.turn(A_MINUTE);
    }
    assert!(!server.log().contains("canary-q"), "nothing of it stands in a line");
    assert!(upstream.heads().is_empty());
}

#[tokio::test]
async fn what_breaks_http2_is_on_record() {
    let (server, _upstream) = open_house().await;
    let mut stream = server.browser().connect_http2("tv.test").await;
    let on_a_stream = frame(SETTINGS, 0, 1, b""); // RFC 9113 section 6.5
    stream.write_all(&[preface(), on_a_stream].concat()).await.unwrap();
    let _cut = stream.read_to_end(&mut Vec::new()).await;
    let told = eventually("it is on record", || server.records("unreadable").pop()).await;
    assert!(told["problem"].as_str().unwrap().contains("PROTOCOL_ERROR"), "{told}");
    assert!(told.get("status").is_none(), "no request was answered: {told}");
}

/// The library answers or resets by itself and says nothing: a stream was gone, and nobody knew.
#[tokio::test]
async fn a_stream_that_http2_refuses_is_on_record_and_counted() {
    let upstream = Upstream::echo();
    let routes = config(&[public("tv.test", upstream.address)]);
    let server = TestServer::open(&format!("metrics_address: 127.0.0.1:9090\n{routes}")).await;
    let long = "canary-".repeat(128 * 1024);
    let mut browser = server.browser().over_http2();
    let seen = browser.send(Method::GET, "https://tv.test/", &[("x-long", &long)], "").await;
    assert_eq!(seen.status, 431);
    let told = || server.records("unreadable");
    let first = eventually("it is on record", || told().into_iter().next()).await;
    assert_eq!((&first["status"], &first["level"]), (&"431".into(), &"info".into()), "{first}");

    let mut stream = server.browser().connect_http2("tv.test").await;
    let no_method = frame(HEADERS, 5, 1, &[0x87, 0x84]);
    let of_http1 = [&get(3, "tv.test", "/x")[9..], b"\0\x0aconnection\x05close"].concat();
    let of_http1 = frame(HEADERS, 5, 3, &of_http1);
    let good = get(5, "tv.test", "/ping");
    stream.write_all(&[preface(), no_method, of_http1, good].concat()).await.unwrap();
    await_frame(&mut stream, HEADERS, 5).await;
    let all = eventually("both are on record", || Some(told()).filter(|all| all.len() == 3)).await;
    for line in &all[1..] {
        assert!(line["problem"].as_str().unwrap().contains("malformed"), "{line}");
        assert!(line.get("status").is_none(), "{line}");
        assert!(line["effect"].as_str().unwrap().contains("go on"), "{line}");
    }
    assert!(!server.log().contains("canary"), "nothing of it stands in a line");
    let figures = figures(&server).await;
    let counted = |class: &str| {
        value(&figures, &format!("usher_requests_total{{route=\"-\",status=\"{class}\"}}"))
    };
    assert_eq!((counted("4xx"), counted("none")), (1.0, 2.0), "{figures}");
    assert!(upstream.heads().is_empty());
}

#[tokio::test]
async fn a_flood_of_what_is_no_request_has_few_lines() {
    let (server, _upstream) = open_house().await;
    let browser = server.browser();
    for _ in 0..8 {
        let answer = say(&browser, "tv.test", b"GET / HTTP/7.1\r\nhost: tv.test\r\n\r\n").await;
        assert_eq!(status(&answer), 400);
    }
    let told = eventually("the rest is told in one", || {
        server.records("unreadable").into_iter().find(|line| line.get("requests").is_some())
    })
    .await;
    let lines = server.records("unreadable");
    let own = lines.iter().filter(|line| line.get("connection").is_some()).count();
    assert_eq!(own, 3, "{lines:?}");
    assert!(
        (1..=5).contains(&told["requests"].as_str().unwrap().parse::<u32>().unwrap()),
        "{told}"
    );
}
