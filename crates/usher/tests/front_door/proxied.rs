//! `use_proxy_protocol`: a balancer in front says whom each connection is from, and nobody else does.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use usher_lab::{
    browser::Browser,
    client_ca::ClientCa,
    patience::within,
    upstream::{Upstream, field},
};

use crate::{
    client_certificates::{Folder, answer, mtls},
    test_server::{TestServer, config, eventually, public},
};

const ON: &str = "use_proxy_protocol: true\nproxy_protocol_trusted: [127.0.0.0/8]\n";
const V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// 203.0.113.7, port 40000, and a field that everybody may skip.
fn of_client() -> Vec<u8> {
    v2(0x21, 0x11, &[203, 0, 113, 7, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xbb, 4, 0, 1, 0])
}

/// An app that only those of 203.0.113.0/24 may enter.
fn for_some(app: &Upstream) -> String {
    let rule = "policy: [{allow: {and: [{source_ip: 203.0.113.0/24}]}}]";
    let route = public("tv.test", app.address);
    let route = route.replace("allow_public_unauthenticated_access: true", rule);
    format!("{ON}{}", config(&[route]))
}

/// A balancer that says this in front of each connection.
async fn balancer(to: SocketAddr, header: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let header = header.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.unwrap();
                // In two pieces: it need not come in one.
                let (first, rest) = header.split_at(header.len() / 2);
                server.write_all(first).await.unwrap();
                server.flush().await.unwrap();
                server.write_all(rest).await.unwrap();
                let _over = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

async fn through(server: &TestServer, header: &[u8]) -> Browser {
    let balancer = balancer(server.address(), header.to_vec()).await;
    Browser::new(balancer, server.running().ca_file())
}

#[tokio::test]
async fn whom_a_balancer_names_is_who_asks() {
    let app = Upstream::echo();
    let server = TestServer::open(&for_some(&app)).await;
    for header in [V1.to_vec(), of_client()] {
        for mut browser in
            [through(&server, &header).await, through(&server, &header).await.over_http2()]
        {
            let seen = browser.fetch("https://tv.test/").await;
            assert_eq!(seen.status, 200, "{header:?}");
            let told = field(&seen.body, "x-forwarded-for");
            assert_eq!(told.as_deref(), Some("203.0.113.7"), "{header:?}");
            let (decision, _) = server.recorded(seen.field("x-request-id")).await;
            assert_eq!(decision["ip"], "203.0.113.7");
        }
    }
}

/// Its own health checks come from itself, and so does what it can't tell.
#[tokio::test]
async fn what_a_balancer_asks_for_itself_is_its_own() {
    let app = Upstream::echo();
    let server = TestServer::open(&for_some(&app)).await;
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), v2(0x20, 0, &[]), v2(0x20, 0x11, &[9; 7])] {
        let mut browser = through(&server, &header).await;
        assert_eq!(browser.fetch("https://tv.test/healthz").await.status, 200, "{header:?}");
        let seen = browser.fetch("https://tv.test/").await;
        assert_eq!(seen.status, 403, "its address is not 203.0.113.7: {header:?}");
        let (decision, _) = server.recorded(seen.field("x-request-id")).await;
        assert_eq!(decision["ip"], "127.0.0.1", "{header:?}");
    }
}

/// What it says and how it ends: nothing is answered.
async fn said(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _reset = within("it is closed", stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn a_connection_that_nobody_vouches_for_is_closed_unread() {
    let app = Upstream::echo();
    let plain = format!(
        "insecure_server: true\naddress: ':8443'\nhttp_redirect_addr: ':80'\n{}",
        for_some(&app)
    );
    let ask = b"GET / HTTP/1.1\r\nhost: tv.test\r\n\r\n";
    let four = [203, 0, 113, 7, 192, 0, 2, 1, 0, 9, 1, 0xbb];
    let wrong_sum = [&four[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
    let beyond = [&four[..], &[4, 0, 9]].concat();
    for (header, why) in [
        (Vec::new(), "no PROXY header"),
        (b"PROXY TCP4 203.0.113.7\r\n".to_vec(), "addresses"),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 1 2\n".to_vec(), "no end"),
        (b"PROXY TCP4 203.0.113.007 192.0.2.1 1 2\r\n".to_vec(), "addresses"),
        (vec![b'P'; 200], "no PROXY header"),
        ([&b"PROXY "[..], &[b'x'; 200]].concat(), "no end"),
        (v2(0x21, 0x31, &[0; 216]), "without an IP address"), // a Unix socket
        (v2(0x21, 0x12, &four), "without an IP address"),     // datagrams
        (v2(0x22, 0x11, &four), "no known version"),
        (v2(0x21, 0x11, &wrong_sum), "checksum"),
        (v2(0x21, 0x11, &beyond), "beyond its end"),
    ] {
        let server = TestServer::open(&plain).await;
        for address in [server.address(), server.running().redirect_address().unwrap()] {
            let before = server.records("unreadable").len();
            let answer = said(address, &[&header[..], ask].concat()).await;
            assert_eq!(answer, b"", "{why}");
            let told = || server.records("unreadable").into_iter().nth(before);
            let told = eventually("it is on record", told).await;
            let problem = told["problem"].as_str().unwrap();
            assert!(problem.contains(why), "{problem}: {why}");
        }
        assert!(app.heads().is_empty());
    }
}

/// The header of whoever reaches the port would choose its own address.
#[tokio::test]
async fn only_peers_that_are_trusted_name_anybody() {
    let app = Upstream::echo();
    let text = for_some(&app).replace("127.0.0.0/8", "192.0.2.0/24, '2001:db8::/32'");
    let server = TestServer::open(&format!("insecure_server: true\n{text}")).await;
    let ask = b"GET / HTTP/1.1\r\nhost: tv.test\r\n\r\n";
    for header in [V1.to_vec(), of_client()] {
        assert_eq!(said(server.address(), &[&header[..], ask].concat()).await, b"");
    }
    assert!(app.heads().is_empty());
    let told = eventually("it is on record", || server.records("unreadable").pop()).await;
    assert!(told["problem"].as_str().unwrap().contains("proxy_protocol_trusted"), "{told}");
    // A reload may name the balancer, and nothing has to be restarted.
    server.reload(&format!("insecure_server: true\n{}", for_some(&app))).unwrap();
    let last = b"GET / HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n";
    let answer = said(server.address(), &[V1, last].concat()).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// And where it is off, a header is noise: it opens nothing.
#[tokio::test]
async fn without_the_key_a_header_is_no_header() {
    let app = Upstream::echo();
    let text = for_some(&app).replace(ON, "insecure_server: true\n");
    let server = TestServer::open(&text).await;
    let ask = b"GET / HTTP/1.1\r\nhost: tv.test\r\n\r\n";
    let answer = said(server.address(), &[V1, ask].concat()).await;
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    assert!(app.heads().is_empty());
}

/// `use_proxy_protocol` and `downstream_mtls` together: the header stands before the handshake, and who
/// shows a certificate comes from where the balancer says.
#[tokio::test]
async fn a_certificate_is_shown_through_a_balancer() {
    let (app, folder, ca) = (Upstream::echo(), Folder::new(), ClientCa::new("Clients"));
    for enforcement in ["policy_with_default_deny", "reject_connection"] {
        let rest = format!("  enforcement: {enforcement}\n");
        let text = format!("{}{}", mtls(&folder, &ca, &rest), for_some(&app));
        let server = TestServer::open(&text).await;
        let browser = through(&server, V1).await;
        let mut own = browser.showing(&ca.issue(1, |_| {}));
        let seen = own.fetch("https://tv.test/").await;
        assert_eq!(seen.status, 200, "{enforcement}");
        let told = field(&seen.body, "x-forwarded-for");
        assert_eq!(told.as_deref(), Some("203.0.113.7"), "{enforcement}");
        let expected = if enforcement == "reject_connection" { None } else { Some(495) };
        assert_eq!(answer(&browser, "tv.test").await, expected, "{enforcement}");
        if expected.is_none() {
            let refused = || server.records("handshake-refused").pop();
            let told = eventually("it is told", refused).await;
            assert_eq!(told["connection"], "203.0.113.7:40000");
        }
    }
}
