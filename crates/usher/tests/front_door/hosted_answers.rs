//! Answers of a hosted service, good and bad, as they arrive at a proxy; and days on which the
//! service itself is not well. The service is a key and what each test makes of it.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use url::Url;
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    service::{KeyServer, Mood, key_of},
    upstream::Upstream,
};
use usher_rules::{
    signin::hosted::{HostedKey, PublicKey, Request, SealedForm, Unsealed, Version},
    time::Clock as _,
};

use crate::{
    hosted::{proxy_config, proxy_of},
    test_server::{ANN, TestServer},
};

const PAGE: &str = "https://tv.example.com/web/?z=1&a=%20x";
const CALLBACK: &str = "https://tv.example.com/.pomerium/callback/";

struct Street {
    service: KeyServer,
    proxy: TestServer,
    config: String,
    _folder: TempDir,
    _app: Upstream,
}

/// What an answer says; a test changes what it is about.
#[derive(Clone, Default)]
struct Says {
    pairs: Vec<(String, String)>,
}

impl Says {
    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.pairs.retain(|(found, _)| found != name);
        self.pairs.push((name.into(), value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.pairs.retain(|(found, _)| found != name);
        self
    }

    fn sealed(&self, from: &HostedKey, to: &PublicKey, version: Version) -> String {
        let mut ephemeral = [0; 32];
        aws_lc_rs::rand::fill(&mut ephemeral).unwrap();
        let pairs = self.pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        SealedForm::seal(pairs, version, from, to, ephemeral).unwrap()
    }
}

impl Street {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let service = KeyServer::start(folder.path(), key_of(0x40)).await;
        let app = Upstream::echo();
        let config = proxy_config(&service.url(), service.ca_file(), &app.address.to_string());
        Self { proxy: TestServer::open(&config).await, service, config, _folder: folder, _app: app }
    }

    /// Begins a sign-in: the browser, and what the service read.
    async fn begin(&self, browser: &mut Browser, page: &str) -> Request {
        let seen = browser.send(Method::GET, page, NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::FOUND, "{}", seen.body);
        let location = seen.location().unwrap();
        assert!(location.as_str().starts_with(&self.service.url()), "{location}");
        let unsealed = SealedForm::unseal(location.query().unwrap(), &self.service.key()).unwrap();
        let opened = unsealed.read(Unsealed::OF_ANYBODY).unwrap();
        Request::read(&opened).unwrap()
    }

    /// What the service says to a request when all is well.
    fn says(&self, to: &Request) -> Says {
        let now = self.proxy.clock.now().wall.seconds() * 1000;
        let profile = json!({
            "providerId": to.idp_id,
            "claims": {"sub": "ann", "email": ANN.0, "name": "Ann"},
        });
        Says::default()
            .with("pomerium_redirect_uri", &*to.redirect_text)
            .with("pomerium_identity_profile", profile.to_string())
            .with("pomerium_version", "0.32.7+f5315e866 linux/amd64 ")
            .with("pomerium_issued", now.to_string())
            .with("pomerium_expiry", (now + 300_000).to_string())
    }

    async fn deliver(&self, browser: &mut Browser, at: &str, query: &str) -> Seen {
        browser.send(Method::GET, &format!("{at}?{query}"), NAVIGATION, "").await
    }

    /// A whole sign-in.
    async fn sign_in(&self, browser: &mut Browser) -> Seen {
        let request = self.begin(browser, PAGE).await;
        let query = self.says(&request).sealed(&self.service.key(), &request.sender, Version::V2);
        self.deliver(browser, CALLBACK, &query).await
    }

    /// The causes of sign-ins that failed, in order.
    fn causes(&self) -> Vec<String> {
        let failed = self.proxy.records("sign-in-failed");
        failed.iter().map(|line| line["cause"].as_str().unwrap().to_owned()).collect()
    }
}

/// Every field of a sealed answer, each parameter and each stamp, changed one at a time: each is
/// refused with a reason of its own, in the browser that began and with everything else right.
#[tokio::test]
async fn what_is_changed_in_an_answer_is_refused_with_its_own_reason() {
    let street = Street::open().await;
    let now = street.proxy.clock.now().wall.seconds() * 1000;
    let ms = |offset: i64| (now as i64 + offset).to_string();
    let profile = |value: serde_json::Value| value.to_string();
    let claims = json!({"sub": "ann", "email": ANN.0});
    type Change = Box<dyn Fn(Says) -> Says>;
    let set = |name: &'static str, value: String| -> Change {
        Box::new(move |says: Says| says.with(name, value.clone()))
    };
    let drop = |name: &'static str| -> Change { Box::new(move |says: Says| says.without(name)) };
    let expired = base64_of(&json!({"access_token": "x", "expiry": "2020-01-01T00:00:00Z"}));
    let (issued, expiry) = ("pomerium_issued", "pomerium_expiry");
    let (redirect, who) = ("pomerium_redirect_uri", "pomerium_identity_profile");
    let changes: Vec<(Change, &str)> = vec![
        (drop(issued), "does not say when it was made"),
        (set(issued, "soon".into()), "does not say when it was made"),
        (set(issued, format!("-{now}")), "does not say when it was made"),
        (set(issued, ms(65_000)), "from the future"),
        (drop(expiry), "does not say until when it counts"),
        (set(expiry, String::new()), "does not say until when it counts"),
        (set(expiry, ms(-65_000)), "too old"),
        (set(expiry, (now / 1000).to_string()), "too old"), // seconds
        (drop(redirect), "names no address to go on to"),
        (set(redirect, "https://tv.example.com/".into()), "has no mark of ours"),
        (set(redirect, "https://tv.example.com/?usher_flow=AAAA".into()), "hold the binding"),
        (drop(who), "says nobody's name"),
        (set(who, "{".into()), "profile can't be read"),
        (set(who, profile(json!({"claims": "x"}))), "`claims` can't be read"),
        (set(who, profile(json!({"providerId": {}, "claims": claims}))), "`providerId` can't be"),
        (
            set(who, profile(json!({"providerId": "other", "claims": claims}))),
            "from another provider",
        ),
        (set(who, profile(json!({"claims": {"email": ANN.0}}))), "no usable `sub`"),
        (
            set(who, profile(json!({"claims": claims, "oauthToken": expired}))),
            "the tokens in the profile are over",
        ),
        (set("pomerium_programmatic", "true".into()), "not one that programs may use"),
    ];
    for (change, reason) in &changes {
        let mut browser = street.proxy.browser();
        let request = street.begin(&mut browser, PAGE).await;
        let says = change(street.says(&request));
        let query = says.sealed(&street.service.key(), &request.sender, Version::V2);
        let seen = street.deliver(&mut browser, CALLBACK, &query).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{reason}");
        let cause = street.causes().pop().unwrap();
        assert!(cause.contains(reason), "{reason}: {cause}");
        assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED, "{reason}");
        assert!(!seen.body.contains(&*request.redirect_text), "no mark on a page");
    }
    assert_eq!(street.causes().len(), changes.len());
}

fn base64_of(value: &serde_json::Value) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(value.to_string())
}

/// Within the leniency of the real proxy, by either version, with stamps a year ahead.
#[tokio::test]
async fn what_the_real_proxy_takes_is_taken() {
    let street = Street::open().await;
    let now = street.proxy.clock.now().wall.seconds() * 1000;
    for (offset, until, version) in [
        (0, 300_000, Version::V1),
        (55_000, 300_000, Version::V2),
        (-300_000, -55_000, Version::V2),
        (0, 365 * 24 * 3_600_000, Version::V2),
    ] {
        let mut browser = street.proxy.browser();
        let request = street.begin(&mut browser, PAGE).await;
        let says = street
            .says(&request)
            .with("pomerium_issued", (now as i64 + offset).to_string())
            .with("pomerium_expiry", (now as i64 + until).to_string());
        let query = says.sealed(&street.service.key(), &request.sender, version);
        let seen = street.deliver(&mut browser, CALLBACK, &query).await;
        assert_eq!(seen.location().unwrap().as_str(), PAGE, "{offset} {until} {version:?}");
        assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK);
    }
}

/// The holes of the real proxy's callback: any browser, any host, any number of times, and what
/// stands beside the seal.
#[tokio::test]
async fn an_answer_counts_once_in_the_browser_and_on_the_host_where_it_began() {
    let street = Street::open().await;
    let mut browser = street.proxy.browser();
    let request = street.begin(&mut browser, PAGE).await;
    let query = street.says(&request).sealed(&street.service.key(), &request.sender, Version::V2);

    let mut victim = street.proxy.browser();
    let seen = street.deliver(&mut victim, CALLBACK, &query).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "login CSRF");
    let mut other_tab = street.proxy.browser();
    street.begin(&mut other_tab, PAGE).await;
    let seen = street.deliver(&mut other_tab, CALLBACK, &query).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "with a sign-in of its own under way");

    let photos = "https://photos.example.com/.pomerium/callback/";
    let seen = street.deliver(&mut browser, photos, &query).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "another host of the proxy");

    let beside = format!(
        "{query}&pomerium_programmatic=true&pomerium_redirect_uri=https://evil.example.net/"
    );
    let mut copied = browser.clone();
    let seen = street.deliver(&mut browser, CALLBACK, &beside).await;
    assert_eq!(seen.location().unwrap().as_str(), PAGE, "what stands beside the seal is not read");
    assert!(!seen.field("location").contains("pomerium_jwt"));

    let seen = street.deliver(&mut browser, CALLBACK, &query).await;
    assert_eq!(seen.location().unwrap().as_str(), PAGE, "who is in goes on, as for any old step");
    assert!(!seen.field("set-cookie").contains('='), "and gets nothing new");
    let seen = street.deliver(&mut copied, CALLBACK, &query).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "with the cookies of before");
    let causes = street.causes().join("\n");
    assert!(causes.contains("it was used before"), "{causes}");
}

/// Who sealed it, and whether it was changed.
#[tokio::test]
async fn only_the_service_s_seal_counts() {
    let street = Street::open().await;
    let mut browser = street.proxy.browser();
    let request = street.begin(&mut browser, PAGE).await;
    let (says, key) = (street.says(&request), street.service.key());
    let good = says.sealed(&key, &request.sender, Version::V2);
    let (k, q) = good.split_once('&').unwrap();
    let own_key = street.proxy_key();
    let stranger = key_of(0x80);
    for (query, reason) in [
        (says.sealed(&stranger, &request.sender, Version::V2), "another key than the service's"),
        (says.sealed(&own_key, &request.sender, Version::V2), "another key than the service's"),
        (says.sealed(&key, &stranger.public(), Version::V2), "not made for us"),
        (format!("k={}&{q}", stranger.public()), "not made for us"),
        (format!("{k}&{}", q.replacen("q=", "q=A", 1)), "sealed message"),
        (k.to_owned(), "not sealed"),
        (q.to_owned(), "not sealed"),
        (String::new(), "not sealed"),
        (format!("{k}=&{q}"), "sender's key"),
        (format!("{good}=="), "can't be read"),
        ("k=%zz&q=x".into(), "query can't be read"),
    ] {
        let seen = street.deliver(&mut browser, CALLBACK, &query).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{reason}");
        let cause = street.causes().pop().unwrap();
        assert!(cause.contains(reason), "{reason}: {cause}");
    }
    let stateful = "pomerium_redirect_uri=https%3A%2F%2Ftv.example.com%2F&pomerium_session_encrypted=x&pomerium_signature=x";
    let seen = street.deliver(&mut browser, CALLBACK, stateful).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "the other flow's callback");
    let form =
        street.deliver(&mut browser, "https://tv.example.com/.pomerium/callback", &good).await;
    assert_eq!(form.status, StatusCode::MOVED_PERMANENTLY, "the slash, and the query with it");
    assert_eq!(form.location().unwrap().query(), Some(&*good));
    let posted = browser.send(Method::POST, &format!("{CALLBACK}?{good}"), NAVIGATION, "").await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    let seen = street.deliver(&mut browser, CALLBACK, &good).await;
    assert_eq!(seen.location().map(|url| Url::to_string(&url)), Some(PAGE.into()), "untouched");
}

impl Street {
    fn proxy_key(&self) -> HostedKey {
        HostedKey::derive(&self.proxy.keys()[0].shared)
    }
}

/// The life of such a session, and that whoever holds it can end it.
#[tokio::test]
async fn a_session_ends_with_its_tokens_or_with_cookie_expire() {
    let street = Street::open().await;
    let mut browser = street.proxy.browser();
    let request = street.begin(&mut browser, PAGE).await;
    let exp = street.proxy.clock.now().wall.seconds() + 3600;
    let id_token = {
        use base64::{
            Engine,
            prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
        };
        let payload = BASE64_URL_SAFE_NO_PAD.encode(json!({"exp": exp}).to_string());
        BASE64_STANDARD.encode(format!("e30.{payload}."))
    };
    let profile = json!({"idToken": id_token, "claims": {"sub": "ann", "email": ANN.0}});
    let says = street.says(&request).with("pomerium_identity_profile", profile.to_string());
    let query = says.sealed(&street.service.key(), &request.sender, Version::V2);
    street.deliver(&mut browser, CALLBACK, &query).await;
    let mut long = street.proxy.browser();
    street.sign_in(&mut long).await;

    street.proxy.clock.turn(Duration::from_secs(3600 - 61));
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK, "a minute before its token ends");
    street.proxy.clock.turn(Duration::from_secs(2));
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(long.fetch(PAGE).await.status, StatusCode::OK, "no tokens: cookie_expire");
    street.proxy.clock.turn(Duration::from_secs(13 * 3600 + 120));
    assert_eq!(long.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
}

/// The service away, slow, talking nonsense: a page that helps, and nobody who is in is out.
#[tokio::test]
async fn a_service_that_is_not_well_takes_nobody_s_session() {
    let mut street = Street::open().await;
    let mut inside = street.proxy.browser();
    street.sign_in(&mut inside).await;
    for mood in [Mood::Down, Mood::Nonsense, Mood::Huge] {
        street.service.is(mood);
        street.proxy.clock.turn(Duration::from_secs(120));
        assert_eq!(inside.fetch(PAGE).await.status, StatusCode::OK, "{mood:?}");
        let mut fresh = street.proxy.browser();
        // The last good key still seals: when the service is back, the sign-in goes on.
        let request = street.begin(&mut fresh, PAGE).await;
        let query =
            street.says(&request).sealed(&street.service.key(), &request.sender, Version::V2);
        let seen = street.deliver(&mut fresh, CALLBACK, &query).await;
        assert_eq!(seen.status, StatusCode::FOUND, "{mood:?}");
    }
    let told = street.proxy.records("provider");
    assert!(told.len() >= 3, "{told:?}");
    assert!(told[0]["cause"].as_str().unwrap().contains("nobody new can sign in"), "{told:?}");

    // After a restart it is on the disk.
    let config = street.config.clone();
    street.proxy.restart(&config).await;
    let jar = inside.jar;
    inside = street.proxy.browser(); // on another port
    inside.jar = jar;
    assert_eq!(inside.fetch(PAGE).await.status, StatusCode::OK);
    let asked = street.service.asked();
    street.begin(&mut street.proxy.browser(), PAGE).await;
    assert_eq!(street.service.asked(), asked + 1, "it was asked, and did not answer");
}

#[tokio::test]
async fn a_service_that_was_never_reached_gets_a_page_that_says_so() {
    let folder = TempDir::new().unwrap();
    let service = KeyServer::start(folder.path(), key_of(0x40)).await;
    service.is(Mood::Down);
    let app = Upstream::echo();
    let proxy = proxy_of(&service.url(), service.ca_file(), &app).await;
    let mut browser = proxy.browser();
    let seen = browser.send(Method::GET, PAGE, NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(seen.body.contains("Try again"), "{}", seen.body);
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED, "programs: as ever");
    let health = browser.fetch("https://tv.example.com/healthz").await;
    assert_eq!(health.status, StatusCode::OK);

    service.is(Mood::Well);
    proxy.clock.turn(Duration::from_secs(6));
    let seen = browser.send(Method::GET, PAGE, NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::FOUND, "it recovers by itself, within seconds");
}

/// The certificate of the hosted service is verified; the real proxy takes any.
#[tokio::test]
async fn a_service_with_a_certificate_of_nobody_s_is_not_asked() {
    let folder = TempDir::new().unwrap();
    let service = KeyServer::start(folder.path(), key_of(0x40)).await;
    let other = TempDir::new().unwrap();
    let stranger = KeyServer::start(other.path(), key_of(0x40)).await;
    let app = Upstream::echo();
    let proxy = proxy_of(&service.url(), stranger.ca_file(), &app).await;
    let seen = proxy.browser().send(Method::GET, PAGE, NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(service.asked(), 0, "no key was fetched");
    let told = proxy.records("provider");
    assert!(told[0]["cause"].as_str().unwrap().contains("certificate"), "{told:?}");
}

/// A new key of the service: the first answer that it seals makes us ask for it.
#[tokio::test]
async fn a_rotated_key_is_asked_for_once() {
    let street = Street::open().await;
    let mut browser = street.proxy.browser();
    let request = street.begin(&mut browser, PAGE).await;
    street.service.rotate(key_of(0x60));
    let query = street.says(&request).sealed(&street.service.key(), &request.sender, Version::V2);
    let seen = street.deliver(&mut browser, CALLBACK, &query).await;
    assert_eq!(seen.location().unwrap().as_str(), PAGE);
    let asked = street.service.asked();
    // The old one no longer counts, and strangers can't make us ask again and again.
    for _ in 0..5 {
        let mut browser = street.proxy.browser();
        let request = street.begin(&mut browser, PAGE).await;
        let old = street.says(&request).sealed(&key_of(0x40), &request.sender, Version::V2);
        let seen = street.deliver(&mut browser, CALLBACK, &old).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    }
    assert!(street.service.asked() <= asked + 1, "{} {asked}", street.service.asked());
}

/// Two tabs begin before either ends, and both end well.
#[tokio::test]
async fn two_tabs_sign_in_side_by_side() {
    let street = Street::open().await;
    let mut browser = street.proxy.browser();
    let first = street.begin(&mut browser, PAGE).await;
    let second = street.begin(&mut browser, "https://tv.example.com/other").await;
    for request in [second, first] {
        let query =
            street.says(&request).sealed(&street.service.key(), &request.sender, Version::V2);
        let seen = street.deliver(&mut browser, CALLBACK, &query).await;
        assert_eq!(seen.status, StatusCode::FOUND, "{}", seen.body);
    }
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK);
}
