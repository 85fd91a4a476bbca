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

use crate::test_server::TestServer;

const PAGE: &str = "https://jelly.test/film";

/// A server whose people sign in at a provider.
pub struct Outside {
    pub server: TestServer,
    pub provider: FakeProvider,
    pub app: Upstream,
}

impl Outside {
    /// `policy` in one line; `more` are keys of the config.
    pub async fn open(policy: &str, more: &str) -> Self {
        let now = TurnedClock::new().now().wall.seconds();
        let provider = FakeProvider::start(now).await.unwrap();
        let app = Upstream::echo();
        let server = TestServer::open(&config(&provider, &app, policy, more)).await;
        Self { server, provider, app }
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
        let mut browser = self.server.browser();
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
        (mum("False".into()), None, 403, "as text of another language"),
        (mum("no".into()), None, 403, "as a word that nobody defined"),
        (mum("".into()), None, 403, "as no text"),
        (mum(0.into()), None, 403, "as a number"),
        (mum("0".into()), None, 403, "as a number in text"),
        (mum(2.into()), None, 403, "as a number that says nothing"),
        (mum(json!({})), None, 403, "as a map"),
        (mum(json!([])), None, 403, "as a list"),
        (mum(json!([true])), None, 403, "as a list that says yes"),
        (mum(json!(null)), None, 403, "as null"),
        (plain.clone(), Some(mum(0.into())), 403, "not verified in userinfo"),
        (mum(json!({})), Some(plain.clone()), 403, "unreadable, repeated without the flag"),
        (json!({"sub": "u1", "mail": "mum@example.com"}), None, 403, "by another name"),
        (
            json!({"sub": "u1", "mail": "mum@example.com", "email_verified": false}),
            None,
            403,
            "both",
        ),
        (json!({"sub": "u1", "groups": null, "groups:src1": "x"}), None, 403, "left out, as null"),
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
        (json!({"sub": "u1", "email": "mum＠example.com"}), None, 403, "a full-width sign"),
        (json!({"sub": "u1", "email": "mum﹫example.com"}), None, 403, "a small one"),
        (json!({"sub": "u1", "email": "mum%40example.com"}), None, 403, "an escaped one"),
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

/// The token with all of them was kept as well, sealed and half as long again, for a sign-out that
/// does not hand over what is large.
#[tokio::test]
async fn thousands_of_groups_keep_nobody_out() {
    let at = Outside::open(ALL_BUT_MUM, "").await;
    let groups: Vec<String> = (0..3000).map(|number| format!("group-{number}")).collect();
    let claims = json!({"sub": "u1", "email": "ann@example.com", "groups": groups});
    let (_, seen) = at.visit_as(claims, None).await;
    assert_eq!(seen.status.as_u16(), 200, "{}", seen.body);
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
        [("page", &seen.body), ("identity", &identity.body), ("log", &at.server.log())]
    {
        for words in ["mum@example.com", "not verified", "email_verified"] {
            assert!(text.contains(words), "{where_}: {words}: {text}");
        }
    }
    assert!(at.server.records("provider").iter().all(|line| line["level"] == "warn"));
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
        let server = TestServer::open(&text).await;
        let mut browser = server.signed_in(PAGE, crate::test_server::ANN).await;
        let seen = browser.open(PAGE).await;
        assert_eq!(seen.status, StatusCode::OK, "{rule}");
    }
}

const ANYBODY: &str = "[{allow: {or: [{authenticated_user: true}]}}]";

fn state_of(authorize: &str) -> String {
    let url = authorize.split("state=").nth(1).unwrap();
    url.split('&').next().unwrap().to_owned()
}

#[tokio::test]
async fn no_member_that_nobody_needs_stops_a_sign_in() {
    let at = Outside::open(ANYBODY, "").await;
    for value in [json!("x"), json!(7), json!(true), json!([1, {}]), json!({"a": []}), json!(null)]
    {
        let mut claims = json!({"sub": "u1"});
        for name in [
            "amr",
            "acr",
            "address",
            "auth_time",
            "at_hash",
            "birthdate",
            "email_verified",
            "gender",
            "given_name",
            "locale",
            "name",
            "phone_number_verified",
            "updated_at",
            "website",
            "jti",
            "sid",
            "groups",
        ] {
            claims[name] = value.clone();
        }
        at.provider.adds_to_tokens(json!({
            "expires_in": value, "scope": value, "refresh_token": value, "token_type": value,
        }));
        let (_, seen) = at.visit_as(claims, None).await;
        assert_eq!(seen.status, StatusCode::OK, "{value}: {}", at.server.log());
    }
    at.provider.adds_to_tokens(json!({"expires_in": "300", "id_token": 7}));
    let (_, seen) = at.visit_as(json!({"sub": "u1"}), None).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert!(at.server.log().contains("`id_token`"), "the log names the member");
}

#[tokio::test]
async fn a_client_that_may_only_post_its_secret_signs_in() {
    let at = Outside::open(ANYBODY, "").await;
    at.provider.takes_secrets_by_post_only();
    let (_, seen) = at.visit_as(json!({"sub": "u1"}), None).await;
    assert_eq!((seen.status, at.provider.was_asked("/token")), (StatusCode::OK, 2));
    let signed_in = at.server.records("sign-in");
    assert_eq!(signed_in[0]["client-authentication"], "client_secret_post", "{signed_in:?}");
    let (_, seen) = at.visit_as(json!({"sub": "u2"}), None).await;
    assert_eq!((seen.status, at.provider.was_asked("/token")), (StatusCode::OK, 3), "remembered");
    at.provider.answers("/token", 401, None, r#"{"error":"invalid_client"}"#);
    let (_, seen) = at.visit_as(json!({"sub": "u3"}), None).await;
    assert_eq!(
        (seen.status, at.provider.was_asked("/token")),
        (StatusCode::SERVICE_UNAVAILABLE, 5)
    );
    assert!(at.server.log().contains("client_secret_"), "the log names the method");
    let log = at.server.log();
    assert!(log.contains("copy `idp_client_id` and `idp_client_secret` anew"), "{log}");
    assert!(seen.body.contains("not set up right"), "nobody is told to try again: {}", seen.body);
    at.provider.answers("/token", 400, None, r#"{"error":"invalid_grant"}"#);
    at.visit_as(json!({"sub": "u3"}), None).await;
    assert_eq!(at.provider.was_asked("/token"), 6, "no other error is tried again");
}

#[tokio::test]
async fn a_lasting_mistake_of_a_provider_is_told_as_one() {
    const DISCOVERY: &str = "/.well-known/openid-configuration";
    for (path, status, body, words) in [
        ("/jwks", 200, "{}", "publishes no signing keys"),
        ("/jwks", 200, "<html>", "jwks_uri"),
        ("/jwks", 404, "", "jwks_uri"),
        (DISCOVERY, 404, "", "idp_provider_url"),
        (DISCOVERY, 200, "<html>", "the discovery document"),
        (DISCOVERY, 200, r#"{"issuer": "http://127.0.0.1:1"}"#, "`authorization_endpoint`"),
        (DISCOVERY, 200, r#"{"issuer": 7}"#, "`issuer`"),
    ] {
        let at = Outside::open(ANYBODY, "").await;
        at.provider.answers(path, status, None, body);
        let seen = at.server.browser().open(PAGE).await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{path} {status}");
        assert!(!seen.body.contains("in a minute"), "{path} {status}: {}", seen.body);
        assert!(at.server.log().contains(words), "{path} {status}: {}", at.server.log());
    }
}

#[tokio::test]
async fn documents_of_a_provider_that_moved_are_found() {
    let at = Outside::open(ANYBODY, "").await;
    at.provider.answers("/jwks", 301, Some("/elsewhere"), "");
    at.provider.answers("/elsewhere", 200, None, &at.provider.published_keys());
    let (_, seen) = at.visit_as(json!({"sub": "u1"}), None).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", at.server.log());
}

#[tokio::test]
async fn an_answer_that_asks_for_another_try_gets_one() {
    let at = Outside::open(ANYBODY, "").await;
    let mut browser = at.server.browser();
    let callback = "https://auth.test/oauth2/callback";
    let issuer = at.provider.issuer();
    let mut authorize = at.begin(&mut browser).await;
    for (error, again) in [
        ("temporarily_unavailable", true),
        ("login_required", true),
        ("temporarily_unavailable", false),
    ] {
        let state = state_of(&authorize);
        let back = format!("{callback}?error={error}&state={state}&iss={issuer}");
        let seen = browser.send(Method::GET, &back, NAVIGATION, "").await;
        assert_eq!(seen.status == StatusCode::FOUND, again, "{error}: {}", seen.status);
        authorize = seen.location().map_or(authorize, Into::into);
    }
    // What nobody knows spoils nothing; what is ours and comes twice is nobody's answer.
    for (more, told) in [("&error_description=refus%E9&%FF=1", true), ("&error=other", false)] {
        let state = state_of(&at.begin(&mut browser).await);
        let back = format!("{callback}?error=access_denied&state={state}&iss={issuer}{more}");
        let count = || at.server.log().matches("access_denied").count();
        let before = count();
        let seen = browser.send(Method::GET, &back, NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{more}");
        assert_eq!(count() > before, told, "{more}: {}", at.server.log());
    }
}

#[tokio::test]
async fn no_scope_is_asked_for_that_has_no_use() {
    let at = Outside::open(ANYBODY, "").await;
    let mut browser = at.server.browser();
    let authorize = at.begin(&mut browser).await;
    assert!(authorize.contains("scope=openid+profile+email&"), "{authorize}");
    let (state, issuer) = (state_of(&authorize), at.provider.issuer());
    let back =
        format!("https://auth.test/oauth2/callback?error=invalid_scope&state={state}&iss={issuer}");
    browser.send(Method::GET, &back, NAVIGATION, "").await;
    let log = at.server.log();
    assert!(log.contains("idp_scopes") && log.contains("openid profile email"), "{log}");
}
