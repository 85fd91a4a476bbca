//! What begins a sign-in, and how many may be under way in one browser.

use http::{Method, StatusCode};
use serde_json::json;
use usher_lab::browser::NAVIGATION;

use crate::providers::Outside;

const ANYBODY: &str = "[{allow: {or: [{authenticated_user: true}]}}]";

/// Nobody sits in front of it: a redirect would leave a cookie for a sign-in that nobody ends.
#[tokio::test]
async fn a_background_request_begins_nothing_and_leaves_no_cookie() {
    let at = Outside::open(ANYBODY, "").await;
    let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let navigates = ("sec-fetch-mode", "navigate");
    let background: [&[(&str, &str)]; 9] = [
        &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("accept", "*/*")],
        &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image"), html],
        &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "video"), ("range", "bytes=0-")],
        &[("x-requested-with", "XMLHttpRequest"), html],
        &[("accept", "application/json")],
        &[("accept", "text/event-stream"), ("sec-fetch-mode", "cors")],
        &[("sec-purpose", "prefetch"), navigates, html],
        &[("sec-purpose", "prefetch;prerender"), navigates, ("sec-fetch-dest", "document"), html],
        &[("x-moz", "prefetch"), html],
    ];
    let mut browser = at.server.browser();
    for fields in background {
        for path in ["/film", "/.pomerium/user"] {
            let url = format!("https://jelly.test{path}");
            let seen = browser.send(Method::GET, &url, fields, "").await;
            assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{path}: {fields:?}");
            assert!(!seen.fields.contains_key("set-cookie"), "{path}: {fields:?}");
            assert!(seen.location().is_none(), "{path}: {fields:?}");
        }
    }
    // Nor at the sign-in host, whoever gave it the address.
    let asked = at.server.browser().send(Method::GET, "https://jelly.test/", NAVIGATION, "").await;
    let door = asked.location().unwrap();
    for fields in background {
        let seen = browser.send(Method::GET, door.as_str(), fields, "").await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{fields:?}");
        assert!(!seen.fields.contains_key("set-cookie"), "{fields:?}");
    }
    assert_eq!((browser.cookies("jelly.test"), browser.cookies("auth.test")), (None, None));
    assert_eq!(at.provider.was_asked("/authorize"), 0);
    let seen = at.visit(&mut browser).await;
    assert_eq!(seen.status, StatusCode::OK, "with a person it begins as ever: {}", seen.body);
}

/// A browser that opens all its tabs again: each asks before any of them has come back.
#[tokio::test]
async fn twenty_tabs_at_a_provider_all_end_well() {
    let at = Outside::open(ANYBODY, "").await;
    at.provider.says(json!({"sub": "ann"}));
    let mut browser = at.server.browser();
    let mut tabs = Vec::new();
    for tab in 0..20 {
        let page = format!("https://jelly.test/film/{tab}");
        let asked = browser.send(Method::GET, &page, NAVIGATION, "").await;
        let door = asked.location().unwrap();
        let sent = browser.send(Method::GET, door.as_str(), NAVIGATION, "").await;
        tabs.push((tab, sent.location().unwrap()));
    }
    for (tab, authorize) in tabs {
        let back = at.provider.consents(authorize.as_str()).unwrap();
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        let seen = browser.follow(arrived).await;
        assert_eq!(seen.status, StatusCode::OK, "tab {tab}: {}", seen.body);
        assert!(seen.body.contains(&format!("/film/{tab} ")), "tab {tab}: {}", seen.body);
    }
    let held = browser.cookies("jelly.test").unwrap();
    assert_eq!(held.matches('=').count(), 1, "nothing is left of the ways in: {held}");
}
