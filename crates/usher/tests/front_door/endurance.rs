//! The invariants that need a while: permits that end, progress, back-pressure.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{
    patience::within,
    upstream::{Exchange, Upstream},
};

use crate::{
    sockets,
    test_server::{ANN, TestServer, config, eventually, friends, public},
};

/// 11. An upload may take longer than every limit, as long as something comes.
#[tokio::test]
async fn what_makes_progress_is_never_cut() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        let body = exchange.body().await?;
        exchange.reply(200, "", body.len().to_string().as_bytes()).await
    });
    let route = public("tv.test", upstream.address);
    let text = format!(
        "timeout_read: 5s\ntimeout_write: 0s\n{}  timeout: 5s\n  idle_timeout: 5s\n",
        config(&[route])
    );
    let server = TestServer::open(&text).await;
    let mut stream = server.browser().connect("tv.test").await;
    let head = "POST / HTTP/1.1\r\nhost: tv.test\r\ncontent-length: 12\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stream.write_all(b"x").await.unwrap();
    }
    assert!(began.elapsed() > Duration::from_secs(5), "longer than all limits");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// 12. Who reads nothing costs what is in the buffers, and no more.
#[tokio::test]
async fn a_client_that_reads_nothing_stops_the_upstream() {
    const MOST: u64 = 64 << 20;
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await?;
        loop {
            exchange.send([7; 16 * 1024]).await?;
            count.fetch_add(16 * 1024, Ordering::Relaxed);
        }
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stream = server.browser().connect("tv.test").await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: tv.test\r\n\r\n").await.unwrap();
    let (mut before, mut quiet) = (0, 0);
    while quiet < 20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = sent.load(Ordering::Relaxed);
        quiet = if now > 0 && now == before { quiet + 1 } else { 0 };
        before = now;
        assert!(now < MOST, "the upstream is read for somebody who does not read: {now}");
    }
    let mut piece = vec![0; 4 << 20];
    stream.read_exact(&mut piece).await.unwrap();
    let more = || (sent.load(Ordering::Relaxed) > before).then_some(());
    eventually("it goes on when the client reads", more).await;
}

/// One upstream that hangs is its own visitors' trouble.
#[tokio::test]
async fn a_hanging_upstream_holds_nobody_else_up() {
    let hung = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&hung);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        if exchange.target().1 == "/hang" {
            flag.store(true, Ordering::Relaxed);
            exchange.hung_up().await;
            return Ok(());
        }
        exchange.reply(200, "", b"").await
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stuck = server.browser();
    let waiting = tokio::spawn(async move { stuck.fetch("https://tv.test/hang").await });
    eventually("it hangs", || hung.load(Ordering::Relaxed).then_some(())).await;
    assert_eq!(server.browser().fetch("https://tv.test/").await.status, StatusCode::OK);
    waiting.abort();
}

/// An upload that runs is decided again as well.
#[tokio::test]
async fn a_permit_ends_for_uploads_too() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.body().await?;
        exchange.reply(200, "", b"").await
    });
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let cookies = ann.cookies("tv.test").unwrap();
    let mut stream = ann.connect("tv.test").await;
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: tv.test\r\ncookie: {cookies}\r\n\
         content-length: 1000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    upstream.came(2).await; // her visit after the sign-in, and this
    server.reload(&text.replace("friends", "family")).unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _cut = within("it ends", reading).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

/// An app that hangs up ends the socket, even if the client never says good-bye.
#[tokio::test]
async fn a_socket_ends_with_either_side() {
    let upstream = sockets::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stream = server.browser().connect("tv.test").await;
    let request = "GET /socket HTTP/1.1\r\nhost: tv.test\r\nconnection: upgrade\r\n\
                   upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 101");
    drop(upstream); // and with it every connection of its own
    let mut rest = Vec::new();
    let _cut = stream.read_to_end(&mut rest).await; // we hear the end, and keep our side open
    let line = eventually("it is over", || {
        server.records("http-request").into_iter().find(|line| line["path"] == "/socket")
    });
    assert_eq!(line.await["response-code"], 101);
}

/// Who leaves while we wait for the upstream is on the record, and the upstream is let go.
#[tokio::test]
async fn a_client_that_leaves_is_recorded() {
    let let_go = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&let_go);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.hung_up().await;
        flag.store(true, Ordering::Relaxed);
        Ok(())
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stream = server.browser().connect("tv.test").await;
    stream.write_all(b"GET /film HTTP/1.1\r\nhost: tv.test\r\n\r\n").await.unwrap();
    upstream.came(1).await;
    drop(stream);
    let line = eventually("the line is written", || server.records("http-request").pop()).await;
    assert_eq!(line["response-code-details"], "downstream_remote_disconnect", "{line}");
    assert_eq!((&line["response-code"], &line["path"]), (&0.into(), &"/film".into()), "{line}");
    eventually("the upstream is let go", || let_go.load(Ordering::Relaxed).then_some(())).await;
}

/// `idle_timeout` ends what has fallen silent, `timeout` what takes too long, `timeout_read` a
/// client that stalls; each is said on the record.
#[tokio::test]
async fn silence_has_an_end_where_the_config_gives_it_one() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        match exchange.target().1 {
            "/falls-silent" => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
                exchange.send(head).await?;
            }
            "/upload" => {
                exchange.body().await?;
            }
            _ => {}
        }
        exchange.hung_up().await;
        Ok(())
    });
    let socket = sockets::echo();
    let route = |name: &str, to: std::net::SocketAddr, rest: &str| {
        format!("{}{rest}", public(&format!("{name}.test"), to))
    };
    let text = format!(
        "timeout_read: 3s\n{}",
        config(&[
            route("idle", upstream.address, "  timeout: 0s\n  idle_timeout: 3s\n"),
            route("total", upstream.address, "  timeout: 3s\n  idle_timeout: 0s\n"),
            route("socket", socket.address, "  timeout: 0s\n  idle_timeout: 3s\n"),
            route("stall", upstream.address, "  timeout: 0s\n  idle_timeout: 0s\n"),
        ])
    );
    let server = TestServer::open(&text).await;
    let say = async |host: &str, request: &str| {
        let mut stream = server.browser().connect(host).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _cut = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let app = async |host: &str, path: &str, status: &str, details: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = say(host, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}{path}: {answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{host}: cut, not whole: {answer}");
        let line = eventually("the line is written", || {
            let mut lines = server.records("http-request").into_iter();
            lines.find(|line| line["host"] == host && line["path"] == path)
        });
        assert_eq!(line.await["response-code-details"], details, "{host}{path}");
    };
    let quiet = async {
        let mut quiet = sockets::open(&server.browser(), "socket.test").await;
        sockets::says_back(&mut quiet, "hello").await;
        sockets::ends(&mut quiet).await;
    };
    let stalls = async {
        let head = "POST /upload HTTP/1.1\r\nhost: stall.test\r\ncontent-length: 9\r\n\r\nabc";
        let answer = say("stall.test", head).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    };
    // At once: each takes as long as its limit, which is long enough for a busy machine to answer.
    tokio::join!(
        app("idle.test", "/falls-silent", "200", "stream_idle_timeout"),
        app("idle.test", "/never-begins", "504", "stream_idle_timeout"),
        app("total.test", "/never-begins", "504", "response_timeout"),
        app("total.test", "/falls-silent", "200", "response_timeout"),
        quiet,
        stalls,
    );
}

/// Behind a terminator: plain HTTP/1.1 and HTTP/2 by its preface.
#[tokio::test]
async fn a_terminator_in_front_speaks_plain_http() {
    let upstream = Upstream::echo();
    let text = format!("insecure_server: true\n{}", config(&[public("tv.test", upstream.address)]));
    let server = TestServer::open(&text).await;
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let request = "GET /a HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("GET /a "), "{answer}");
    assert!(answer.contains("x-forwarded-proto: https"), "it stands behind one: {answer}");

    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://tv.test/b")
        .body(http_body_util::Empty::<hyper::body::Bytes>::new())
        .unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
    assert!(upstream.last().starts_with("GET /b "), "{}", upstream.last());
}
