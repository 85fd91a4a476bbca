//! `health_checks`: who fails them is left alone while another is well, and comes back.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use usher_lab::upstream::{Exchange, Upstream, field};

use crate::test_server::{TestServer, config, eventually};

/// Answers visitors with its name and checks with `status`; 0 is no answer.
struct App {
    upstream: Upstream,
    status: Arc<AtomicU16>,
}

impl App {
    fn start(name: &'static str, status: u16) -> Self {
        let status = Arc::new(AtomicU16::new(status));
        let said = Arc::clone(&status);
        let upstream = Upstream::start(async move |exchange: &mut Exchange| {
            if !exchange.target().1.starts_with("/health") {
                return exchange.reply(200, "", name.as_bytes()).await;
            }
            match said.load(Ordering::Relaxed) {
                0 => {
                    exchange.hung_up().await;
                    Ok(())
                }
                status => exchange.reply(status, "", b"").await,
            }
        });
        Self { upstream, status }
    }

    fn says(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    fn to(&self) -> String {
        format!("'http://{}'", self.upstream.address)
    }
}

/// No check takes so long but one that is not answered.
fn route(to: &[String], check: &str) -> String {
    let text = format!(
        "- from: https://tv.test\n  to: [{}]\n  allow_public_unauthenticated_access: true\n  \
         health_checks:\n  - {{timeout: 2s, interval: 0.02s, unhealthy_threshold: 2, \
         healthy_threshold: 2, {check}}}\n",
        to.join(", ")
    );
    config(&[text])
}

const HTTP: &str = "http_health_check: {path: /health}";

async fn got(server: &TestServer, n: usize) -> String {
    let mut browser = server.browser();
    let mut all = String::new();
    for _ in 0..n {
        all += &browser.fetch("https://tv.test/").await.body;
    }
    all
}

/// Waits for so many turns of upstreams to be told.
async fn turns(server: &TestServer, n: usize) -> Vec<String> {
    eventually("checks have told it", || {
        let told = server.records("upstream");
        let effects = told.iter().map(|line| line["effect"].as_str().unwrap().to_owned());
        let effects: Vec<_> = effects.collect();
        (effects.len() >= n).then_some(effects)
    })
    .await
}

#[tokio::test]
async fn who_fails_its_check_is_left_alone_and_comes_back() {
    for unwell in [503, 404, 302, 0] {
        let (a, b) = (App::start("a", 200), App::start("b", 200));
        let server = TestServer::open(&route(&[a.to(), b.to()], HTTP)).await;
        assert_eq!(got(&server, 6).await, "ababab", "{unwell}");
        a.says(unwell);
        let told = turns(&server, 1).await;
        assert!(told[0].contains("left alone"), "{told:?}");
        let line = &server.records("upstream")[0];
        assert_eq!(line["upstream"], a.upstream.address.to_string(), "{line}");
        let why = line["cause"].as_str().unwrap();
        let said = if unwell == 0 { "no answer within".into() } else { unwell.to_string() };
        assert!(why.contains(&said), "{why}");
        assert_eq!(got(&server, 6).await, "bbbbbb", "{unwell}");
        a.says(200);
        turns(&server, 2).await;
        let back = got(&server, 6).await;
        assert_eq!(back.matches('a').count(), 3, "{unwell}: {back}");
    }
}

/// What is known of them survives a reload, and where none is well all are asked.
#[tokio::test]
async fn a_reload_forgets_no_check_and_all_out_is_all_in() {
    let (a, b) = (App::start("a", 503), App::start("b", 200));
    let text = route(&[a.to(), b.to()], HTTP);
    let server = TestServer::open(&text).await;
    turns(&server, 1).await;
    for _ in 0..5 {
        server.reload(&text).unwrap();
        assert_eq!(got(&server, 2).await, "bb", "it stays alone");
    }
    assert_eq!(turns(&server, 1).await.len(), 1, "and nothing is told again");
    b.says(500);
    turns(&server, 2).await;
    let all = got(&server, 6).await;
    assert!(all.contains('a') && all.contains('b'), "better one of them than nobody: {all}");
    server.reload(&text.replace("/health}", "/health/other}")).unwrap();
    turns(&server, 4).await;
}

#[tokio::test]
async fn a_check_over_http_asks_what_it_was_told_to() {
    let (a, b) = (App::start("a", 302), App::start("b", 204));
    let check = "http_health_check: {path: '/health?deep=1', host: 'check.test:81', method: HEAD, \
                 expected_statuses: [{start: 200, end: 203}, {start: 302, end: 303}]}";
    let server = TestServer::open(&route(&[a.to(), b.to()], check)).await;
    turns(&server, 1).await;
    assert_eq!(got(&server, 4).await, "aaaa", "302 is expected, 204 is not");
    let head = &a.upstream.heads()[0];
    assert!(head.starts_with("HEAD /health?deep=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(head, "host").as_deref(), Some("check.test:81"));
    assert_eq!(field(head, "user-agent").as_deref(), Some("usher-health-check"));
}

/// An app may say how it is at a port of its own, which visitors never see.
#[tokio::test]
async fn a_check_asks_at_a_port_of_its_own() {
    let (a, b, says) = (App::start("a", 200), App::start("b", 200), App::start("c", 503));
    let check = format!("alt_port: {}, {HTTP}", says.upstream.address.port());
    let text = route(&[a.to(), b.to()], &check);
    let server = TestServer::open(&text).await;
    turns(&server, 2).await;
    assert!(a.upstream.heads().is_empty(), "it was not asked at its own port");
    let upstream = &server.records("upstream")[0]["upstream"];
    assert_ne!(*upstream, says.upstream.address.to_string(), "the one that is left alone is told");
    says.says(200);
    turns(&server, 4).await;
    assert_eq!(got(&server, 2).await.len(), 2);
    assert!(says.upstream.heads().iter().all(|head| head.starts_with("GET /health")));
}

/// A connection is enough, or what is said over it.
#[tokio::test]
async fn a_check_over_tcp_connects_and_listens() {
    let words: Arc<Mutex<&str>> = Arc::new(Mutex::new("+OK ready PONG"));
    let said = Arc::clone(&words);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = listener.accept().await {
            let said = Arc::clone(&said);
            tokio::spawn(async move {
                let mut heard = [0; 4];
                let n = stream.read(&mut heard).await.unwrap_or_default();
                if &heard[..n] == b"PING" {
                    let words = *said.lock().unwrap();
                    let _gone = stream.write_all(words.as_bytes()).await;
                } else {
                    let _gone =
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nt").await;
                }
            });
        }
    });
    let b = App::start("b", 200);
    // "PING", then "OK" and "PONG"; the other app understands none of it and hangs up
    let check =
        "tcp_health_check: {send: {text: '50494e47'}, receive: [{text: 4f4b}, {text: '504f4e47'}]}";
    let server = TestServer::open(&route(&[format!("'http://{address}'"), b.to()], check)).await;
    turns(&server, 1).await;
    assert_eq!(got(&server, 3).await, "ttt");
    *words.lock().unwrap() = "+OK going down";
    turns(&server, 2).await;
    // by a connection alone both are well again
    server
        .reload(&route(&[format!("'http://{address}'"), b.to()], "tcp_health_check: {}"))
        .unwrap();
    let all = got(&server, 4).await;
    assert_eq!(all.matches('t').count(), 2, "{all}");
    drop(b);
    let told = turns(&server, 3).await;
    assert!(told[2].contains("left alone"), "{told:?}");
    assert_eq!(got(&server, 3).await, "ttt");
}

/// What counts once, what is said, and what has to be heard.
#[tokio::test]
async fn a_check_over_http_says_and_hears_what_it_was_told_to() {
    let (a, b) = (App::start("a", 503), App::start("b", 200));
    let check = "always_log_health_check_failures: true, http_health_check: {path: /health, method: POST, \
                 retriable_statuses: [{start: 500, end: 600}], send: {text: '50494e47'}, \
                 request_headers_to_add: [{header: {key: x-check, value: yes-it-is}}, \
                 {header: {key: accept, value: text/plain}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}], \
                 request_headers_to_remove: [user-agent]}";
    let server = TestServer::open(&route(&[a.to(), b.to()], check)).await;
    let told = turns(&server, 1).await;
    assert!(told[0].contains("left alone"), "nobody has seen it well: {told:?}");
    let head = &a.upstream.heads()[0];
    assert!(head.starts_with("POST /health HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(head, "x-check").as_deref(), Some("yes-it-is"));
    assert_eq!(field(head, "accept").as_deref(), Some("text/plain"));
    assert_eq!(field(head, "content-length").as_deref(), Some("4"));
    assert_eq!(field(head, "user-agent"), None);
    // Well again, and then two of the statuses that count once: each is told, and the second turns.
    a.says(200);
    let back = |told: &[String]| told.iter().filter(|one| one.contains("asked again")).count();
    eventually("it is back", || {
        let told = server.records("upstream");
        let told: Vec<_> = told.iter().map(|line| line["effect"].to_string()).collect();
        (back(&told) == 1).then_some(())
    })
    .await;
    let before = server.records("upstream").len();
    a.says(500);
    let more = eventually("two failures are told", || {
        let told = server.records("upstream").split_off(before);
        (told.len() >= 2).then_some(told)
    })
    .await;
    assert!(more[0]["effect"].as_str().unwrap().contains("as before"), "{more:?}");
    assert!(more[1]["effect"].as_str().unwrap().contains("left alone"), "{more:?}");
}

/// The body of an answer has to say what is waited for.
#[tokio::test]
async fn a_check_reads_what_the_answer_says() {
    let body = Arc::new(Mutex::new("status: ready"));
    let said = Arc::clone(&body);
    let a = Upstream::start(async move |exchange: &mut Exchange| {
        let body = *said.lock().unwrap();
        exchange.reply(200, "", body.as_bytes()).await
    });
    let b = App::start("b", 200);
    let check = "http_health_check: {path: /health, receive: [{text: '7265616479'}]}"; // "ready"
    let to = format!("'http://{}'", a.address);
    let server = TestServer::open(&route(&[to, b.to()], check)).await;
    let told = turns(&server, 1).await; // b's body is empty
    assert_eq!(
        server.records("upstream")[0]["upstream"],
        b.upstream.address.to_string(),
        "{told:?}"
    );
    *body.lock().unwrap() = "status: starting";
    turns(&server, 2).await;
}

/// `grpc.health.v1.Health/Check`, over HTTP/2.
#[tokio::test]
async fn a_check_by_grpc_wants_to_hear_serving() {
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let says = Arc::new(AtomicU16::new(1));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (status, seen) = (Arc::clone(&says), Arc::clone(&asked));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (status, seen) = (Arc::clone(&status), Arc::clone(&seen));
            let answer =
                hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let (status, seen) = (Arc::clone(&status), Arc::clone(&seen));
                    async move {
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        seen.lock().unwrap().push((path, body.to_vec()));
                        let status = u8::try_from(status.load(Ordering::Relaxed)).unwrap();
                        let body = Full::new(bytes::Bytes::from(vec![0, 0, 0, 0, 2, 8, status]));
                        let trailers = http::HeaderMap::from_iter([(
                            http::HeaderName::from_static("grpc-status"),
                            http::HeaderValue::from_static("0"),
                        )]);
                        let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
                        Ok::<_, std::convert::Infallible>(http::Response::new(body))
                    }
                });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(serving);
        }
    });
    let b = Upstream::nobody();
    let to = [format!("'http://{address}'"), format!("'http://{b}'")];
    let check = "grpc_health_check: {service_name: tv}";
    let server = TestServer::open(&route(&to, check)).await;
    let told = turns(&server, 1).await;
    assert_eq!(server.records("upstream")[0]["upstream"], b.to_string(), "{told:?}");
    let first =
        eventually("the other one is asked", || asked.lock().unwrap().first().cloned()).await;
    assert_eq!(first.0, "/grpc.health.v1.Health/Check");
    assert_eq!(first.1, [0, 0, 0, 0, 4, 10, 2, b't', b'v']);
    says.store(2, Ordering::Relaxed); // NOT_SERVING
    turns(&server, 2).await;
    assert_eq!(server.records("upstream")[1]["cause"], "it is not SERVING");
}
