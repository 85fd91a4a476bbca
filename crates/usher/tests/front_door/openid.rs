//! Apps that ask us who somebody is, and those who would like to be one: each way in that was ever
//! found into such a provider is tried, and is closed.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    ports::free_port,
    upstream::Upstream,
};
use usher_rules::openid::{AUTHORIZE, END_SESSION, TOKEN, USERINFO};

use crate::test_server::{ANN, EVE, TestServer, public};

pub const LOGIN: &str = "https://login.test";
pub const CALLBACK: &str = "https://photos.test/cb";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636, appendix B
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const SECRET: &str = "canary-secret-of-photos-9f2";
pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Two apps: one with a secret, for friends; one without, for everybody.
pub fn config(app: &Upstream) -> String {
    format!(
        "authenticate_service_url: {LOGIN}
openid_clients:
- id: photos
  secret: {SECRET}
  redirect_uris: [{CALLBACK}]
  post_logout_redirect_uris: [https://photos.test/bye]
  scopes: [openid, profile, email, groups, offline_access]
  policy: [{{allow: {{or: [{{groups: {{has: friends}}}}]}}}}]
- id: phone
  redirect_uris: ['com.example.phone:/cb', 'http://127.0.0.1/cb']
  scopes: [openid, offline_access]
  allow_any_authenticated_user: true
routes:
{}",
        public("tv.test", app.address)
    )
}

/// The provider, and one browser.
pub struct At {
    pub server: TestServer,
    pub browser: Browser,
    pub app: Upstream,
}

impl At {
    pub async fn open() -> Self {
        let app = Upstream::echo();
        let server = TestServer::open(&config(&app)).await;
        let browser = server.browser();
        Self { server, browser, app }
    }

    /// The same, and somebody is signed in there.
    pub async fn known((email, password): (&str, &str)) -> Self {
        let mut at = Self::open().await;
        at.browser.sign_in(&format!("{LOGIN}/.pomerium/sign_in"), email, password).await;
        at
    }

    /// Follows what is ours, and gives the address that it ends at, if it is an app's.
    pub async fn follow(&mut self, mut seen: Seen) -> Result<Url, Seen> {
        for _ in 0..10 {
            let refresh = seen.field("refresh").strip_prefix("0; url=").map(str::to_owned);
            let refresh = refresh.map(|url| seen.url.join(&url).unwrap());
            let Some(next) = seen.location().or(refresh) else { return Err(seen) };
            if !next.as_str().starts_with(LOGIN) {
                return Ok(next);
            }
            seen = self.browser.send(Method::GET, next.as_str(), NAVIGATION, "").await;
        }
        panic!("it goes in circles, at last to {}", seen.url)
    }

    /// Sends the browser there with a request as it should be, some of it replaced or, by `-`, left
    /// out.
    pub async fn ask(&mut self, change: &[(&str, &str)]) -> Result<Url, Seen> {
        let url = request(change);
        let seen = self.browser.send(Method::GET, &url, NAVIGATION, "").await;
        self.follow(seen).await
    }

    /// A code for `photos`.
    pub async fn code(&mut self) -> String {
        let back = self.ask(&[]).await.unwrap_or_else(|seen| panic!("{}", seen.body));
        param(&back, "code").unwrap_or_else(|| panic!("{back}"))
    }

    /// What the app says to the token endpoint, with its secret.
    pub async fn token(&self, fields: &[(&str, &str)]) -> Seen {
        self.post(TOKEN, &[&[("client_id", "photos"), ("client_secret", SECRET)], fields].concat())
            .await
    }

    /// Apps have no cookies.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.extend_pairs(fields).finish();
        let url = format!("{LOGIN}{path}");
        self.server.browser().send(Method::POST, &url, &[FORM], form).await
    }

    pub async fn redeem(&self, code: &str) -> Seen {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    /// What `photos` gets for a code.
    pub async fn tokens(&mut self) -> Value {
        let code = self.code().await;
        self.redeem(&code).await.json()
    }

    pub async fn refresh(&self, token: &Value) -> Seen {
        let token = token.as_str().unwrap();
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub async fn userinfo(&self, token: &Value) -> Seen {
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        let fields = [("authorization", &*bearer)];
        let url = format!("{LOGIN}{USERINFO}");
        self.server.browser().send(Method::GET, &url, &fields, "").await
    }
}

pub fn request(change: &[(&str, &str)]) -> String {
    let usual = [
        ("client_id", "photos"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid profile email groups offline_access"),
        ("state", "s-1"),
        ("nonce", "n-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let usual = usual.iter().filter(|(name, _)| change.iter().all(|(other, _)| other != name));
    let pairs = usual.chain(change).filter(|(_, value)| *value != "-");
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("{LOGIN}{AUTHORIZE}?{}", query.extend_pairs(pairs).finish())
}

pub fn param(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

pub fn claims(tokens: &Value) -> Value {
    let payload = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub fn refused(seen: &Seen, word: &str) {
    assert_eq!((seen.status.as_u16(), &seen.json()["error"]), (400, &json!(word)), "{}", seen.body);
    assert!(seen.field("cache-control").contains("no-store"));
}

#[tokio::test]
async fn an_app_learns_who_signed_in() {
    let mut at = At::open().await;
    let page = at.ask(&[]).await.unwrap_err();
    assert!(page.body.contains("type=\"password\""), "nobody is known: {}", page.body);
    let signed_in = at.browser.post_once(&page, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    assert_eq!(signed_in.status, StatusCode::OK, "no redirect after a form, which browsers hold");
    let back = at.follow(signed_in).await.unwrap();
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    assert_eq!(param(&back, "state").as_deref(), Some("s-1"));
    assert_eq!(param(&back, "iss").as_deref(), Some(LOGIN), "RFC 9207");
    let seen = at.redeem(&param(&back, "code").unwrap()).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    assert!(seen.field("cache-control").contains("no-store"), "RFC 6749 §5.1");
    let tokens = seen.json();
    let told = claims(&tokens);
    for (name, expected) in [
        ("iss", json!(LOGIN)),
        ("aud", json!("photos")),
        ("nonce", json!("n-1")),
        ("email", json!(ANN.0)),
        ("email_verified", json!(true)),
        ("groups", json!(["friends"])),
        ("amr", json!(["pwd"])),
    ] {
        assert_eq!(told[name], expected, "{name}");
    }
    assert!(told["auth_time"].is_u64() && told["sid"].is_string(), "{told}");
    let about = at.userinfo(&tokens["access_token"]).await;
    assert_eq!(about.status, StatusCode::OK, "{}", about.body);
    assert_eq!(about.json()["sub"], told["sub"]);
    assert_eq!(about.json()["email"], ANN.0);
    let log = at.server.log();
    for secret in ["access_token", "refresh_token", "id_token"] {
        let secret = tokens[secret].as_str().unwrap();
        assert!(!log.contains(secret), "a token is on record");
    }
    assert!(!log.contains(SECRET) && !log.contains(&param(&back, "code").unwrap()));
}

#[tokio::test]
async fn a_redirect_uri_that_is_not_the_app_s_is_followed_by_nobody() {
    let mut at = At::known(ANN).await;
    for uri in [
        "-",
        "https://photos.test/cb/",
        "https://photos.test/cb?x=1",
        "https://photos.test.evil.test/cb",
        "https://PHOTOS.test/cb",
        "https://evil.test/",
        "http://photos.test/cb",
        "com.example.phone:/cb",
        "http://127.0.0.1:8080/cb",
    ] {
        let seen = at.ask(&[("redirect_uri", uri)]).await.unwrap_err();
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{uri}");
        assert!(!seen.body.contains("evil"), "{uri} is no link");
    }
    let twice = format!("{}&redirect_uri=https://evil.test/", request(&[]));
    let seen = at.browser.send(Method::GET, &twice, NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    let other = at.ask(&[("client_id", "nobody")]).await.unwrap_err();
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    // The port of a program is its own affair, RFC 8252 §7.3.
    let (id, uri) = (("client_id", "phone"), ("redirect_uri", "http://127.0.0.1:49152/cb"));
    assert!(param(&at.ask(&[id, uri]).await.unwrap(), "code").is_some());
    // An error goes to the app's own address, and nowhere else.
    let told = at.ask(&[("response_type", "token")]).await.unwrap();
    assert!(told.as_str().starts_with(CALLBACK), "{told}");
}

#[tokio::test]
async fn pkce_is_not_left_out_nor_made_plain() {
    let mut at = At::known(ANN).await;
    for change in [
        &[("code_challenge", "-"), ("code_challenge_method", "-")][..],
        &[("code_challenge_method", "-")],
        &[("code_challenge_method", "plain")],
        &[("code_challenge", "-")],
        &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")],
    ] {
        let told = at.ask(change).await.unwrap();
        assert_eq!(param(&told, "error").as_deref(), Some("invalid_request"), "{told}");
        assert_eq!(param(&told, "code"), None, "{told}");
    }
    let code = at.code().await;
    for verifier in ["", CHALLENGE, &VERIFIER.to_lowercase()] {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ];
        let word = if verifier.is_empty() { "invalid_request" } else { "invalid_grant" };
        refused(&at.token(&fields).await, word);
    }
    assert_eq!(at.redeem(&code).await.status, StatusCode::OK, "whoever has it, has it");
}

#[tokio::test]
async fn an_app_may_ask_for_a_new_sign_in_or_for_none() {
    let mut at = At::open().await;
    let told = at.ask(&[("prompt", "none")]).await.unwrap();
    assert_eq!(param(&told, "error").as_deref(), Some("login_required"));
    assert_eq!(param(&told, "iss").as_deref(), Some(LOGIN), "errors, too");
    at.browser.sign_in(&format!("{LOGIN}/.pomerium/sign_in"), ANN.0, ANN.1).await;
    assert!(param(&at.ask(&[("prompt", "none")]).await.unwrap(), "code").is_some());
    // Within one second of the last sign-in, too: moments are whole seconds.
    let [soon, later] = [0, 600].map(Duration::from_secs);
    for (change, past) in [
        (("prompt", "login"), soon),
        (("max_age", "0"), soon),
        (("prompt", "login"), later),
        (("max_age", "0"), later),
        (("max_age", "599"), later),
    ] {
        at.server.clock.turn(past);
        let page = at.ask(&[change]).await.unwrap_err();
        assert!(page.body.contains("type=\"password\""), "{change:?}: {}", page.body);
        let seen = at.browser.post_once(&page, "", &[("email", ANN.0), ("password", ANN.1)]).await;
        let back = at.follow(seen).await.unwrap();
        let tokens = at.redeem(&param(&back, "code").unwrap()).await.json();
        let told = claims(&tokens);
        assert_eq!(told["auth_time"], told["iat"], "{change:?}: just now");
    }
    at.server.clock.turn(Duration::from_secs(600));
    let told = at.ask(&[("prompt", "none"), ("max_age", "599")]).await.unwrap();
    assert_eq!(param(&told, "error").as_deref(), Some("login_required"));
    assert!(param(&at.ask(&[("max_age", "600")]).await.unwrap(), "code").is_some());
}

/// A link alone signs nobody out, and leads nowhere but where the app said.
#[tokio::test]
async fn an_app_signs_out_whom_its_token_names() {
    let mut at = At::known(ANN).await;
    let tokens = at.tokens().await;
    let hint = tokens["id_token"].as_str().unwrap();
    let url = |pairs: &[(&str, &str)]| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        format!("{LOGIN}{END_SESSION}?{}", query.extend_pairs(pairs).finish())
    };
    let bye = ("post_logout_redirect_uri", "https://photos.test/bye");
    let evil = ("post_logout_redirect_uri", "https://evil.test/");
    let forged = format!("{}x", &hint[..hint.len() - 1]);
    for pairs in [
        &[][..],
        &[("client_id", "photos"), bye],
        &[("client_id", "photos"), evil],
        &[("id_token_hint", &*forged), bye],
        &[("id_token_hint", hint), ("client_id", "phone"), bye],
    ] {
        let seen = at.browser.send(Method::GET, &url(pairs), NAVIGATION, "").await;
        let page = at.follow(seen).await.unwrap_err();
        assert!(page.body.contains("Sign out?"), "{pairs:?}: {}", page.body);
        assert!(!page.body.contains("evil"), "{pairs:?}");
    }
    assert!(param(&at.ask(&[("prompt", "none")]).await.unwrap(), "code").is_some(), "still here");
    let pairs = [("id_token_hint", hint), bye, ("state", "s&2")];
    let seen = at.browser.send(Method::GET, &url(&pairs), NAVIGATION, "").await;
    let back = at.follow(seen).await.unwrap();
    assert_eq!(back.as_str(), "https://photos.test/bye?state=s%262");
    let told = at.ask(&[("prompt", "none")]).await.unwrap();
    assert_eq!(param(&told, "error").as_deref(), Some("login_required"));
    refused(&at.refresh(&tokens["refresh_token"]).await, "invalid_grant");
}

/// Where no app may ask there is nothing to ask.
#[tokio::test]
async fn without_clients_and_on_other_hosts_there_is_no_provider() {
    let at = At::open().await;
    for path in ["/.well-known/openid-configuration", AUTHORIZE, TOKEN, USERINFO] {
        let url = format!("https://tv.test{path}");
        let seen = at.server.browser().fetch(&url).await;
        assert!(!seen.body.contains("token_endpoint"), "{path}: {}", seen.body);
        assert!(path.starts_with("/.well-known") || seen.status == StatusCode::NOT_FOUND);
    }
    let url = format!("{LOGIN}/.well-known/openid-configuration");
    let metadata = at.server.browser().fetch(&url).await;
    assert_eq!(metadata.json()["issuer"], LOGIN);
    assert_eq!(metadata.json()["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata.field("access-control-allow-origin"), "*");
    let text = config(&at.app);
    let (before, rest) = text.split_once("openid_clients").unwrap();
    let none = format!("{before}routes:{}", rest.split_once("routes:").unwrap().1);
    at.server.reload(&none).unwrap();
    for path in ["/.well-known/openid-configuration", AUTHORIZE, TOKEN, USERINFO] {
        let seen = at.server.browser().fetch(&format!("{LOGIN}{path}")).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{path}");
    }
}

/// Another usher takes people in by this one, as by any provider.
#[tokio::test]
async fn an_usher_signs_people_in_at_another() {
    let app = Upstream::echo();
    let here = free_port();
    let issuer = format!("https://localhost:{}", here.port());
    let first = format!(
        "address: {here}
authenticate_service_url: {issuer}
openid_clients:
- id: other-usher
  secret: {SECRET}
  redirect_uris: [https://auth.home.test/oauth2/callback]
  scopes: [openid, profile, email, groups, offline_access]
  allow_any_authenticated_user: true
routes:
{}",
        public("tv.test", app.address)
    );
    let first = TestServer::open(&first).await;
    let second = format!(
        "authenticate_service_url: https://auth.home.test
certificate_authority_file: {}
idp_provider: oidc
idp_provider_url: {issuer}
idp_client_id: other-usher
idp_client_secret: {SECRET}
idp_scopes: [openid, profile, email, groups, offline_access]
routes:
- from: https://photos.home.test
  to: http://{}
  pass_identity_headers: true
  policy: [{{allow: {{and: [{{claim/groups: friends}}, {{email: {{is: {}}}}}]}}}}]
",
        first.running().ca_file().display(),
        app.address,
        ANN.0,
    );
    let second = TestServer::open(&second).await;
    for (who, expected) in [(ANN, StatusCode::OK), (EVE, StatusCode::FORBIDDEN)] {
        let running = first.running();
        let browser = second.browser();
        let mut browser = browser.knowing("localhost", running.address(), running.ca_file());
        let page = browser.open("https://photos.home.test/album?x=1").await;
        let seen = browser.post_once(&page, "", &[("email", who.0), ("password", who.1)]).await;
        let next = seen.field("refresh").strip_prefix("0; url=").unwrap().to_owned();
        let seen = browser.open(&next).await;
        let at = "https://photos.home.test/album?x=1";
        assert_eq!((seen.status, seen.url.as_str()), (expected, at), "{}", seen.body);
    }
    assert_eq!(second.records("sign-in").len(), 2);
}
