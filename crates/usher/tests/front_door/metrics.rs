//! `metrics_address`: who may read figures, what they say, and that visitors can't swell them.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use usher_lab::upstream::Upstream;

use crate::test_server::{TestServer, config, eventually, friends, plan, problems, public};

const OPEN: &str = "metrics_address: 127.0.0.1:9090\n";

fn address(server: &TestServer) -> SocketAddr {
    server.running().metrics_address().unwrap()
}

/// What stands in the answer to one request.
async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
) -> std::io::Result<String> {
    stream.write_all(format!("{head}\r\nhost: figures\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn get(address: SocketAddr, head: &str) -> String {
    ask(TcpStream::connect(address).await.unwrap(), head).await.unwrap()
}

pub async fn figures(server: &TestServer) -> String {
    let answer = get(address(server), "GET /metrics HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    answer
}

/// The value of one series.
pub fn value(figures: &str, series: &str) -> f64 {
    let line = figures.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{figures}")).parse().unwrap()
}

#[tokio::test]
async fn requests_and_decisions_are_counted_by_route() {
    let upstream = Upstream::echo();
    let routes = [public("open.test", upstream.address), friends("tv.test", upstream.address)];
    let server = TestServer::open(&format!("{OPEN}{}", config(&routes))).await;
    let mut browser = server.browser();
    for _ in 0..3 {
        assert_eq!(browser.fetch("https://open.test/").await.status, StatusCode::OK);
    }
    assert_eq!(browser.fetch("https://tv.test/").await.status, StatusCode::UNAUTHORIZED);
    let figures = figures(&server).await;
    for (series, expected) in [
        (r#"usher_requests_total{route="open",status="2xx"}"#, 3.0),
        (r#"usher_requests_total{route="tv",status="4xx"}"#, 1.0),
        (r#"usher_requests_total{route="tv",status="2xx"}"#, 0.0),
        (r#"usher_decisions_total{route="open",verdict="allow"}"#, 3.0),
        (r#"usher_decisions_total{route="tv",verdict="sign-in"}"#, 1.0),
        (r#"usher_request_duration_seconds_count{route="open"}"#, 3.0),
        ("pomerium_config_last_reload_success", 1.0),
        ("usher_routes", 2.0),
    ] {
        assert!((value(&figures, series) - expected).abs() < f64::EPSILON, "{series}\n{figures}");
    }
    assert!(value(&figures, r#"usher_sent_bytes_total{route="open"}"#) > 0.0);
    let authority = r#"usher_certificate_not_after_timestamp_seconds{host="tv.test",source="local",issuer="usher local authority"}"#;
    assert!(value(&figures, authority) > 1e9);
}

/// The real server labels figures with the `Host` of whoever comes: unbounded.
#[tokio::test]
async fn visitors_make_no_series() {
    let upstream = Upstream::echo();
    let routes = ["tv.test", "'*.wild.test'"].map(|host| public(host, upstream.address));
    let routes = routes.map(|route| route.replace("https://'*", "'https://*"));
    let server = TestServer::open(&format!("{OPEN}{}", config(&routes))).await;
    let series = |figures: &str| figures.lines().filter(|line| !line.starts_with('#')).count();
    let before = series(&figures(&server).await);
    let mut browser = server.browser();
    for number in 0..20 {
        browser.fetch(&format!("https://canary-{number}.wild.test/canary-{number}?canary=1")).await;
        browser.fetch(&format!("https://tv.test/canary-{number}?api_key=canary")).await;
    }
    let after = figures(&server).await;
    assert_eq!(series(&after), before);
    assert!(!after.contains("canary"), "{after}");
}

/// T17, CVE-2022-24797: the address that everybody reaches serves no figures.
#[tokio::test]
async fn t17_the_public_address_serves_no_figures() {
    let upstream = Upstream::echo();
    let server =
        TestServer::open(&format!("{OPEN}{}", config(&[public("tv.test", upstream.address)])))
            .await;
    let mut browser = server.browser();
    for path in ["/metrics", "/metrics/envoy", "/.pomerium/metrics", "/debug/pprof/"] {
        let seen = browser.fetch(&format!("https://tv.test{path}")).await;
        assert!(!seen.body.contains("usher_requests"), "{path}: {}", seen.body);
    }
    // And the other way round: what reads figures gets nothing else.
    for (head, status) in [
        ("GET / HTTP/1.1", "404"),
        ("GET /.pomerium/ HTTP/1.1", "404"),
        ("POST /metrics HTTP/1.1\r\ncontent-length: 0", "405"),
    ] {
        let answer = get(address(&server), head).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
    }
}

#[tokio::test]
async fn off_unless_it_is_asked_for() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    assert!(server.running().metrics_address().is_none());
}

#[tokio::test]
async fn a_password_is_asked_for_and_a_reload_changes_it() {
    let upstream = Upstream::echo();
    let routes = config(&[public("tv.test", upstream.address)]);
    let with =
        |pair: &str| format!("{OPEN}metrics_basic_auth: {}\n{routes}", STANDARD.encode(pair));
    let server = TestServer::open(&with("reader:canary-secret")).await;
    let status = async |authorization: &str| {
        let answer = get(address(&server), &format!("GET /metrics HTTP/1.1{authorization}")).await;
        assert!(!answer.contains("canary"), "{answer}");
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let basic = |pair: &str| format!("\r\nauthorization: Basic {}", STANDARD.encode(pair));
    for wrong in [
        String::new(),
        basic("reader:wrong"),
        basic("reader:canary-secret "),
        basic("reader:"),
        format!("\r\nauthorization: Bearer {}", STANDARD.encode("reader:canary-secret")),
        "\r\nauthorization: Basic %%%".to_owned(),
    ] {
        assert_eq!(status(&wrong).await, "401", "{wrong}");
    }
    assert_eq!(status(&basic("reader:canary-secret")).await, "200");
    server.running().reload(plan(&with("reader:another"))).unwrap();
    assert_eq!(status(&basic("reader:canary-secret")).await, "401");
    assert_eq!(status(&basic("reader:another")).await, "200");
    // Figures elsewhere wait for a restart, and so does what the config says of who may read there.
    let elsewhere = format!("metrics_address: 127.0.0.1:9091\n{routes}");
    let mut elsewhere = plan(&elsewhere);
    elsewhere.listen.metrics.as_mut().unwrap().address = "127.0.0.1:1".into();
    server.running().reload(elsewhere).unwrap();
    assert_eq!(status("").await, "401");
    // Without the key the listener stays until a restart, and so does the password.
    server.running().reload(plan(&routes)).unwrap();
    assert_eq!(status("").await, "401");
    assert_eq!(status(&basic("reader:another")).await, "200");
}

#[tokio::test]
async fn a_reload_keeps_counts_and_forgets_routes_that_are_gone() {
    let upstream = Upstream::echo();
    let both = [public("a.test", upstream.address), public("b.test", upstream.address)];
    let server = TestServer::open(&format!("{OPEN}{}", config(&both))).await;
    let mut browser = server.browser();
    browser.fetch("https://a.test/").await;
    browser.fetch("https://b.test/").await;
    server.running().reload(plan(&format!("{OPEN}{}", config(&both[..1])))).unwrap();
    let told = figures(&server).await;
    let of_a = r#"usher_requests_total{route="a",status="2xx"}"#;
    assert!((value(&told, of_a) - 1.0).abs() < f64::EPSILON);
    assert!(!told.contains(r#"route="b""#), "{told}");
    assert!((value(&told, r#"usher_config_reloads_total{outcome="success"}"#) - 1.0).abs() < 0.1);
    server.running().reload_failed();
    let told = figures(&server).await;
    assert!(value(&told, "pomerium_config_last_reload_success").abs() < f64::EPSILON);
}

#[tokio::test]
async fn over_tls_with_a_certificate_of_the_reader() {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.into()]).unwrap();
        (leaf.signed_by(&key, &authority).unwrap(), key)
    };
    let (server, server_key) = signed("figures.test");
    let pem = [server.pem(), server_key.serialize_pem(), authority.pem()];
    let names = ["metrics_certificate", "metrics_certificate_key", "metrics_client_ca"];
    let folder = tempfile::TempDir::new().unwrap();
    let (mut inline, mut files) = (String::new(), String::new());
    for (name, pem) in names.iter().zip(&pem) {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        inline += &format!("{name}: {}\n", STANDARD.encode(pem));
        files += &format!("{name}_file: {}\n", path.display());
    }
    for keys in [inline, files] {
        let routes = config(&[public("tv.test", Upstream::echo().address)]);
        readers_show_a_certificate(&format!("{OPEN}{keys}{routes}"), &authority, signed).await;
    }
}

type Pair = (Certificate, KeyPair);

async fn readers_show_a_certificate(
    text: &str,
    authority: &CertifiedIssuer<'_, KeyPair>,
    signed: impl Fn(&str) -> Pair,
) {
    let server = TestServer::open(text).await;
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let client = |own: Option<(CertificateDer<'static>, KeyPair)>| {
        let client = ClientConfig::builder().with_root_certificates(roots.clone());
        Arc::new(match own {
            Some((certificate, key)) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                client.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => client.with_no_client_auth(),
        })
    };
    let read = async |client: &Arc<ClientConfig>| {
        let stream = TcpStream::connect(address(&server)).await?;
        let name = ServerName::try_from("figures.test").unwrap();
        let stream = TlsConnector::from(Arc::clone(client)).connect(name, stream).await?;
        let kind = stream.get_ref().1.handshake_kind();
        ask(stream, "GET /metrics HTTP/1.1").await.map(|answer| (answer, kind))
    };
    let (reader, reader_key) = signed("reader");
    let good = client(Some((reader.der().clone(), reader_key)));
    for _ in 0..2 {
        let (answer, kind) = read(&good).await.unwrap();
        assert!(answer.contains("usher_requests_total"), "{answer}");
        // Whose certificate is asked for is never let in by what an earlier handshake left.
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    }
    assert!(read(&client(None)).await.is_err(), "nobody is let in without a certificate");
    let stranger_key = KeyPair::generate().unwrap();
    let stranger = CertificateParams::new(vec!["reader".into()]).unwrap();
    let stranger = stranger.self_signed(&stranger_key).unwrap();
    assert!(read(&client(Some((stranger.der().clone(), stranger_key)))).await.is_err());
}

/// Half a pair of TLS files is an error (the real server goes on without TLS), and so is a pair
/// that can't be used: figures are never plain where TLS is asked for.
#[test]
fn a_bad_certificate_stops_the_start() {
    let pem = |label: &str| {
        STANDARD.encode(format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n"))
    };
    let text = format!(
        "{OPEN}metrics_certificate: {}\nmetrics_certificate_key: {}\n{}",
        pem("CERTIFICATE"),
        pem("PRIVATE KEY"),
        config(&[public("tv.test", Upstream::echo().address)])
    );
    let problems = problems(&text);
    let told = problems.iter().find(|problem| problem.code == "U216").unwrap();
    assert!(told.what.contains("`metrics_certificate_key`"), "{told:?}");
    assert!(told.help.contains("PEM"), "{told:?}");
}

/// Invariant 13: what is told is documented, and what is documented is told.
#[tokio::test]
async fn no_name_is_an_orphan() {
    let upstream = Upstream::echo();
    let text = format!(
        "{OPEN}autocert: true\nautocert_ca: https://127.0.0.1:9/directory\n{}",
        config(&[public("tv.example.com", upstream.address)
            + "  shadow_policy: {allow: {or: [{accept: true}]}}\n"])
    );
    let server = TestServer::open(&text).await;
    server.running().reload_failed();
    // An order that fails has a next one.
    let failed = || server.records("certificate").into_iter().find(|line| !line["cause"].is_null());
    eventually("an order that fails", failed).await;
    let figures = figures(&server).await;
    let told: BTreeSet<String> = figures
        .lines()
        .filter(|line| line.starts_with("usher_") || line.starts_with("pomerium_"))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .map(|name| {
            ["_bucket", "_count", "_sum"].iter().fold(name, |name, end| name.trim_end_matches(end))
        })
        .map(str::to_owned)
        .collect();
    let page = include_str!("../../../../docs/reference/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<String> = rows.map(str::to_owned).collect();
    assert_eq!(told, documented);
}
