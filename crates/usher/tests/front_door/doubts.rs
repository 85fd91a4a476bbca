//! What a provider does not vouch for, told on by a usher that signs people in for another.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    clock::TurnedClock,
    provider::FakeProvider,
    upstream::Upstream,
};
use usher_rules::time::Clock;

use crate::{
    hosted::{origin, service_in_front_of},
    test_server::TestServer,
};

const PAGE: &str = "https://tv.example.com/film";

/// A provider, a service whose people sign in there, and a proxy whose people sign in at that.
struct Chain {
    provider: FakeProvider,
    service: TestServer,
    proxy: TestServer,
    app: Upstream,
}

impl Chain {
    async fn open(policy: &str) -> Self {
        let now = TurnedClock::new().now().wall.seconds();
        let provider = FakeProvider::start(now).await.unwrap();
        let service = service_in_front_of(&provider).await;
        let app = Upstream::echo();
        let proxy = TestServer::open(&format!(
            "authenticate_service_url: {}
authenticate_flow: stateless
certificate_authority_file: {}
routes:
- from: https://tv.example.com
  to: http://{}
  pass_identity_headers: true
  policy: {policy}
",
            origin(&service),
            service.running().ca_file().display(),
            app.address
        ))
        .await;
        Self { provider, service, proxy, app }
    }

    async fn visit_as(&self, claims: Value) -> (Browser, Seen) {
        self.provider.says(claims.clone());
        self.provider.userinfo_says(claims);
        let service = self.service.running();
        let mut browser =
            self.proxy.browser().knowing("localhost", service.address(), service.ca_file());
        let mut seen = browser.send(Method::GET, PAGE, NAVIGATION, "").await;
        let authorize = loop {
            let next = seen.location().unwrap();
            if next.as_str().starts_with(self.provider.issuer()) {
                break next;
            }
            seen = browser.send(Method::GET, next.as_str(), NAVIGATION, "").await;
        };
        let back = self.provider.consents(authorize.as_str()).unwrap();
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        let seen = browser.follow(arrived).await;
        (browser, seen)
    }
}

#[tokio::test]
async fn doubts_of_a_hosted_sign_in_keep_out_and_let_nobody_in() {
    let policy = "[{allow: {or: [{email: {not: mum@example.com}}, \
                  {claim/groups: {exclude: kids}}]}}, \
                  {deny: {or: [{email: mum@example.com}, {claim/groups: kids}, \
                  {claim/email: dad@example.com}]}}]";
    let chain = Chain::open(policy).await;
    for (claims, expected, why) in [
        (
            json!({"sub": "u1", "email": "ann@example.com", "groups": ["family"]}),
            200,
            "all is well",
        ),
        (json!({"sub": "u1", "email": "mum@example.com"}), 403, "it counts"),
        (json!({"sub": "u1", "email": "mum@example.com", "email_verified": false}), 403, "dropped"),
        (json!({"sub": "u1", "email": "mum@example.com", "email_verified": 0}), 403, "dropped"),
        (json!({"sub": "u1", "email": "dad@example.com", "email_verified": "no"}), 403, "by claim"),
        (json!({"sub": "u1", "email": ["mum@example.com", "ann@example.com"]}), 403, "several"),
        (json!({"sub": "u1", "email": "ann@example.com", "groups": "kids,family"}), 403, "no list"),
        (json!({"sub": "u1", "email": "ann@example.com", "groups": [["kids"]]}), 403, "nested"),
        (json!({"sub": "u1", "email": "ann@example.com", "hasgroups": true}), 403, "left out"),
        (json!({"sub": "u1", "usher_unproven": "garbage"}), 403, "doubts that can't be read"),
    ] {
        let said = claims.to_string();
        let (_, seen) = chain.visit_as(claims).await;
        assert_eq!(seen.status.as_u16(), expected, "{why}: {said}: {}", chain.proxy.log());
    }
}

#[tokio::test]
async fn doubts_of_a_hosted_sign_in_are_told_and_sent_to_no_app() {
    let chain = Chain::open("[{allow: {or: [{email: {is: mum@example.com}}]}}]").await;
    let claims = json!({"sub": "u1", "email": "mum@example.com", "email_verified": false});
    let (mut browser, seen) = chain.visit_as(claims).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    let identity = browser.open("https://tv.example.com/.pomerium/").await;
    for (place, text) in
        [("page", &seen.body), ("identity", &identity.body), ("log", &chain.proxy.log())]
    {
        for words in ["mum@example.com", "not verified"] {
            assert!(text.contains(words), "{place}: {words}: {text}");
        }
    }
    let open = Chain::open("[{allow: {or: [{authenticated_user: true}]}}]").await;
    let claims = json!({"sub": "u1", "email": "mum@example.com", "email_verified": false});
    let (_, seen) = open.visit_as(claims).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let heads = open.app.heads().join("\n");
    assert!(!heads.contains("mum@example.com"), "{heads}");
}
