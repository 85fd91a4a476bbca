//! A 101 is an answer to exactly the upgrade that was sent, and sockets are opened by own pages.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::upstream::{Exchange, Upstream};

use crate::{
    test_server::{ANN, TestServer, config, friends, public},
    wire::status,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The head of the answer to one request, on a connection that is then left.
async fn ask(server: &TestServer, host: &str, request: &str) -> String {
    let mut stream = server.browser().connect(host).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await.unwrap();
        if n == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..n]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// An upstream that answers each request with the 101 that its path names.
fn liar() -> Upstream {
    Upstream::start(async |exchange: &mut Exchange| {
        let ok = format!(
            "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {ACCEPT}\r\n"
        );
        if exchange.target().1 == "/" {
            return exchange.reply(200, "", b"a page").await;
        }
        let fields = match exchange.target().1 {
            "/bare" => String::new(),
            "/wrong-key" => ok.replace("s3pP", "AAAA"),
            "/no-accept" => ok.replace("sec-websocket-accept", "x-accept"),
            "/other-protocol" => ok.replace("upgrade: websocket", "upgrade: h2c"),
            "/no-connection" => ok.replace("connection: Upgrade", "connection: close"),
            "/unasked-subprotocol" => format!("{ok}sec-websocket-protocol: evil\r\n"),
            "/subprotocol" => format!("{ok}sec-websocket-protocol: chat\r\n"),
            "/ok" => ok,
            path => panic!("{path}"),
        };
        exchange.send(format!("HTTP/1.1 101 X\r\n{fields}\r\n")).await?;
        exchange.hung_up().await;
        Ok(())
    })
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_502() {
    let upstream = liar();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let upgrade = format!(
        "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: {KEY}\r\nsec-websocket-protocol: chat, other\r\n"
    );
    let without_key = upgrade.replace("sec-websocket-key", "x-key");
    let with_body = format!("{upgrade}content-length: 2\r\n");
    for (path, fields, expected) in [
        ("/ok", &*upgrade, 101),
        ("/subprotocol", &upgrade, 101),
        ("/ok", "", 502),
        ("/bare", "", 502),
        ("/bare", &upgrade, 502),
        ("/wrong-key", &upgrade, 502),
        ("/no-accept", &upgrade, 502),
        ("/other-protocol", &upgrade, 502),
        ("/no-connection", &upgrade, 502),
        ("/unasked-subprotocol", &upgrade, 502),
        ("/ok", &without_key, 502),
        ("/ok", "connection: Upgrade\r\nupgrade: h2c\r\n", 502),
        ("/ok", &with_body, 502),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: tv.test\r\n{fields}\r\n");
        let answer = ask(&server, "tv.test", &request).await;
        assert_eq!(status(&answer), expected, "{path} {fields}\n{answer}");
    }
    // RFC 6455 §4.1: a handshake is a GET, so that anything else asks for no upgrade.
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = format!("{method} /ok HTTP/1.1\r\nhost: tv.test\r\n{upgrade}\r\n");
        let answer = ask(&server, "tv.test", &request).await;
        assert_eq!(status(&answer), 502, "{method}\n{answer}");
        let sent = upstream.last().to_ascii_lowercase();
        assert!(sent.starts_with(&format!("{} /ok", method.to_ascii_lowercase())), "{sent}");
        assert!(!sent.contains("upgrade:"), "{sent}");
    }
}

/// A script reads the answer, whatever it says that it likes: a page to sign in on would be noise.
#[tokio::test]
async fn a_stranger_s_socket_is_refused_as_programs_are() {
    let upstream = liar();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let request = format!(
        "GET /ok HTTP/1.1\r\nhost: tv.test\r\naccept: text/html\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n"
    );
    let answer = ask(&server, "tv.test", &request).await;
    assert_eq!(status(&answer), 401, "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("location:"), "{answer}");
}

#[tokio::test]
async fn sockets_are_opened_by_the_routes_own_pages() {
    let upstream = liar();
    let named = friends("named.test", upstream.address)
        + "  allow_websocket_origins: [https://friend.test, file://]\n";
    let routes =
        [friends("tv.test", upstream.address), public("other.test", upstream.address), named];
    let server = TestServer::open(&config(&routes)).await;
    for (host, origin, expected) in [
        ("tv.test", None, 101),
        ("tv.test", Some("https://tv.test"), 101),
        ("tv.test", Some("https://tv.test:443"), 101),
        ("tv.test", Some("https://tv.test."), 403),
        ("tv.test", Some("http://tv.test"), 403),
        ("tv.test", Some("http://tv.test:443"), 403),
        ("tv.test", Some("https://tv.test:8443"), 403),
        ("tv.test", Some("https://other.test"), 403),
        ("tv.test", Some("https://evil.tv.test"), 403),
        ("tv.test", Some("https://friend.test"), 403),
        ("tv.test", Some("null"), 403),
        ("tv.test", Some("file://"), 403),
        ("tv.test", Some(""), 403),
        ("tv.test", Some("https://tv.test\r\norigin: https://evil.test"), 403),
        ("named.test", Some("https://friend.test"), 101),
        ("named.test", Some("file://"), 101),
        ("named.test", Some("https://named.test"), 101),
        ("named.test", Some("https://tv.test"), 403),
    ] {
        let ann = server.signed_in(&format!("https://{host}/"), ANN).await;
        let cookie = ann.cookies(host).unwrap();
        let origin = origin.map_or_else(String::new, |origin| format!("origin: {origin}\r\n"));
        let request = format!(
            "GET /ok HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n{origin}connection: Upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n"
        );
        let answer = ask(&server, host, &request).await;
        assert_eq!(status(&answer), expected, "{host} {origin}\n{answer}");
    }
}
