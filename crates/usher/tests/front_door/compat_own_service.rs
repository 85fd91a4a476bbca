//! `config/compat/globals.yaml` and `validation.yaml` through the front door: a sign-in service of
//! one's own with an outside provider, and what the top level says of every route.

use std::{fs, path::Path, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use usher_lab::{
    browser::{Browser, FETCH, NAVIGATION, Seen},
    clock::TurnedClock,
    provider::FakeProvider,
    upstream::{Upstream, field},
};
use usher_rules::time::Clock as _;

use crate::{
    connections::wildcard,
    test_server::{TestServer, eventually},
};

/// A file's server, with its provider, its app and its files.
struct Own {
    server: TestServer,
    provider: FakeProvider,
    app: Upstream,
    folder: TempDir,
    /// What its assertions are signed with.
    key: KeyPair,
}

impl Own {
    async fn open(name: &str) -> Self {
        let now = TurnedClock::new().now().wall.seconds();
        let provider = FakeProvider::start(now).await.unwrap();
        let (app, folder) = (Upstream::echo(), TempDir::new().unwrap());
        let key = KeyPair::generate().unwrap();
        let secret = |octet: u8| BASE64_STANDARD.encode([octet; 32]);
        for (file, text) in [
            ("idp_client_secret", provider.client().1.to_owned()),
            ("shared_secret", secret(7)),
            ("cookie_secret", secret(8)),
            ("signing_key", key.serialize_pem()),
        ] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        let _its_keys = wildcard(&folder);
        let server = TestServer::open(&here(name, &folder, &provider, &app)).await;
        Self { server, provider, app, folder, key }
    }

    /// Trusts nobody but who signed the certificate in the file.
    fn browser(&self) -> Browser {
        Browser::new(self.server.address(), &self.folder.path().join("ca.pem"))
    }

    /// Where a stranger who opens a page is sent by the sign-in service.
    async fn begin(&self, browser: &mut Browser, url: &str) -> String {
        let asked = browser.send(Method::GET, url, NAVIGATION, "").await;
        let door = asked.location().unwrap();
        assert_eq!(door.host_str(), Some("authenticate.home.test"), "{url}");
        let sent = browser.send(Method::GET, door.as_str(), NAVIGATION, "").await;
        sent.location().unwrap().into()
    }

    /// Somebody opens a page, and the provider says this of them.
    async fn visit(&self, url: &str, said: Value) -> (Browser, Seen) {
        self.provider.says(said.clone());
        self.provider.userinfo_says(said);
        let mut browser = self.browser();
        let authorize = self.begin(&mut browser, url).await;
        let back = self.provider.consents(&authorize).unwrap();
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        let seen = browser.follow(arrived).await;
        (browser, seen)
    }
}

/// The file with the names, the files, the provider and the app of this test in the place of its own.
/// Certificates by ACME have tests of their own; here is no authority to ask.
fn here(name: &str, folder: &TempDir, provider: &FakeProvider, app: &Upstream) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/compat");
    let text = fs::read_to_string(path.join(format!("{name}.yaml"))).unwrap();
    let line = |line: &str| match line.trim().split_once(": ") {
        Some(("autocert" | "autocert_email", _)) => String::new(),
        Some(("idp_provider_url", _)) => format!("idp_provider_url: {}\n", provider.issuer()),
        Some(("to", _)) => format!("  to: http://{}\n", app.address),
        _ => format!("{line}\n"),
    };
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text: String = text.lines().map(line).collect();
    text.replace("/etc/usher/tls/fullchain.pem", &at("leaf.pem"))
        .replace("/etc/usher/tls/privkey.pem", &at("leaf.key"))
        .replace("/run/secrets/", &at(""))
        .replace("yourdomain.com", "home.test")
}

fn ann() -> Value {
    json!({"sub": "ann", "email": "ann@example.com", "groups": ["engineering", "film"]})
}

fn stranger() -> Value {
    json!({"sub": "eve", "email": "eve@elsewhere.test", "groups": ["film"]})
}

const NEW: &str = "https://new.home.test/";

#[tokio::test]
async fn the_older_list_and_the_newer_one_let_in_whom_each_names() {
    let own = Own::open("globals").await;
    for (url, ann_s, stranger_s) in [("https://old.home.test/", 200, 403), (NEW, 200, 200)] {
        for (said, expected) in [(ann(), ann_s), (stranger(), stranger_s)] {
            let (_, seen) = own.visit(url, said.clone()).await;
            assert_eq!(seen.status.as_u16(), expected, "{url}: {said}: {}", seen.body);
        }
    }
    let (mut browser, _) = own.visit(NEW, ann()).await;
    let seen = browser.fetch("https://new.home.test:8443/").await;
    assert_eq!(seen.status, StatusCode::OK, "match_any_incoming_port");
}

/// `cookie_name`, `cookie_expire`, `cookie_http_only`, `cookie_same_site`.
#[tokio::test]
async fn a_session_of_the_top_level_has_its_name_and_its_hours() {
    let own = Own::open("globals").await;
    let (mut browser, _) = own.visit(NEW, ann()).await;
    assert!(browser.cookies("new.home.test").unwrap().contains("_pomerium="));
    for (minutes, expected) in [(14 * 60 - 1, StatusCode::OK), (2, StatusCode::UNAUTHORIZED)] {
        own.server.clock.turn(Duration::from_secs(minutes * 60));
        assert_eq!(browser.send(Method::GET, NEW, FETCH, "").await.status, expected, "{minutes}");
    }
}

/// `jwt_claims_headers`, `pass_identity_headers`, `signing_key_file`, `xff_num_trusted_hops`, and
/// `set_response_headers` on the way back.
#[tokio::test]
async fn every_app_is_told_what_the_top_level_says_and_so_are_visitors() {
    let own = Own::open("globals").await;
    let (mut browser, _) = own.visit(NEW, ann()).await;
    let seen = browser.send(Method::GET, NEW, &[("x-forwarded-for", "203.0.113.9")], "").await;
    let told = |name: &str| field(&seen.body, name).unwrap_or_default();
    assert_eq!(told("x-pomerium-claim-email"), "ann@example.com");
    assert_eq!(told("x-pomerium-claim-groups"), "engineering,film");
    assert_eq!(told("x-forwarded-for"), "203.0.113.9, 127.0.0.1");
    let fields = (seen.field("x-frame-options"), seen.field("referrer-policy"));
    assert_eq!(fields, ("SAMEORIGIN", "same-origin"));
    let published = browser.fetch(&format!("{NEW}.well-known/pomerium/jwks.json")).await.json();
    let x = own.key.public_key_raw().get(1..33).unwrap();
    assert_eq!(published["keys"][0]["x"], BASE64_URL_SAFE_NO_PAD.encode(x), "the file's key");
    let assertion = told("x-pomerium-jwt-assertion");
    let head = BASE64_URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    assert_eq!(head["kid"], published["keys"][0]["kid"]);
}

/// `access_log_fields`, `authorize_log_fields`.
#[tokio::test]
async fn lines_have_the_fields_that_the_top_level_names_and_no_others() {
    let own = Own::open("globals").await;
    let (mut browser, _) = own.visit(NEW, ann()).await;
    let seen = browser.fetch(&format!("{NEW}film")).await;
    let line = |message: &'static str| {
        let records = || own.server.records(message).into_iter();
        eventually(message, move || records().find(|line| line["path"] == "/film"))
    };
    let (access, decision) = (line("http-request").await, line("authorize check").await);
    for (line, names, not) in [
        (&access, &["method", "authority", "path", "response-code", "duration"][..], "request-id"),
        (&decision, &["request-id", "method", "path", "host", "email"], "ip"),
    ] {
        assert!(names.iter().all(|name| line.get(name).is_some()), "{line}");
        assert_eq!(line.get(not), None, "{line}");
    }
    assert_eq!(decision["request-id"], seen.field("x-request-id"));
    assert_eq!(
        (&access["response-code"], &decision["email"]),
        (&json!(200), &"ann@example.com".into())
    );
}

/// `http_redirect_addr`.
#[tokio::test]
async fn plain_visitors_of_either_list_are_sent_to_https() {
    let own = Own::open("globals").await;
    let address = own.server.running().redirect_address().unwrap();
    for host in ["old.home.test", "new.home.test"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /a?b HTTP/1.1\r\nhost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 301 "), "{answer}");
        assert_eq!(field(&answer, "location"), Some(format!("https://{host}/a?b")));
    }
    assert!(own.app.heads().is_empty());
}

/// What Pomerium's own checks of its guides ask of a sign-in service of one's own.
#[tokio::test]
async fn a_sign_in_service_of_one_s_own_lets_in_whom_each_guide_s_check_names() {
    let own = Own::open("validation").await;
    let film = "https://jellyfin.home.test/";
    let authorize = own.begin(&mut own.browser(), film).await;
    let authorize = url::Url::parse(&authorize).unwrap();
    let scope = authorize.query_pairs().find(|(name, _)| name == "scope").unwrap().1;
    assert_eq!(scope, "openid profile email");
    let socket = [("connection", "upgrade"), ("upgrade", "websocket")];
    let host = own.app.address.to_string();
    for (url, host, stranger_s, opens_sockets, says_who) in [
        (film, "jellyfin.home.test", 200, true, false),
        ("https://openwebui.home.test/", &host, 403, false, true),
    ] {
        let (_, seen) = own.visit(url, stranger()).await;
        assert_eq!(seen.status.as_u16(), stranger_s, "{url}: {}", seen.body);
        let (mut browser, seen) = own.visit(url, ann()).await;
        assert_eq!(seen.status, StatusCode::OK, "{url}: {}", seen.body);
        assert_eq!(field(&seen.body, "host").as_deref(), Some(host), "{url}");
        let assertion = field(&seen.body, "x-pomerium-jwt-assertion");
        assert_eq!(assertion.is_some(), says_who, "{url}: {assertion:?}");
        let status = browser.send(Method::GET, url, &socket, "").await.status;
        assert_eq!(status != StatusCode::FORBIDDEN, opens_sockets, "{url}: {status}");
    }
}
