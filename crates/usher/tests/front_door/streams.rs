//! What flows through: films, events, uploads, sockets, the answers of slow and lying upstreams.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Bytes, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};
use usher_lab::{
    browser::{FETCH, NAVIGATION, Tls},
    patience::{PATIENCE, within},
    upstream::{Exchange, Upstream, field},
};

use crate::{
    sockets,
    test_server::{ANN, TestServer, config, eventually, friends, public},
};

/// Reads up to and with this.
async fn read_until(stream: &mut Tls, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        text.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn ranges_heads_and_trailers_come_through_as_they_are() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| match exchange.target().1 {
        "/film" => {
            let fields = "content-range: bytes 5-9/100\r\naccept-ranges: bytes\r\netag: \"x\"\r\n";
            exchange.reply(206, fields, b"56789").await
        }
        "/trailers" => {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";
            exchange.send(head).await?;
            exchange.send("4\r\nfilm\r\n0\r\nx-sum: 7\r\n\r\n").await
        }
        _ => exchange.reply(200, "x-early: 1\r\n", b"body").await,
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for mut browser in [server.browser(), server.browser().over_http2()] {
        let asks = [("range", "bytes=5-9"), ("if-range", "\"x\"")];
        let seen = browser.send(Method::GET, "https://tv.test/film", &asks, "").await;
        assert_eq!((seen.status.as_u16(), &*seen.body), (206, "56789"));
        assert_eq!(seen.field("content-range"), "bytes 5-9/100");
        assert_eq!((seen.field("etag"), seen.field("accept-ranges")), ("\"x\"", "bytes"));
        for (name, value) in asks {
            assert_eq!(field(&upstream.last(), name).as_deref(), Some(value));
        }
        let seen = browser.send(Method::HEAD, "https://tv.test/", FETCH, "").await;
        assert_eq!(
            (seen.status.as_u16(), seen.field("content-length"), &*seen.body),
            (200, "4", "")
        );
        let asks = [("te", "trailers")];
        let seen = browser.send(Method::GET, "https://tv.test/trailers", &asks, "").await;
        assert_eq!(seen.body, "film");
        assert_eq!(seen.trailers.unwrap()["x-sum"], "7");
    }
}

#[tokio::test]
async fn events_come_one_by_one() {
    let next = Arc::new(Notify::new());
    let gate = Arc::clone(&next);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        exchange.send(head).await?;
        for _ in 0..3 {
            exchange.send("9\r\ndata: 1\n\n\r\n").await?;
            gate.notified().await;
        }
        exchange.send("0\r\n\r\n").await
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stream = server.browser().connect("tv.test").await;
    stream.write_all(b"GET /events HTTP/1.1\r\nhost: tv.test\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    for _ in 0..3 {
        // Each is here before the next is sent.
        read_until(&mut stream, "data: 1\n\n").await;
        next.notify_one();
    }
    read_until(&mut stream, "0\r\n\r\n").await;
}

#[tokio::test]
async fn uploads_of_any_kind() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        let body = exchange.body().await?;
        exchange.reply(200, "", format!("{} bytes", body.len()).as_bytes()).await
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut browser = server.browser();
    let film = vec![7; 3 << 20];
    for mut browser in [browser.clone(), browser.over_http2()] {
        let seen = browser.send(Method::POST, "https://tv.test/", FETCH, film.clone()).await;
        assert_eq!(seen.body, "3145728 bytes");
    }
    let seen = browser.send(Method::PUT, "https://tv.test/", FETCH, "").await;
    assert_eq!(seen.body, "0 bytes");

    // Of a length that nobody knows, and only once the server wants it.
    let mut stream = browser.connect("tv.test").await;
    let head = "POST / HTTP/1.1\r\nhost: tv.test\r\ntransfer-encoding: chunked\r\n\
                expect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n").await.unwrap();
    let answer = read_until(&mut stream, "5 bytes").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn an_early_hint_does_not_hide_the_answer() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n").await?;
        exchange.reply(200, "", b"page").await
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for mut browser in [server.browser(), server.browser().over_http2()] {
        let seen = browser.fetch("https://tv.test/").await;
        assert_eq!((seen.status.as_u16(), &*seen.body), (200, "page"));
    }
}

/// What each kind of broken upstream looks like to a visitor: a page that helps, never its bytes.
#[tokio::test]
async fn upstreams_that_are_down_slow_or_lying() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| match exchange.target().1 {
        "/hangs-up" => Err(std::io::ErrorKind::ConnectionReset.into()),
        "/garbage" => exchange.send("I am a teapot, short and stout\r\n\r\n").await,
        "/no-status" => exchange.send("HTTP/1.1 abc OK\r\n\r\n").await,
        "/large" => {
            let field = format!("x-large: {}\r\n", "x".repeat(200 * 1024));
            exchange.reply(200, &field, b"").await
        }
        "/two-lengths" => {
            exchange
                .send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab")
                .await
        }
        "/silent" => {
            exchange.hung_up().await;
            Ok(())
        }
        _ => exchange.reply(200, "", b"fine").await,
    });
    let slow = public("slow.test", upstream.address) + "  timeout: 1s\n";
    let down = public("down.test", Upstream::nobody());
    let no_name = public("name.test", upstream.address)
        .replace(&upstream.address.to_string(), "no-such-host.invalid:80");
    let plain = public("tls.test", speaks_no_tls()).replace("http://", "https://");
    let well = public("tv.test", upstream.address);
    let server = TestServer::open(&config(&[well, slow, down, no_name, plain])).await;
    for (url, status, word) in [
        ("https://down.test/", 503, "upstream_connect_failed"),
        ("https://name.test/", 503, "upstream_name_unresolved"),
        ("https://tls.test/", 503, "upstream_tls_failed"),
        ("https://tv.test/hangs-up", 503, "upstream_closed"),
        ("https://tv.test/garbage", 502, "upstream_protocol_error"),
        ("https://tv.test/no-status", 502, "upstream_protocol_error"),
        ("https://tv.test/large", 502, "upstream_protocol_error"),
        ("https://tv.test/two-lengths", 502, "upstream_protocol_error"),
        ("https://slow.test/silent", 504, "response_timeout"),
        ("https://tv.test/", 200, "via_upstream"),
    ] {
        let mut browser = server.browser();
        let seen = browser.send(Method::GET, url, NAVIGATION, "").await;
        let (_, access) = server.recorded(seen.field("x-request-id")).await;
        let details = access["response-code-details"].as_str().unwrap();
        assert_eq!((seen.status.as_u16(), details), (status, word), "{url}");
        if status != 200 {
            assert!(seen.body.contains("<!doctype html>"), "{url}: a page: {}", seen.body);
            assert!(seen.body.contains(">Try again<"), "{url}: with a button: {}", seen.body);
            let again = (status == 503).then_some("10");
            let told = seen.fields.get("retry-after").map(|value| value.to_str().unwrap());
            assert_eq!(told, again, "{url}: for programs");
            assert!(seen.body.contains(seen.field("x-request-id")), "{url}: with its request's id");
            for inside in [&upstream.address.to_string(), "teapot", "no-such-host"] {
                assert!(!seen.body.contains(inside), "{url}: nothing of what is behind: {inside}");
            }
        }
    }
    let told = server.records("upstream");
    assert!(told.iter().all(|line| line["level"] == "warn" && line["effect"] != ""), "{told:?}");
    assert_eq!(told.len(), 9);
}

/// A server that answers a TLS handshake in plain words, as a web server on port 80 does.
fn speaks_no_tls() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut hello = [0; 5];
            let mut stream = stream.unwrap();
            stream.read_exact(&mut hello).unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        }
    });
    address
}

/// An answer that ends early must look cut to the client, never whole.
#[tokio::test]
async fn a_body_cut_short_is_not_passed_off_as_whole() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        match exchange.target().1 {
            "/length" => exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await?,
            _ => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                exchange.send(format!("{head}3\r\nabc\r\n")).await?;
            }
        }
        Err(std::io::ErrorKind::ConnectionReset.into())
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for path in ["/length", "/chunked"] {
        let mut stream = server.browser().connect("tv.test").await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: tv.test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _cut = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let is_whole = answer.ends_with("0\r\n\r\n") || answer.contains("content-length: 3");
        assert!(!is_whole, "{path}: {answer}");
        let access = eventually("the line is written", || {
            server.records("http-request").into_iter().find(|line| line["path"] == path)
        });
        let details = access.await["response-code-details"].clone();
        assert_eq!(details, "upstream_reset_after_response_started", "{path}");
    }
}

/// A kept connection that the upstream has closed meanwhile is no visitor's trouble.
#[tokio::test]
async fn connections_to_upstreams_are_kept_and_stale_ones_replaced() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.reply(200, "", b"").await?;
        match exchange.target().1 {
            "/last" => Err(std::io::ErrorKind::ConnectionReset.into()),
            _ => Ok(()),
        }
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut browser = server.browser();
    for (path, connections) in [("/", 1), ("/", 1), ("/last", 1), ("/", 2), ("/", 2)] {
        let seen = browser.fetch(&format!("https://tv.test{path}")).await;
        assert_eq!((seen.status.as_u16(), upstream.connections()), (200, connections), "{path}");
    }
}

#[tokio::test]
async fn sockets_over_http1_and_http2() {
    let upstream = sockets::echo();
    let routes = [
        friends("tv.test", upstream.address),
        friends("shut.test", upstream.address).replace("allow_websockets: true", "prefix: /"),
    ];
    let server = TestServer::open(&config(&routes)).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let mut socket = sockets::open(&ann, "tv.test").await;
    sockets::says_back(&mut socket, "over HTTP/1.1").await;

    let io = TokioIo::new(ann.connect_http2("tv.test").await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let plain = Request::get("https://tv.test/ping").body(Empty::<Bytes>::new()).unwrap();
    let settled = sender.send_request(plain).await.unwrap(); // and with it the server's settings
    assert_eq!(settled.status(), StatusCode::OK);
    let connect = |host: &str, origin: &str, cookies: &str| {
        Request::connect(format!("https://{host}/socket"))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("origin", origin)
            .header("cookie", cookies)
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    let cookies = ann.cookies("tv.test").unwrap();
    let request = connect("tv.test", "https://tv.test", &cookies);
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "RFC 8441");
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    let mut heard = [0; 4];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"\x81\x02hi");
    assert!(upstream.last().starts_with("GET /socket HTTP/1.1\r\n"), "{}", upstream.last());
    assert!(!upstream.last().contains("_pomerium"), "our cookie stays here: {}", upstream.last());

    // Refusals: no session, a page of somebody else's, a route without sockets.
    for (origin, cookies, expected) in [
        ("https://tv.test", "", StatusCode::UNAUTHORIZED),
        ("https://evil.test", &*cookies, StatusCode::FORBIDDEN),
        ("null", &*cookies, StatusCode::FORBIDDEN),
    ] {
        let response = sender.send_request(connect("tv.test", origin, cookies)).await.unwrap();
        assert_eq!(response.status(), expected, "{origin}");
    }
    let mut stream = ann.connect("shut.test").await;
    let request = "GET /socket HTTP/1.1\r\nhost: shut.test\r\nconnection: upgrade\r\n\
                   upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let page = sender
        .send_request(Request::get("https://tv.test/").body(Empty::<Bytes>::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::FOUND, "the connection lives on");
    let _read = page.into_body().collect().await.unwrap();
}

/// SIGTERM: new connections are refused, what runs finishes, sockets end last.
#[tokio::test]
async fn a_drain_lets_running_requests_finish() {
    let (go_on, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (finish, held) = (Arc::clone(&go_on), Arc::clone(&gate));
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        held.notify_one();
        finish.notified().await;
        exchange.reply(200, "", b"the end").await
    });
    let mut server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let (address, mut browser) = (server.address(), server.browser());
    let running = tokio::spawn(async move { browser.fetch("https://tv.test/").await });
    gate.notified().await;
    let stopping = async {
        server.stop(PATIENCE).await;
        server
    };
    let finishing = async {
        let refused = || std::net::TcpStream::connect(address).is_err().then_some(());
        eventually("new connections are refused", refused).await;
        go_on.notify_one();
        running.await.unwrap()
    };
    let (server, seen) = tokio::join!(stopping, finishing);
    assert_eq!((seen.status.as_u16(), &*seen.body), (200, "the end"));
    assert_eq!(server.records("http-request").len(), 1, "and its record is written");
}

/// A socket would never finish by itself: it is closed once the last request is answered, and
/// nobody waits for patience to end.
#[tokio::test]
async fn sockets_are_closed_last_and_hold_no_drain_up() {
    let upstream = sockets::echo();
    let mut server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut socket = sockets::open(&server.browser(), "tv.test").await;
    sockets::says_back(&mut socket, "hello").await;
    let stopping = server.stop(Duration::from_secs(3600));
    within("it does not wait for the socket", stopping).await;
    sockets::ends(&mut socket).await;
}

/// Who does not finish is stopped when patience is at its end.
#[tokio::test]
async fn a_drain_has_an_end() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.hung_up().await;
        Ok(())
    });
    let mut server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stream = server.browser().connect("tv.test").await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: tv.test\r\n\r\n").await.unwrap();
    upstream.came(1).await;
    server.stop(Duration::from_millis(100)).await;
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    let records = server.records("http-request");
    assert_eq!(records.len(), 1, "its record is written all the same");
    assert_eq!(records[0]["response-code"], 0);
}
