//! Peers that mean ill by tunnels: floods, bodies, words behind a head, names that nobody named.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, combinators::BoxBody};
use hyper::{client::conn::http2::SendRequest, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};
use usher_lab::{browser::Tls, patience::within, upstream::Upstream};

use crate::{
    test_server::{ANN, TestServer, config, eventually, public},
    tunnels::{ask, handle, parrot, ssh, tunnel},
    udp_tunnels::{self, capsule, heard, path, udp},
    wire::{say, status},
};

type Body = BoxBody<Bytes, std::convert::Infallible>;
type Stream = TokioIo<Upgraded>;

/// A connection of HTTP/2 that has the server's settings.
async fn http2(server: &TestServer, host: &str) -> SendRequest<Body> {
    let io = TokioIo::new(server.browser().connect_http2(host).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let settles = Request::get(format!("https://{host}/ping")).body(nothing()).unwrap();
    sender.send_request(settles).await.unwrap();
    sender
}

fn nothing() -> Body {
    Empty::new().boxed()
}

/// CONNECT on a stream of HTTP/2: the status, and the stream where it is open.
async fn connects(sender: &mut SendRequest<Body>, asked: Request<Body>) -> (u16, Option<Stream>) {
    let answer = within("an answer", sender.send_request(asked)).await.unwrap();
    let status = answer.status();
    let opened = status == StatusCode::OK;
    let stream =
        if opened { hyper::upgrade::on(answer).await.ok().map(TokioIo::new) } else { None };
    (status.as_u16(), stream)
}

fn for_tcp(to: &str, token: &str) -> http::request::Builder {
    Request::connect(to).header("authorization", format!("Pomerium {token}"))
}

fn for_udp(host: &str, to: &str, token: &str) -> Request<Body> {
    Request::connect(format!("https://{host}{}", path(to)))
        .extension(Protocol::from_static("connect-udp"))
        .header("capsule-protocol", "?1")
        .header("authorization", format!("Pomerium {token}"))
        .body(nothing())
        .unwrap()
}

/// Nobody is let in: its queue is full, so who connects hears nothing until it is emptied.
struct Crowded {
    listener: Socket,
    waiting: Vec<Socket>,
}

impl Crowded {
    fn start() -> (SocketAddr, Self) {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = (0..8).map(|_| {
            let waits = socket();
            waits.set_nonblocking(true).unwrap();
            let _under_way = waits.connect(&address);
            waits
        });
        let waiting = waiting.collect();
        (address.as_socket().unwrap(), Self { listener, waiting })
    }

    /// Lets everybody in who still waits, from now on.
    fn opens(self) -> TcpListener {
        drop(self.waiting);
        self.listener.set_nonblocking(true).unwrap();
        TcpListener::from_std(self.listener.into()).unwrap()
    }
}

/// Tunnels whose server does not answer hold what their route has room for and no more, whoever
/// asks then is told at once, and what is hung up on is dialled no longer.
#[tokio::test]
async fn half_open_tunnels_are_bounded_and_end_with_their_clients() {
    const ROOM: usize = 12;
    let (to, silent) = Crowded::start();
    let limit = format!("{}  circuit_breaker_thresholds: {{max_requests: {ROOM}}}\n", ssh(to));
    let server = TestServer::open(&config(&[limit])).await;
    let ann = handle(&server, "ssh.test", ANN).await;
    let asks = |server: &TestServer| {
        let (browser, token) = (server.browser(), ann.clone());
        async move {
            let mut stream = browser.connect("ssh.test").await;
            let head = format!(
                "CONNECT ssh.test:22 HTTP/1.1\r\nHost: ssh.test:22\r\n\
                 Authorization: Pomerium {token}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            String::from_utf8(first.to_vec()).unwrap()
        }
    };
    let mut flood: JoinSet<String> = (0..3 * ROOM).map(|_| asks(&server)).collect();
    for _ in 0..2 * ROOM {
        let answer = within("who finds no room is told", flood.join_next()).await.unwrap();
        assert_eq!(answer.unwrap(), "HTTP/1.1 503");
    }
    assert_eq!(flood.len(), ROOM, "the others wait");
    flood.shutdown().await;
    eventually("all of them have hung up", || {
        let lines = server.records("http-request").into_iter();
        let given_up = lines.filter(|line| line["method"] == "CONNECT");
        (given_up.count() == 3 * ROOM).then_some(())
    })
    .await;
    // The queue is emptied: whoever were still dialled for would come now.
    let listener = silent.opens();
    let mut came = JoinSet::new();
    came.spawn(async move {
        let mut parrots = Vec::new();
        while parrots.len() < 64 {
            let (stream, _) = listener.accept().await.unwrap();
            let mut words = [0; 5];
            let mut stream = stream;
            if stream.read_exact(&mut words).await.is_ok() {
                return (words, parrots.len()); // the one that somebody speaks through
            }
            parrots.push(());
        }
        panic!("they come for nobody")
    });
    let token = format!("Authorization: Pomerium {ann}\r\n");
    let (answer, mut stream) = ask(&server.browser(), "ssh.test", "ssh.test:22", &token).await;
    assert_eq!(status(&answer), 200, "there is room again: {answer}");
    stream.write_all(b"hello").await.unwrap();
    let (words, others) = within("it is heard", came.join_next()).await.unwrap().unwrap();
    assert_eq!(&words, b"hello");
    assert!(others < ROOM, "{others} connections, and eight at most are this test's own");
}

/// Flows beyond what a route has room for are refused, each is answered its own datagrams, and one
/// that ends makes room for another.
#[tokio::test]
async fn a_flood_of_flows_for_udp_is_bounded_and_each_hears_its_own() {
    const ROOM: usize = 20;
    let route = format!(
        "{}  circuit_breaker_thresholds: {{max_connections: {ROOM}, max_pending_requests: 0}}\n",
        udp("dns.test:53", udp_tunnels::parrot().await)
    );
    let none = "max_pending_requests: 0";
    let server = TestServer::open(&config(&[route.replace(none, "max_pending_requests: 1")])).await;
    let ann = handle(&server, "dns.test", ANN).await;
    let mut sender = http2(&server, "dns.test").await;
    for _ in 0..2 {
        let mut flows = Vec::new();
        while flows.len() < ROOM {
            let asked = for_udp("dns.test", "dns.test:53", &ann);
            let (status, stream) = connects(&mut sender, asked).await;
            assert_eq!(status, 200, "flow {}", flows.len());
            flows.push(stream.unwrap());
        }
        // One waits for a place; the next is told that there is none.
        let mut waits = sender.clone();
        let asked = for_udp("dns.test", "dns.test:53", &ann);
        let waiting = tokio::spawn(async move { connects(&mut waits, asked).await.0 });
        let mut refused = 200;
        while refused == 200 {
            let asked = for_udp("dns.test", "dns.test:53", &ann);
            refused = connects(&mut sender, asked).await.0;
        }
        assert_eq!(refused, 503);
        for (number, flow) in flows.iter_mut().enumerate() {
            flow.write_all(&capsule(format!("flow {number}").as_bytes())).await.unwrap();
        }
        for (number, flow) in flows.iter_mut().enumerate() {
            assert_eq!(heard(flow).await, format!("echo:flow {number}").into_bytes());
        }
        drop(flows);
        assert_eq!(within("its place", waiting).await.unwrap(), 200);
        let ended = || {
            let lines = server.records("http-request").into_iter();
            let over = lines.filter(|line| {
                matches!(line["response-code-details"].as_str(), Some("closed" | "socket_reset"))
            });
            Some(over.count()).filter(|count| count % (ROOM + 1) == 0 && *count > 0)
        };
        eventually("all of them end", ended).await;
    }
}

/// Addresses of this machine and of its provider, in every spelling, by HTTP/1.1 and HTTP/2: where
/// no route names them nobody dials them, whatever a pattern takes.
#[tokio::test]
async fn what_no_route_names_is_dialled_by_nobody() {
    let (tcp, datagrams) = canaries().await;
    let port = tcp.local_addr().unwrap().port();
    let wide = tunnel("WIDE", &format!("tcp://{}", parrot().await))
        .replace("tcp+https://WIDE", &format!("'tcp+https://*.test:{port}'"));
    let wide_udp = udp("WIDE", udp_tunnels::parrot().await)
        .replace("udp+https://WIDE", &format!("'udp+https://*.test:{port}'"));
    let web = public("app.test", Upstream::echo().address);
    let server = TestServer::open(&config(&[web, wide, wide_udp])).await;
    let ann = handle(&server, "a.test", ANN).await;
    let token = format!("Authorization: Pomerium {ann}\r\n");
    let mut sender = http2(&server, "a.test").await;
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "a.test.evil.example",
    ] {
        let to = format!("{host}:{port}");
        let (answer, _) = ask(&server.browser(), "a.test", &to, &token).await;
        assert!(matches!(status(&answer), 400 | 404), "{to}: {answer}");
        let asked = for_tcp(&to, &ann).body(nothing()).unwrap();
        let (status2, _) = connects(&mut sender, asked).await;
        assert!(matches!(status2, 400 | 404), "{to} by HTTP/2: {status2}");
        let bare = host.trim_matches(['[', ']']).replace(':', "%3A");
        let (answer, _) =
            udp_tunnels::ask(&server.browser(), "a.test", &path(&format!("{bare}:{port}")), &token)
                .await;
        assert!(matches!(status(&answer), 400 | 404), "{to} by UDP: {answer}");
        let asked = for_udp("a.test", &format!("{bare}:{port}"), &ann);
        let (status2, _) = connects(&mut sender, asked).await;
        assert!(matches!(status2, 400 | 404), "{to} by UDP and HTTP/2: {status2}");
    }
    // What the pattern does take leads where its route says.
    for host in ["127.0.0.1.test", "169.254.169.254.test", "localhost.test"] {
        let own = handle(&server, host, ANN).await;
        let asked = for_tcp(&format!("{host}:{port}"), &own).body(nothing()).unwrap();
        let (status, stream) = connects(&mut sender, asked).await;
        assert_eq!(status, 200, "{host}");
        let (mut stream, mut said) = (stream.unwrap(), [0; 7]);
        stream.write_all(b"hi").await.unwrap();
        within("the parrot answers", stream.read_exact(&mut said)).await.unwrap();
        assert_eq!(&said, b"echo:hi");
        let asked = for_udp("a.test", &format!("{host}:{port}"), &own);
        let (status, stream) = connects(&mut sender, asked).await;
        assert_eq!(status, 200, "{host} by UDP");
        let mut stream = stream.unwrap();
        stream.write_all(&capsule(b"hi")).await.unwrap();
        assert_eq!(heard(&mut stream).await, b"echo:hi");
    }
    let tcp = tcp.into_std().unwrap();
    assert_eq!(tcp.accept().err().unwrap().kind(), std::io::ErrorKind::WouldBlock, "dialled");
    let heard = datagrams.try_recv(&mut [0; 16]);
    assert_eq!(heard.err().unwrap().kind(), std::io::ErrorKind::WouldBlock, "heard a datagram");
}

/// Nobody is to come here, by TCP or by UDP on the same port.
async fn canaries() -> (TcpListener, UdpSocket) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (tcp, udp);
        }
    }
}

/// RFC 9110 §9.3.6: CONNECT has no content. What follows one that opens nothing is no request.
#[tokio::test]
async fn what_stands_behind_a_refused_connect_is_no_request() {
    let app = Upstream::echo();
    let routes = [public("app.test", app.address), ssh(parrot().await)];
    let server = TestServer::open(&config(&routes)).await;
    let ann = handle(&server, "ssh.test", ANN).await;
    let browser = server.browser();
    let smuggled = "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";
    let token = format!("Authorization: Pomerium {ann}\r\n");
    for (to, fields, expected) in [
        ("ssh.test:22", "", 302),
        ("ssh.test:23", &*token, 404),
        ("ssh.test:22", &format!("{token}Content-Length: {}\r\n", smuggled.len()), 400),
        ("ssh.test:22", &format!("{token}Content-Length: 0\r\n"), 200),
        ("ssh.test:22", &format!("{token}Transfer-Encoding: chunked\r\n"), 400),
    ] {
        let head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{fields}\r\n{smuggled}");
        if expected == 200 {
            let mut stream: Tls = browser.connect("app.test").await;
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            within("it is said back", stream.read_to_string(&mut answer)).await.unwrap();
            let said = answer.split_once("\r\n\r\n").unwrap().1;
            assert_eq!(said, format!("echo:{smuggled}bye"), "bytes of the tunnel");
            continue;
        }
        let answer = say(&browser, "app.test", head.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{to} {fields}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer: {answer}");
    }
    assert_eq!(app.heads().len(), 0, "the app was asked");

    // By HTTP/2 a length on it is malformed (RFC 9113 §8.5): its stream is reset, nothing is dialled.
    let mut sender = raw(&server).await;
    let (mut stream, answer) = connect_raw(&mut sender, &ann, Some("3")).await.unwrap();
    let _reset_by_then = stream.send_data(Bytes::from_static(b"abc"), true);
    let error = within("it ends", answer).await.unwrap_err();
    assert!(error.is_reset() && error.is_remote(), "{error}");
    let (mut stream, answer) = connect_raw(&mut sender, &ann, None).await.unwrap();
    stream.send_data(Bytes::from_static(b"abc"), true).unwrap(); // before there is an answer
    let answer = within("an answer", answer).await.unwrap();
    assert_eq!(answer.status(), 200);
    let (mut body, mut said) = (answer.into_body(), Vec::new());
    while let Some(Ok(piece)) = within("it goes on", body.data()).await {
        said.extend_from_slice(&piece);
    }
    assert_eq!(said, b"echo:abcbye", "what came early is the tunnel's");
}

type Sending = h2::client::SendRequest<Bytes>;

/// A connection of HTTP/2 on which everything may be asked.
async fn raw(server: &TestServer) -> Sending {
    let io = server.browser().connect_http2("ssh.test").await;
    let (sender, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn connect_raw(
    sender: &mut Sending,
    token: &str,
    length: Option<&str>,
) -> Result<(h2::SendStream<Bytes>, h2::client::ResponseFuture), h2::Error> {
    let mut asked = for_tcp("ssh.test:22", token);
    if let Some(length) = length {
        asked = asked.header("content-length", length);
    }
    within("it is ready", std::future::poll_fn(|cx| sender.poll_ready(cx))).await?;
    let (answer, stream) = sender.send_request(asked.body(()).unwrap(), false)?;
    Ok((stream, answer))
}

/// By HTTP/2 what are no capsules, and what comes for a flow that is over, end that flow alone:
/// others on the same connection go on, and nobody hears of it.
#[tokio::test]
async fn datagrams_for_a_closed_flow_reach_nobody() {
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let text = config(&[
        udp("other.test:53", far.local_addr().unwrap()),
        udp("dns.test:53", udp_tunnels::parrot().await),
    ]);
    let server = TestServer::open(&text).await;
    let ann = handle(&server, "dns.test", ANN).await;
    let other = handle(&server, "other.test", ANN).await;
    let mut sender = http2(&server, "dns.test").await;
    let neighbour = connects(&mut sender, for_udp("dns.test", "dns.test:53", &ann)).await.1;
    let mut neighbour = neighbour.unwrap();
    for bad in [&b"\0\0"[..], b"\0\x80\x01\0\0\0", b"\0\xff\xff\xff\xff\xff\xff\xff\xff\0"] {
        let asked = for_udp("dns.test", "other.test:53", &other);
        let mut flow = connects(&mut sender, asked).await.1.unwrap();
        flow.write_all(bad).await.unwrap();
        let _cut = within("it ends", flow.read(&mut [0; 16])).await;
        let _too_late = flow.write_all(&capsule(b"too late")).await;
    }
    let asked = for_udp("dns.test", "other.test:53", &other);
    let mut flow = connects(&mut sender, asked).await.1.unwrap();
    flow.write_all(&capsule(b"in time")).await.unwrap();
    let mut datagram = [0; 16];
    let length = within("it comes", far.recv(&mut datagram)).await.unwrap();
    assert_eq!(&datagram[..length], b"in time");
    server.reload(&text.replace("other.test:53\n", "other.test:54\n")).unwrap();
    let _cut = within("it ends", flow.read(&mut [0; 16])).await;
    let _too_late = flow.write_all(&capsule(b"too late")).await;
    let _too_late = flow.shutdown().await;
    neighbour.write_all(&capsule(b"here")).await.unwrap();
    assert_eq!(heard(&mut neighbour).await, b"echo:here");
    let more = far.try_recv(&mut datagram);
    assert_eq!(more.err().unwrap().kind(), std::io::ErrorKind::WouldBlock, "it was heard");
}

/// A tunnel that is malformed ends alone: others on the same connection of HTTP/2 go on, and new ones
/// open. Who sends too many of them ends the connection.
#[tokio::test]
async fn a_connect_with_a_length_ends_its_own_stream_alone() {
    let server = TestServer::open(&config(&[ssh(parrot().await)])).await;
    let ann = handle(&server, "ssh.test", ANN).await;
    let mut sender = raw(&server).await;
    let (mut stream, answer) = connect_raw(&mut sender, &ann, None).await.unwrap();
    let mut neighbour = within("it opens", answer).await.unwrap().into_body();
    for count in 1..=1000 {
        let asked = connect_raw(&mut sender, &ann, Some("3")).await;
        let error = match asked {
            Ok((_stream, answer)) => within("it is refused", answer).await.unwrap_err(),
            Err(error) => error,
        };
        if !error.is_reset() {
            assert!(count > 200, "after {count}: {error}");
            assert_eq!(server.records("tunnel").len(), 3, "nothing else was opened");
            return;
        }
        if count < 3 {
            let (_stream, answer) = connect_raw(&mut sender, &ann, None).await.unwrap();
            assert_eq!(within("a new one opens", answer).await.unwrap().status(), 200);
            stream.send_data(Bytes::from_static(b"hi"), false).unwrap();
            let said = within("it goes on", neighbour.data()).await.unwrap().unwrap();
            assert_eq!(&*said, b"echo:hi");
        }
    }
    panic!("nothing stops it");
}
