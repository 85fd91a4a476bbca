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
