//! What an authority asks for, and what it does when it is not well: renewal windows, profiles,
//! limits, fallbacks. The authority is one in this process.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use http::StatusCode;
use tempfile::TempDir;
use usher_lab::{
    acme_server::AcmeServer, browser::Browser, patience::PATIENCE, upstream::Upstream,
};
use usher_rules::time::Clock as _;

use crate::{
    authority::{failed, issued, kept_as_of, looked, store, told},
    test_server::{TestServer, eventually, public},
};

const HOST: &str = "tv.example.com";
const DAY: u64 = 24 * 3600;

struct TestAuthority {
    directory: AcmeServer,
    folder: TempDir,
    app: Upstream,
}

impl TestAuthority {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let directory = AcmeServer::start(folder.path(), Duration::from_secs(90 * DAY)).await;
        Self { directory, folder, app: Upstream::echo() }
    }

    fn config(&self, more: &str) -> String {
        format!(
            "autocert: true
autocert_ca: {url}
autocert_trusted_ca_file: {ca}
{more}
routes:
{route}",
            url = self.directory.url(),
            ca = self.directory.ca_file().display(),
            route = public(HOST, self.app.address),
        )
    }

    fn browser(&self, server: &TestServer) -> Browser {
        Browser::new(server.address(), &self.directory.ca_file())
    }
}

#[tokio::test]
async fn a_window_in_the_past_means_now_and_the_order_says_what_it_replaces() {
    let authority = TestAuthority::open().await;
    let server = TestServer::open(&authority.config("")).await;
    issued(&server, HOST).await;
    assert!(authority.directory.asked()[0]["replaces"].is_null());
    let now = server.clock.now().wall.seconds() as i64;
    authority.directory.behave(|authority| authority.window = Some((now - 7200, now - 3600)));
    let replaces = eventually("a second order", || {
        // It may have been asked before it had a window, and is asked again after hours.
        if authority.directory.asked().len() == 1 {
            server.clock.turn(Duration::from_secs(60));
        }
        authority.directory.asked().get(1).map(|order| order["replaces"].clone())
    })
    .await;
    let turned = server.clock.now().wall.seconds() as i64 - now;
    assert!(turned < 20 * DAY as i64, "long before two thirds of its life: {turned}");
    let (issuer, serial) = replaces.as_str().unwrap().split_once('.').unwrap();
    assert!(!issuer.is_empty() && !serial.is_empty(), "RFC 9773 §4.1: {replaces}");
    assert_eq!(
        authority.browser(&server).fetch("https://tv.example.com/").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_window_ahead_is_kept_over_a_restart() {
    let authority = TestAuthority::open().await;
    let house_now = || house_seconds();
    let start = house_now() + 30 * DAY as i64;
    authority.directory.behave(|authority| authority.window = Some((start, start + DAY as i64)));
    let config = authority.config("");
    let mut server = TestServer::open(&config).await;
    issued(&server, HOST).await;
    let due = eventually("the window is on the disk", || {
        let state = store(&server).state(HOST).unwrap();
        state.window.map(|_| state.next_at as i64)
    })
    .await;
    assert!((start..=start + DAY as i64).contains(&due), "in the window: {due}");
    server.restart(&config).await;
    server.clock.turn(Duration::from_secs(32 * DAY));
    eventually("a second order", || authority.directory.asked().get(1).map(|_| ())).await;
}

#[expect(clippy::disallowed_methods, reason = "a clock that stands still begins at it")]
fn house_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs() as i64
}

#[tokio::test]
async fn a_profile_is_asked_for_by_name() {
    let authority = TestAuthority::open().await;
    let server = TestServer::open(&authority.config("autocert_profile: shortlived")).await;
    issued(&server, HOST).await;
    assert_eq!(authority.directory.asked()[0]["profile"], "shortlived");
    drop(server);
    let server = TestServer::open(&authority.config("autocert_profile: eternal")).await;
    let cause = failed(&server, HOST).await;
    assert!(cause.contains("invalidProfile"), "{cause}");
    assert!(told(&server, HOST, "hint")[0].contains("autocert_profile"));
}

#[tokio::test]
async fn a_limit_is_kept_for_as_long_as_the_authority_says() {
    let authority = TestAuthority::open().await;
    authority.directory.behave(|authority| authority.rate_limited = Some(3 * DAY));
    let server = TestServer::open(&authority.config("")).await;
    let cause = failed(&server, HOST).await;
    assert!(cause.contains("rateLimited"), "{cause}");
    assert!(told(&server, HOST, "hint")[0].contains("staging"));
    authority.directory.behave(|authority| authority.rate_limited = None);
    let orders = authority.directory.asked().len();
    server.clock.turn(Duration::from_secs(2 * DAY));
    looked(&server).await;
    assert_eq!(authority.directory.asked().len(), orders, "not before its time");
    server.clock.turn(Duration::from_secs(DAY + 60));
    issued(&server, HOST).await;
}

#[tokio::test]
async fn another_authority_is_asked_when_the_first_stays_away() {
    let authority = TestAuthority::open().await;
    let folder = TempDir::new().unwrap();
    let second = AcmeServer::start(folder.path(), Duration::from_secs(90 * DAY)).await;
    authority.directory.behave(|authority| authority.broken = Some(503));
    // Both are trusted: one bundle.
    let bundle = authority.folder.path().join("bundle.pem");
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    std::fs::write(&bundle, read(authority.directory.ca_file()) + &read(second.ca_file())).unwrap();
    let config =
        authority.config(&format!("autocert_fallback_cas: [{{ca: {}}}]", second.url())).replace(
            &authority.directory.ca_file().display().to_string(),
            &bundle.display().to_string(),
        );
    let server = TestServer::open(&config).await;
    eventually("a certificate of the second", || {
        server.clock.turn(Duration::from_secs(600));
        told(&server, HOST, "issuer").pop()
    })
    .await;
    assert!(told(&server, HOST, "cause").len() >= 3, "the first was tried three times");
    kept_as_of(&server, HOST, &second.url()).await;
    let mut browser = Browser::new(server.address(), &second.ca_file());
    assert_eq!(browser.fetch("https://tv.example.com/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_was_not_ordered_is_not_served() {
    let authority = TestAuthority::open().await;
    authority.directory.behave(|authority| authority.other_name = true);
    let server = TestServer::open(&authority.config("")).await;
    let cause = failed(&server, HOST).await;
    assert!(cause.contains("for another name"), "{cause}");
    assert!(store(&server).leaf(HOST).unwrap().is_none());
    assert_eq!(server.browser().fetch("https://tv.example.com/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nonsense_is_an_outage() {
    let authority = TestAuthority::open().await;
    for status in [200, 403, 500] {
        authority.directory.behave(|authority| authority.broken = Some(status));
        let server = TestServer::open(&authority.config("")).await;
        let cause = failed(&server, HOST).await;
        assert!(cause.contains("can't be reached"), "{status}: {cause}");
    }
}

/// RFC 7633: id-pe-tlsfeature with status_request.
#[tokio::test]
async fn must_staple_stands_in_the_request() {
    let authority = TestAuthority::open().await;
    let feature = [0x2b, 6, 1, 5, 5, 7, 1, 24];
    let has = |request: &Vec<u8>| request.windows(feature.len()).any(|part| part == feature);
    let server = TestServer::open(&authority.config("")).await;
    issued(&server, HOST).await;
    let with = TestServer::open(&authority.config("autocert_must_staple: true")).await;
    eventually("a request", || authority.directory.requests().get(1).map(|_| ())).await;
    let requests = authority.directory.requests();
    assert!(!has(&requests[0]) && has(&requests[1]));
    drop((server, with));
}

/// An account that is lost takes no renewal with it: authorities refuse to replace another
/// account's certificate, and sign a plain order.
#[tokio::test]
async fn a_new_account_renews_what_the_old_one_ordered() {
    let authority = TestAuthority::open().await;
    let config = authority.config("");
    let mut server = TestServer::open(&config).await;
    issued(&server, HOST).await;
    server.stop(PATIENCE).await;
    for account in std::fs::read_dir(server.data_dir().join("acme/accounts")).unwrap() {
        std::fs::write(account.unwrap().path(), "damaged").unwrap();
    }
    authority.directory.behave(|authority| authority.other_account = true);
    store(&server).ask_renewal(HOST).unwrap();
    server.restart(&config).await;
    eventually("a second certificate", || {
        server.clock.turn(Duration::from_secs(60));
        (told(&server, HOST, "issuer").len() > 1).then_some(())
    })
    .await;
}

/// The operator brings a certificate while an order is under way: theirs is served from then on.
#[tokio::test]
async fn an_order_that_comes_too_late_takes_nobodys_place() {
    let authority = TestAuthority::open().await;
    authority.directory.behave(|authority| authority.slow = Duration::from_millis(200));
    let server = TestServer::open(&authority.config("")).await;
    eventually("an order", || authority.directory.asked().first().cloned()).await;
    let at = authority.folder.path();
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec![HOST.into()]).unwrap();
    std::fs::write(at.join("own.pem"), own.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(at.join("own.key"), key.serialize_pem()).unwrap();
    let more = format!("certificates: [{{cert: {0}/own.pem, key: {0}/own.key}}]", at.display());
    server.reload(&authority.config(&more)).unwrap();
    issued(&server, HOST).await; // it is in the store, for another day
    let mut browser = Browser::new(server.address(), &at.join("own.pem"));
    assert_eq!(browser.fetch("https://tv.example.com/").await.status, StatusCode::OK);
}

/// What a staging authority signed is replaced as soon as the config names another.
#[tokio::test]
async fn from_staging_to_the_real_one() {
    let authority = TestAuthority::open().await;
    let server = TestServer::open(&authority.config("")).await;
    issued(&server, HOST).await;
    kept_as_of(&server, HOST, &authority.directory.url()).await;
    let folder = TempDir::new().unwrap();
    let real = AcmeServer::start(folder.path(), Duration::from_secs(90 * DAY)).await;
    let config = authority.config("").replace(&authority.directory.url(), &real.url()).replace(
        &authority.directory.ca_file().display().to_string(),
        &real.ca_file().display().to_string(),
    );
    server.reload(&config).unwrap();
    kept_as_of(&server, HOST, &real.url()).await;
    let mut browser = Browser::new(server.address(), &real.ca_file());
    assert_eq!(browser.fetch("https://tv.example.com/").await.status, StatusCode::OK);
}

/// A crash leaves a TXT record and an order that only has to be fetched.
#[tokio::test]
async fn a_record_that_a_crash_left_is_taken_away() {
    let authority = TestAuthority::open().await;
    let at = authority.folder.path();
    let hook = at.join("hook");
    std::fs::write(&hook, format!("#!/bin/sh\necho \"$@\" >> {}/told\n", at.display())).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = authority.config(&format!(
        "autocert_dns_provider: exec\nautocert_dns_command: [{}]",
        hook.display()
    ));
    authority.directory.behave(|authority| authority.slow = Duration::from_millis(200));
    let mut server = TestServer::open(&config).await;
    let mut pending = eventually("an order", || store(&server).pending(HOST).ok().flatten()).await;
    server.crash().await;
    pending.records = vec![("_acme-challenge.tv.example.com".into(), "left".into())];
    store(&server).put_pending(HOST, &pending).unwrap();
    authority.directory.behave(|authority| authority.slow = Duration::ZERO);
    server.restart(&config).await;
    issued(&server, HOST).await;
    let told = std::fs::read_to_string(at.join("told")).unwrap_or_default();
    assert!(told.contains("withdraw _acme-challenge.tv.example.com left"), "{told:?}");
    assert_eq!(authority.directory.asked().len(), 1, "the order went on");
}
