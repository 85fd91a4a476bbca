use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use http::StatusCode;
use usher::certs::acme::{revoke, rotate_account_key};
use usher_lab::{patience::PATIENCE, ports::free_port};
use usher_rules::plan::Plan;

use crate::{
    authority::{TestAuthority, another, failed, files, issued, looked, serial_of, store, told},
    test_server::{QUICK, TestServer, eventually, plan},
};

const HOST: &str = "tv.example.com";
const PAGE: &str = "https://tv.example.com/";
const ACCOUNT: (&str, &str) =
    ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");

/// The start is not held up, the local authority signs meanwhile, and then the real one does.
#[tokio::test]
async fn proof_by_tls_alone() {
    let authority = TestAuthority::open(|_| {}).await;
    let server = TestServer::open(&authority.config(&[HOST], "")).await;
    issued(&server, HOST).await;
    let mut browser = authority.browser(&server).await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK);
    let issuer = told(&server, HOST, "issuer").pop().unwrap();
    assert!(issuer.contains("Pebble"), "{issuer}");

    let names = server.data_dir().join("acme/names");
    assert_eq!(files(&names), ["tv.example.com.json", "tv.example.com.pem"]);
    for file in files(&names) {
        let mode = std::fs::metadata(names.join(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file} is its owner's alone");
    }
    assert!(!server.log().contains("PRIVATE KEY"));
}

/// Where the clock is off by less than the authority's own certificate lives, one is issued all the
/// same, and what is wrong is this machine.
#[tokio::test]
async fn a_certificate_that_comes_out_of_its_time_tells_of_a_wrong_clock() {
    let authority = TestAuthority::open(|_| {}).await;
    for (hours, said) in [(-3, "does not count before"), (24 * 365 * 30, "has ended on")] {
        let mut server = TestServer::closed(1).await;
        server.clock.jump(hours * 3600);
        server.restart(&authority.config(&[HOST], "")).await;
        let told = eventually("one is issued", || {
            let lines = server.records("certificate");
            lines.into_iter().find(|line| line["issuer"].is_string())
        });
        let told = told.await;
        assert_eq!(told["level"], "warn", "{told}");
        assert!(told["cause"].as_str().unwrap().contains(said), "{told}");
        assert!(told["cause"].as_str().unwrap().contains("this machine's clock says"), "{told}");
        assert!(told["hint"].as_str().unwrap().contains("timedatectl"), "{told}");
    }
}

#[tokio::test]
async fn proof_by_http_where_a_plain_listener_is() {
    // The authority can't find port 443, so nothing else would do.
    let authority = TestAuthority::open(|settings| settings.tls = free_port()).await;
    let server = TestServer::open(&authority.config(&[HOST], &authority.http_line())).await;
    issued(&server, HOST).await;
    assert_eq!(authority.browser(&server).await.fetch(PAGE).await.status, StatusCode::OK);
}

/// A redirect listener answers challenges for any host, and everything else as before.
#[tokio::test]
async fn where_one_proof_fails_another_is_tried() {
    // Port 80 does not lead here: the first order fails, the next one proves by TLS.
    let authority = TestAuthority::open(|settings| settings.http = free_port()).await;
    let server = TestServer::open(&authority.config(&[HOST], &authority.http_line())).await;
    let cause = failed(&server, HOST).await;
    assert!(cause.contains("http-01") && cause.contains("connection refused"), "{cause}");
    let hint = told(&server, HOST, "hint").pop().unwrap();
    assert!(hint.contains("port 80"), "{hint}");
    let effect = told(&server, HOST, "effect").pop().unwrap();
    assert!(effect.contains("local authority signs"), "{effect}");
    server.clock.turn(Duration::from_secs(400));
    issued(&server, HOST).await;

    // What worked is tried first from then on: a renewal begins with no failure.
    let failures = told(&server, HOST, "cause").len();
    let first = serial_of(&server, HOST);
    store(&server).ask_renewal(HOST).unwrap();
    another(&server, HOST, &first).await;
    assert_eq!(told(&server, HOST, "cause").len(), failures);
}

/// A hook for DNS-01, as an operator would write one.
fn hook(authority: &TestAuthority) -> String {
    let script = authority.folder.path().join("hook.sh");
    let management = authority.pebble.dns_management();
    let text = format!(
        "#!/bin/sh
set -e
case \"$1\" in
publish) data=\"{{\\\"host\\\":\\\"$2.\\\",\\\"value\\\":\\\"$3\\\"}}\"; path=set-txt ;;
withdraw) data=\"{{\\\"host\\\":\\\"$2.\\\"}}\"; path=clear-txt ;;
esac
test \"$USHER_ACME_NAME\" = \"$2\"
echo \"$1 $2\" >> {log}
exec curl -fsS -d \"$data\" http://{management}/$path
",
        log = authority.folder.path().join("hook.log").display(),
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script.display().to_string()
}

#[tokio::test]
async fn proof_by_dns_with_a_wildcard() {
    let authority = TestAuthority::open(|settings| {
        (settings.http, settings.tls) = (free_port(), free_port()); // nothing else would do
    })
    .await;
    let more = format!(
        "autocert_dns_provider: exec\nautocert_dns_command: [{}]\nauthenticate_service_url: https://auth.example.com",
        hook(&authority)
    );
    let server = TestServer::open(&authority.config(&["*.example.com"], &more)).await;
    issued(&server, "*.example.com").await;
    let mut browser = authority.browser(&server).await;
    for page in ["https://tv.example.com/", "https://photos.example.com/"] {
        assert_eq!(browser.fetch(page).await.status, StatusCode::OK, "{page}");
    }
    let log = std::fs::read_to_string(authority.folder.path().join("hook.log")).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.ends_with(".example.com")).collect();
    assert!(lines.contains(&"publish _acme-challenge.example.com"), "{log}");
    assert!(lines.contains(&"withdraw _acme-challenge.example.com"), "{log}");
    let names = server.data_dir().join("acme/names");
    assert!(files(&names).contains(&"_.example.com.pem".to_owned()), "{:?}", files(&names));
}

#[tokio::test]
async fn an_external_account_where_the_authority_wants_one() {
    let authority = TestAuthority::open(|settings| settings.external_account = Some(ACCOUNT)).await;
    let bare = TestServer::open(&authority.config(&[HOST], "")).await;
    let cause = failed(&bare, HOST).await;
    assert!(cause.contains("externalAccountRequired"), "{cause}");
    assert!(told(&bare, HOST, "hint")[0].contains("autocert_eab_key_id"));
    drop(bare);

    let with =
        |id: &str, key: &str| format!("autocert_eab_key_id: {id}\nautocert_eab_mac_key: {key}");
    let wrong =
        TestServer::open(&authority.config(&[HOST], &with(ACCOUNT.0, "d3Jvbmcga2V5"))).await;
    let cause = failed(&wrong, HOST).await;
    assert!(cause.contains("refuses"), "{cause}");
    assert!(
        told(&wrong, HOST, "hint")[0].contains("autocert_eab"),
        "{:?}",
        told(&wrong, HOST, "hint")
    );
    drop(wrong);

    let right = TestServer::open(&authority.config(&[HOST], &with(ACCOUNT.0, ACCOUNT.1))).await;
    issued(&right, HOST).await;
    assert!(!right.log().contains(ACCOUNT.1), "the key is in no line");
}

#[tokio::test]
async fn nonces_that_are_refused_cost_nothing() {
    let authority = TestAuthority::open(|settings| settings.refused_nonces = 30).await;
    let hosts = ["a.example.com", "b.example.com", "c.example.com"];
    let server = TestServer::open(&authority.config(&hosts, "")).await;
    for host in hosts {
        issued(&server, host).await;
    }
}

/// Away at the start, back later: no order is lost, and nobody waits for the start.
#[tokio::test]
async fn an_authority_that_is_away_comes_back() {
    let authority = TestAuthority::open(|_| {}).await;
    authority.pebble.close();
    let server = TestServer::open(&authority.config(&[HOST], "")).await;
    let cause = failed(&server, HOST).await;
    assert!(cause.contains("can't be reached"), "{cause}");
    let meanwhile = server.browser().fetch(PAGE).await;
    assert_eq!(meanwhile.status, StatusCode::OK, "with the local authority's certificate");
    authority.pebble.open().await;
    server.clock.turn(Duration::from_secs(120));
    issued(&server, HOST).await;
}

#[tokio::test]
async fn a_name_that_the_authority_refuses_does_not_hold_up_the_others() {
    let authority =
        TestAuthority::open(|settings| settings.blocked = vec!["blocked.example.com"]).await;
    let hosts = ["blocked.example.com", HOST];
    let server = TestServer::open(&authority.config(&hosts, "")).await;
    issued(&server, HOST).await;
    let cause = failed(&server, "blocked.example.com").await;
    assert!(cause.contains("rejectedIdentifier"), "{cause}");
}

/// A certificate is renewed when its time has come, and served without a restart.
#[tokio::test]
async fn renewal_before_the_end() {
    let authority =
        TestAuthority::open(|settings| settings.life = Duration::from_secs(30 * 24 * 3600)).await;
    let server = TestServer::open(&authority.config(&[HOST], "")).await;
    issued(&server, HOST).await;
    let first = serial_of(&server, HOST);
    server.clock.turn(Duration::from_secs(15 * 24 * 3600));
    looked(&server).await;
    assert_eq!(serial_of(&server, HOST), first, "half of its life is early");
    server.clock.turn(Duration::from_secs(6 * 24 * 3600));
    another(&server, HOST, &first).await;
}

/// What an operator does when a key may have leaked.
#[tokio::test]
async fn revocation_and_another_certificate() {
    let authority = TestAuthority::open(|_| {}).await;
    let config = authority.config(&[HOST], "");
    let server = TestServer::open(&config).await;
    issued(&server, HOST).await;
    let first = serial_of(&server, HOST);
    assert_eq!(authority.pebble.status(&first).await, "Valid");
    revoke(&plan(&config), &store(&server), HOST, QUICK).await.unwrap();
    assert_eq!(authority.pebble.status(&first).await, "Revoked");
    another(&server, HOST, &first).await;
    assert_eq!(authority.browser(&server).await.fetch(PAGE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_account_key() {
    let authority = TestAuthority::open(|_| {}).await;
    let config = authority.config(&[HOST], "");
    let server = TestServer::open(&config).await;
    issued(&server, HOST).await;
    let accounts = server.data_dir().join("acme/accounts");
    let read = || std::fs::read(accounts.join(&files(&accounts)[0])).unwrap();
    let before = read();
    let parsed: Plan = plan(&config);
    rotate_account_key(&parsed, &store(&server), QUICK).await.unwrap();
    assert_ne!(read(), before);
    // The same account with another key: it can still order.
    store(&server).ask_renewal(HOST).unwrap();
    let first = serial_of(&server, HOST);
    another(&server, HOST, &first).await;
}

/// An authority that has forgotten us (a test server that was started anew) gets a new account.
#[tokio::test]
async fn an_account_that_the_authority_does_not_know_is_made_anew() {
    let authority = TestAuthority::open(|_| {}).await;
    let server = TestServer::open(&authority.config(&[HOST], "")).await;
    issued(&server, HOST).await;
    let first = serial_of(&server, HOST);
    authority.pebble.close();
    authority.pebble.open().await;
    store(&server).ask_renewal(HOST).unwrap();
    another(&server, HOST, &first).await;
}

/// A host that a reload brings gets its certificate, one that it takes away needs none.
#[tokio::test]
async fn reloads_bring_and_take_names() {
    let authority = TestAuthority::open(|_| {}).await;
    let server = TestServer::open(&authority.config(&[HOST], "")).await;
    issued(&server, HOST).await;
    server.reload(&authority.config(&[HOST, "photos.example.com"], "")).unwrap();
    issued(&server, "photos.example.com").await;
    server.reload(&authority.config(&["photos.example.com"], "")).unwrap();
    let mut browser = authority.browser(&server).await;
    assert_eq!(browser.fetch("https://photos.example.com/").await.status, StatusCode::OK);
    // Its certificate stays on the disk, for the day on which the host comes back.
    assert!(store(&server).leaf(HOST).unwrap().is_some());
}

/// The next start serves what lies on the disk, whether or not the authority answers.
#[tokio::test]
async fn a_restart_needs_no_authority_and_a_damaged_file_takes_nobody_else_down() {
    let authority = TestAuthority::open(|_| {}).await;
    let config = authority.config(&[HOST, "photos.example.com"], "");
    let mut server = TestServer::open(&config).await;
    issued(&server, HOST).await;
    issued(&server, "photos.example.com").await;
    let mut browser = authority.browser(&server).await;
    server.stop(PATIENCE).await;
    authority.pebble.close();
    let file = server.data_dir().join("acme/names/photos.example.com.pem");
    std::fs::write(&file, "-----BEGIN nonsense").unwrap();
    server.restart(&config).await;
    browser = browser.moved(server.address());
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK);
    assert!(server.log().contains("photos.example.com.pem holds no private key; it was set aside"));
    assert!(file.with_extension("pem.damaged").exists(), "nothing is thrown away");
}

/// A certificate of the operator's own comes first, and nothing is ordered for its host.
#[tokio::test]
async fn nobody_orders_what_the_operator_has_brought() {
    let authority = TestAuthority::open(|_| {}).await;
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let own = params.self_signed(&key).unwrap();
    let (cert, private) =
        (authority.folder.path().join("own.pem"), authority.folder.path().join("own.key"));
    std::fs::write(&cert, own.pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    let more = format!("certificates: [{{cert: {}, key: {}}}]", cert.display(), private.display());
    let server = TestServer::open(&authority.config(&[HOST, "photos.example.com"], &more)).await;
    issued(&server, "photos.example.com").await;
    assert!(told(&server, HOST, "issuer").is_empty());
    assert!(store(&server).leaf(HOST).unwrap().is_none());
}
