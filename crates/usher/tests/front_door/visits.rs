//! The main job, step by step.

use http::StatusCode;
use usher_lab::upstream::{Upstream, field};

use crate::test_server::{ANN, EVE, TestServer, config, friends, public};

#[tokio::test]
async fn a_visit_from_the_first_page_to_sign_out() {
    let upstream = Upstream::echo();
    let text =
        config(&[friends("tv.test", upstream.address), friends("photos.test", upstream.address)]);
    let server = TestServer::open(&text).await;

    let mut stranger = server.browser();
    let page = stranger.open("https://tv.test/web/?a=1").await;
    assert_eq!(page.status, StatusCode::OK, "the page to sign in");
    assert!(page.body.contains("type=\"password\""));
    assert_eq!(stranger.fetch("https://tv.test/web/").await.status, StatusCode::UNAUTHORIZED);
    assert!(upstream.heads().is_empty(), "nothing goes through before somebody has signed in");

    let mut ann = server.browser();
    let seen = ann.sign_in("https://tv.test/web/?a=1", ANN.0, ANN.1).await;
    assert_eq!((seen.status, seen.url.as_str()), (StatusCode::OK, "https://tv.test/web/?a=1"));
    assert!(upstream.last().starts_with("GET /web/?a=1 HTTP/1.1\r\n"), "{}", upstream.last());
    assert_eq!(field(&upstream.last(), "host").as_deref(), Some("tv.test"));

    let other = ann.open("https://photos.test/").await;
    assert_eq!((other.status, other.url.as_str()), (StatusCode::OK, "https://photos.test/"));

    let mut eve = server.browser();
    let refused = eve.sign_in("https://tv.test/", EVE.0, EVE.1).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains(EVE.0), "it says who she is");

    let identity = ann.open("https://tv.test/.pomerium/").await;
    assert!(identity.body.contains(ANN.0));
    let copied = ann.clone();
    ann.post(&identity, "/.pomerium/sign_out", &[("scope", "here")]).await;
    for mut browser in [ann, copied] {
        let after = browser.fetch("https://tv.test/web/").await;
        assert_eq!(after.status, StatusCode::UNAUTHORIZED, "and a copied cookie is worth nothing");
    }
}

#[tokio::test]
async fn a_public_route_asks_nobody() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for mut browser in [server.browser(), server.browser().over_http2()] {
        let seen = browser.fetch("https://tv.test/System/Info/Public?x=%20y").await;
        assert_eq!(seen.status, StatusCode::OK);
        assert!(
            seen.body.starts_with("GET /System/Info/Public?x=%20y HTTP/1.1\r\n"),
            "{}",
            seen.body
        );
    }
    assert_eq!(upstream.connections(), 1, "the second went over the connection of the first");
}

/// An error comes in the form that its reader can read.
#[tokio::test]
async fn errors_have_three_forms() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut eve = server.signed_in("https://tv.test/", EVE).await;
    let navigation = ("sec-fetch-mode", "navigate");
    for (fields, kind, words) in [
        (&[navigation, ("accept", "text/html")][..], "text/html", "<!doctype html>"),
        (&[navigation, ("accept", "text/plain")], "text/plain", "403 You are signed in as eve@"),
        (&[navigation, ("accept", "application/json")], "application/problem+json", "Forbidden"),
        (&[("sec-fetch-mode", "cors"), ("accept", "*/*")], "application/problem+json", "Forbidden"),
        (&[("sec-fetch-mode", "cors"), ("accept", "text/plain")], "text/plain", "403 You are"),
        (&[("accept", "application/json")], "application/problem+json", "request_id"),
    ] {
        let seen = eve.send(http::Method::GET, "https://tv.test/", fields, "").await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{fields:?}");
        assert!(seen.field("content-type").starts_with(kind), "{fields:?}: {:?}", seen.fields);
        assert!(seen.body.contains(words), "{fields:?}: {}", seen.body);
        assert!(seen.body.contains(seen.field("x-request-id")), "{fields:?}");
    }
}
