//! What one make of provider does otherwise than OpenID Connect has it.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    clock::TurnedClock,
    provider::{Dialect, FakeProvider},
    upstream::Upstream,
};
use usher_rules::time::Clock;

use crate::test_server::{TestServer, eventually};

const PAGE: &str = "https://jelly.test/film";

/// A server whose people sign in at a provider of this kind.
struct Kind {
    server: TestServer,
    provider: FakeProvider,
    app: Upstream,
}

impl Kind {
    /// `path` is behind the provider's address, `more` are keys of the config, `policy` in one line.
    async fn open(kind: &str, dialect: Dialect, path: &str, more: &str, policy: &str) -> Self {
        let provider = FakeProvider::start(TurnedClock::new().now().wall.seconds()).await.unwrap();
        provider.speaks(dialect);
        let app = Upstream::echo();
        let (client, secret) = provider.client();
        let text = format!(
            "authenticate_service_url: https://auth.test\nidp_provider: {kind}\n\
             idp_provider_url: {}{path}\nidp_client_id: {client}\nidp_client_secret: {secret}\n\
             {more}\nroutes:\n- from: https://jelly.test\n  to: http://{}\n  \
             pass_identity_headers: true\n  policy: {policy}\n",
            provider.issuer(),
            app.address
        );
        let server = TestServer::open(&text).await;
        Self { server, provider, app }
    }

    /// Where the browser is sent to by the page.
    async fn begin(&self, browser: &mut Browser) -> String {
        let asked = browser.send(Method::GET, PAGE, NAVIGATION, "").await;
        let door = asked.location().unwrap();
        let sent = browser.send(Method::GET, door.as_str(), NAVIGATION, "").await;
        sent.location().unwrap_or_else(|| panic!("{}", self.server.log())).into()
    }

    /// Somebody about whom the provider says this asks for the page and says yes.
    async fn visit(&self, claims: Value) -> Seen {
        self.visit_by(&mut self.server.browser(), claims).await
    }

    async fn visit_by(&self, browser: &mut Browser, claims: Value) -> Seen {
        self.provider.says(claims);
        let authorize = self.begin(browser).await;
        let back = self.provider.consents(&authorize).unwrap_or_else(|| panic!("{authorize}"));
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        browser.follow(arrived).await
    }

    /// The provider is asked again, and its answer has been judged: that is so once it was asked
    /// another time.
    async fn next_answer(&self) {
        for _ in 0..2 {
            let asked = || self.provider.was_asked("/login/oauth/access_token");
            let before = asked();
            self.server.clock.turn(Duration::from_secs(5 * 60));
            eventually("the provider is asked again", || (asked() > before).then_some(())).await;
        }
    }

    async fn ends_a_session(&self, cause: &str) {
        self.server.clock.turn(Duration::from_secs(5 * 60));
        eventually("the session is ended", || {
            let lines = self.server.records("session-ended");
            lines.iter().any(|line| line["cause"].as_str().unwrap().contains(cause)).then_some(())
        })
        .await;
    }
}

const FAMILY: &str = "[{allow: {or: [{claim/groups: family}]}}, \
                      {deny: {or: [{claim/groups: kids}]}}]";
const ANYBODY: &str = "[{allow: {or: [{authenticated_user: true}]}}]";
const MUM: &str = "[{allow: {or: [{email: {is: mum@example.com}}]}}]";

/// OAuth 2.0 and an API: no discovery, no ID token, errors under 200.
#[tokio::test]
async fn people_of_github_sign_in_without_an_id_token() {
    let policy =
        "[{allow: {or: [{claim/groups: 'acme:tv'}]}}, {deny: {or: [{claim/groups: evil}]}}]";
    let at = Kind::open("github", Dialect::GitHub, "", "", policy).await;
    let mut browser = at.server.browser();
    let authorize = at.begin(&mut browser).await;
    assert!(authorize.contains("/login/oauth/authorize?"), "{authorize}");
    assert!(authorize.ends_with("&scope=user%3Aemail+read%3Aorg"), "{authorize}");
    assert!(!authorize.contains("nonce="), "{authorize}");
    let ann = json!({"node_id": "U_1", "login": "ann", "name": "Ann", "id": 7});
    at.provider.lists(
        "/api/v3/user/emails",
        json!([
            {"email": "old@example.com", "primary": false, "verified": true},
            {"email": "ann@example.com", "primary": true, "verified": true},
        ]),
    );
    at.provider.lists("/api/v3/user/orgs", json!([{"login": "acme"}]));
    // More than one page of them: the one that counts is the last.
    let mut teams: Vec<Value> = (0..100)
        .map(|number| json!({"slug": format!("t{number}"), "organization": {"login": "acme"}}))
        .collect();
    teams.push(json!({"slug": "tv", "organization": {"login": "acme"}}));
    at.provider.lists("/api/v3/user/teams", teams.into());
    let seen = at.visit(ann.clone()).await;
    assert_eq!(seen.status, StatusCode::OK, "{}: {}", seen.body, at.server.log());
    assert_eq!(at.provider.was_asked("/api/v3/user/teams"), 2);
    assert!(at.server.log().contains("ann@example.com"));
    assert!(at.app.heads().concat().to_lowercase().contains("x-pomerium-jwt-assertion"));

    // A name may be given to somebody else; the id may not.
    at.provider.lists("/api/v3/user/teams", json!([]));
    assert_eq!(at.visit(ann.clone()).await.status, StatusCode::FORBIDDEN, "no team lets them in");
}

/// GitHub's refresh brings no ID token: its API is asked, each time.
#[tokio::test]
async fn what_github_takes_away_counts_from_the_next_question_on() {
    let policy = "[{allow: {or: [{claim/groups: acme}]}}]";
    let at = Kind::open("github", Dialect::GitHub, "", "", policy).await;
    at.provider.gives_refresh_tokens();
    let acme = json!([{"login": "acme"}]);
    at.provider.lists("/api/v3/user/orgs", acme.clone());
    at.provider.lists("/api/v3/user/teams", json!([]));
    let ann = json!({"node_id": "U_1", "login": "ann"});
    let mut browser = at.server.browser();
    assert_eq!(at.visit_by(&mut browser, ann).await.status, StatusCode::OK);
    at.provider.lists("/api/v3/user/orgs", json!([]));
    at.next_answer().await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::FORBIDDEN, "out of it");
    at.provider.lists("/api/v3/user/orgs", acme);
    at.next_answer().await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK, "and back");
    at.provider.refuses_refresh();
    at.ends_a_session("invalid_grant").await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_grant_that_github_takes_back_ends_its_session() {
    let at = Kind::open("github", Dialect::GitHub, "", "", ANYBODY).await;
    let mut browser = at.server.browser();
    let ann = json!({"node_id": "U_1", "login": "ann"});
    assert_eq!(at.visit_by(&mut browser, ann).await.status, StatusCode::OK);
    at.provider.answers("/api/v3/user", 401, None, r#"{"message":"Bad credentials"}"#);
    at.ends_a_session("taken its grant back").await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
}

/// `read:org` that an organisation does not grant hides groups: who is denied by one stays out.
#[tokio::test]
async fn groups_that_github_does_not_tell_keep_out_who_is_denied_by_them() {
    let policy =
        "[{allow: {or: [{authenticated_user: true}]}}, {deny: {or: [{claim/groups: evil}]}}]";
    let at = Kind::open("github", Dialect::GitHub, "", "", policy).await;
    let eve = json!({"node_id": "U_2", "login": "eve"});
    at.provider.lists("/api/v3/user/orgs", json!([{"login": "acme"}]));
    at.provider.lists("/api/v3/user/teams", json!([]));
    assert_eq!(at.visit(eve.clone()).await.status, StatusCode::OK, "all are told");
    at.provider.lists("/api/v3/user/teams", json!([{"slug": "x"}]));
    assert_eq!(at.visit(eve).await.status, StatusCode::FORBIDDEN, "one is of nobody");
}

#[tokio::test]
async fn a_client_that_github_does_not_know_is_told_to_the_operator() {
    let more = "idp_scopes: [read:user]";
    let at = Kind::open("github", Dialect::GitHub, "", more, ANYBODY).await;
    let wrong = r#"{"error":"incorrect_client_credentials","error_description":"x"}"#;
    at.provider.answers("/login/oauth/access_token", 200, None, wrong);
    let seen = at.visit(json!({"node_id": "U_1", "login": "ann"})).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{}", seen.body);
    let log = at.server.log();
    assert!(log.contains("copy `idp_client_id` and `idp_client_secret` anew"), "{log}");
}

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// One issuer for all tenants: each says of its own people what it likes.
#[tokio::test]
async fn a_tenant_of_strangers_lets_nobody_in_by_an_address() {
    let at = Kind::open("azure", Dialect::Entra, "/common/v2.0", "", MUM).await;
    for (claims, expected, why) in [
        (json!({"sub": "s", "oid": "o", "tid": TENANT, "email": "mum@example.com"}), 403, "said"),
        (
            json!({"sub": "s", "oid": "o", "tid": TENANT, "email": "mum@example.com", "xms_edov": true}),
            200,
            "proven",
        ),
        (json!({"sub": "s", "tid": "../x", "email": "mum@example.com"}), 400, "no tenant"),
        (json!({"sub": "s", "email": "mum@example.com"}), 400, "of none"),
    ] {
        let seen = at.visit(claims).await;
        assert_eq!(seen.status.as_u16(), expected, "{why}: {}", at.server.log());
    }
    let policy = "[{allow: {or: [{user: {is: the-oid}}]}}]";
    let at = Kind::open("azure", Dialect::Entra, "/common/v2.0", "", policy).await;
    let claims = json!({"sub": "pairwise", "oid": "the-oid", "tid": TENANT});
    assert_eq!(at.visit(claims).await.status, StatusCode::OK, "Pomerium's id of them");
}

/// Somebody in more than 200 groups: the token says that there are some, and Graph says which.
#[tokio::test]
async fn groups_over_the_limit_of_entra_are_asked_for() {
    let at = Kind::open("azure", Dialect::Entra, "/common/v2.0", "", FAMILY).await;
    let path = "/v1.0/me/transitiveMemberOf/microsoft.graph.group";
    let over = json!({
        "sub": "s", "oid": "o", "tid": TENANT,
        "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x.test"}},
    });
    assert_eq!(at.visit(over.clone()).await.status, StatusCode::FORBIDDEN, "Graph tells nothing");
    at.provider.lists(path, json!([{"id": "other"}, {"id": "family"}]));
    let seen = at.visit(over.clone()).await;
    assert_eq!(seen.status, StatusCode::OK, "{}: {}", seen.body, at.server.log());
    at.provider.lists(path, json!([{"id": "family"}, {"id": "kids"}]));
    assert_eq!(at.visit(over.clone()).await.status, StatusCode::FORBIDDEN, "one of them denies");
    // The token goes to nobody whom an answer names.
    let stranger = FakeProvider::start(0).await.unwrap();
    let next = format!("{}{path}", stranger.issuer());
    let body = json!({"value": [{"id": "family"}], "@odata.nextLink": next}).to_string();
    at.provider.answers(path, 200, None, &body);
    assert_eq!(at.visit(over.clone()).await.status, StatusCode::FORBIDDEN, "not all are known");
    assert_eq!(stranger.was_asked(path), 0);
    at.provider.answers(path, 503, None, "");
    let seen = at.visit(over).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "they may try again");
}

/// The answer comes as a form of another site, without a cookie of ours.
#[tokio::test]
async fn apple_posts_its_answer_and_nothing_of_it_is_in_an_address() {
    let params = "idp_request_params: {response_mode: query, locale: de_DE}";
    let at = Kind::open("apple", Dialect::OpenId, "", params, MUM).await;
    at.provider.says(json!({"sub": "001.a", "email": "mum@example.com", "email_verified": "true"}));
    let mut browser = at.server.browser();
    let authorize = at.begin(&mut browser).await;
    assert_eq!(authorize.matches("response_mode=").count(), 1, "{authorize}");
    assert!(authorize.contains("response_mode=form_post"), "whatever is configured: {authorize}");
    assert!(authorize.contains("locale=de_DE") && authorize.contains("scope=openid+name+email"));
    let back = url::Url::parse(&at.provider.consents(&authorize).unwrap()).unwrap();
    let user = r#"{"name":{"firstName":"Mum"},"email":"mum@example.com"}"#;
    let form = url::form_urlencoded::Serializer::new(back.query().unwrap().to_owned())
        .append_pair("user", user)
        .finish();
    // Another site's post: `SameSite=Lax` cookies stay at home.
    let fields: &[(&str, &str)] = &[
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://appleid.apple.com"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("accept", "text/html"),
    ];
    let callback = "https://auth.test/oauth2/callback";
    let posted = at.server.browser().send(Method::POST, callback, fields, form).await;
    assert_eq!(posted.status, StatusCode::SEE_OTHER);
    let again = posted.location().unwrap();
    assert!(
        again.query().unwrap().contains("code=") && !again.as_str().contains("user="),
        "{again}"
    );
    let arrived = browser.send(Method::GET, again.as_str(), NAVIGATION, "").await;
    let seen = browser.follow(arrived).await;
    assert_eq!(seen.status, StatusCode::OK, "{}: {}", seen.body, at.server.log());
}

#[tokio::test]
async fn an_account_of_another_domain_than_google_was_asked_for_is_refused() {
    let params = "idp_request_params: {hd: example.com, prompt: select_account}";
    let at = Kind::open("google", Dialect::OpenId, "", params, ANYBODY).await;
    let seen = at.visit(json!({"sub": "1", "email": "a@example.com", "hd": "example.com"})).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let seen = at.visit(json!({"sub": "2", "email": "e@gmail.test"})).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert!(seen.body.contains("another account"), "{}", seen.body);
    assert!(at.server.log().contains("`hd`"), "{}", at.server.log());
}

/// Neither publishes where its sessions end, and each calls the way back otherwise.
#[tokio::test]
async fn a_sign_out_leads_to_the_provider_by_its_own_words() {
    for (kind, path, words, dialect) in [
        ("cognito", "/logout", "logout_uri", Dialect::Cognito),
        ("cognito", "/logout", "logout_uri", Dialect::OpenId),
        ("auth0", "/v2/logout", "returnTo", Dialect::Auth0),
        ("oidc", "/logout", "post_logout_redirect_uri", Dialect::OpenId),
    ] {
        let at = Kind::open(kind, dialect, "", "", ANYBODY).await;
        at.provider.says(json!({"sub": "1"}));
        let mut browser = at.server.browser();
        let authorize = at.begin(&mut browser).await;
        let back = at.provider.consents(&authorize).unwrap();
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        browser.follow(arrived).await;
        let form: &[(&str, &str)] = &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", "https://jelly.test"),
            ("sec-fetch-site", "same-origin"),
        ];
        let door = "https://jelly.test/.pomerium/sign_out";
        let posted = browser.send(Method::POST, door, form, "").await;
        let hop = posted.location().unwrap();
        let left = browser.send(Method::GET, hop.as_str(), NAVIGATION, "").await;
        let end = left.location().unwrap();
        assert_eq!(end.path(), path, "{kind}: {end}");
        let has = |name: &str| end.query_pairs().any(|(found, _)| found == name);
        assert!(has("client_id") && has(words), "{kind}: {end}");
        assert_eq!(has("id_token_hint"), kind == "oidc", "{kind}: {end}");
    }
}

/// Cognito's sessions end on another host than its issuer's. Chromium holds every redirect after a
/// form against the page with the form, and that page knows issuers alone.
#[tokio::test]
async fn a_sign_out_that_ends_on_another_host_goes_there_by_a_page() {
    let at = Kind::open("cognito", Dialect::OpenId, "", "", ANYBODY).await;
    let issuer = at.provider.issuer();
    let path = |path: &str| format!("{issuer}{path}");
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": path("/authorize"),
        "token_endpoint": path("/token"),
        "userinfo_endpoint": path("/userinfo"),
        "jwks_uri": path("/jwks"),
        "end_session_endpoint": "https://pool.auth.example/logout",
    });
    let document = document.to_string();
    at.provider.answers("/.well-known/openid-configuration", 200, None, &document);
    at.provider.says(json!({"sub": "1"}));
    let mut browser = at.server.browser();
    let authorize = at.begin(&mut browser).await;
    let back = at.provider.consents(&authorize).unwrap();
    let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
    assert_eq!(browser.follow(arrived).await.status, StatusCode::OK);
    let form: &[(&str, &str)] = &[
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://jelly.test"),
        ("sec-fetch-site", "same-origin"),
    ];
    let door = "https://jelly.test/.pomerium/sign_out";
    let posted = browser.send(Method::POST, door, form, "").await;
    let hop = posted.location().unwrap();
    let left = browser.send(Method::GET, hop.as_str(), NAVIGATION, "").await;
    assert_eq!(left.status, StatusCode::OK);
    let refresh = left.field("refresh");
    assert!(refresh.starts_with("0; url=https://pool.auth.example/logout?client_id="), "{refresh}");
    assert!(refresh.contains("&logout_uri=https%3A%2F%2Fauth.test"), "{refresh}");
}
