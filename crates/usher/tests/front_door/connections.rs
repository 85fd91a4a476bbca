//! What belongs to a client's connection: whom its certificate speaks for, what it may take back,
//! how it ends.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::{body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use usher_lab::{
    browser::{Browser, Tls},
    patience::within,
    upstream::{Exchange, Upstream},
};

use crate::test_server::{TestServer, config, friends, public};

pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// An HTTP/2 frame (RFC 9113 §4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET path` for a host, without indexing (RFC 7541 §6.2.2).
pub fn get(stream: u32, host: &str, path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let head = [&[0x82, 0x87, 0x04][..], &text(path), &[0x01], &text(host)].concat();
    frame(HEADERS, 5, stream, &head)
}

pub fn preface() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, b"")].concat()
}

/// The next frame: kind, flags, stream and payload.
pub async fn next(stream: &mut Tls) -> std::io::Result<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await?;
    let id = u32::from_be_bytes(head[5..9].try_into().unwrap());
    Ok((head[3], head[4], id, payload))
}

/// Reads frames until one is of this kind and stream.
pub async fn await_frame(stream: &mut Tls, kind: u8, id: u32) -> Vec<u8> {
    let found = async {
        loop {
            let (came, _, on, payload) = next(stream).await.expect("the connection lives");
            assert!(came != GOAWAY, "GOAWAY {payload:?}");
            if (came, on) == (kind, id) {
                return payload;
            }
        }
    };
    within("a frame", found).await
}

/// The certificate of `*.home.test`, its key, and the authority's, as files.
pub fn wildcard(folder: &TempDir) -> String {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["*.home.test".into()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("ca.pem"), authority.pem()).unwrap();
    std::fs::write(at("leaf.pem"), leaf.pem()).unwrap();
    std::fs::write(at("leaf.key"), key.serialize_pem()).unwrap();
    format!(
        "certificate_file: {}\ncertificate_key_file: {}\n",
        at("leaf.pem").display(),
        at("leaf.key").display()
    )
}

/// Asks for `host` on a connection that was made for another, and gives the status.
async fn over_http1(browser: &Browser, sni: &str, host: &str, path: &str) -> String {
    let mut stream = browser.connect(sni).await;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The same over HTTP/2, behind a request for the host that the connection was made for.
async fn over_http2(browser: &Browser, sni: &str, host: &str, path: &str) -> String {
    let io = TokioIo::new(browser.connect_http2(sni).await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let mut status = String::new();
    for (host, path) in [(sni, "/"), (host, path)] {
        let request = Request::get(format!("https://{host}{path}")).body(Empty::<Bytes>::new());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        status = response.status().as_u16().to_string();
    }
    status
}

/// Browsers send requests for every host that a certificate speaks for over one connection, and
/// Safari does not come back after a 421.
#[tokio::test]
async fn one_certificate_for_several_hosts_serves_them_on_one_connection() {
    let upstream = Upstream::echo();
    let folder = TempDir::new().unwrap();
    let routes = ["a.home.test", "b.home.test", "a.b.home.test", "own.test"]
        .map(|host| public(host, upstream.address))
        .into_iter()
        .chain([friends("gated.home.test", upstream.address)])
        .collect::<Vec<_>>();
    let globals = "authenticate_service_url: https://auth.home.test\n";
    let text = format!("{}{globals}{}", wildcard(&folder), config(&routes));
    let server = TestServer::open(&text).await;
    let browser = Browser::new(server.address(), &folder.path().join("ca.pem"));
    for (host, path, status, why) in [
        ("a.home.test", "/", "200", "whom it was made for"),
        ("b.home.test", "/", "200", "the certificate speaks for it"),
        ("B.Home.test", "/", "200", "in capitals"),
        ("auth.home.test", "/.pomerium/sign_in", "200", "the host for signing in answers"),
        ("none.home.test", "/", "404", "as on a connection of its own"),
        ("a.b.home.test", "/", "421", "a wildcard stands for one label"),
        ("home.test", "/", "421", "and not for none"),
        ("own.test", "/", "421", "it has another certificate"),
        ("127.0.0.1", "/", "421", "an address is no name"),
    ] {
        let sni = "a.home.test";
        assert_eq!(over_http1(&browser, sni, host, path).await, status, "{host}: {why}");
        assert_eq!(over_http2(&browser, sni, host, path).await, status, "{host}: {why}, HTTP/2");
    }
    // The local authority's certificates are for one host each.
    let of_ours = server.browser();
    assert_eq!(over_http1(&of_ours, "own.test", "a.home.test", "/").await, "421");
}

/// What a page may ask for at once it may take back at once, and the film beside it plays on.
#[tokio::test]
async fn bursts_of_cancelled_requests_cut_no_stream() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        if exchange.target().1 == "/film" {
            exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").await?;
            exchange.hung_up().await;
            return Ok(());
        }
        exchange.hung_up().await;
        Ok(())
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stream = server.browser().connect_http2("tv.test").await;
    stream.write_all(&[preface(), get(1, "tv.test", "/film")].concat()).await.unwrap();
    await_frame(&mut stream, HEADERS, 1).await;
    let mut id = 1;
    for burst in [22, 99, 99, 99, 99] {
        let mut bytes = Vec::new();
        for _ in 0..burst {
            id += 2;
            bytes.extend(get(id, "tv.test", "/x"));
            bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
        }
        id += 2;
        bytes.extend(get(id, "tv.test", "/.pomerium/none"));
        stream.write_all(&bytes).await.unwrap();
        await_frame(&mut stream, HEADERS, id).await;
    }
    let (mut last, flood) = (id, 20_000);
    for _ in 0..flood / 50 {
        let mut bytes = Vec::new();
        for _ in 0..50 {
            last += 2;
            bytes.extend(get(last, "tv.test", "/x"));
            bytes.extend(frame(RST_STREAM, 0, last, &8_u32.to_be_bytes()));
        }
        if stream.write_all(&bytes).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut rest = Vec::new();
    let ending = stream.read_to_end(&mut rest);
    let _cut = within("a flood without a pause ends its connection", ending).await;
    assert_eq!(server.browser().fetch("https://tv.test/ping").await.status, StatusCode::OK);
}

/// What comes together with its reset costs the upstream nothing: else a flood of them takes its
/// connections from everybody (CVE-2023-44487).
#[tokio::test]
async fn requests_that_come_with_their_reset_reach_no_upstream() {
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reached);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        counter.fetch_add(1, Ordering::Relaxed);
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stream = server.browser().connect_http2("tv.test").await;
    let mut bytes = preface();
    for number in 0..50 {
        let id = 2 * number + 1;
        bytes.extend(get(id, "tv.test", "/x"));
        bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    bytes.extend(get(101, "tv.test", "/last"));
    stream.write_all(&bytes).await.unwrap();
    await_frame(&mut stream, HEADERS, 101).await;
    assert_eq!(reached.load(Ordering::Relaxed), 1, "only what was not taken back");
}

/// Sends a head that announces a body, and all of the body, as a client does that does not look
/// at what comes before it is done.
async fn upload(browser: &Browser, host: &str, path: &str, length: usize) -> String {
    let mut stream = browser.connect(host).await;
    let head = format!("PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (piece, mut left) = (vec![b'x'; 64 * 1024], length);
    while left > 0 {
        let n = left.min(piece.len());
        stream.write_all(&piece[..n]).await.expect("nobody hangs up on an upload");
        left -= n;
    }
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("the answer is not lost"));
    }
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned()
}

/// RFC 9112 §9.6: who answers before the end of a request reads on for a while before it closes.
#[tokio::test]
async fn answers_before_the_end_of_an_upload_arrive() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.reply(413, "connection: close\r\n", b"too much").await?;
        exchange.hung_up().await;
        Ok(())
    });
    let routes = [
        public("app.test", upstream.address),
        friends("gated.test", upstream.address),
        public("down.test", Upstream::nobody()),
    ];
    let server = TestServer::open(&config(&routes)).await;
    let browser = server.browser();
    for round in 0..4 {
        for (host, path, status) in [
            ("app.test", "/", "413"),
            ("gated.test", "/", "401"),
            ("down.test", "/", "503"),
            ("app.test", "/.pomerium/none", "413"),
            ("app.test", "/%2e%2e%2f", "400"),
        ] {
            let came = upload(&browser, host, path, 8 << 20).await;
            assert_eq!(came, status, "{host}{path}, round {round}");
        }
    }
}

/// A browser that was sent to `http://host:443` shows a sentence and not a broken page.
#[tokio::test]
async fn plain_http_at_the_tls_port_is_told_so() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for (host, expected) in [("tv.test", "https://tv.test/"), ("evil.test", "Use https.")] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = format!("GET /film HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(expected), "{answer}");
        assert!(!answer.contains("evil"), "{answer}");
    }
    assert!(upstream.heads().is_empty());
}
