//! Several upstreams behind one route: turns, the dead, connections that close under a request.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{
    browser::{Browser, FETCH},
    patience::answered,
    ports::free_port,
    upstream::{Exchange, Upstream, field},
};

use crate::test_server::{ANN, TestServer, config, eventually, friends, public};

/// A route with these upstreams.
fn route(host: &str, to: &[String], rest: &str) -> String {
    format!(
        "- from: https://{host}\n  to: [{}]\n  allow_websockets: true\n  \
         allow_public_unauthenticated_access: true\n{rest}",
        to.iter().map(|to| format!("'{to}'")).collect::<Vec<_>>().join(", ")
    )
}

fn http(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// One that answers with its own name.
fn named(name: &'static str) -> Upstream {
    Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        exchange.reply(200, "", name.as_bytes()).await
    })
}

async fn asked(browser: &mut Browser, method: Method, url: &str, body: &'static str) -> String {
    let seen = browser.send(method.clone(), url, FETCH, body).await;
    assert_eq!(seen.status, StatusCode::OK, "{method} {url}: {}", seen.body);
    seen.body
}

async fn got(browser: &mut Browser, url: &str, n: usize) -> String {
    let mut all = String::new();
    for _ in 0..n {
        all += &asked(browser, Method::GET, url, "").await;
    }
    all
}

#[tokio::test]
async fn turns_are_the_routes_own() {
    let (a, b) = (named("a"), named("b"));
    let both = [http(a.address), http(b.address)];
    let server =
        TestServer::open(&config(&[route("one.test", &both, ""), route("two.test", &both, "")]))
            .await;
    let mut browser = server.browser();
    let mut seen = [String::new(), String::new()];
    for _ in 0..10 {
        for (seen, url) in seen.iter_mut().zip(["https://one.test/", "https://two.test/"]) {
            *seen += &asked(&mut browser, Method::GET, url, "").await;
        }
    }
    assert_eq!(seen, ["ababababab", "ababababab"]);
}

#[tokio::test]
async fn weights_and_turns_survive_a_reload() {
    let (a, b) = (named("a"), named("b"));
    let to = [format!("http://{},1", a.address), format!("http://{},3", b.address)];
    let text = config(&[route("tv.test", &to, "")]);
    let server = TestServer::open(&text).await;
    let mut browser = server.browser();
    assert_eq!(got(&mut browser, "https://tv.test/", 6).await, "babbba");
    server.reload(&text).unwrap();
    assert_eq!(got(&mut browser, "https://tv.test/", 2).await, "bb");
}

/// A connection that could not be made has sent nothing: any request goes on.
#[tokio::test]
async fn one_of_two_dead_is_nobodys_business() {
    let alive = Upstream::echo();
    for dead_first in [true, false] {
        let (dead, alive_at) = (http(Upstream::nobody()), http(alive.address));
        let to = if dead_first { [dead, alive_at] } else { [alive_at, dead] };
        let server = TestServer::open(&config(&[route("tv.test", &to, "")])).await;
        let mut browser = server.browser();
        for _ in 0..10 {
            asked(&mut browser, Method::GET, "https://tv.test/", "").await;
            asked(&mut browser, Method::POST, "https://tv.test/", "hello").await;
            let head = asked(&mut browser, Method::PUT, "https://tv.test/", "hello").await;
            assert_eq!(field(&head, "host").unwrap(), alive.address.to_string(), "its own name");
        }
        let told = server.records("upstream");
        assert_eq!(told.len(), 1, "told once, and let alone: {told:?}");
        assert!(told[0]["effect"].as_str().unwrap().contains("another address"), "{told:?}");
    }
}

#[tokio::test]
async fn a_socket_goes_on_to_the_next_address() {
    let alive = Upstream::start(async |exchange: &mut Exchange| {
        let key = exchange.field("sec-websocket-key").unwrap_or_default();
        let accept = usher::request::forward::accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: {accept}\r\n\r\nhello"
        );
        exchange.send(head).await?;
        exchange.hung_up().await;
        Ok(())
    });
    let to = [http(Upstream::nobody()), http(alive.address)];
    let server = TestServer::open(&config(&[route("tv.test", &to, "")])).await;
    let mut stream = server.browser().connect("tv.test").await;
    let ask = "GET /socket HTTP/1.1\r\nhost: tv.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
               sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"hello") {
        text.push(stream.read_u8().await.unwrap());
    }
    assert!(text.starts_with(b"HTTP/1.1 101 "));
}

/// Nobody behind it: the page says so, at once, for each request.
#[tokio::test]
async fn all_dead_is_a_page_and_who_comes_back_is_found() {
    let reserved = free_port();
    let to = [http(Upstream::nobody()), http(reserved)];
    let server = TestServer::open(&config(&[route("tv.test", &to, "")])).await;
    let mut browser = server.browser();
    for _ in 0..4 {
        let seen = browser.fetch("https://tv.test/").await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let listener = TcpListener::bind(reserved).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let _head = stream.read(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback").unwrap();
    });
    assert_eq!(browser.fetch("https://tv.test/").await.body, "back", "the dead are asked last");
}

/// One that was let alone is tried again beside the requests of others.
#[tokio::test]
async fn the_dead_are_tried_again() {
    let alive = named("a");
    let reserved = free_port();
    let server =
        TestServer::open(&config(&[route("tv.test", &[http(reserved), http(alive.address)], "")]))
            .await;
    let mut browser = server.browser();
    assert_eq!(got(&mut browser, "https://tv.test/", 4).await, "aaaa");
    let listener = TcpListener::bind(reserved).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), [0; 4096]);
            while stream.read(&mut head).is_ok_and(|n| n > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb").unwrap();
            }
        }
    });
    let ask = async || (got(&mut browser, "https://tv.test/", 1).await == "b").then_some(());
    answered("it is tried again", ask).await;
}

/// Answers the first request of each connection and hangs up at the head of the second.
fn closes_at_the_second() -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&seen);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        let (method, target) = exchange.target();
        shared.lock().unwrap().push(format!("{method} {target}"));
        exchange.body().await?;
        exchange.reply(200, "", b"once").await?;
        let mut second = [0; 1];
        let _head = exchange.stream.peek(&mut second).await?;
        Err(std::io::ErrorKind::ConnectionReset.into())
    });
    (upstream, seen)
}

/// Idempotent methods go again on a fresh connection (RFC 9110 §9.2.2); what can't be repeated
/// never meets a connection that may be stale, and is sent once.
#[tokio::test]
async fn a_kept_connection_that_closes_under_a_request() {
    let (upstream, seen) = closes_at_the_second();
    for (host, version) in [("one.test", 1), ("two.test", 2)] {
        let server = TestServer::open(&config(&[public(host, upstream.address)])).await;
        let mut browser = server.browser();
        if version == 2 {
            browser = browser.over_http2();
        }
        seen.lock().unwrap().clear();
        let mut expected = Vec::new();
        for (at, (method, body)) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::PUT, "x"),
            (Method::GET, ""),
            (Method::POST, "x"),
            (Method::POST, ""),
            (Method::PATCH, "x"),
            (Method::OPTIONS, ""),
            (Method::HEAD, ""),
            (Method::POST, "x"),
        ]
        .into_iter()
        .enumerate()
        {
            let url = format!("https://{host}/{at}");
            asked(&mut browser, method.clone(), &url, body).await;
            expected.push(format!("{method} /{at}"));
        }
        assert_eq!(*seen.lock().unwrap(), expected, "each came to the app once");
    }
}

/// Many servers end a connection after so many requests and don't say so. At load, too, no POST
/// meets a connection that is being closed.
#[tokio::test]
async fn posts_at_an_apps_own_limit_are_all_answered() {
    let (upstream, seen) = closes_at_the_second();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let visitor = async |own: usize| {
        let mut browser = server.browser();
        for at in 0..60 {
            asked(&mut browser, Method::POST, &format!("https://tv.test/{own}/{at}"), "x").await;
        }
    };
    tokio::join!(visitor(0), visitor(1), visitor(2), visitor(3));
    let mut came = seen.lock().unwrap().clone();
    came.sort_unstable();
    came.dedup();
    assert_eq!((came.len(), seen.lock().unwrap().len()), (240, 240), "each once");
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    let count = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&count);
    let rude = Upstream::start(async move |exchange: &mut Exchange| {
        shared.fetch_add(1, Ordering::Relaxed);
        exchange.body().await?;
        Err(std::io::ErrorKind::ConnectionReset.into())
    });
    for (method, body, upstreams, times) in [
        (Method::POST, "x", 2, 1),
        (Method::POST, "", 2, 1),
        (Method::PATCH, "", 2, 1),
        (Method::GET, "", 2, 2), // to the other one, once
        (Method::GET, "", 4, 2), // once, however many others there are
    ] {
        let to = vec![http(rude.address); upstreams];
        let server = TestServer::open(&config(&[route("tv.test", &to, "")])).await;
        count.store(0, Ordering::Relaxed);
        let seen = server.browser().send(method.clone(), "https://tv.test/", FETCH, body).await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(count.load(Ordering::Relaxed), times, "{method} {body:?}");
    }
}

/// Its copy forgot who had named the host, and the next upstream got its own.
#[tokio::test]
async fn what_is_sent_again_keeps_the_host_that_its_client_named() {
    let rude = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        Err(std::io::ErrorKind::ConnectionReset.into())
    });
    let hosts = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&hosts);
    let good = Upstream::start(async move |exchange: &mut Exchange| {
        shared.lock().unwrap().push(exchange.field("host").unwrap_or_default());
        exchange.reply(200, "", b"here").await
    });
    let to = [http(rude.address), http(good.address)];
    let named_by_client = "  host_rewrite_header: x-wanted\n";
    let server = TestServer::open(&config(&[route("tv.test", &to, named_by_client)])).await;
    let mut browser = server.browser();
    for _ in 0..2 {
        // whoever's turn it is, the good one answers
        let fields = [("x-wanted", "named.test")];
        let seen = browser.send(Method::GET, "https://tv.test/", &fields, "").await;
        assert_eq!(seen.body, "here");
    }
    assert_eq!(*hosts.lock().unwrap(), ["named.test", "named.test"]);
}

#[tokio::test]
async fn each_policy_has_its_effect() {
    let (a, b) = (named("a"), named("b"));
    let both = [http(a.address), http(b.address)];
    let policies = ["random", "ring_hash", "maglev", "least_request"];
    let routes: Vec<_> = policies
        .iter()
        .map(|policy| {
            let host = policy.replace('_', "-");
            route(&format!("{host}.test"), &both, &format!("  load_balancing_policy: {policy}\n"))
        })
        .collect();
    let server = TestServer::open(&config(&routes)).await;
    let mut browser = server.browser();
    let random = got(&mut browser, "https://random.test/", 40).await;
    assert!(random.contains("aa") && random.contains("bb"), "no turns: {random}");
    let least = got(&mut browser, "https://least-request.test/", 10).await;
    assert_eq!(least.matches('a').count(), 5, "equals take turns: {least}");
    for host in ["ring-hash.test", "maglev.test"] {
        let all = got(&mut browser, &format!("https://{host}/"), 8).await;
        assert!(all == "aaaaaaaa" || all == "bbbbbbbb", "the same visitor, the same one: {all}");
    }
}

#[tokio::test]
async fn a_session_stays_with_its_upstream_and_says_so() {
    let (a, b) = (Upstream::echo(), Upstream::echo());
    let two = format!("['http://{}', 'http://{}']", a.address, b.address);
    let text = friends("tv.test", a.address).replace(&format!("http://{}", a.address), &two)
        + "  load_balancing_policy: maglev\n";
    let server = TestServer::open(&config(&[text])).await;
    let mut browser = server.signed_in("https://tv.test/", ANN).await;
    let spoofed = [("x-pomerium-routing-key", "of-my-choice")];
    let before = (a.heads().len(), b.heads().len());
    let mut keys = Vec::new();
    for _ in 0..6 {
        let seen = browser.send(Method::GET, "https://tv.test/", &spoofed, "").await;
        keys.push(field(&seen.body, "x-pomerium-routing-key").unwrap());
    }
    assert!(keys.iter().all(|key| *key == keys[0] && key.len() == 64), "{keys:?}");
    let came = (a.heads().len() - before.0, b.heads().len() - before.1);
    assert!(came == (6, 0) || came == (0, 6), "{came:?}");
}

#[tokio::test]
async fn the_least_busy_is_asked() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let shared = Arc::clone(&gate);
    let slow = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsl").await?;
        shared.notified().await;
        exchange.send("ow").await
    });
    let quick = named("q");
    let to = [http(slow.address), http(quick.address)];
    let rest = "  load_balancing_policy: least_request\n";
    let server = TestServer::open(&config(&[route("tv.test", &to, rest)])).await;
    let mut held = Vec::new();
    while slow.heads().is_empty() {
        let mut stream = server.browser().connect("tv.test").await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: tv.test\r\n\r\n").await.unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).await.unwrap();
        held.push(stream);
    }
    let mut browser = server.browser();
    assert_eq!(got(&mut browser, "https://tv.test/", 8).await, "qqqqqqqq");
    gate.notify_waiters();
    eventually("the slow one is free and asked again", || (slow.heads().len() == 1).then_some(()))
        .await;
}

#[tokio::test]
async fn x_forwarded_host_is_said_where_host_was_rewritten() {
    let upstream = Upstream::echo();
    let kept = public("kept.test", upstream.address) + "  preserve_host_header: true\n";
    let server =
        TestServer::open(&config(&[public("rewritten.test", upstream.address), kept])).await;
    let mut browser = server.browser();
    let spoofed = [("x-forwarded-host", "evil.test")];
    let seen = browser.send(Method::GET, "https://rewritten.test/", &spoofed, "").await;
    assert_eq!(field(&seen.body, "x-forwarded-host").as_deref(), Some("rewritten.test"));
    assert_eq!(field(&seen.body, "host"), Some(upstream.address.to_string()));
    let seen = browser.send(Method::GET, "https://kept.test/", &spoofed, "").await;
    assert_eq!(field(&seen.body, "x-forwarded-host"), None);
    assert_eq!(field(&seen.body, "host").as_deref(), Some("kept.test"));
}
