//! `signed_in_within`: a sign-in that was too long ago is asked for again, and counts when it was
//! really made again.

use std::time::Duration;

use http::Method;
use serde_json::json;
use usher_lab::{browser::NAVIGATION, upstream::Upstream};
use usher_rules::time::Clock as _;

use crate::{
    hosted,
    providers::Outside,
    test_server::{ANN, EVE, TestServer, config, friends},
};

const PAGE: &str = "https://tv.test/admin";
const RECENT: &str = "[{allow: {and: [{authenticated_user: true}, {signed_in_within: 10m}]}}]";

#[tokio::test]
async fn a_password_typed_long_ago_is_asked_for_again() {
    let upstream = Upstream::echo();
    let strict = friends("tv.test", upstream.address).replace(
        "{or: [{claim/groups: friends}]}",
        "{and: [{claim/groups: friends}, {signed_in_within: 10m}]}",
    );
    let server = TestServer::open(&config(&[strict])).await;
    let mut ann = server.browser();
    assert_eq!(ann.sign_in(PAGE, ANN.0, ANN.1).await.status, 200);
    let mut eve = server.browser();
    assert_eq!(eve.sign_in(PAGE, EVE.0, EVE.1).await.status, 403);

    server.clock.turn(Duration::from_secs(599));
    assert_eq!(ann.open(PAGE).await.status, 200, "the last second");
    server.clock.turn(Duration::from_secs(1));
    let form = ann.open(PAGE).await;
    assert!(form.body.contains("type=\"password\""), "though the browser is known: {}", form.body);
    assert_eq!(eve.open(PAGE).await.status, 403, "no sign-in would let her in");
    let program = ann.send(Method::GET, PAGE, &[("accept", "application/json")], "").await;
    assert_eq!(program.status, 401);
    assert!(program.field("www-authenticate").contains("insufficient_user_authentication"));

    assert_eq!(ann.sign_in(PAGE, ANN.0, ANN.1).await.status, 200, "signed in again");
    assert_eq!(ann.open(PAGE).await.status, 200);
    let decided = server.records("authorize check");
    assert!(decided.iter().any(|line| line["verdict"] == "sign-in-again"), "{decided:?}");
}

#[tokio::test]
async fn a_provider_has_to_say_that_it_asked_again() {
    let at = Outside::open(RECENT, "").await;
    let now = at.server.clock.now().wall.seconds();
    let ann = |auth_time| json!({"sub": "ann", "email": "ann@example.com", "auth_time": auth_time});
    let mut browser = at.server.browser();

    // Signed in at the provider weeks ago: that makes a session, and no recent sign-in.
    at.provider.says(ann(json!(now - 1_000_000)));
    let authorize = at.begin(&mut browser).await;
    assert!(!authorize.contains("prompt=login"), "the first time nothing is known: {authorize}");
    let back = at.provider.consents(&authorize).unwrap();
    let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
    let handed =
        browser.send(Method::GET, arrived.location().unwrap().as_str(), NAVIGATION, "").await;
    assert_eq!(handed.location().unwrap().as_str(), "https://jelly.test/film", "she has a session");

    for (auth_time, lets_in, why) in [
        (json!(now - 1_000_000), false, "asked, and did not"),
        (json!(null), false, "says nothing"),
        (json!("now"), false, "says nothing that can be read"),
        (json!(now), true, "asked again"),
    ] {
        let authorize = at.begin(&mut browser).await;
        assert!(
            authorize.contains("prompt=login") && authorize.contains("max_age=0"),
            "{authorize}"
        );
        at.provider.says(ann(auth_time));
        let back = at.provider.consents(&authorize).unwrap();
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        let seen = browser.follow(arrived).await;
        assert_eq!(seen.status == 200, lets_in, "{why}: {}", seen.body);
        assert!(lets_in || seen.body.contains("recent sign-in"), "a page, and no circle: {why}");
    }
}

/// Milliseconds, or a provider whose clock is ahead: such a moment was recent enough to be handed on
/// and none that the rule believes, and the browser went in circles by itself.
#[tokio::test]
async fn a_moment_that_is_to_come_goes_in_no_circle() {
    let at = Outside::open(RECENT, "").await;
    let now = at.server.clock.now().wall.seconds();
    for odd in [json!(now * 1000), json!(now + 3600), json!(1e300), json!(-1), json!([now])] {
        at.provider.says(json!({"sub": "ann", "email": "ann@example.com", "auth_time": odd}));
        let mut browser = at.server.browser();
        let authorize = at.begin(&mut browser).await;
        let back = at.provider.consents(&authorize).unwrap();
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        let handed = arrived.location().unwrap();
        browser.send(Method::GET, handed.as_str(), NAVIGATION, "").await;
        let authorize = at.begin(&mut browser).await;
        assert!(authorize.starts_with(at.provider.issuer()), "{odd}: it is asked: {authorize}");
        assert!(authorize.contains("prompt=login"), "{odd}: {authorize}");
        let back = at.provider.consents(&authorize).unwrap();
        let seen = browser.send(Method::GET, &back, NAVIGATION, "").await;
        assert!(seen.location().is_none() && seen.status != 200, "{odd}: {}", seen.body);
        assert!(seen.body.contains("recent sign-in"), "{odd}: {}", seen.body);
    }
    // A number may have a point.
    let ann = json!({"sub": "ann", "email": "ann@example.com", "auth_time": now as f64 + 0.5});
    let (_, seen) = at.visit_as(ann, None).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
}

#[tokio::test]
async fn a_clock_that_is_set_back_asks_once_more_and_goes_in_no_circle() {
    let upstream = Upstream::echo();
    let strict = friends("tv.test", upstream.address).replace(
        "{or: [{claim/groups: friends}]}",
        "{and: [{claim/groups: friends}, {signed_in_within: 10m}]}",
    );
    let server = TestServer::open(&config(&[strict])).await;
    let mut ann = server.browser();
    assert_eq!(ann.sign_in(PAGE, ANN.0, ANN.1).await.status, 200);
    server.clock.jump(-30);
    assert_eq!(ann.open(PAGE).await.status, 200, "time servers move a clock by as much");
    for hours in [-2, 2] {
        server.clock.jump(hours * 3600);
        let form = ann.open(PAGE).await;
        assert!(form.body.contains("type=\"password\""), "{hours}: {}", form.body);
        assert_eq!(ann.sign_in(PAGE, ANN.0, ANN.1).await.status, 200, "{hours}");
        assert_eq!(ann.open(PAGE).await.status, 200, "{hours}");
    }
}

/// The service would answer at once with what it knows.
#[tokio::test]
async fn a_hosted_sign_in_that_can_not_ask_again_says_what_to_do() {
    const PAGE: &str = "https://tv.example.com/admin";
    let app = Upstream::echo();
    let service = hosted::service("").await;
    let ca = service.running().ca_file().to_owned();
    let config = hosted::proxy_config(&hosted::origin(&service), &ca, &app.address.to_string());
    let strict = config.replace("allow: {or: [", "allow: {and: [{signed_in_within: 10m}, ");
    let proxy = TestServer::open(&strict).await;
    let mut ann = proxy.browser().knowing("localhost", service.address(), &ca);
    let page = ann.sign_in(PAGE, ANN.0, ANN.1).await;
    assert_eq!(page.status, 200, "the service says when: {}", page.body);
    for clock in [&service.clock, &proxy.clock] {
        clock.turn(Duration::from_secs(700));
    }
    let page = ann.open(PAGE).await;
    assert_eq!(page.url.as_str(), PAGE, "a page, and no circle");
    assert!(
        page.status != 200 && page.body.contains("Sign out and sign in again"),
        "{}",
        page.body
    );
    // What it says to do helps.
    let out = ann.open("https://tv.example.com/.pomerium/sign_out").await;
    let asks = ann.post(&out, "/.pomerium/sign_out", &[("scope", "here")]).await;
    ann.post(&asks, "/.pomerium/sign_out", &[("scope", "here")]).await; // and at the service
    assert_eq!(ann.sign_in(PAGE, ANN.0, ANN.1).await.status, 200, "{}", page.body);
}
