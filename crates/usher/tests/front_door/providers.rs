//! People of an outside provider: what it says and does not vouch for, and what it gets wrong.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    clock::TurnedClock,
    provider::FakeProvider,
    upstream::Upstream,
};
use usher_rules::time::Clock;

use crate::house::House;

const PAGE: &str = "https://jelly.test/film";

/// A house whose people sign in at a provider.
pub struct Outside {
    pub house: House,
    pub provider: FakeProvider,
    pub app: Upstream,
}

impl Outside {
    /// `policy` in one line; `more` are keys of the config.
    pub async fn open(policy: &str, more: &str) -> Self {
        let now = TurnedClock::new().now().wall.seconds();
        let provider = FakeProvider::start(now).await.unwrap();
        let app = Upstream::echo();
        let house = House::open(&config(&provider, &app, policy, more)).await;
        Self { house, provider, app }
    }

    /// Where the browser is sent to by the page.
    pub async fn begin(&self, browser: &mut Browser) -> String {
        let asked = browser.send(Method::GET, PAGE, NAVIGATION, "").await;
        let door = asked.location().unwrap();
        let sent = browser.send(Method::GET, door.as_str(), NAVIGATION, "").await;
        sent.location().unwrap().into()
    }

    /// Somebody asks for the page and says yes at the provider.
    pub async fn visit(&self, browser: &mut Browser) -> Seen {
        let authorize = self.begin(browser).await;
        let back = self.provider.consents(&authorize).unwrap();
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        browser.follow(arrived).await
    }

    /// The same as somebody about whom the provider says this.
    pub async fn visit_as(&self, id_token: Value, userinfo: Option<Value>) -> (Browser, Seen) {
        self.provider.says(id_token.clone());
        self.provider.userinfo_says(userinfo.unwrap_or(id_token));
        let mut browser = self.house.browser();
        let seen = self.visit(&mut browser).await;
        (browser, seen)
    }
}

pub fn config(provider: &FakeProvider, app: &Upstream, policy: &str, more: &str) -> String {
    let (client, secret) = provider.client();
    format!(
        "authenticate_service_url: https://auth.test
idp_provider: oidc
idp_provider_url: {}
idp_client_id: {client}
idp_client_secret: {secret}
{more}
routes:
- from: https://jelly.test
  to: http://{}
  pass_identity_headers: true
  policy: {policy}
",
        provider.issuer(),
        app.address,
    )
}

const ALL_BUT_MUM: &str = "[{allow: {or: [{authenticated_user: true}]}}, \
                           {deny: {or: [{email: {is: mum@example.com}}, {domain: corp.test}, \
                           {claim/groups: kids}]}}]";

#[tokio::test]
async fn a_fact_that_is_dropped_lets_nobody_in() {
    let at = Outside::open(ALL_BUT_MUM, "").await;
    let mum = |verified: Value| json!({"sub": "u1", "email": "mum@example.com", "email_verified": verified});
    let plain = json!({"sub": "u1", "email": "mum@example.com"});
    for (id_token, userinfo, expected, why) in [
        (json!({"sub": "u1", "email": "ann@example.com"}), None, 200, "nobody denies her"),
        (mum(false.into()), None, 403, "not verified"),
        (mum("false".into()), None, 403, "as text"),
        (mum(false.into()), Some(plain.clone()), 403, "repeated without the flag"),
        (plain.clone(), Some(json!({"sub": "u1", "email": "b@x.test"})), 403, "replaced"),
        (json!({"sub": "u1", "email": "Mum@Example.COM"}), None, 403, "case 7b"),
        (json!({"sub": "u1", "email": "x@corp.test@evil.test"}), None, 403, "two domains"),
        (json!({"sub": "u1", "email": "@corp.test"}), None, 403, "no local part"),
        (json!({"sub": "u1", "email": ["mum@example.com", "b@x.test"]}), None, 403, "several"),
        (json!({"sub": "u1", "email": "mum@example.com,b@x.test"}), None, 403, "several in one"),
        (json!({"sub": "u1", "email": "\"mum\"@example.com"}), None, 403, "quoted"),
        (json!({"sub": "u1", "email": "mum(x)@example.com"}), None, 403, "a comment"),
        (json!({"sub": "u1", "email": " mum@example.com"}), None, 403, "a blank"),
        (json!({"sub": "u1", "email": 7}), None, 403, "a number"),
        (json!({"sub": "u1", "mail": "mum@example.com", "email": "b@x.test"}), None, 403, "both"),
        (json!({"sub": "u1", "groups": "kids,family"}), None, 403, "no list"),
        (json!({"sub": "u1", "groups": {"kids": true}}), None, 403, "a map"),
        (json!({"sub": "u1", "groups": [["kids"]]}), None, 403, "nested"),
        (json!({"sub": "u1", "hasgroups": true}), None, 403, "overage"),
        (json!({"sub": "u1", "_claim_names": {"groups": "src1"}}), None, 403, "overage"),
        (
            json!({"sub": "u1", "groups": ["kids"]}),
            Some(json!({"sub": "u1", "groups": []})),
            403,
            "replaced",
        ),
        (json!({"sub": "u1", "groups": ["family"]}), None, 200, "other groups"),
    ] {
        let said = id_token.to_string();
        let (_, seen) = at.visit_as(id_token, userinfo).await;
        assert_eq!(seen.status.as_u16(), expected, "{why}: {said}: {}", seen.body);
    }
}

#[tokio::test]
async fn what_does_not_count_lets_nobody_in_by_differing_either() {
    let policy = "[{allow: {and: [{email: {not: mum@example.com}}, \
                  {claim/groups: {exclude: kids}}]}}]";
    let at = Outside::open(policy, "").await;
    for (claims, expected, why) in [
        (json!({"sub": "u1", "email": "ann@example.com"}), 200, "somebody else"),
        (json!({"sub": "u1", "email": "mum@example.com", "email_verified": false}), 403, "dropped"),
        (json!({"sub": "u1", "email": "MUM@example.com"}), 403, "capitals"),
        (json!({"sub": "u1", "email": "a@x.test", "hasgroups": "true"}), 403, "left out"),
        (json!({"sub": "u1", "email": "a@x.test", "groups": {"kids": 1}}), 403, "unreadable"),
    ] {
        let said = claims.to_string();
        let (_, seen) = at.visit_as(claims, None).await;
        assert_eq!(seen.status.as_u16(), expected, "{why}: {said}");
    }
}

#[tokio::test]
async fn a_dropped_address_is_told_to_the_person_and_the_operator() {
    let at = Outside::open("[{allow: {or: [{email: {is: mum@example.com}}]}}]", "").await;
    let claims = json!({"sub": "u1", "email": "mum@example.com", "email_verified": false});
    let (mut browser, seen) = at.visit_as(claims, None).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    let identity = browser.open("https://jelly.test/.pomerium/").await;
    for (where_, text) in
        [("page", &seen.body), ("identity", &identity.body), ("log", &at.house.log())]
    {
        for words in ["mum@example.com", "not verified", "email_verified"] {
            assert!(text.contains(words), "{where_}: {words}: {text}");
        }
    }
    assert!(at.house.records("provider").iter().all(|line| line["level"] == "warn"));
    let heads = at.app.heads().join("\n");
    assert!(!heads.contains("mum@example.com"), "{heads}");
}

#[tokio::test]
async fn a_rule_with_capitals_is_met_by_people_of_the_built_in_provider() {
    let app = Upstream::echo();
    for rule in [
        "policy: [{allow: {or: [{email: {is: Ann@Example.com}}]}}]",
        "policy: [{allow: {or: [{domain: {is: Example.com}}]}}]",
        "policy: [{allow: {or: [{claim/email: Ann@Example.com}]}}]",
        "allowed_users: [Ann@Example.com]",
        "allowed_domains: [Example.com]",
    ] {
        let to = app.address;
        let text = format!("routes:\n- from: https://jelly.test\n  to: http://{to}\n  {rule}\n");
        let house = House::open(&text).await;
        let mut browser = house.signed_in(PAGE, crate::house::ANN).await;
        let seen = browser.open(PAGE).await;
        assert_eq!(seen.status, StatusCode::OK, "{rule}");
    }
}
