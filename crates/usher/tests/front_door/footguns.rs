//! Behaviours of Pomerium's that surprise, by their numbers in the list of footguns
//! (`docs/reference/bug-classes.md`): where they are kept, and where they are not.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use usher_lab::{
    browser::{FETCH, NAVIGATION},
    upstream::{Upstream, field},
};

use crate::{
    providers::Outside,
    test_server::{ANN, EVE, TestServer, config, friends},
};

/// 11, 12: the file's order decides, and a host that is named in full keeps all of its paths.
#[tokio::test]
async fn the_order_of_the_file_decides_and_a_host_named_in_full_keeps_its_paths() {
    let route = |from: &str, more: &str, says: &str| {
        format!(
            "- from: https://{from}\n{more}  response: {{status: 200, body: {says}}}\n  \
             allow_public_unauthenticated_access: true\n"
        )
    };
    let server = TestServer::open(&config(&[
        route("*.a.test", "", "wild"),
        route("app.a.test", "  prefix: /only\n", "app"),
        route("x.test", "", "first"),
        route("x.test", "  prefix: /more\n  regex_priority_order: 9\n", "second"),
    ]))
    .await;
    for (url, expected) in [
        ("https://app.a.test/only/x", Some("app")),
        ("https://app.a.test/other", None),
        ("https://b.c.a.test/", Some("wild")),
        ("https://x.test/more", Some("first")),
    ] {
        let seen = server.browser().fetch(url).await;
        let status = if expected.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        assert_eq!(seen.status, status, "{url}: {}", seen.body);
        assert!(expected.is_none_or(|expected| seen.body == expected), "{url}: {}", seen.body);
    }
}

/// 22: what is removed is gone, whoever said it.
#[tokio::test]
async fn what_a_route_removes_is_gone_whoever_set_it() {
    let upstream = Upstream::echo();
    let route = format!(
        "{}  set_request_headers: {{x-set: ours, x-stays: ours}}\n  \
         remove_request_headers: [X-Set, x-pomerium-jwt-assertion, x-email]\n",
        friends("tv.test", upstream.address)
    );
    let text = format!("jwt_claims_headers: {{X-Email: email}}\n{}", config(&[route]));
    let server = TestServer::open(&text).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let seen = ann.send(Method::GET, "https://tv.test/", &[("x-set", "client")], "").await;
    for name in ["x-set", "x-pomerium-jwt-assertion", "x-email"] {
        assert_eq!(field(&seen.body, name), None, "{name}: {}", seen.body);
    }
    assert_eq!(field(&seen.body, "x-stays").as_deref(), Some("ours"));
}

/// 37: crawlers are told that nothing is theirs, instead of being sent to sign in.
#[tokio::test]
async fn robots_are_told_that_nothing_is_theirs_where_they_are_not_let_in() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let url = "https://tv.test/robots.txt";
    let mut eve = server.signed_in("https://tv.test/", EVE).await;
    for (seen, who) in
        [(server.browser().fetch(url).await, "nobody"), (eve.fetch(url).await, "Eve")]
    {
        assert_eq!(seen.status, StatusCode::OK, "{who}");
        assert!(seen.body.contains("Disallow: /"), "{who}: {}", seen.body);
    }
    let agent =
        [("user-agent", "kubectl/v1.30 (linux/amd64) kubernetes/7c48c2b"), FETCH[0], FETCH[1]];
    let seen = server.browser().send(Method::GET, url, &agent, "").await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "its clients want to hear of a refusal");
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    assert!(ann.fetch(url).await.body.starts_with("GET /robots.txt "), "the app's own is let in");
}

/// 46: a provider's token goes on where it was kept; the built-in provider and a hosted sign-in have
/// none, and access tokens are not kept.
#[tokio::test]
async fn the_provider_s_token_goes_on_where_a_route_asks_for_it() {
    let policy = "[{allow: {or: [{authenticated_user: true}]}}]\n  set_request_headers: \
                  {Authorization: 'Bearer ${pomerium.id_token}', \
                  x-access: '<${pomerium.access_token}>'}";
    let at = Outside::open(policy, "").await;
    let said = json!({"sub": "ann", "email": "ann@example.com"});
    let (_, seen) = at.visit_as(said, None).await;
    let token = field(&seen.body, "authorization").unwrap();
    let payload = token.strip_prefix("Bearer ").unwrap().split('.').nth(1).unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["sub"], &claims["iss"]), (&json!("ann"), &json!(at.provider.issuer())));
    assert_eq!(field(&seen.body, "x-access").as_deref(), Some("<>"));
}

/// 45: an app behind a public route gets a signed assertion of nobody, and has to look at `sub`.
#[tokio::test]
async fn an_assertion_of_nobody_says_that_it_is_of_nobody() {
    let upstream = Upstream::echo();
    let route = format!(
        "- from: https://open.test\n  to: http://{}\n  pass_identity_headers: true\n  \
         allow_public_unauthenticated_access: true\n",
        upstream.address
    );
    let server = TestServer::open(&config(&[route])).await;
    let seen = server.browser().fetch("https://open.test/").await;
    let assertion = field(&seen.body, "x-pomerium-jwt-assertion").unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    for name in ["sub", "user", "email", "sid", "name"] {
        assert_eq!(claims[name], "", "{name}: {claims}");
    }
    assert_eq!(
        (claims["groups"].as_array().map(Vec::len), &claims["aud"]),
        (Some(0), &"open.test".into())
    );
}

/// 66: nobody stands in for another session, so none that is gone makes nobody of a person.
#[tokio::test]
async fn whoever_signed_in_is_nobody_else_and_stays_somebody() {
    let at = Outside::open("[{allow: {or: [{email: {is: ann@example.com}}]}}]", "").await;
    let said = json!({
        "sub": "ann", "email": "ann@example.com",
        "impersonate_session_id": "gone", "impersonate_email": "ben@example.com",
    });
    let (mut browser, seen) = at.visit_as(said, None).await;
    assert_eq!(seen.status, StatusCode::OK);
    let fields = [FETCH, &[("impersonate-user", "ben"), ("x-pomerium-impersonate-email", "ben")]];
    let seen = browser.send(Method::GET, "https://jelly.test/", &fields.concat(), "").await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
}

/// 29: where signing in could change nothing, nobody is sent to do it in vain.
#[tokio::test]
async fn nobody_signs_in_to_hear_a_no_that_was_certain() {
    let upstream = Upstream::echo();
    let route = friends("tv.test", upstream.address).replace(
        "policy: [",
        "policy: [{deny: {or: [{http_path: {starts_with: /admin}}, {email: eve@example.com}]}}, ",
    );
    let server = TestServer::open(&config(&[route])).await;
    let mut stranger = server.browser();
    for (fields, who) in [(NAVIGATION, "a page load"), (FETCH, "a script")] {
        let seen = stranger.send(Method::GET, "https://tv.test/admin/", fields, "").await;
        assert_eq!((seen.status, seen.location()), (StatusCode::FORBIDDEN, None), "{who}");
    }
    assert_eq!(stranger.cookies("tv.test"), None, "no sign-in was begun");
    let seen = stranger.send(Method::GET, "https://tv.test/", NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::FOUND, "the other deny is about who they are");
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    assert_eq!(ann.fetch("https://tv.test/admin/").await.status, StatusCode::FORBIDDEN);
}
