//! Apps that got a grant in a session are told when it ends, whoever ends it: once, later where they
//! are away, and never again where they refuse.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};
use usher_lab::{
    browser::Browser,
    ports::free_port,
    upstream::{Exchange, Upstream},
};
use usher_rules::openid::JWKS;

use crate::{
    openid::{At, FORM, LOGIN, SECRET, claims, config},
    test_server::{ANN, TestServer, eventually, public},
};

/// An app's endpoint for logout tokens, which answers as it is told to.
struct App {
    endpoint: Upstream,
    status: Arc<AtomicU16>,
    told: Arc<Mutex<Vec<String>>>,
}

impl App {
    fn answering(status: u16) -> Self {
        let (status, told) = (Arc::new(AtomicU16::new(status)), Arc::new(Mutex::new(Vec::new())));
        let (answers, keeps) = (Arc::clone(&status), Arc::<Mutex<Vec<String>>>::clone(&told));
        let endpoint = Upstream::start(async move |exchange: &mut Exchange| {
            let body = String::from_utf8(exchange.body().await?).unwrap();
            let token = body.strip_prefix("logout_token=").unwrap().to_owned();
            keeps.lock().unwrap().push(token);
            let location = "location: http://127.0.0.1:1/\r\n";
            exchange.reply(answers.load(Ordering::Relaxed), location, b"").await
        });
        Self { endpoint, status, told }
    }

    fn tokens(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    /// The config of [`At`], with this as where `photos` is told.
    fn config(&self, photos: &Upstream) -> String {
        let uri = format!("  backchannel_logout_uri: http://{}/end\n", self.endpoint.address);
        config(photos).replacen("  post_logout", &format!("{uri}  post_logout"), 1)
    }
}

/// Ann has a grant for `photos` in this browser.
async fn with_grant(at: &mut At) -> Value {
    at.browser.sign_in(&format!("{LOGIN}/.pomerium/sign_in"), ANN.0, ANN.1).await;
    claims(&at.tokens().await)
}

async fn signs_out(at: &mut At) {
    let page = at.browser.open(&format!("{LOGIN}/.pomerium/sign_out")).await;
    let seen = at.browser.post(&page, "/.pomerium/sign_out", &[]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
}

async fn noted(at: &At, words: &str) {
    noted_times(at, words, 1).await;
}

async fn noted_times(at: &At, words: &str, times: usize) {
    eventually(words, || {
        let lines = at.server.records("openid-logout");
        let lines = lines.iter().filter(|line| line["cause"].as_str().unwrap().contains(words));
        (lines.count() >= times).then_some(())
    })
    .await;
}

/// As a library of the app's reads it: by the keys that are published.
async fn read(at: &At, token: &str) -> (Value, Value) {
    let jwks = at.server.browser().fetch(&format!("{LOGIN}{JWKS}")).await;
    let jwks: JwkSet = serde_json::from_str(&jwks.body).unwrap();
    let header = decode_header(token).unwrap();
    let key = DecodingKey::from_jwk(jwks.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&["photos"]);
    rules.set_issuer(&[LOGIN]);
    rules.validate_exp = false; // the clock is turned by hand
    let claims = decode::<Value>(token, &key, &rules).unwrap().claims;
    (json!(header.typ), claims)
}

#[tokio::test]
async fn an_app_that_was_away_is_told_after_a_restart() {
    let app = App::answering(503);
    let mut at = At::open().await;
    let config = app.config(&at.app);
    at.server.reload(&config).unwrap();
    let seen =
        at.server.browser().fetch(&format!("{LOGIN}/.well-known/openid-configuration")).await;
    assert_eq!(seen.json()["backchannel_logout_supported"], true);
    let before = with_grant(&mut at).await;
    signs_out(&mut at).await;
    noted(&at, "its answer is 503; it is told later").await;
    app.status.store(204, Ordering::Relaxed);
    at.server.restart(&config).await;
    at.server.clock.turn(Duration::from_secs(3600));
    noted(&at, "`photos` knows that a session has ended").await;

    let tokens = app.tokens();
    let (typ, said) = read(&at, tokens.last().unwrap()).await;
    assert_eq!(typ, "logout+jwt");
    for same in ["iss", "aud", "sub", "sid"] {
        assert_eq!(said[same], before[same], "{same}");
    }
    assert_eq!(said["nonce"], Value::Null);
    assert!(said["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    let (_, first) = read(&at, tokens.first().unwrap()).await;
    assert_ne!(first["jti"], said["jti"], "each try is a token of its own");
    assert!(!at.server.log().contains(tokens.last().unwrap()), "no token in any line");
}

/// It left the config's `backchannel_logout_uri` out, or is no client any more.
#[tokio::test]
async fn an_app_that_is_to_be_told_nothing_any_more_leaves_nothing_waiting() {
    let app = App::answering(503);
    let mut at = At::open().await;
    at.server.reload(&app.config(&at.app)).unwrap();
    with_grant(&mut at).await;
    signs_out(&mut at).await;
    noted(&at, "its answer is 503; it is told later").await;
    let db = rusqlite::Connection::open(at.server.data_dir().join("usher.sqlite3")).unwrap();
    let count = "SELECT count(*) FROM openid_logouts";
    let waits = || db.query_row(count, [], |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!(waits(), 1);
    at.server.reload(&config(&at.app)).unwrap();
    at.server.clock.turn(Duration::from_secs(3600));
    eventually("nothing waits", || (waits() == 0).then_some(())).await;
    assert_eq!(app.tokens().len(), 1, "and it is told nothing");
}

/// What would be repeated is repeated before the second session's turn comes.
#[tokio::test]
async fn an_app_that_refuses_or_sends_elsewhere_is_asked_once() {
    for status in [400, 302] {
        let app = App::answering(status);
        let mut at = At::open().await;
        at.server.reload(&app.config(&at.app)).unwrap();
        for sessions in 1..=2 {
            with_grant(&mut at).await;
            signs_out(&mut at).await;
            eventually("it is told", || (app.tokens().len() >= sessions).then_some(())).await;
            let said = format!("is not asked again: its answer is {status}");
            noted_times(&at, &said, sessions).await;
            at.server.clock.turn(Duration::from_secs(3600));
        }
        assert_eq!(app.tokens().len(), 2, "{status}: once for each session");
    }
}

/// Ends in another process end here, and at the apps: one that is a Usher itself.
#[tokio::test]
async fn an_usher_that_asked_us_is_told_that_somebody_was_removed() {
    let app = Upstream::echo();
    let there = Arc::new(OnceLock::<(SocketAddr, PathBuf)>::new());
    let other = Arc::clone(&there);
    let hop = Upstream::start(async move |exchange: &mut Exchange| {
        let body = exchange.body().await?;
        let (address, ca_file) = other.get().unwrap();
        let url = "https://auth.home.test/.pomerium/backchannel_logout";
        let mut caller = Browser::new(*address, ca_file);
        let body = String::from_utf8(body).unwrap();
        let seen = caller.send(Method::POST, url, &[FORM], body).await;
        exchange.reply(seen.status.as_u16(), "", b"").await
    });
    let here = free_port();
    let issuer = format!("https://localhost:{}", here.port());
    let first = format!(
        "address: {here}
authenticate_service_url: {issuer}
openid_clients:
- id: other-usher
  secret: {SECRET}
  redirect_uris: [https://auth.home.test/oauth2/callback]
  backchannel_logout_uri: http://{}/
  scopes: [openid, profile, email, groups, offline_access]
  allow_any_authenticated_user: true
routes:
{}",
        hop.address,
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
idp_scopes: [openid, profile, email, groups]
routes:
- from: https://photos.home.test
  to: http://{}
  policy: [{{allow: {{and: [{{claim/groups: friends}}]}}}}]
",
        first.running().ca_file().display(),
        app.address,
    );
    let second = TestServer::open(&second).await;
    there.set((second.address(), second.running().ca_file().to_owned())).unwrap();
    let running = first.running();
    let mut browser = second.browser().knowing("localhost", running.address(), running.ca_file());
    let album = "https://photos.home.test/album";
    let page = browser.open(album).await;
    let seen = browser.post_once(&page, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    let next = seen.field("refresh").strip_prefix("0; url=").unwrap().to_owned();
    assert_eq!(browser.open(&next).await.status, StatusCode::OK);
    assert_eq!(browser.fetch(album).await.status, StatusCode::OK);

    first.directory().remove(ANN.0).await.unwrap();
    eventually("the other one ends it", || {
        let lines = second.records("sign-out");
        lines.iter().any(|line| line["cause"] == "by the provider").then_some(())
    })
    .await;
    assert_eq!(browser.fetch(album).await.status, StatusCode::UNAUTHORIZED);
}
