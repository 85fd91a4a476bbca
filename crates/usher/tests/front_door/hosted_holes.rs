//! Ways around the hosted sign-in that somebody may try, and states in which it is of no help.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use usher::idp::NewMember;
use usher_lab::{
    browser::NAVIGATION,
    provider::FakeProvider,
    service::{KeyServer, Mood, key_of},
    upstream::Upstream,
};
use usher_rules::{
    secret::Secret,
    session::Keys,
    signin::{
        hosted::{HostedKey, PublicKey, SealedForm, Version},
        sign_url,
    },
    time::Clock as _,
};

use crate::{
    hosted::{origin, proxy_config, proxy_of, service, service_in_front_of},
    test_server::{ANN, TestServer},
};

const PAGE: &str = "https://tv.example.com/web/?z=1";
const CALLBACK: &str = "https://tv.example.com/.pomerium/callback/";
/// 32 octets, base64: one for all services, as Pomerium's own set-up has it.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The key of a server, from what it keeps.
fn key_at(server: &TestServer) -> PublicKey {
    HostedKey::derive(&server.keys()[0].shared).public()
}

/// A request of a proxy, sealed by `from`.
fn asks(pairs: Vec<(&str, &str)>, from: &HostedKey, to: &PublicKey) -> String {
    SealedForm::seal(pairs, Version::V2, from, to, [9; 32]).unwrap()
}

/// A bomb: half a kilobyte that is a million pairs.
fn bomb(to: &PublicKey) -> String {
    let query = asks(vec![("a", "b"); 500_000], &key_of(0x77), to);
    assert!(query.len() < 1500, "{}", query.len());
    query
}

/// Anybody can seal something for us, so nobody looks inside what a stranger sealed.
#[tokio::test]
async fn what_a_stranger_sealed_is_not_unpacked() {
    let folder = tempfile::TempDir::new().unwrap();
    let keys = KeyServer::start(folder.path(), key_of(0x40)).await;
    let app = Upstream::echo();
    let proxy = proxy_of(&keys.url(), keys.ca_file(), &app).await;
    let mut browser = proxy.browser();
    let own = key_at(&proxy);
    let url = format!("{CALLBACK}?{}", bomb(&own));
    let seen = browser.send(Method::GET, &url, NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    let cause = proxy.records("sign-in-failed").pop().unwrap()["cause"].to_string();
    assert!(cause.contains("sealed with another key"), "judged before it was unpacked: {cause}");

    let service = service("").await;
    let mut browser = service.browser();
    let own = key_at(&service);
    let url = format!("https://localhost/.pomerium/sign_in?{}", bomb(&own));
    let seen = browser.send(Method::GET, &url, NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    let cause = service.records("sign-in-failed").pop().unwrap()["cause"].to_string();
    assert!(cause.contains("compressed"), "{cause}");
}

/// Proxy and service have the same `shared_secret`: the proxy's signature under a sign-out link
/// must not be taken for the service's own. The real proxy signs any redirect that it is asked for.
#[tokio::test]
async fn one_secret_for_all_is_no_open_redirect_and_no_half_sign_out() {
    let secret = format!("shared_secret: {SECRET}\n");
    let service = service(&secret).await;
    let app = Upstream::echo();
    let config =
        proxy_config(&origin(&service), service.running().ca_file(), &app.address.to_string());
    let proxy = TestServer::open(&format!("{secret}{config}")).await;
    let mut browser =
        proxy.browser().knowing("localhost", service.address(), service.running().ca_file());
    browser.sign_in(PAGE, ANN.0, ANN.1).await;
    let confirm = browser.open("https://tv.example.com/.pomerium/sign_out").await;
    let out = browser.post_once(&confirm, "/.pomerium/sign_out", &[]).await;
    let next = out.location().unwrap();
    assert_eq!(next.host_str(), Some("localhost"));
    let asks = browser.follow(out).await;
    assert!(asks.body.contains("<form"), "the service asks: {}", asks.url);
    browser.post(&asks, "/.pomerium/sign_out", &[]).await;
    let again = browser.open(PAGE).await;
    assert!(again.body.contains("type=\"password\""), "signed out there, too");

    // What a proxy with this secret may have signed for a visitor.
    let shared = Secret::new(STANDARD.decode(SECRET).unwrap());
    let keys = Keys::derive(&shared, &Secret::new([1; 32])).unwrap();
    let base = format!("{}/.pomerium/sign_out", origin(&service));
    let evil = [("pomerium_redirect_uri", "https://evil.example.net/")];
    let now = service.clock.now().wall;
    let signed = sign_url(&keys, &base, &evil, now);
    let seen = browser.send(Method::GET, &signed, NAVIGATION, "").await;
    let location = seen.location().map(String::from).unwrap_or_default();
    assert!(!location.contains("evil"), "{location}");
}

/// Tabs that sign in one after the other share a session, or have sessions that follow each other, so
/// that the first one's film goes on; signing out ends what there is.
#[tokio::test]
async fn signing_in_again_leaves_no_session_behind() {
    let service = service("").await;
    let app = Upstream::echo();
    let ca = service.running().ca_file();
    let proxy = proxy_of(&origin(&service), ca, &app).await;
    let mut browser = proxy.browser().knowing("localhost", service.address(), ca);
    browser.sign_in(PAGE, ANN.0, ANN.1).await;
    let mut first = browser.clone();
    let again = "https://tv.example.com/.pomerium/sign_in";
    assert_eq!(browser.open(again).await.status, StatusCode::OK);
    assert_eq!(first.fetch(PAGE).await.status, StatusCode::OK, "the other tab goes on");

    proxy.clock.turn(Duration::from_secs(400));
    service.clock.turn(Duration::from_secs(400));
    assert_eq!(browser.open(again).await.status, StatusCode::OK);
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK);
    assert_eq!(first.fetch(PAGE).await.status, StatusCode::OK, "minutes later, too");

    let copied = browser.clone();
    assert_eq!(browser.open(again).await.status, StatusCode::OK);
    let confirm = browser.open("https://tv.example.com/.pomerium/sign_out").await;
    browser.post_once(&confirm, "/.pomerium/sign_out", &[]).await;
    for mut browser in [first, copied] {
        assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
    }
}

/// A service that takes connections and never answers: one visitor waits for it, and no queue.
#[tokio::test]
async fn a_silent_service_makes_no_queue_of_visitors() {
    let folder = tempfile::TempDir::new().unwrap();
    let keys = KeyServer::start(folder.path(), key_of(0x40)).await;
    keys.is(Mood::Silent);
    let app = Upstream::echo();
    let proxy = proxy_of(&keys.url(), keys.ca_file(), &app).await;
    let visitors: Vec<_> = (0..4)
        .map(|_| {
            let mut browser = proxy.browser();
            tokio::spawn(async move { browser.send(Method::GET, PAGE, NAVIGATION, "").await })
        })
        .collect();
    for visitor in visitors {
        let seen = visitor.await.unwrap();
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(seen.body.contains("Try again"), "{}", seen.body);
    }
    assert_eq!(keys.asked(), 1, "asked once for all of them");
    assert_eq!(proxy.records("provider").len(), 1, "told once");
}

/// Whoever is in too many groups is told so, before anything is begun: else they would be sent
/// round in circles, with a new session each time.
#[tokio::test]
async fn a_profile_that_does_not_fit_is_said_to_be_too_large() {
    let service = service("").await;
    // Nothing that compresses.
    let name = |n: u64| {
        let digests = (0..3_u64).map(|part| {
            let text = format!("{n} {part}");
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, text.as_bytes());
            STANDARD.encode(digest).replace(['+', '/', '='], "x")
        });
        digests.collect::<String>().chars().take(187).collect()
    };
    let groups: Vec<String> = (0..100).map(name).collect();
    let new = NewMember { email: "max@example.com", name: "", groups: &groups };
    let password = Secret::new(ANN.1.as_bytes());
    service.directory().add(new, password, service.clock.now().wall).await.unwrap();
    let app = Upstream::echo();
    let ca = service.running().ca_file();
    let proxy = proxy_of(&origin(&service), ca, &app).await;
    let mut browser = proxy.browser().knowing("localhost", service.address(), ca);
    let seen = browser.sign_in(PAGE, "max@example.com", ANN.1).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{}", seen.body);
    assert!(seen.body.contains("your groups do not fit"), "{}", seen.body);
    assert!(service.records("sign-in").is_empty(), "{}", service.log());
    let cause = service.records("sign-in-failed").pop().unwrap()["cause"].to_string();
    assert!(cause.contains("octets long"), "{cause}");
}

/// What a service serves beside the way for which it is there.
#[tokio::test]
async fn doors_of_a_service() {
    let service = service("").await;
    let mut browser = service.browser();
    let own = key_at(&service);
    let asker = key_of(0x60);
    let door = |pairs: Vec<(&str, &str)>| {
        format!("https://localhost/.pomerium/sign_in?{}", asks(pairs, &asker, &own))
    };
    let page = ("pomerium_redirect_uri", "https://tv.example.com/");

    // Browsers hold each redirect after a form against the policy: the program's address, too.
    let program = [
        ("pomerium_redirect_uri", "http://localhost:5555/"),
        ("pomerium_callback_uri", "https://tv.example.com/.pomerium/callback/"),
        ("pomerium_programmatic", "true"),
    ];
    let form = browser.open(&door(program.to_vec())).await;
    let policy = form.field("content-security-policy").to_owned();
    assert!(policy.contains("http://localhost:5555"), "{policy}");
    assert!(policy.contains("https://tv.example.com"), "{policy}");

    // An app can own a path of an allowed host, and nobody but the proxy its callback.
    for path in ["/take", "/.pomerium/callback/x", "/"] {
        let callback = format!("https://tv.example.com{path}");
        let url = door(vec![page, ("pomerium_callback_uri", &callback)]);
        let seen = browser.send(Method::GET, &url, NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let long = format!("https://tv.example.com/.pomerium/callback/?x={}", "a".repeat(3000));
    let url = door(vec![page, ("pomerium_callback_uri", &long)]);
    let seen = browser.send(Method::GET, &url, NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "nobody's cookie holds that");

    // A script gets no form.
    let script = [("x-requested-with", "XMLHttpRequest"), ("accept", "*/*")];
    let seen = browser.send(Method::GET, &door(vec![page]), &script, "").await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);

    // By whatever other name it is reached: it says where it is, once.
    let fields = [NAVIGATION, &[("host", "203.0.113.9")]].concat();
    for path in ["/.pomerium/sign_in", "/.pomerium/user"] {
        let url = format!("https://localhost{path}");
        let seen = browser.send(Method::GET, &url, &fields, "").await;
        let location = seen.location().map(String::from).unwrap_or_default();
        let is_elsewhere = location.starts_with("https://localhost/");
        assert!(is_elsewhere || !seen.status.is_redirection(), "{path}: {location}");
    }

    // Somebody who wants to be known at the service itself.
    let form = browser.open("https://localhost/.pomerium/user").await;
    assert!(form.body.contains("type=\"password\""), "{}: {}", form.url, form.body);
}

/// A scanner asks for a host of nobody's: that is no trouble of the service's.
#[tokio::test]
async fn a_host_of_nobodys_is_no_alarm() {
    let folder = tempfile::TempDir::new().unwrap();
    let keys = KeyServer::start(folder.path(), key_of(0x40)).await;
    let app = Upstream::echo();
    let proxy = proxy_of(&keys.url(), keys.ca_file(), &app).await;
    let mut browser = proxy.browser();
    let fields = [NAVIGATION, &[("host", "203.0.113.9")]].concat();
    let url = "https://tv.example.com/.pomerium/sign_in";
    let seen = browser.send(Method::GET, url, &fields, "").await;
    assert!(seen.status.is_client_error(), "{}", seen.status);
    assert!(proxy.records("provider").is_empty(), "{}", proxy.log());
}

/// The service in front of an OpenID Connect provider: there, and back through both.
#[tokio::test]
async fn a_service_in_front_of_a_provider() {
    let now = usher_lab::clock::TurnedClock::new().now().wall.seconds();
    let provider = FakeProvider::start(now).await.unwrap();
    let service = service_in_front_of(&provider).await;
    provider.says(serde_json::json!({
        "sub": "ann-7", "email": ANN.0, "email_verified": true, "groups": ["family"],
    }));
    let app = Upstream::echo();
    let ca = service.running().ca_file();
    let proxy = proxy_of(&origin(&service), ca, &app).await;
    let mut browser = proxy.browser().knowing("localhost", service.address(), ca);

    let asked = browser.send(Method::GET, PAGE, NAVIGATION, "").await;
    let door = asked.location().unwrap();
    let sent = browser.send(Method::GET, door.as_str(), NAVIGATION, "").await;
    let authorize = sent.location().unwrap();
    assert!(authorize.as_str().starts_with(provider.issuer()), "{authorize}");
    let back = provider.consents(authorize.as_str()).unwrap();
    let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
    let arrived = browser.follow(arrived).await;
    assert_eq!((arrived.status, arrived.url.as_str()), (StatusCode::OK, PAGE), "{}", arrived.body);
    let identity = browser.open("https://tv.example.com/.pomerium/").await;
    for words in [ANN.0, "ann-7", "family"] {
        assert!(identity.body.contains(words), "{words}: {}", identity.body);
    }
    assert!(
        app.heads().iter().any(|head| head.to_lowercase().contains("x-pomerium-jwt-assertion"))
    );
}
