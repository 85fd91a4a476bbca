//! `usher check --live` as an operator types it: real sockets, no root, one line for each thing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods)] // stand-ins of a test are on their own

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use usher::request::record::moment;
use usher_lab::{
    ports::free_port,
    provider::{Dialect, FakeProvider},
    upstream::{Exchange, Upstream},
};
use usher_rules::time::UnixTime;

const USHER: &str = env!("CARGO_BIN_EXE_usher");

/// What `usher check --live --json` said of one thing.
struct Report {
    status: Option<i32>,
    lines: Vec<Value>,
}

impl Report {
    /// The one line about `about` whose subject holds `subject`.
    fn of(&self, about: &str, subject: &str) -> &Value {
        let is_it = |line: &&Value| {
            let named = line["subject"].as_str().unwrap();
            line["live"] == about && (named.starts_with(subject) || named.ends_with(subject))
        };
        let found: Vec<_> = self.lines.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{about} {subject}: {:#?}", self.lines);
        found[0]
    }

    #[track_caller]
    fn says(&self, about: &str, subject: &str, severity: &str, what: &str, help: &str) {
        let line = self.of(about, subject);
        assert_eq!(line["severity"], severity, "{line}");
        assert!(line["what"].as_str().unwrap().contains(what), "{what:?} in {line}");
        assert!(line["help"].as_str().unwrap().contains(help), "{help:?} in {line}");
        assert_eq!(line["help"] == "", severity == "ok", "what is wrong has a cure: {line}");
    }
}

struct Desk {
    dir: TempDir,
    port: u16,
}

impl Desk {
    fn new(config: &str) -> Self {
        let desk = Self { dir: TempDir::new().unwrap(), port: free_port().port() };
        let text = format!("address: 127.0.0.1:{}\n{config}", desk.port);
        fs::write(desk.dir.path().join("config.yaml"), text).unwrap();
        desk
    }

    fn usher(&self, args: &[&str]) -> Command {
        let mut command = Command::new(USHER);
        command.args(args).arg("--config").arg(self.dir.path().join("config.yaml"));
        command.arg("--data-dir").arg(self.dir.path().join("data"));
        command
    }

    /// Off the runtime, where the stand-ins live.
    async fn check(&self) -> Report {
        let mut command = self.usher(&["check", "--live", "--json"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let lines = lines.filter(|line: &Value| line["live"].is_string()).collect();
        Report { status: output.status.code(), lines }
    }

    /// Runs until it is dropped.
    fn run(&self) -> Running {
        let mut command = self.usher(&["run", "--log-format", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !lines.next().unwrap().unwrap().contains("\"serving\"") {}
        std::thread::spawn(move || lines.for_each(drop)); // a full pipe would stop it
        Running(child)
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped_already = self.0.wait();
    }
}

fn answers(status: u16) -> Upstream {
    Upstream::start(async move |exchange: &mut Exchange| exchange.reply(status, "", b"").await)
}

/// An app over TLS with a certificate of its own for `name`.
async fn over_tls(name: &str) -> SocketAddr {
    let pair = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let chain = vec![CertificateDer::from(pair.cert.der().to_vec())];
    let key = PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::task::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = [0; 4096];
                let _read = stream.read(&mut head).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _gone = stream.write_all(answer).await;
                let _gone = stream.shutdown().await;
            });
        }
    });
    address
}

fn route(host: &str, to: &str, more: &str) -> String {
    format!("- from: https://{host}.test\n  to: {to}\n  allow_any_authenticated_user: true\n{more}")
}

#[tokio::test]
async fn what_is_wrong_with_an_upstream_is_told_with_what_to_write() {
    let (good, broken, secure) = (answers(302), answers(500), over_tls("nas.test").await);
    let nobody = Upstream::nobody();
    let skip = "  tls_skip_verify: true\n";
    let routes = [
        route("good", &format!("http://{}", good.address), ""),
        route("broken", &format!("http://{}", broken.address), ""),
        route("gone", &format!("http://{nobody}"), ""),
        route("plain", &format!("https://{}/1", good.address), ""),
        route("tls", &format!("http://{secure}"), ""),
        route("unknown", &format!("https://{secure}/2"), ""),
        route("skipped", &format!("https://{secure}/3"), skip),
        route("nowhere", "http://no-such-app.invalid", ""),
    ];
    let desk = Desk::new(&format!("routes:\n{}", routes.concat()));
    let report = desk.check().await;
    for (name, severity, what, help) in [
        ("good", "ok", "302", ""),
        ("broken", "warning", "500", "logs"),
        ("gone", "error", "nobody listens", "start the app"),
        ("plain", "error", "does not speak TLS", "`http://`"),
        ("tls", "error", "speaks TLS", "`https://`"),
        ("unknown", "error", "nobody that this machine trusts", "tls_custom_ca_file"),
        ("skipped", "ok", "200", ""),
        ("nowhere", "error", "does not resolve", "`to`"),
    ] {
        report.says("upstream", &format!("(route {name})"), severity, what, help);
    }
    assert_eq!(report.status, Some(1));
    assert!(!desk.dir.path().join("data").exists(), "nothing is written");
}

#[tokio::test]
async fn a_port_is_free_or_somebody_has_it_who_is_named() {
    let good = answers(200);
    let routes = format!("routes:\n{}", route("tv", &format!("http://{}", good.address), ""));
    let (plain, figures) = (free_port().port(), free_port().port());
    let keys = format!(
        "http_redirect_addr: 127.0.0.1:{plain}\nmetrics_address: 127.0.0.1:{figures}\n{routes}"
    );
    let desk = Desk::new(&keys);
    let report = desk.check().await;
    report.says("port", "address ", "ok", "free", "");
    report.says("port", "http_redirect_addr", "ok", "free", "");
    report.says("certificate", "tv.test", "warning", "local authority", "usher trust");

    let running = desk.run();
    let report = desk.check().await;
    report.says("port", "address 127.0.0.1", "ok", "usher runs", "");
    report.says("port", "metrics_address", "ok", "usher that runs", "");
    report.says("certificate", "tv.test", "warning", "shown: signed by the local", "usher trust");
    drop(running);

    let other = TcpListener::bind(("127.0.0.1", desk.port)).unwrap();
    std::thread::spawn(move || other.incoming().for_each(drop));
    let metrics = TcpListener::bind(("127.0.0.1", figures)).unwrap();
    let report = desk.check().await;
    report.says("port", "address ", "error", "another program", "ss -ltnp");
    report.says("port", "metrics_address", "error", "another program", "`metrics_address`");
    assert_eq!(report.status, Some(1));
    drop(metrics);
}

#[tokio::test]
async fn a_certificate_is_judged_as_a_browser_does() {
    let folder = TempDir::new().unwrap();
    let mut keys = String::from("certificates:\n");
    let mut pair = |name: &str, end: i32| {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Home CA");
        params.not_after = rcgen::date_time_ymd(end, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        let [pem, der] = ["pem", "key"].map(|kind| folder.path().join(format!("{name}.{kind}")));
        fs::write(&pem, cert.pem()).unwrap();
        fs::write(&der, key.serialize_pem()).unwrap();
        keys += &format!("- {{cert: {}, key: {}}}\n", pem.display(), der.display());
        pem
    };
    let own = pair("own.test", 2090);
    pair("old.test", 2020);
    let trusted = format!("certificate_authority_file: {}\n", own.display());
    let routes: String =
        ["own", "old", "third"].map(|host| route(host, "http://127.0.0.1:1", "")).concat();
    let desk = Desk::new(&format!("{keys}routes:\n{routes}"));
    let before = desk.check().await;
    before.says("certificate", "own.test", "warning", "Home CA, whom this machine", "fullchain");
    before.says("certificate", "old.test", "error", "does not count today", "renew");
    before.says("certificate", "third.test", "warning", "the local authority will sign", "trust");
    let running = desk.run();
    let shown = desk.check().await;
    shown.says("certificate", "own.test", "warning", "shown: signed by Home CA", "fullchain");
    shown.says("certificate", "old.test", "error", "shown: it does not count today", "renew");
    drop((running, trusted));
}

/// Each by itself: one that is down takes no other along.
#[tokio::test]
async fn each_of_several_providers_is_asked() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let (home, work) =
        (FakeProvider::start(now).await.unwrap(), FakeProvider::start(now).await.unwrap());
    work.speaks(Dialect::GitHub);
    let nobody = format!("http://{}", Upstream::nobody());
    let entry = |name: &str, kind: &str, issuer: &str, secret: &str| {
        format!(
            "- name: {name}\n  idp_provider: {kind}\n  idp_provider_url: {issuer}\n  \
             idp_client_id: usher\n  idp_client_secret: \"{secret}\"\n"
        )
    };
    let (_, secret) = home.client();
    for (given, severity, what) in [
        (secret, "ok", "https://auth.test/oauth2/callback/work"),
        ("of-another", "error", "`idp_client_secret` anew"),
    ] {
        let report = Desk::new(&format!(
            "authenticate_service_url: https://auth.test\nidp_providers:\n{}{}{}routes:\n{}",
            entry("home", "oidc", home.issuer(), secret),
            entry("gone", "oidc", &nobody, secret),
            entry("work", "github", work.issuer(), given),
            route("tv", "http://127.0.0.1:1", "")
        ));
        let report = report.check().await;
        report.says("provider", home.issuer(), "ok", "https://auth.test/oauth2/callback", "");
        report.says("provider", &nobody, "error", "can't be reached", "idp_provider_url");
        let help = if severity == "ok" { "" } else { "check again" };
        report.says("provider", work.issuer(), severity, what, help);
    }
}

#[tokio::test]
async fn a_provider_is_asked_for_what_a_sign_in_begins_with() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let provider = FakeProvider::start(now).await.unwrap();
    let (id, secret) = provider.client();
    let with = |issuer: &str, secret: &str| {
        format!(
            "authenticate_service_url: https://auth.test\nidp_provider: oidc\nidp_provider_url: {issuer}\n\
             idp_client_id: {id}\nidp_client_secret: {secret}\nroutes:\n{}",
            route("tv", "http://127.0.0.1:1", "")
        )
    };
    let keys = |issuer: &str| with(issuer, secret);
    let report = Desk::new(&keys(provider.issuer())).check().await;
    report.says("provider", provider.issuer(), "ok", "discovery and keys", "");
    let report = Desk::new(&with(provider.issuer(), "of-another-client")).check().await;
    report.says("provider", provider.issuer(), "error", "`idp_client_secret` anew", "check again");

    // Within a minute its tokens count; beyond, in either direction, they do not.
    for (seconds, severity, what, help) in [
        (-45, "ok", "discovery and keys", ""),
        (45, "ok", "discovery and keys", ""),
        (-3600, "error", "nobody can sign in", "timedatectl"),
        (3600, "error", "nobody can sign in", "timedatectl"),
    ] {
        provider.shows_time(Some(now.saturating_add_signed(seconds)));
        let report = Desk::new(&keys(provider.issuer())).check().await;
        report.says("provider", provider.issuer(), severity, what, help);
        if severity == "error" {
            let said = report.of("provider", provider.issuer())["what"].as_str().unwrap();
            let theirs = UnixTime::from_seconds(now.saturating_add_signed(seconds));
            let theirs = moment(theirs);
            assert!(said.contains(&format!("its clock says {theirs}, this machine's ")), "{said}");
        }
    }
    provider.shows_time(None);

    provider.answers("/.well-known/openid-configuration", 404, None, "");
    let report = Desk::new(&keys(provider.issuer())).check().await;
    report.says("provider", provider.issuer(), "error", "404", "idp_provider_url");

    let nobody = format!("http://{}", Upstream::nobody());
    let report = Desk::new(&keys(&nobody)).check().await;
    report.says("provider", &nobody, "error", "can't be reached", "idp_provider_url");
}

#[tokio::test]
async fn a_host_that_nobody_finds_is_told() {
    let routes = [
        route("no-such-host-of-ours", "http://127.0.0.1:1", ""),
        route("x", "http://127.0.0.1:1", "").replace("x.test", "localhost"),
    ];
    let desk = Desk::new(&format!("routes:\n{}", routes.concat()));
    let report = desk.check().await;
    report.says("dns", "no-such-host-of-ours.test", "error", "does not resolve", "A or AAAA");
    report.says("dns", "localhost", "warning", "own machine", "for others");
}

#[test]
fn a_config_that_can_not_run_is_not_tried() {
    let desk = Desk::new("ruotes: [x]\n");
    let output = desk.usher(&["check", "--live"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(!text.contains("live:"), "{text}");
}
