//! What an authority wishes, and what it does when it is not well: renewal windows, profiles,
//! limits, fallbacks. The authority is one in this process.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use http::StatusCode;
use tempfile::TempDir;
use usher_lab::{browser::Browser, directory::Directory, upstream::Upstream};
use usher_rules::time::Clock as _;

use crate::{
    house::{House, eventually, public},
    street::{failed, issued, shelf, told},
};

const HOST: &str = "tv.example.com";
const DAY: u64 = 24 * 3600;

struct Street {
    directory: Directory,
    folder: TempDir,
    app: Upstream,
}

impl Street {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let directory = Directory::start(folder.path(), Duration::from_secs(90 * DAY)).await;
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

    fn browser(&self, house: &House) -> Browser {
        Browser::new(house.address(), &self.directory.ca_file())
    }
}

#[tokio::test]
async fn a_window_in_the_past_means_now_and_the_order_says_what_it_replaces() {
    let street = Street::open().await;
    let house = House::open(&street.config("")).await;
    issued(&house, HOST).await;
    assert!(street.directory.asked()[0]["replaces"].is_null());
    let now = house.clock.now().wall.seconds() as i64;
    street.directory.wishes(|wishes| wishes.window = Some((now - 7200, now - 3600)));
    let replaces = eventually("a second order", || {
        // It may have been asked before it had a wish, and is asked again after hours.
        if street.directory.asked().len() == 1 {
            house.clock.turn(Duration::from_secs(60));
        }
        street.directory.asked().get(1).map(|order| order["replaces"].clone())
    })
    .await;
    let turned = house.clock.now().wall.seconds() as i64 - now;
    assert!(turned < 20 * DAY as i64, "long before two thirds of its life: {turned}");
    let (issuer, serial) = replaces.as_str().unwrap().split_once('.').unwrap();
    assert!(!issuer.is_empty() && !serial.is_empty(), "RFC 9773 §4.1: {replaces}");
    assert_eq!(
        street.browser(&house).fetch("https://tv.example.com/").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_window_ahead_is_kept_over_a_restart() {
    let street = Street::open().await;
    let house_now = || house_seconds();
    let start = house_now() + 30 * DAY as i64;
    street.directory.wishes(|wishes| wishes.window = Some((start, start + DAY as i64)));
    let config = street.config("");
    let mut house = House::open(&config).await;
    issued(&house, HOST).await;
    let due = eventually("the window is on the disk", || {
        let state = shelf(&house).state(HOST).unwrap();
        state.window.map(|_| state.next_at as i64)
    })
    .await;
    assert!((start..=start + DAY as i64).contains(&due), "in the window: {due}");
    house.restart(&config).await;
    house.clock.turn(Duration::from_secs(32 * DAY));
    eventually("a second order", || street.directory.asked().get(1).map(|_| ())).await;
}

#[expect(clippy::disallowed_methods, reason = "a clock that stands still begins at it")]
fn house_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs() as i64
}

#[tokio::test]
async fn a_profile_is_asked_for_by_name() {
    let street = Street::open().await;
    let house = House::open(&street.config("autocert_profile: shortlived")).await;
    issued(&house, HOST).await;
    assert_eq!(street.directory.asked()[0]["profile"], "shortlived");
    drop(house);
    let house = House::open(&street.config("autocert_profile: eternal")).await;
    let cause = failed(&house, HOST).await;
    assert!(cause.contains("invalidProfile"), "{cause}");
    assert!(told(&house, HOST, "hint")[0].contains("autocert_profile"));
}

#[tokio::test]
async fn a_limit_is_kept_for_as_long_as_the_authority_says() {
    let street = Street::open().await;
    street.directory.wishes(|wishes| wishes.rate_limited = Some(3 * DAY));
    let house = House::open(&street.config("")).await;
    let cause = failed(&house, HOST).await;
    assert!(cause.contains("rateLimited"), "{cause}");
    assert!(told(&house, HOST, "hint")[0].contains("staging"));
    street.directory.wishes(|wishes| wishes.rate_limited = None);
    let orders = street.directory.asked().len();
    house.clock.turn(Duration::from_secs(2 * DAY));
    tokio::time::sleep(Duration::from_millis(200)).await; // ten looks
    assert_eq!(street.directory.asked().len(), orders, "not before its time");
    house.clock.turn(Duration::from_secs(DAY + 60));
    issued(&house, HOST).await;
}

#[tokio::test]
async fn another_authority_is_asked_when_the_first_stays_away() {
    let street = Street::open().await;
    let folder = TempDir::new().unwrap();
    let second = Directory::start(folder.path(), Duration::from_secs(90 * DAY)).await;
    street.directory.wishes(|wishes| wishes.broken = Some(503));
    // Both are trusted: one bundle.
    let bundle = street.folder.path().join("bundle.pem");
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    std::fs::write(&bundle, read(street.directory.ca_file()) + &read(second.ca_file())).unwrap();
    let config = street
        .config(&format!("autocert_fallback_cas: [{{ca: {}}}]", second.url()))
        .replace(&street.directory.ca_file().display().to_string(), &bundle.display().to_string());
    let house = House::open(&config).await;
    eventually("a certificate of the second", || {
        house.clock.turn(Duration::from_secs(600));
        told(&house, HOST, "issuer").pop()
    })
    .await;
    assert!(told(&house, HOST, "cause").len() >= 3, "the first was tried three times");
    assert_eq!(&*shelf(&house).state(HOST).unwrap().issued_by, second.url());
    let mut browser = Browser::new(house.address(), &second.ca_file());
    assert_eq!(browser.fetch("https://tv.example.com/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_was_not_ordered_is_not_served() {
    let street = Street::open().await;
    street.directory.wishes(|wishes| wishes.other_name = true);
    let house = House::open(&street.config("")).await;
    let cause = failed(&house, HOST).await;
    assert!(cause.contains("for another name"), "{cause}");
    assert!(shelf(&house).leaf(HOST).unwrap().is_none());
    assert_eq!(house.browser().fetch("https://tv.example.com/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nonsense_is_an_outage() {
    let street = Street::open().await;
    for status in [200, 403, 500] {
        street.directory.wishes(|wishes| wishes.broken = Some(status));
        let house = House::open(&street.config("")).await;
        let cause = failed(&house, HOST).await;
        assert!(cause.contains("can't be reached"), "{status}: {cause}");
    }
}

/// RFC 7633: id-pe-tlsfeature with status_request.
#[tokio::test]
async fn must_staple_stands_in_the_request() {
    let street = Street::open().await;
    let feature = [0x2b, 6, 1, 5, 5, 7, 1, 24];
    let has = |request: &Vec<u8>| request.windows(feature.len()).any(|part| part == feature);
    let house = House::open(&street.config("")).await;
    issued(&house, HOST).await;
    let with = House::open(&street.config("autocert_must_staple: true")).await;
    eventually("a request", || street.directory.requests().get(1).map(|_| ())).await;
    let requests = street.directory.requests();
    assert!(!has(&requests[0]) && has(&requests[1]));
    drop((house, with));
}

/// An account that is lost takes no renewal with it: authorities refuse to replace another
/// account's certificate, and sign a plain order.
#[tokio::test]
async fn a_new_account_renews_what_the_old_one_ordered() {
    let street = Street::open().await;
    let config = street.config("");
    let mut house = House::open(&config).await;
    issued(&house, HOST).await;
    house.stop(Duration::from_secs(5)).await;
    for account in std::fs::read_dir(house.data_dir().join("acme/accounts")).unwrap() {
        std::fs::write(account.unwrap().path(), "damaged").unwrap();
    }
    street.directory.wishes(|wishes| wishes.other_account = true);
    shelf(&house).ask_renewal(HOST).unwrap();
    house.restart(&config).await;
    eventually("a second certificate", || {
        house.clock.turn(Duration::from_secs(60));
        (told(&house, HOST, "issuer").len() > 1).then_some(())
    })
    .await;
}

/// The operator brings a certificate while an order is under way: theirs is served from then on.
#[tokio::test]
async fn an_order_that_comes_too_late_takes_nobodys_place() {
    let street = Street::open().await;
    street.directory.wishes(|wishes| wishes.slow = Duration::from_millis(200));
    let house = House::open(&street.config("")).await;
    eventually("an order", || street.directory.asked().first().cloned()).await;
    let at = street.folder.path();
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec![HOST.into()]).unwrap();
    std::fs::write(at.join("own.pem"), own.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(at.join("own.key"), key.serialize_pem()).unwrap();
    let more = format!("certificates: [{{cert: {0}/own.pem, key: {0}/own.key}}]", at.display());
    house.reload(&street.config(&more)).unwrap();
    issued(&house, HOST).await; // it lies on the shelf, for another day
    let mut browser = Browser::new(house.address(), &at.join("own.pem"));
    assert_eq!(browser.fetch("https://tv.example.com/").await.status, StatusCode::OK);
}

/// What a staging authority signed is replaced as soon as the config names another.
#[tokio::test]
async fn from_staging_to_the_real_one() {
    let street = Street::open().await;
    let house = House::open(&street.config("")).await;
    issued(&house, HOST).await;
    eventually("it is written down", || {
        (!shelf(&house).state(HOST).unwrap().issued_by.is_empty()).then_some(())
    })
    .await;
    let folder = TempDir::new().unwrap();
    let real = Directory::start(folder.path(), Duration::from_secs(90 * DAY)).await;
    let config = street.config("").replace(&street.directory.url(), &real.url()).replace(
        &street.directory.ca_file().display().to_string(),
        &real.ca_file().display().to_string(),
    );
    house.reload(&config).unwrap();
    eventually("a certificate of the real one", || {
        (*shelf(&house).state(HOST).unwrap().issued_by == *real.url()).then_some(())
    })
    .await;
    let mut browser = Browser::new(house.address(), &real.ca_file());
    assert_eq!(browser.fetch("https://tv.example.com/").await.status, StatusCode::OK);
}

/// A crash leaves a TXT record and an order that only has to be fetched.
#[tokio::test]
async fn a_record_that_a_crash_left_is_taken_away() {
    let street = Street::open().await;
    let at = street.folder.path();
    let hook = at.join("hook");
    std::fs::write(&hook, format!("#!/bin/sh\necho \"$@\" >> {}/told\n", at.display())).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = street.config(&format!(
        "autocert_dns_provider: exec\nautocert_dns_command: [{}]",
        hook.display()
    ));
    street.directory.wishes(|wishes| wishes.slow = Duration::from_millis(200));
    let mut house = House::open(&config).await;
    let mut pending = eventually("an order", || shelf(&house).pending(HOST).ok().flatten()).await;
    house.crash();
    pending.records = vec![("_acme-challenge.tv.example.com".into(), "left".into())];
    shelf(&house).put_pending(HOST, &pending).unwrap();
    street.directory.wishes(|wishes| wishes.slow = Duration::ZERO);
    house.restart(&config).await;
    issued(&house, HOST).await;
    let told = std::fs::read_to_string(at.join("told")).unwrap_or_default();
    assert!(told.contains("withdraw _acme-challenge.tv.example.com left"), "{told:?}");
    assert_eq!(street.directory.asked().len(), 1, "the order went on");
}
