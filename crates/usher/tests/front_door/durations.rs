//! The longest times that a config may name: nobody adds them to a clock and falls off its end.

use http::Method;
use usher_lab::browser::FETCH;

use crate::{
    sockets,
    test_server::{ANN, TestServer, config, friends, problems},
};

/// What Go's `time.Duration` holds, and what a bare number of nanoseconds is cut to.
const LONGEST: [&str; 3] = ["1000000h", "2562047h47m16.854775807s", "18446744073709551615"];
/// What a health check may name at most: seconds alone, as protobuf writes them.
const LONGEST_SECONDS: &str = "9223372036.854775807s";

fn text(to: std::net::SocketAddr, longest: &str) -> String {
    let mut text: String = [
        "timeout_read",
        "timeout_idle",
        "default_upstream_timeout",
        "cookie_expire",
        "autocert_dns_wait",
    ]
    .iter()
    .map(|key| format!("{key}: {longest}\n"))
    .collect();
    let guide = friends("tv.test", to);
    let route = guide
        .replace("timeout: 0s", &format!("timeout: {longest}"))
        .replace("idle_timeout: 600s", &format!("idle_timeout: {longest}"));
    assert_eq!(route.matches(longest).count(), 2, "{route}");
    text.push_str(&config(&[route]));
    text.push_str(&format!(
        "  health_checks:\n  - timeout: {LONGEST_SECONDS}\n    interval: {LONGEST_SECONDS}\n    \
         unhealthy_threshold: 1\n    healthy_threshold: 1\n    \
         http_health_check: {{path: /health}}\n"
    ));
    text
}

#[tokio::test]
async fn the_longest_times_of_a_config_overflow_nothing() {
    let upstream = sockets::echo();
    for longest in LONGEST {
        let server = TestServer::open(&text(upstream.address, longest)).await;
        let mut ann = server.signed_in("https://tv.test/", ANN).await;
        for mut browser in [ann.clone(), ann.over_http2()] {
            for (method, body) in [(Method::GET, ""), (Method::POST, "an upload")] {
                let seen = browser.send(method, "https://tv.test/x", FETCH, body).await;
                assert_eq!(seen.status, 200, "{longest}: {}", seen.body);
            }
        }
        let mut socket = sockets::open(&ann, "tv.test").await;
        sockets::says_back(&mut socket, "a").await;
        let page = ann.open("https://tv.test/.pomerium/").await;
        assert_eq!(page.status, 200, "{longest}: when it ends can be shown");
        // A reload, and another start, read what was written with these times.
        server.reload(&text(upstream.address, longest)).unwrap();
        assert_eq!(ann.fetch("https://tv.test/x").await.status, 200, "{longest}");
        assert_eq!(server.records("panic"), Vec::<serde_json::Value>::new(), "{longest}");
    }
}

#[test]
fn times_beyond_what_a_clock_can_hold_are_refused() {
    let nobody = usher_lab::upstream::Upstream::nobody();
    for too_long in ["2562048h", "99999999999999999999h", "9223372036854775808ns"] {
        let found = problems(&text(nobody, too_long));
        assert!(found.len() >= 7, "{too_long}: {found:?}");
    }
}
