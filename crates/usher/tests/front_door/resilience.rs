//! `circuit_breaker_thresholds`, `outlier_detection`, `healthy_panic_threshold`.

use std::sync::{
    Arc,
    atomic::{AtomicU16, AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;
use usher_lab::{
    browser::Seen,
    patience::within,
    upstream::{Exchange, Upstream},
};

use crate::test_server::{TestServer, config, eventually};

/// Answers `/held` when it is let, and everything else at once.
struct Held {
    upstream: Upstream,
    lets: Arc<Semaphore>,
    came: Arc<AtomicUsize>,
}

impl Held {
    fn start() -> Self {
        let (lets, came) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (let_go, counted) = (Arc::clone(&lets), Arc::clone(&came));
        let upstream = Upstream::start(async move |exchange: &mut Exchange| {
            if exchange.target().1 == "/held" {
                counted.fetch_add(1, Ordering::SeqCst);
                let_go.acquire().await.unwrap().forget();
            }
            exchange.reply(200, "", b"ok").await
        });
        Self { upstream, lets, came }
    }

    /// As many are held by now.
    async fn holds(&self, n: usize) {
        let came = || (self.came.load(Ordering::SeqCst) >= n).then_some(());
        eventually("it has come", came).await;
    }
}

fn route(to: &str, rest: &str) -> String {
    format!(
        "- from: https://tv.test\n  to: [{to}]\n  allow_public_unauthenticated_access: true\n{rest}"
    )
}

fn at(upstream: &Upstream) -> String {
    format!("'http://{}'", upstream.address)
}

const OVERFLOW: &str = "upstream_reset_before_response_started{overflow}";

async fn is_overflow(server: &TestServer, seen: &Seen) {
    assert_eq!(seen.status, 503, "{}", seen.body);
    let (_, access) = server.recorded(seen.field("x-request-id")).await;
    assert_eq!(access["response-code-details"], OVERFLOW);
}

#[tokio::test]
async fn more_requests_than_a_route_may_have_are_told_so_at_once() {
    let app = Held::start();
    let global = "circuit_breaker_thresholds: {max_requests: 1}\n";
    let server =
        TestServer::open(&format!("{global}{}", config(&[route(&at(&app.upstream), "")]))).await;
    let (mut one, mut other) = (server.browser(), server.browser());
    let held = tokio::spawn(async move { one.fetch("https://tv.test/held").await });
    app.holds(1).await;
    is_overflow(&server, &other.fetch("https://tv.test/").await).await;
    // A reload forgets nobody who is under way, and a route has its own over the top level's.
    let two = route(&at(&app.upstream), "  circuit_breaker_thresholds: {max_requests: 2}\n");
    server.reload(&format!("{global}{}", config(&[two]))).unwrap();
    assert_eq!(other.fetch("https://tv.test/").await.status, 200);
    server.reload(&format!("{global}{}", config(&[route(&at(&app.upstream), "")]))).unwrap();
    is_overflow(&server, &other.fetch("https://tv.test/").await).await;
    app.lets.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
    let served = async { while other.fetch("https://tv.test/").await.status != 200 {} };
    within("its place is free", served).await;
}

/// One waits for the connection; where nobody may wait, or one does already, there is no place.
#[tokio::test]
async fn who_finds_no_connection_waits_in_a_line_of_its_own_length() {
    let app = Held::start();
    let keys = "  circuit_breaker_thresholds: {max_connections: 1, max_pending_requests: 1}\n";
    let server = TestServer::open(&config(&[route(&at(&app.upstream), keys)])).await;
    let fetch = |server: &TestServer| {
        let mut browser = server.browser();
        tokio::spawn(async move { browser.fetch("https://tv.test/held").await })
    };
    let first = fetch(&server);
    app.holds(1).await;
    // Of these one waits, whichever comes first, and the other is told that nobody else may.
    let (mut one, mut other) = (fetch(&server), fetch(&server));
    let (refused, waiting) = tokio::select! {
        refused = &mut one => (refused, other),
        refused = &mut other => (refused, one),
    };
    is_overflow(&server, &refused.unwrap()).await;
    assert_eq!(app.came.load(Ordering::SeqCst), 1, "the other one waits");
    app.lets.add_permits(2);
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(waiting.await.unwrap().status, 200);
    assert_eq!(app.upstream.connections(), 1, "over the same connection");
    // Without a line a new connection can't be waited for either.
    let none = keys.replace("max_pending_requests: 1", "max_pending_requests: 0");
    let fresh = Held::start();
    server.reload(&config(&[route(&at(&fresh.upstream), &none)])).unwrap();
    is_overflow(&server, &server.browser().fetch("https://tv.test/").await).await;
}

#[tokio::test]
async fn who_may_not_go_on_stays_with_what_failed() {
    let app = Held::start();
    let to = format!("'http://{}', {}", Upstream::nobody(), at(&app.upstream));
    for (retries, expected) in [(1, 200), (0, 503)] {
        let keys = format!("  circuit_breaker_thresholds: {{max_retries: {retries}}}\n");
        let server = TestServer::open(&config(&[route(&to, &keys)])).await;
        let seen = server.browser().fetch("https://tv.test/").await;
        assert_eq!(seen.status, expected, "max_retries: {retries}");
    }
}

/// Answers with its name, and the status that it is told.
fn telling(name: &'static str) -> (Upstream, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let said = Arc::clone(&status);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.reply(said.load(Ordering::SeqCst), "", name.as_bytes()).await
    });
    (upstream, status)
}

async fn got(server: &TestServer, n: usize) -> String {
    let (mut browser, mut all) = (server.browser(), String::new());
    for _ in 0..n {
        all += &browser.fetch("https://tv.test/").await.body;
    }
    all
}

#[tokio::test]
async fn who_answers_5xx_in_a_row_is_left_alone() {
    let ((a, status), (b, _)) = (telling("a"), telling("b"));
    let to = format!("{}, {}", at(&a), at(&b));
    let keys = "  outlier_detection: {consecutive_5xx: 2, base_ejection_time: 3600s, max_ejection_time: 3600s}\n";
    let text = config(&[route(&to, keys)]);
    let server = TestServer::open(&text).await;
    assert_eq!(got(&server, 4).await, "abab");
    status.store(500, Ordering::SeqCst);
    assert_eq!(got(&server, 8).await, "ababbbbb", "after two of them");
    let told = server.records("upstream").pop().unwrap();
    assert_eq!(told["upstream"], a.address.to_string(), "{told}");
    assert!(told["cause"].as_str().unwrap().contains("5xx"), "{told}");
    status.store(200, Ordering::SeqCst);
    server.reload(&text).unwrap();
    assert_eq!(got(&server, 3).await, "bbb", "a reload forgets nothing");
    // Half of them is too few for some.
    server.reload(&text.replace("  outlier", "  healthy_panic_threshold: 51\n  outlier")).unwrap();
    let all = got(&server, 4).await;
    assert_eq!(all.matches('a').count(), 2, "{all}");
    server.reload(&text.replace("consecutive_5xx: 2", "consecutive_5xx: 3")).unwrap();
    let all = got(&server, 4).await;
    assert_eq!(all.matches('a').count(), 2, "other settings begin anew: {all}");
}

/// Better one that fails than nobody, but where the config says otherwise.
#[tokio::test]
async fn where_none_is_well_all_are_asked_or_none() {
    let (a, status) = telling("a");
    let keys = "  outlier_detection: {consecutive_5xx: 1, base_ejection_time: 3600s, max_ejection_time: 3600s}\n";
    status.store(500, Ordering::SeqCst);
    for (more, expected) in [("", 500), ("  healthy_panic_threshold: 0\n", 503)] {
        let server = TestServer::open(&config(&[route(&at(&a), &format!("{keys}{more}"))])).await;
        let mut browser = server.browser();
        assert_eq!(browser.fetch("https://tv.test/").await.status, 500, "its own answer");
        let seen = browser.fetch("https://tv.test/").await;
        assert_eq!(seen.status, expected, "{more}");
        if expected == 503 {
            let (_, access) = server.recorded(seen.field("x-request-id")).await;
            assert_eq!(access["response-code-details"], "no_healthy_upstream");
        }
    }
}
