//! What must not be lost, and who must not be hit, when something goes wrong in the middle.

use std::{path::Path, time::Duration};

use http::StatusCode;
use rcgen::{CertificateParams, KeyPair};
use usher::certs::acme::revoke;
use usher_lab::pebble::{Pebble, Settings};
use usher_rules::time::{Clock as _, UnixTime};

use crate::{
    authority::{
        TestAuthority, another, failed, files, issued, kept_as_of, looked, serial_of, store, told,
    },
    test_server::{QUICK, TestServer, eventually, plan},
};

const HOST: &str = "tv.example.com";
const PAGE: &str = "https://tv.example.com/";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A pair for these names in the folder, as the operator brings it.
fn bring(folder: &Path, name: &str, names: &[&str], life: (UnixTime, UnixTime)) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let at = |moment: UnixTime| {
        time::OffsetDateTime::from_unix_timestamp(i64::try_from(moment.seconds()).unwrap()).unwrap()
    };
    (params.not_before, params.not_after) = (at(life.0), at(life.1));
    std::fs::create_dir_all(folder).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// After a revocation the old certificate is served until there is another: so what was asked for
/// outlives a failure, an outage and a restart.
#[tokio::test]
async fn what_was_asked_for_outlives_an_outage_and_a_restart() {
    let authority = TestAuthority::open(|_| {}).await;
    let config = authority.config(&[HOST], "");
    let mut server = TestServer::open(&config).await;
    issued(&server, HOST).await;
    let first = serial_of(&server, HOST);
    revoke(&plan(&config), &store(&server), HOST, QUICK).await.unwrap();
    authority.pebble.close();
    // Either the order was faster, or it fails now.
    eventually("an end", || {
        (serial_of(&server, HOST) != first).then_some(()).or_else(|| {
            let state = store(&server).state(HOST).unwrap();
            (state.wanted && !state.last_error.is_empty()).then_some(())
        })
    })
    .await;
    server.restart(&config).await;
    authority.pebble.open().await;
    server.clock.turn(Duration::from_secs(600));
    another(&server, HOST, &first).await;
    eventually("it is written down", || {
        (!store(&server).state(HOST).unwrap().wanted).then_some(())
    })
    .await;
}

/// Whoever signed a certificate revokes it, whomever we have asked since.
#[tokio::test]
async fn asking_another_authority_does_not_change_who_signed() {
    let authority = TestAuthority::open(|_| {}).await;
    let config = authority.config(&[HOST], "");
    let mut server = TestServer::open(&config).await;
    issued(&server, HOST).await;
    let first = serial_of(&server, HOST);
    let elsewhere = config.replace(&authority.pebble.directory(), "https://127.0.0.1:9/directory");
    store(&server).ask_renewal(HOST).unwrap();
    server.restart(&elsewhere).await;
    eventually("a failure elsewhere", || {
        let state = store(&server).state(HOST).unwrap();
        state.last_error.contains("127.0.0.1:9").then_some(())
    })
    .await;
    let status = usher::certs::report::report(
        &plan(&elsewhere),
        &server.data_dir(),
        server.clock.now().wall,
    );
    let source = status[0].source.to_string();
    assert!(source.contains(authority.pebble.directory().split('/').nth(2).unwrap()), "{source}");
    revoke(&plan(&elsewhere), &store(&server), HOST, QUICK).await.unwrap();
    assert_eq!(authority.pebble.status(&first).await, "Revoked");
}

#[tokio::test]
async fn a_damaged_account_is_set_aside_and_another_is_made() {
    let authority = TestAuthority::open(|_| {}).await;
    let server = TestServer::open(&authority.config(&[HOST], "")).await;
    issued(&server, HOST).await;
    let first = serial_of(&server, HOST);
    let accounts = server.data_dir().join("acme/accounts");
    let name = files(&accounts).pop().unwrap();
    std::fs::write(accounts.join(&name), "x").unwrap();
    store(&server).ask_renewal(HOST).unwrap();
    // Whichever comes first finds it: the order, or the question for renewal information.
    eventually("the damage is told of", || {
        let mut events = server.records("certificate").into_iter();
        events.find(|line| {
            let cause = line["cause"].as_str().unwrap_or_default();
            cause.contains(&name) && cause.contains("set aside")
        })
    })
    .await;
    server.clock.turn(Duration::from_secs(600));
    another(&server, HOST, &first).await;
    assert_eq!(files(&accounts), [name.clone(), format!("{name}.damaged")]);
}

/// The power goes after the authority has taken the new key and before we have written it down.
#[tokio::test]
async fn a_change_of_the_accounts_key_that_was_cut_short() {
    let authority = TestAuthority::open(|_| {}).await;
    let config = authority.config(&[HOST], "");
    let server = TestServer::open(&config).await;
    issued(&server, HOST).await;
    let first = serial_of(&server, HOST);
    let accounts = server.data_dir().join("acme/accounts");
    let path = accounts.join(files(&accounts).pop().unwrap());
    let old_key = std::fs::read(&path).unwrap();
    usher::certs::acme::rotate_account_key(&plan(&config), &store(&server), QUICK).await.unwrap();
    assert!(!path.with_extension("rolling").exists());
    std::fs::write(&path, old_key).unwrap();
    std::fs::write(path.with_extension("rolling"), "").unwrap();
    store(&server).ask_renewal(HOST).unwrap();
    another(&server, HOST, &first).await;
}

/// Whoever sends SIGHUP after SIGHUP does not ask the authority more often.
#[tokio::test]
async fn reloads_are_no_way_around_a_wait() {
    let authority = TestAuthority::open(|_| {}).await;
    let config = authority.config(&[HOST], "");
    let server = TestServer::open(&config).await;
    issued(&server, HOST).await;
    authority.pebble.close();
    store(&server).ask_renewal(HOST).unwrap();
    failed(&server, HOST).await;
    for _ in 0..6 {
        server.reload(&config).unwrap();
        looked(&server).await;
    }
    assert_eq!(told(&server, HOST, "cause").len(), 1);
}

/// "Exact names before wildcards": a wildcard that was issued does not take the operator's place.
#[tokio::test]
async fn which_of_several_certificates_is_served() {
    let authority = TestAuthority::open(|_| {}).await;
    let folder = authority.folder.path().join("own");
    let server = TestServer::closed(1).await;
    let now = server.clock.now().wall;
    let (past, long_past) = (now.minus(DAY), now.minus(DAY * 90));
    bring(&folder, "a_old", &["photos.example.com"], (long_past, past));
    bring(&folder, "b_new", &["photos.example.com"], (past, now.plus(DAY * 90)));
    let more = format!("certificates_dir: {}", folder.display());
    let mut server = server;
    server.restart(&authority.config(&["photos.example.com"], &more)).await;
    let status = usher::certs::report::report(&server.running().plan(), &server.data_dir(), now);
    assert!(status[0].source.to_string().contains("b_new"), "{}", status[0].source);
    let mut browser = usher_lab::browser::Browser::new(server.address(), &folder.join("b_new.pem"));
    assert_eq!(browser.fetch("https://photos.example.com/").await.status, StatusCode::OK);
    assert!(told(&server, "photos.example.com", "issuer").is_empty(), "nothing is ordered");
}

/// The operator's certificate ends while usher runs, and nobody renews it.
#[tokio::test]
async fn a_certificate_that_nobody_renews_is_replaced_before_it_ends() {
    let authority = TestAuthority::open(|_| {}).await;
    let folder = authority.folder.path().join("own");
    let mut server = TestServer::closed(1).await;
    let now = server.clock.now().wall;
    bring(&folder, "own", &[HOST], (now.minus(DAY * 60), now.plus(DAY * 30)));
    let more = format!("certificates_dir: {}", folder.display());
    server.restart(&authority.config(&[HOST], &more)).await;
    server.clock.turn(DAY * 26);
    looked(&server).await;
    assert!(store(&server).leaf(HOST).unwrap().is_none(), "four days are time enough for a person");
    server.clock.turn(DAY + DAY / 2);
    issued(&server, HOST).await;
    // And when the operator comes after all, theirs is served again.
    let now = server.clock.now().wall;
    bring(&folder, "own", &[HOST], (now.minus(DAY * 60), now.plus(DAY * 90)));
    server.reload(&authority.config(&[HOST], &more)).unwrap();
    let status = usher::certs::report::report(&server.running().plan(), &server.data_dir(), now);
    assert!(status[0].source.to_string().contains("own.pem"), "{}", status[0].source);
}

/// A fallback authority that wants an account of elsewhere, as most of them do.
#[tokio::test]
async fn a_fallback_has_an_external_account_of_its_own() {
    const ACCOUNT: (&str, &str) =
        ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");
    let authority = TestAuthority::open(|_| {}).await;
    let folder = tempfile::TempDir::new().unwrap();
    let mut settings = Settings::looking_at(authority.http, authority.tls);
    settings.external_account = Some(ACCOUNT);
    let second = Pebble::start(folder.path(), settings).await;
    let bundle = authority.folder.path().join("bundle.pem");
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    std::fs::write(&bundle, read(authority.pebble.ca_file()) + &read(second.ca_file())).unwrap();
    let fallback = format!(
        "autocert_fallback_cas: [{{ca: {}, eab_key_id: {}, eab_mac_key: {}}}]",
        second.directory(),
        ACCOUNT.0,
        ACCOUNT.1
    );
    let config = authority
        .config(&[HOST], &fallback)
        .replace(&authority.pebble.ca_file().display().to_string(), &bundle.display().to_string());
    authority.pebble.close();
    let server = TestServer::open(&config).await;
    eventually("a certificate of the second", || {
        server.clock.turn(Duration::from_secs(600));
        told(&server, HOST, "issuer").pop()
    })
    .await;
    kept_as_of(&server, HOST, &second.directory()).await;
    assert!(!server.log().contains(ACCOUNT.1));
}

/// A new host is plainly logged until its certificate is there.
#[tokio::test]
async fn who_waits_for_a_certificate_is_told_of() {
    let authority = TestAuthority::open(|_| {}).await;
    authority.pebble.close();
    let server = TestServer::open(&authority.config(&[HOST], "")).await;
    let effects = told(&server, HOST, "effect");
    assert!(effects[0].contains("local authority signs for it until"), "{effects:?}");
    assert!(!server.log().contains("no certificate is for"), "{}", server.log());
    assert_eq!(server.browser().fetch(PAGE).await.status, StatusCode::OK);
}
