//! Clocks that are not set, jump, or go on while the machine sleeps: fail closed, and say so.

use std::time::Duration;

use usher_lab::{browser::FETCH, upstream::Upstream};
use usher_rules::time::Clock as _;

use crate::test_server::{self, ANN, TestServer, config, eventually, friends, public};

const HOUR: i64 = 3600;

async fn open() -> (Upstream, TestServer) {
    let upstream = Upstream::echo();
    let routes = [friends("tv.test", upstream.address), public("open.test", upstream.address)];
    let server = TestServer::open(&config(&routes)).await;
    (upstream, server)
}

/// In 1960, and in 1970, where a machine without a battery for its clock wakes.
#[tokio::test]
async fn a_clock_that_is_not_set_lets_nobody_in_and_says_so() {
    let (_upstream, server) = open().await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let right = i64::try_from(server.clock.now().wall.seconds()).unwrap();
    let word = serde_json::json!("clock-unset");
    for wrong in [-10 * 365 * 24 * HOUR, 0, 40 * 365 * 24 * HOUR] {
        server.clock.set(wrong);
        let seen = ann.fetch("https://tv.test/").await;
        assert_eq!(seen.status, 503, "{wrong}: {}", seen.body);
        assert!(seen.body.contains("clock"), "{}", seen.body);
        let (_, access) = server.recorded(seen.field("x-request-id")).await;
        assert_eq!(access["response-code-details"], "clock_unset", "{access}");
        let seen = ann.open("https://tv.test/.pomerium/sign_in").await;
        assert_eq!(seen.status, 503, "nobody signs in: {}", seen.body);
        let (decided, access) = server.recorded(seen.field("x-request-id")).await;
        assert_eq!((&decided["rule"], &access["rule"]), (&word, &word), "{access}");
        let seen = server.browser().fetch("https://open.test/").await;
        assert_eq!(seen.status, 200, "what is open to all stays so: {}", seen.body);
        assert_eq!(server.browser().fetch("https://tv.test/ping").await.status, 200);
    }
    let told = eventually("the log says it", || server.records("clock").into_iter().next()).await;
    assert_eq!(told["level"], "error", "{told}");
    assert!(told["hint"].as_str().unwrap().contains("timedatectl"), "{told}");
    server.clock.set(right);
    let seen = ann.fetch("https://tv.test/").await;
    assert_eq!(seen.status, 200, "and goes on by itself: {}", seen.body);
}

/// Its authority would have ended, or begin later, as soon as the clock is right.
#[tokio::test]
async fn no_authority_is_made_by_a_clock_that_is_not_set() {
    let server = TestServer::closed(1).await;
    server.clock.set(-HOUR);
    let plan = || test_server::plan(&config(&[public("tv.test", Upstream::nobody())]));
    let error = server.start(plan()).unwrap_err();
    assert!(error.to_string().contains("clock"), "{error}");
    assert!(error.hint().unwrap().contains("timedatectl"), "{error}");
    server.clock.set(1_800_000_000);
    assert!(server.start(plan()).is_ok(), "later it is");
}

/// Whoever signed out, or whose session ran out, does not come back with the time.
#[tokio::test]
async fn a_session_does_not_come_back_when_the_clock_does() {
    let (_upstream, server) = open().await;
    let in_by = |cookies: String| {
        let mut browser = server.browser();
        async move {
            let fields = [FETCH, &[("cookie", &*cookies)]].concat();
            browser.send(http::Method::GET, "https://tv.test/", &fields, "").await.status
        }
    };
    // Signed out; a copy of the cookie was kept.
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let copied = ann.cookies("tv.test").unwrap();
    assert_eq!(in_by(copied.clone()).await, 200);
    let page = ann.open("https://tv.test/.pomerium/").await;
    ann.post(&page, "/.pomerium/sign_out", &[]).await;
    assert_eq!(in_by(copied.clone()).await, 401);
    server.clock.jump(-2 * HOUR);
    assert_eq!(in_by(copied).await, 401, "signed out is signed out");
    server.clock.jump(2 * HOUR);

    // Run out by a jump past its end, or while the machine slept.
    let kept = server.signed_in("https://tv.test/", ANN).await.cookies("tv.test").unwrap();
    assert_eq!(in_by(kept.clone()).await, 200);
    server.clock.jump(15 * HOUR);
    assert_eq!(in_by(kept.clone()).await, 401, "over by the wall clock");
    server.clock.jump(-15 * HOUR);
    assert_eq!(in_by(kept).await, 401, "and over it stays");

    // Set back within its life: it gets no longer by that.
    let kept = server.signed_in("https://tv.test/", ANN).await.cookies("tv.test").unwrap();
    server.clock.turn(Duration::from_secs(10 * 3600));
    assert_eq!(in_by(kept.clone()).await, 200);
    server.clock.jump(-9 * HOUR);
    assert_eq!(in_by(kept.clone()).await, 200);
    server.clock.turn(Duration::from_secs(4 * 3600 + 1));
    assert_eq!(in_by(kept).await, 401, "fourteen hours have passed");
}

/// Begun by a clock that was a year ahead, it would live for a year. Here it is less, so that the
/// test's own TLS goes on.
#[tokio::test]
async fn what_was_begun_by_a_clock_that_was_ahead_does_not_count() {
    let (_upstream, server) = open().await;
    assert_eq!(server.browser().fetch("https://tv.test/").await.status, 401);
    server.clock.jump(20 * HOUR);
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    assert_eq!(ann.fetch("https://tv.test/").await.status, 200);
    let mut late = server.browser();
    let form = late.open("https://tv.test/").await;
    server.clock.jump(-20 * HOUR);
    assert_eq!(ann.fetch("https://tv.test/").await.status, 401);
    let seen = late.post(&form, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    assert!(seen.status.is_client_error(), "a form of tomorrow: {} {}", seen.status, seen.url);
    let mut anew = server.signed_in("https://tv.test/", ANN).await;
    assert_eq!(anew.fetch("https://tv.test/").await.status, 200, "by the right clock");
}

/// The operator reads why people have to sign in again.
#[tokio::test]
async fn a_jump_of_the_clock_is_told() {
    let (_upstream, server) = open().await;
    // It looks every five seconds, and first when it begins; which look sees the jump is its affair.
    server.clock.jump(2 * HOUR);
    let mut told = eventually("forward", || {
        if server.records("clock").is_empty() {
            server.clock.jump(2 * HOUR);
        }
        server.records("clock").into_iter().next()
    })
    .await;
    assert_eq!(told["level"], "warn", "{told}");
    assert!(told["cause"].as_str().unwrap().contains("went forward"), "{told}");
    server.clock.jump(-6 * HOUR);
    told = eventually("back", || server.records("clock").into_iter().nth(1)).await;
    assert!(told["cause"].as_str().unwrap().contains("went back"), "{told}");
}
