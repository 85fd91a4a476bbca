//! Tunnels for UDP: capsules by upgrade and by extended CONNECT, and what no route names.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::UdpSocket,
};
use usher_lab::{
    browser::{Browser, Tls},
    patience::within,
    upstream::Upstream,
};
use usher_rules::capsule::{self, Capsules};

use crate::{
    test_server::{ANN, EVE, FRIENDS, TestServer, config, corpus, eventually, public},
    tunnels::{ends, handle},
    wire::status,
};

/// Sends each datagram back behind `echo:`.
pub async fn parrot() -> SocketAddr {
    parrot_that_says(b"echo:").await
}

async fn parrot_that_says(first: &'static [u8]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut datagram = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
            let said = [first, &datagram[..length]].concat();
            let _too_long = socket.send_to(&said, from).await;
        }
    });
    address
}

pub fn udp(from: &str, to: SocketAddr) -> String {
    format!(
        "- from: udp+https://{from}
  to: udp://{to}
  policy: [{{allow: {{or: [{{claim/groups: {FRIENDS}}}]}}}}]
"
    )
}

pub fn path(to: &str) -> String {
    let (host, port) = to.rsplit_once(':').unwrap();
    format!("/.well-known/masque/udp/{host}/{port}/")
}

/// Asks by `Upgrade`; what is answered, and the connection.
pub async fn ask(browser: &Browser, host: &str, path: &str, fields: &str) -> (String, Tls) {
    let mut stream = browser.connect("dns.test").await;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nCapsule-Protocol: ?1\r\nConnection: Upgrade\r\n\
         Upgrade: connect-udp\r\n{fields}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    (head_of(&mut stream).await, stream)
}

async fn head_of(stream: &mut Tls) -> String {
    let mut answer = Vec::new();
    within("an answer", async {
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    String::from_utf8(answer).unwrap()
}

/// The next payload of a stream.
pub async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let (mut capsules, mut found) = (Capsules::default(), Vec::new());
    within("a datagram comes", async {
        while found.is_empty() {
            let octet = stream.read_u8().await.unwrap();
            capsules.read(&[octet], |payload| found = payload.to_vec()).unwrap();
        }
    })
    .await;
    found
}

pub fn capsule(payload: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    capsule::write(payload, &mut stream);
    stream
}

/// RFC 9298 §3.2: 101 to who names the proxy; to Pomerium's client, which names the tunnel as its
/// host, the 200 that it takes for an open one. What no route names is dialled by nobody.
#[tokio::test]
async fn who_asks_for_udp_is_answered_by_rfc_9298_or_as_pomerium_cli_expects() {
    let app = Upstream::echo();
    let routes = [public("app.test", app.address), udp("dns.test:53", parrot().await)];
    let wide = udp("*.wide.test:53", parrot().await)
        .replace("udp+https://*.wide.test:53", "'udp+https://*.wide.test:53'");
    let server = TestServer::open(&config(&[&routes[..], &[wide]].concat())).await;
    let ann = format!("Authorization: Pomerium {}\r\n", handle(&server, "dns.test", ANN).await);
    let eve = format!("Authorization: Pomerium {}\r\n", handle(&server, "dns.test", EVE).await);
    let mut of_pattern = Vec::new();
    for host in ["tv.wide.test", "169.254.169.254.wide.test"] {
        let token = handle(&server, host, ANN).await;
        of_pattern.push(format!("Authorization: Pomerium {token}\r\n"));
    }
    let body = format!("{ann}Content-Length: 3\r\n");
    let json = "Accept: application/json\r\n";
    let browser = server.browser();
    for (host, to, fields, expected, why) in [
        ("dns.test", path("dns.test:53"), &*ann, 101, "RFC 9298"),
        ("app.test", path("dns.test:53"), &ann, 101, "the path decides"),
        ("dns.test:53", path("dns.test:53"), &ann, 200, "pomerium-cli"),
        ("dns.test:53", path("DNS.test:53"), &ann, 200, "case"),
        ("tv.wide.test:53", path("tv.wide.test:53"), &of_pattern[0], 200, "a pattern"),
        (
            "dns.test",
            path("169.254.169.254.wide.test:53"),
            &of_pattern[1],
            101,
            "leads where the route does",
        ),
        ("dns.test", path("tv.wide.test:54"), &ann, 404, "another port of a pattern"),
        ("dns.test:53", path("dns.test:53"), "", 302, "nobody"),
        ("dns.test", path("dns.test:53"), json, 401, "a program's answer"),
        ("dns.test", path("dns.test:53"), &eve, 403, "she is no friend"),
        ("dns.test", path("dns.test:53"), &body, 400, "a body"),
        ("dns.test", path("dns.test:54"), &ann, 404, "another port"),
        ("dns.test", path("app.test:443"), &ann, 404, "a route of HTTP"),
        ("dns.test", path("127.0.0.1:53"), &ann, 404, "loopback"),
        ("dns.test", path("169.254.169.254:53"), &ann, 404, "the metadata address"),
        ("dns.test", path("%3A%3A1:53"), &ann, 404, "loopback"),
        ("dns.test", "/.well-known/masque/udp/dns.test/53/x/".into(), &ann, 400, "no template"),
        ("dns.test", "/.well-known/masque/udp/dns.test/0/".into(), &ann, 400, "no port"),
    ] {
        let (answer, _) = ask(&browser, host, &to, fields).await;
        assert_eq!(status(&answer), expected, "{host} {to} {why}: {answer}");
        let is_open = matches!(expected, 101 | 200);
        let says = answer.contains("\r\ncapsule-protocol: ?1\r\n");
        assert_eq!(says, is_open, "{why}: {answer}");
        let closes = answer.contains("\r\nconnection: close");
        assert_eq!(closes, expected != 101, "{why}: {answer}");
        let framed = answer.contains("\r\ncontent-length:");
        assert_eq!(framed, !is_open, "{why}: {answer}");
    }
    assert_eq!(app.heads().len(), 0, "no app is asked for a tunnel");
}

/// By both answers, payloads of every size come back whole and in order; other contexts and
/// capsules are passed over, and the access line counts what was carried.
#[tokio::test]
async fn datagrams_of_every_size_cross_whole_and_in_order() {
    let server = TestServer::open(&config(&[udp("dns.test:53", parrot().await)])).await;
    let ann = format!("Authorization: Pomerium {}\r\n", handle(&server, "dns.test", ANN).await);
    for host in ["dns.test", "dns.test:53"] {
        let (answer, mut stream) = ask(&server.browser(), host, &path("dns.test:53"), &ann).await;
        assert!(matches!(status(&answer), 101 | 200), "{answer}");
        stream.write_all(b"\x29\x03abc\0\x03\x02ab").await.unwrap();
        for size in [1, 58, 62, 63, 1200, 1472, 1600, 9000, 16_383, 40_000, 65_000] {
            let payload = vec![u8::try_from(size % 251).unwrap(); size];
            stream.write_all(&capsule(&payload)).await.unwrap();
            assert_eq!(heard(&mut stream).await, [b"echo:", &*payload].concat(), "{size}");
        }
        stream.shutdown().await.unwrap();
        ends(stream).await;
    }
    let lines = eventually("both tunnels end", || {
        let lines = server.records("http-request").into_iter();
        let of_tunnels = lines.filter(|line| line["response-code-details"] == "closed");
        Some(of_tunnels.collect::<Vec<_>>()).filter(|lines| lines.len() == 2)
    })
    .await;
    let told = lines.iter().map(|line| line["response-code"].as_u64());
    assert_eq!(told.collect::<Vec<_>>(), [Some(101), Some(200)], "what each client read");
    for line in lines {
        assert_eq!(line["received"], 134_839, "{line}");
        assert_eq!(line["size"], 134_839 + 11 * 5, "{line}");
    }
    assert_eq!(server.records("tunnel").len(), 2);
}

/// RFC 9298 §5, RFC 9297 §3.3: who sends no capsules is heard no longer, and the server lives on.
#[tokio::test]
async fn what_are_no_capsules_end_their_tunnel_alone() {
    let server = TestServer::open(&config(&[udp("dns.test:53", parrot().await)])).await;
    let ann = format!("Authorization: Pomerium {}\r\n", handle(&server, "dns.test", ANN).await);
    let open = async || ask(&server.browser(), "dns.test", &path("dns.test:53"), &ann).await.1;
    let mut neighbour = open().await;
    for bad in [&b"\0\0"[..], b"\0\x80\x01\0\0\0", b"\0\xff\xff\xff\xff\xff\xff\xff\xff\0"] {
        let mut stream = open().await;
        stream.write_all(bad).await.unwrap();
        ends(stream).await;
    }
    let mut torn = open().await;
    torn.write_all(b"\0\x09\0half").await.unwrap();
    torn.shutdown().await.unwrap();
    ends(torn).await;
    neighbour.write_all(&capsule(b"here")).await.unwrap();
    assert_eq!(heard(&mut neighbour).await, b"echo:here");
}

/// What comes right behind a head is the tunnel's where one opens, and nobody's where none does: no
/// request is read out of datagrams.
#[tokio::test]
async fn octets_behind_a_head_are_capsules_or_nothing() {
    let server = TestServer::open(&config(&[udp("dns.test:53", parrot().await)])).await;
    let ann = handle(&server, "dns.test", ANN).await;
    let browser = server.browser();
    for host in ["dns.test", "dns.test:53"] {
        let mut stream = browser.connect("dns.test").await;
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: connect-udp\r\n\
             Authorization: Pomerium {ann}\r\n\r\n",
            path("dns.test:53")
        );
        let together = [head.as_bytes(), &capsule(b"early")].concat();
        stream.write_all(&together).await.unwrap();
        let _answer = head_of(&mut stream).await;
        assert_eq!(heard(&mut stream).await, b"echo:early", "{host}");
    }
    let smuggled = "\r\nGET /ping HTTP/1.1\r\nHost: dns.test\r\n";
    for body in ["", "Content-Length: 0\r\n", "Content-Length: 1\r\n"] {
        let fields = format!("{body}{smuggled}");
        let (answer, mut stream) = ask(&browser, "dns.test", &path("dns.test:53"), &fields).await;
        assert!(matches!(status(&answer), 302 | 400), "{answer}");
        let mut rest = Vec::new();
        let _cut = within("it ends", stream.read_to_end(&mut rest)).await;
        let rest = String::from_utf8_lossy(&rest);
        assert!(!rest.contains("HTTP/1.1"), "a second answer: {rest}");
    }
}

/// Sign-out, a lost group and a withdrawn route end it as they end one for TCP.
#[tokio::test]
async fn a_tunnel_for_udp_ends_with_its_permit() {
    let text = config(&[udp("dns.test:53", parrot().await)]);
    let server = TestServer::open(&text).await;
    let ann = format!("Authorization: Pomerium {}\r\n", handle(&server, "dns.test", ANN).await);
    let open = async || ask(&server.browser(), "dns.test", &path("dns.test:53"), &ann).await.1;
    for changed in [text.replace(FRIENDS, "family"), text.replace(":53\n", ":5353\n")] {
        let stream = open().await;
        server.reload(&changed).unwrap();
        ends(stream).await;
        server.reload(&text).unwrap();
    }
    let stream = open().await;
    server.directory().set_groups(ANN.0, &[]).await.unwrap();
    ends(stream).await;
}

/// RFC 9298 §3.4: 200 to extended CONNECT, on a stream beside others.
#[tokio::test]
async fn a_tunnel_for_udp_opens_on_a_stream_of_http2() {
    let server = TestServer::open(&config(&[udp("dns.test:53", parrot().await)])).await;
    let ann = handle(&server, "dns.test", ANN).await;
    let io = TokioIo::new(server.browser().connect_http2("dns.test").await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let settles = Request::builder().method(Method::GET).uri("https://dns.test/ping");
    let settles = settles.body(Empty::<Bytes>::new()).unwrap();
    sender.send_request(settles).await.unwrap(); // and with it come the server's settings
    let connect = |to: &str, token: &str| {
        Request::connect(format!("https://dns.test{}", path(to)))
            .extension(Protocol::from_static("connect-udp"))
            .header("capsule-protocol", "?1")
            .header("authorization", format!("Pomerium {token}"))
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    let refused = sender.send_request(connect("dns.test:53", "x")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FOUND);
    let nowhere = sender.send_request(connect("dns.test:54", &ann)).await.unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    let opened = sender.send_request(connect("dns.test:53", &ann)).await.unwrap();
    assert_eq!(opened.status(), StatusCode::OK);
    assert_eq!(opened.headers()["capsule-protocol"], "?1");
    let mut stream = TokioIo::new(hyper::upgrade::on(opened).await.unwrap());
    stream.write_all(&capsule(b"hi")).await.unwrap();
    assert_eq!(heard(&mut stream).await, b"echo:hi");
}

fn octets(hex: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_str().unwrap().as_bytes()).unwrap()
}

/// Recorded of the real server with pomerium-cli, over HTTP/1.1: what was sent is answered by the
/// status and the fields, and each datagram by the octets, that came there. One thing differs: the
/// real server sends its capsules in chunks; here they end with the connection, and pomerium-cli
/// reads them all the same (decision 0094).
#[tokio::test]
async fn recorded_requests_for_udp_are_answered_as_recorded() {
    let routes = [udp("udp.example.com:53", parrot_that_says(b"uecho:").await)];
    let server = TestServer::open(&config(&routes)).await;
    let token = handle(&server, "udp.example.com", ANN).await;
    let text = corpus("udp_tunnels.json").concat();
    let recorded: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut datagrams = 0;
    for one in &recorded {
        let sent = one["sent"].as_str().unwrap().replace("{handle}", &token);
        let mut stream = server.browser().connect("udp.example.com").await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let answer = head_of(&mut stream).await;
        let name = &one["run"];
        assert_eq!(u64::from(status(&answer)), one["status"].as_u64().unwrap(), "{name}: {answer}");
        for field in one["fields"].as_array().unwrap() {
            assert!(answer.contains(field.as_str().unwrap()), "{name}: {answer}");
        }
        let none = Vec::new();
        let [said, heard] = ["said", "heard"].map(|of| one[of].as_array().unwrap_or(&none));
        for (said, expected) in said.iter().zip(heard) {
            let expected = octets(expected);
            let mut heard = vec![0; expected.len()];
            stream.write_all(&octets(said)).await.unwrap();
            within("it is heard", stream.read_exact(&mut heard)).await.unwrap();
            assert_eq!(heard, expected, "{name}");
            datagrams += 1;
        }
    }
    assert_eq!((recorded.len(), datagrams), (3, 4), "all that was recorded");
}
