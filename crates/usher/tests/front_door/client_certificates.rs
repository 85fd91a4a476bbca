//! Certificates that visitors show (`downstream_mtls`): asked for in the handshake, judged on each
//! request by the route that takes it.

use std::time::Duration;

use http::{Method, StatusCode};
use rustls::HandshakeKind;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{
    browser::{Browser, FETCH, NAVIGATION, Tls},
    client_ca::{ClientCa, ClientIdentity, date, dns, email},
    upstream::{Upstream, field},
};

use crate::{
    connections::wildcard,
    permits::{cinema, ended, film, rest},
    sockets,
    test_server::{TestServer, config, eventually, friends, public},
};

/// Files that a config names.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn put(&self, name: &str, text: &str) -> String {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }
}

/// `downstream_mtls` with this authority and these lines.
pub fn mtls(folder: &Folder, ca: &ClientCa, rest: &str) -> String {
    let file = folder.put("clients.pem", &ca.pem());
    format!("downstream_mtls:\n  ca_file: {file}\n{rest}")
}

/// Says `GET /` on a connection that stays, and gives the status.
async fn status(stream: &mut Tls, host: &str) -> Option<u16> {
    let head = format!("GET / HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        match stream.read_u8().await {
            Ok(octet) => answer.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = field(head, "content-length").and_then(|length| length.parse().ok());
    length == Some(body.len())
}

fn kind(stream: &Tls) -> HandshakeKind {
    stream.get_ref().1.handshake_kind().unwrap()
}

/// What a browser that shows this is answered, in a handshake of its own.
pub async fn answer(browser: &Browser, host: &str) -> Option<u16> {
    status(&mut browser.connect(host).await, host).await
}

/// A certificate that ends in an hour by the server's clock.
fn short_lived(server: &TestServer, ca: &ClientCa) -> ClientIdentity {
    use usher_rules::time::Clock as _;
    let end = server.clock.now().wall.plus(Duration::from_secs(3600));
    ca.issue(1, |params| params.not_after = date(end))
}

const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

#[tokio::test]
async fn who_shows_no_certificate_that_counts_is_told_so_on_every_route() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let (ca, other) = (ClientCa::new("Clients"), ClientCa::new("Clients of others"));
    let routes = [public("open.test", app.address), friends("tv.test", app.address)];
    let server = TestServer::open(&(mtls(&folder, &ca, "") + &config(&routes))).await;
    let nobody = server.browser();
    let own = nobody.showing(&ca.issue(1, |_| {}));
    let foreign = nobody.showing(&other.issue(2, |_| {}));

    for (browser, code) in
        [(&nobody, "client-certificate-required"), (&foreign, "invalid-client-certificate")]
    {
        for host in ["open.test", "tv.test"] {
            let mut browser = browser.clone();
            let url = format!("https://{host}/");
            let page = browser.send(Method::GET, &url, NAVIGATION, "").await;
            assert_eq!(page.status.as_u16(), 495, "no redirect to a sign-in: {}", page.body);
            assert!(page.body.contains("certificate"), "{}", page.body);
            assert_eq!(page.field("connection"), "close", "it takes a new handshake");
            let json = browser.send(Method::GET, &url, &[("accept", "application/json")], "").await;
            assert_eq!(json.status.as_u16(), 495);
            let told = json.json();
            assert!(told["type"].as_str().unwrap().ends_with(code), "{told}");
            let words = "a valid client certificate is required to access this page";
            assert_eq!(told["error"], words, "{told}");
            let (decision, access) = server.recorded(json.field("x-request-id")).await;
            assert_eq!(decision["verdict"], "show-certificate", "{decision}");
            assert_eq!(decision["deny-why-true"], json!([code]), "{decision}");
            assert_eq!(decision["rule"], "downstream_mtls", "{decision}");
            assert_eq!(access["response-code"], 495, "{access}");
        }
    }
    assert_eq!(answer(&own, "open.test").await, Some(200));
    let sign_in = own.clone().send(Method::GET, "https://tv.test/", NAVIGATION, "").await;
    assert_eq!(sign_in.status, StatusCode::FOUND, "a certificate is no session");
    assert!(app.heads().len() == 1, "nobody else came through");

    // Our own pages are open to all, as in the real server: who has no certificate reads why.
    for path in ["/ping", "/.pomerium/"] {
        let page = nobody.clone().fetch(&format!("https://tv.test{path}")).await;
        assert_ne!(page.status.as_u16(), 495, "{path}");
    }
    let over_http2 = nobody.over_http2().fetch("https://open.test/").await;
    assert_eq!(over_http2.status.as_u16(), 495);
    let over_http2 = own.over_http2().fetch("https://open.test/").await;
    assert_eq!(over_http2.status, StatusCode::OK);
}

#[tokio::test]
async fn with_enforcement_policy_only_rules_ask_for_certificates() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let (ca, other) = (ClientCa::new("Clients"), ClientCa::new("Clients of others"));
    let route = |host: &str, policy: &str| {
        let (to, rest) = (app.address, "policy: [{allow: {or: [");
        format!("- from: https://{host}\n  to: http://{to}\n  {rest}{policy}]}}}}]\n")
    };
    let text = mtls(&folder, &ca, "  enforcement: policy\n")
        + &config(&[
            public("open.test", app.address),
            route("laptop.test", "{client_certificate: {san_dns: laptop.home.test}}"),
        ]);
    let server = TestServer::open(&text).await;
    let laptop = |ca: &ClientCa| {
        let with = |params: &mut rcgen::CertificateParams| {
            params.subject_alt_names = vec![dns("laptop.home.test")];
        };
        server.browser().showing(&ca.issue(1, with))
    };
    assert_eq!(answer(&server.browser(), "open.test").await, Some(200));
    assert_eq!(answer(&server.browser(), "laptop.test").await, Some(403));
    assert_eq!(answer(&laptop(&ca), "laptop.test").await, Some(200));
    // In the real server the name alone is enough, whoever signed it.
    assert_eq!(answer(&laptop(&other), "laptop.test").await, Some(403));
    let plain = server.browser().showing(&ca.issue(2, |_| {}));
    assert_eq!(answer(&plain, "laptop.test").await, Some(403));
}

/// A ticket brings the certificate along, and nothing of what was found of it.
#[tokio::test]
async fn a_resumed_connection_is_judged_anew() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let ca = ClientCa::new("Clients");
    let routes = config(&[public("tv.test", app.address)]);
    let server = TestServer::open(&(mtls(&folder, &ca, "") + &routes)).await;
    let identity = short_lived(&server, &ca);
    let browser = server.browser().showing(&identity);

    let mut first = browser.connect("tv.test").await;
    assert_eq!(status(&mut first, "tv.test").await, Some(200));
    assert_eq!(kind(&first), HandshakeKind::Full);
    let mut second = browser.connect("tv.test").await;
    assert_eq!(status(&mut second, "tv.test").await, Some(200), "it is known without being shown");
    assert_eq!(kind(&second), HandshakeKind::Resumed);

    server.clock.turn(TWO_HOURS);
    for live in [&mut first, &mut second] {
        assert_eq!(status(live, "tv.test").await, Some(495), "it has ended meanwhile");
    }
    let mut third = browser.connect("tv.test").await;
    assert_eq!(status(&mut third, "tv.test").await, Some(495));
    assert_eq!(kind(&third), HandshakeKind::Resumed, "the end is seen in what was brought along");
}

/// What was found by one list of revoked certificates is worth nothing by the next one: neither on a
/// connection that lives, nor by a ticket.
#[tokio::test]
async fn a_certificate_that_is_taken_back_counts_no_more_after_a_reload() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let ca = ClientCa::new("Clients");
    let (lost, kept) = (ca.issue(7, |_| {}), ca.issue(8, |_| {}));
    let routes = config(&[public("tv.test", app.address)]);
    let with = |list: &str| {
        let list = folder.put("clients.crl", list);
        mtls(&folder, &ca, &format!("  crl_file: {list}\n")) + &routes
    };
    let server = TestServer::open(&with(&ca.revoke(&[]))).await;
    let (lost, kept, taken) =
        (server.browser().showing(&lost), server.browser().showing(&kept), ca.revoke(&[&lost]));
    let mut live = lost.connect("tv.test").await;
    assert_eq!(status(&mut live, "tv.test").await, Some(200));
    assert_eq!(answer(&kept, "tv.test").await, Some(200));

    server.reload(&with(&ca.revoke(&[]))).unwrap();
    let mut same = lost.connect("tv.test").await;
    assert_eq!(status(&mut same, "tv.test").await, Some(200));
    assert_eq!(
        kind(&same),
        HandshakeKind::Resumed,
        "a reload that changes nothing ends no session"
    );

    server.reload(&with(&taken)).unwrap();
    assert_eq!(status(&mut live, "tv.test").await, Some(495), "on a connection that lives");
    let mut again = lost.connect("tv.test").await;
    assert_eq!(status(&mut again, "tv.test").await, Some(495), "and on a new one");
    assert_eq!(kind(&again), HandshakeKind::Full, "no ticket of before is taken");
    assert_eq!(answer(&kept, "tv.test").await, Some(200), "whoever was not taken back goes on");
}

/// Who was not asked, since nobody was, is asked as soon as somebody is.
#[tokio::test]
async fn a_ticket_of_before_certificates_were_asked_for_resumes_nothing() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let ca = ClientCa::new("Clients");
    let routes = config(&[public("tv.test", app.address)]);
    let server = TestServer::open(&routes).await;
    let browser = server.browser().showing(&ca.issue(1, |_| {}));
    assert_eq!(answer(&browser, "tv.test").await, Some(200));
    server.reload(&(mtls(&folder, &ca, "") + &routes)).unwrap();
    let mut asked = browser.connect("tv.test").await;
    assert_eq!(status(&mut asked, "tv.test").await, Some(200));
    assert_eq!(kind(&asked), HandshakeKind::Full);
}

#[tokio::test]
async fn reject_connection_refuses_the_handshake_and_every_resumption() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let (ca, other) = (ClientCa::new("Clients"), ClientCa::new("Clients of others"));
    let routes = config(&[public("tv.test", app.address)]);
    let text = mtls(&folder, &ca, "  enforcement: reject_connection\n") + &routes;
    let server = TestServer::open(&text).await;
    let identity = short_lived(&server, &ca);
    let own = server.browser().showing(&identity);
    let foreign = server.browser().showing(&other.issue(1, |_| {}));
    assert_eq!(answer(&server.browser(), "tv.test").await, None, "none was shown");
    assert_eq!(answer(&foreign, "tv.test").await, None, "somebody else's");
    let mut first = own.connect("tv.test").await;
    assert_eq!(status(&mut first, "tv.test").await, Some(200));
    let mut second = own.connect("tv.test").await;
    assert_eq!(status(&mut second, "tv.test").await, Some(200));
    assert_eq!(kind(&second), HandshakeKind::Resumed);
    server.clock.turn(TWO_HOURS);
    assert_eq!(status(&mut first, "tv.test").await, Some(495), "the connection was there before");
    let mut third = own.connect("tv.test").await;
    assert_eq!(kind(&third), HandshakeKind::Resumed);
    assert_eq!(status(&mut third, "tv.test").await, None, "nothing is said on it");
    let refused = || server.records("handshake-refused");
    let told = eventually("all are on record", || (refused().len() == 3).then(refused)).await;
    let why: Vec<&str> = told.iter().map(|line| line["problem"].as_str().unwrap()).collect();
    assert_eq!(
        why,
        [
            "it showed no certificate",
            "no authority of `downstream_mtls` vouches for its certificate",
            "its certificate is out of its time",
        ]
    );
    assert!(told[0]["connection"].as_str().unwrap().starts_with("127.0.0.1:"), "{told:?}");
}

#[tokio::test]
async fn a_socket_ends_with_its_certificate_and_a_film_does_not() {
    let ((upstream, pieces), echo, folder) = (cinema(), sockets::echo(), Folder::new());
    let ca = ClientCa::new("Clients");
    let routes = [public("tv.test", upstream.address), public("echo.test", echo.address)];
    let with = |list: &str| {
        let list = folder.put("clients.crl", list);
        mtls(&folder, &ca, &format!("  crl_file: {list}\n")) + &config(&routes)
    };
    let server = TestServer::open(&with(&ca.revoke(&[]))).await;
    let identity = short_lived(&server, &ca);
    let browser = server.browser().showing(&identity);
    let mut socket = sockets::open(&browser, "echo.test").await;
    sockets::says_back(&mut socket, "open").await;
    let mut plays = film(&browser).await;
    server.clock.turn(TWO_HOURS);
    sockets::ends(&mut socket).await;
    ended(&server, "/socket", "permit_ended_certificate", 1).await;
    pieces.add_permits(1);
    let mut four = [0; 4];
    plays.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"four", "it plays to its end");

    server.reload(&with(&ca.revoke(&[&identity]))).unwrap();
    assert_eq!(rest(&mut plays).await, "", "what was taken back ends at once");
    ended(&server, "/film", "permit_ended_certificate", 1).await;
}

/// A browser sends requests for every host of a certificate over one connection (RFC 9113 §9.1.1):
/// each is judged by the authority of its own route.
#[tokio::test]
async fn coalesced_requests_are_judged_by_their_own_route_s_authority() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let (ca, own) = (ClientCa::new("Clients"), ClientCa::new("Clients of one route"));
    let strict = public("strict.home.test", app.address)
        + &format!("  tls_downstream_client_ca_file: {}\n", folder.put("own.pem", &own.pem()));
    let text = wildcard(&folder.0)
        + &mtls(&folder, &ca, "")
        + &config(&[public("open.home.test", app.address), strict]);
    let server = TestServer::open(&text).await;
    let trusting = Browser::new(server.address(), &folder.0.path().join("ca.pem"));
    for (identity, open, strict) in
        [(ca.issue(1, |_| {}), 200, 495), (own.issue(2, |_| {}), 495, 200)]
    {
        let browser = trusting.showing(&identity);
        for sni in ["open.home.test", "strict.home.test"] {
            for (host, expected) in [("open.home.test", open), ("strict.home.test", strict)] {
                let mut stream = browser.connect(sni).await;
                let found = status(&mut stream, host).await;
                assert_eq!(found, Some(expected), "{host} over {sni}");
            }
        }
    }
}

/// What an upstream is told of a certificate is what usher found, and never what a client says.
#[tokio::test]
async fn the_upstream_is_told_of_valid_certificates_only() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let (ca, other) = (ClientCa::new("Clients"), ClientCa::new("Clients of others"));
    let route = public("tv.test", app.address)
        + "  set_request_headers:
    X-Print: ${pomerium.client_cert_fingerprint}
    X-Dns: ${pomerium.client_cert_san_dns}
    X-Email: ${pomerium.client_cert_san_email}
";
    let text = mtls(&folder, &ca, "  enforcement: policy\n") + &config(&[route]);
    let server = TestServer::open(&text).await;
    let named = |ca: &ClientCa| {
        let names = || vec![dns("a.test"), dns("b.test"), email("a@x.test"), email("b,c@x.test")];
        ca.issue(1, |params| params.subject_alt_names = names())
    };
    let forged = [
        ("x-forwarded-client-cert", "Subject=\"CN=admin\""),
        ("client-cert", ":AAAA:"),
        ("x-client-cert", "AAAA"),
        ("x-dns", "admin.test"),
        ("x_dns", "admin.test"),
    ];
    for (identity, told) in [(named(&ca), true), (named(&other), false)] {
        let mut browser = server.browser().showing(&identity);
        let fields = [FETCH, &forged].concat();
        let seen = browser.send(Method::GET, "https://tv.test/", &fields, "").await;
        assert_eq!(seen.status, StatusCode::OK);
        let of = |name: &str| field(&seen.body, name).unwrap_or_default().to_owned();
        let (dns, email) = if told { ("a.test,b.test", "a@x.test") } else { ("", "") };
        assert_eq!((&*of("x-dns"), &*of("x-email")), (dns, email), "{}", seen.body);
        assert_eq!(of("x-print").len(), if told { 64 } else { 0 }, "{}", seen.body);
        assert!(!seen.body.contains("admin") && !seen.body.contains("AAAA"), "{}", seen.body);
    }
}

#[tokio::test]
async fn the_access_line_names_the_certificate_where_it_is_asked_for() {
    let (app, folder) = (Upstream::echo(), Folder::new());
    let ca = ClientCa::new("Clients");
    let text = "access_log_fields: [request-id, client-certificate]\n".to_owned()
        + &mtls(&folder, &ca, "  enforcement: policy\n")
        + &config(&[public("tv.test", app.address)]);
    let server = TestServer::open(&text).await;
    let identity = ca.issue(1, |params| params.subject_alt_names = vec![dns("a.test")]);
    let seen = server.browser().showing(&identity).fetch("https://tv.test/").await;
    let (_, access) = server.recorded(seen.field("x-request-id")).await;
    let told = &access["client-certificate"];
    assert_eq!(told["issuer"], "CN=Clients", "{access}");
    assert_eq!(told["subject"], "CN=client 1", "{access}");
    assert_eq!(told["subjectAltName"], json!(["a.test"]), "{access}");
    let seen = server.browser().fetch("https://tv.test/").await;
    let (_, access) = server.recorded(seen.field("x-request-id")).await;
    assert_eq!(access["client-certificate"], json!({}), "{access}");
}
