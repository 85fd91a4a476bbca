//! Who reads the answer: one answer to that question for sign-in, own pages, errors and refusals.

use http::{Method, StatusCode};
use usher_lab::upstream::Upstream;

use crate::test_server::{EVE, TestServer, config, friends, public};

const PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// Every form in which browsers load a page.
const PAGE_LOADS: &[&[(&str, &str)]] = &[
    &[
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("accept", PAGE),
        ("x-requested-with", "org.example.webview"),
    ],
    &[("accept", PAGE), ("x-requested-with", "org.example.webview")],
    &[("accept", PAGE)],
    &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty"), ("accept", "*/*")],
    &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), ("accept", PAGE)],
    &[("sec-fetch-mode", "navigate"), ("accept", PAGE)],
    &[("sec-fetch-mode", "same-origin"), ("sec-fetch-dest", "empty"), ("accept", PAGE)],
];

const SCRIPTS: &[&[(&str, &str)]] = &[
    &[("accept", PAGE), ("x-requested-with", "XMLHttpRequest")],
    &[("x-requested-with", "xmlhttprequest")],
    &[("sec-fetch-mode", "cors"), ("accept", PAGE), ("x-requested-with", "org.example.webview")],
    &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image"), ("accept", "image/*")],
    &[("accept", "application/json")],
];

#[tokio::test]
async fn a_page_load_is_known_in_every_form_and_in_every_room() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[
        friends("tv.test", upstream.address),
        public("down.test", Upstream::nobody()),
    ]))
    .await;
    let eve = server.signed_in("https://tv.test/", EVE).await;
    let cases = PAGE_LOADS.iter().map(|load| (load, true));
    for (fields, is_page) in cases.chain(SCRIPTS.iter().map(|script| (script, false))) {
        let get = |url: &'static str| {
            let mut stranger = server.browser();
            async move { stranger.send(Method::GET, url, fields, "").await }
        };
        let gated = get("https://tv.test/web/").await;
        let expected = if is_page { StatusCode::FOUND } else { StatusCode::UNAUTHORIZED };
        assert_eq!(gated.status, expected, "the way to sign in: {fields:?}");
        let refused = eve.clone().send(Method::GET, "https://tv.test/", fields, "").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        for (seen, what) in [
            (refused, "a refusal"),
            (get("https://tv.test/.pomerium/nothing").await, "an own page"),
            (get("https://tv.test/.pomerium/callback/?x=1").await, "a step of sign-in"),
            (get("https://down.test/").await, "an error"),
        ] {
            let kind = if is_page { "text/html" } else { "application/problem+json" };
            assert!(
                seen.field("content-type").starts_with(kind),
                "{what} for {fields:?}: {}",
                seen.field("content-type")
            );
        }
    }
    assert!(upstream.heads().is_empty(), "and nothing came through");
}
