//! Lasting mistakes of a provider: told at the start, and by pages that promise nothing.

use http::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use usher_lab::{
    clock::TurnedClock,
    provider::{FakeProvider, Lie},
    upstream::Upstream,
};
use usher_rules::time::Clock;

use crate::{
    providers::{Outside, config},
    test_server::{TestServer, eventually, public},
};

const DISCOVERY: &str = "/.well-known/openid-configuration";
const PAGE: &str = "https://jelly.test/film";
const ANYBODY: &str = "[{allow: {or: [{authenticated_user: true}]}}]";

fn now() -> u64 {
    TurnedClock::new().now().wall.seconds()
}

/// The discovery document with one member changed.
fn document(provider: &FakeProvider, name: &str, value: serde_json::Value) -> String {
    let at = |path: &str| format!("{}{path}", provider.issuer());
    let mut document = json!({
        "issuer": provider.issuer(),
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
    });
    document[name] = value;
    document.to_string()
}

/// What the log tells at the start, before anybody asks for anything; and what a page says then.
async fn told(provider: FakeProvider, more: &str) -> (String, String) {
    let app = Upstream::echo();
    let text = config(&provider, &app, ANYBODY, more) + &public("open.test", app.address);
    let server = TestServer::open(&text).await;
    let open = server.browser().open("https://open.test/").await;
    assert_eq!(open.status, StatusCode::OK, "the door is open meanwhile");
    let errors = || -> Vec<_> {
        let records = server.records("provider").into_iter();
        records.filter(|record| record["level"] == "error").collect()
    };
    let first = eventually("it is told", || errors().into_iter().next()).await;
    let page = server.browser().open(PAGE).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{first}");
    server.browser().open(PAGE).await;
    assert_eq!(errors().len(), 1, "once");
    assert!(first["effect"].as_str().unwrap().contains("nobody new can sign in"), "{first}");
    (first["cause"].as_str().unwrap().into(), page.body)
}

#[tokio::test]
async fn a_lasting_mistake_of_a_provider_is_told_at_the_start_and_no_page_promises_a_minute() {
    type Mistake = fn(&FakeProvider);
    let mistakes: [(Mistake, &str, &str); 16] = [
        (|p| p.answers("/jwks", 200, None, "{}"), "publishes no signing keys", "no keys"),
        (|p| p.answers("/jwks", 200, None, r#"{"keys":[]}"#), "no signing keys", "empty"),
        (
            |p| p.answers("/jwks", 200, None, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
            "no signing keys",
            "a secret is none",
        ),
        (
            |p| p.answers("/jwks", 200, None, &p.published_keys().replace("sig", "enc")),
            "no signing keys",
            "for encryption only",
        ),
        (
            |p| p.answers("/jwks", 200, None, r#"{"keys":[{"kty":"RSA","kid":"x"}]}"#),
            "no signing keys",
            "a key without its numbers",
        ),
        (|p| p.answers("/jwks", 200, None, "<html>"), "`jwks_uri`", "a page"),
        (|p| p.answers("/jwks", 404, None, ""), "`jwks_uri`", "nothing"),
        (|p| p.answers("/jwks", 302, Some("/login"), ""), "`jwks_uri`", "to a page"),
        (|p| p.answers(DISCOVERY, 404, None, ""), "idp_provider_url", "nothing"),
        (|p| p.answers(DISCOVERY, 401, None, ""), "idp_provider_url", "not for us"),
        (|p| p.answers(DISCOVERY, 200, None, "<html>"), "the discovery document", "a page"),
        (|p| p.answers(DISCOVERY, 200, None, "[]"), "the discovery document", "a list"),
        (|p| p.answers(DISCOVERY, 302, Some(DISCOVERY), ""), "redirects", "round in circles"),
        (|p| p.answers(DISCOVERY, 302, Some("ftp://x/"), ""), "redirect", "to no web address"),
        (
            |p| {
                let moved = document(p, "issuer", "https://id.example.net".into());
                p.answers("/realms/x", 200, None, &moved);
                p.answers(DISCOVERY, 301, Some("/realms/x"), "");
            },
            "write `idp_provider_url: https://id.example.net`",
            "another issuer behind a redirect",
        ),
        (
            |p| p.answers(DISCOVERY, 200, None, &document(p, "jwks_uri", json!(null))),
            "`jwks_uri` of the discovery document",
            "no place for keys",
        ),
    ];
    for (mistake, words, why) in mistakes {
        let provider = FakeProvider::start(now()).await.unwrap();
        mistake(&provider);
        let (cause, page) = told(provider, "").await;
        assert!(cause.contains(words), "{why}: {cause}");
        assert!(!page.contains("in a minute"), "{why}: {page}");
    }
}

#[tokio::test]
async fn a_provider_is_never_followed_from_https_to_http() {
    type Mistake = fn(&FakeProvider);
    let mistakes: [(Mistake, &str); 3] = [
        (|p| p.answers(DISCOVERY, 301, Some("http://127.0.0.1:1/"), ""), "a redirect"),
        (|p| p.answers("/jwks", 302, Some("http://127.0.0.1:1/"), ""), "a redirect of the keys"),
        (
            |p| p.answers(DISCOVERY, 200, None, &document(p, "jwks_uri", "http://x.test/".into())),
            "an endpoint",
        ),
    ];
    let folder = TempDir::new().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let trusts = format!("certificate_authority_file: {}", ca_file.display());
    for (mistake, why) in mistakes {
        let provider = FakeProvider::start_behind_tls(now(), &ca_file).await.unwrap();
        mistake(&provider);
        let (cause, page) = told(provider, &trusts).await;
        assert!(cause.contains("from https to http"), "{why}: {cause}");
        assert!(!page.contains("in a minute"), "{why}: {page}");
    }
}

#[tokio::test]
async fn a_provider_s_tls_that_does_not_hold_is_told_as_such() {
    let folder = TempDir::new().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let provider = FakeProvider::start_behind_tls(now(), &ca_file).await.unwrap();
    let (cause, page) = told(provider, "").await;
    assert!(cause.contains("certificate_authority_file"), "{cause}");
    assert!(!page.contains("in a minute"), "{page}");

    // `https` where it speaks plain HTTP, and the other way round.
    let plain = FakeProvider::start(now()).await.unwrap();
    let behind = FakeProvider::start_behind_tls(now(), &ca_file).await.unwrap();
    let app = Upstream::echo();
    for (provider, from, to, words) in [
        (&plain, "idp_provider_url: http:", "idp_provider_url: https:", "`https`"),
        (&behind, "idp_provider_url: https:", "idp_provider_url: http:", "write `https`"),
    ] {
        let text = config(provider, &app, ANYBODY, "").replace(from, to);
        let server = TestServer::open(&text).await;
        let records = || server.records("provider").into_iter().find(|r| r["level"] == "error");
        let record = eventually("it is told", records).await;
        assert!(record["cause"].as_str().unwrap().contains(words), "{record}");
        let page = server.browser().open(PAGE).await;
        assert!(!page.body.contains("in a minute"), "{}", page.body);
    }
}

#[tokio::test]
async fn a_discovery_document_that_moved_is_found_behind_tls_too() {
    let folder = TempDir::new().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let provider = FakeProvider::start_behind_tls(now(), &ca_file).await.unwrap();
    let moved = document(&provider, "x", json!(1));
    provider.answers("/moved", 200, None, &moved);
    provider.answers(DISCOVERY, 308, Some("/moved"), "");
    let app = Upstream::echo();
    let trusts = format!("certificate_authority_file: {}", ca_file.display());
    let server = TestServer::open(&config(&provider, &app, ANYBODY, &trusts)).await;
    let at = Outside { server, provider, app };
    let mut browser = at.server.browser();
    let seen = at.visit(&mut browser).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", at.server.log());
    assert!(at.server.records("provider").is_empty(), "{}", at.server.log());
}

/// A provider that is away is told at once, with what to do, and again when it is back; nobody has
/// to open a page for it.
#[tokio::test]
async fn a_provider_that_is_away_at_the_start_is_told_at_once_and_again_when_it_is_back() {
    let (app, provider) = (Upstream::echo(), FakeProvider::start(now()).await.unwrap());
    provider.answers(DISCOVERY, 503, None, "");
    let server = TestServer::open(&config(&provider, &app, ANYBODY, "")).await;
    let first = eventually("it is told", || server.records("provider").into_iter().next()).await;
    assert_eq!(provider.was_asked(DISCOVERY), 1, "at the first failure");
    assert_eq!(first["level"], "warn", "{first}");
    assert!(first["effect"].as_str().unwrap().contains("nobody new can sign in"), "{first}");
    assert!(first["hint"].as_str().unwrap().contains("idp_provider_url"), "{first}");
    provider.answers(DISCOVERY, 200, None, &document(&provider, "x", json!(1)));
    let back = eventually("it is back", || server.records("provider").into_iter().nth(1)).await;
    assert_eq!((&back["level"], &back["provider"]), (&json!("info"), &first["provider"]));
    assert!(back["effect"].as_str().unwrap().contains("people can sign in"), "{back}");
}

/// Nobody gets in until a clock is set, and the log had it among what one person mistyped.
#[tokio::test]
async fn a_wrong_clock_is_a_warning_and_somebody_s_failed_sign_in_is_none() {
    for (lie, level, words) in [
        (Lie::Expired, "warn", "by this machine's clock"),
        (Lie::FromTheFuture, "warn", "after this machine's time"),
        (Lie::WrongNonce, "info", "another sign-in"),
    ] {
        let at = Outside::open(ANYBODY, "").await;
        at.provider.lies(lie);
        let (_, seen) = at.visit_as(json!({"sub": "ann", "email": "ann@example.com"}), None).await;
        assert_ne!(seen.status, StatusCode::OK, "{lie:?}");
        let told = at.server.records("sign-in-failed").pop().unwrap();
        assert_eq!(told["level"], level, "{told}");
        let cause = told["cause"].as_str().unwrap();
        assert!(cause.contains(words), "{cause}");
        assert_eq!(cause.contains("timedatectl set-ntp true"), level == "warn", "{cause}");
    }
}
