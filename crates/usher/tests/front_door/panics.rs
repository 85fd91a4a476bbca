//! A panic is one request's 500, and stands on the record as what it is.
//!
//! The parts that panic are the test's own: pages, and a clock that a stream asks when it is
//! decided again.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use http::Response;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use usher::request::{
    Body, Door, DoorParts, OwnPages, OwnRequest, SignInNeeded,
    accept::{AskedFor, Connection, Protocol, Pulse, Shown, Tasks, serve},
    identify::{Found, LiveSession, NotOnce, SessionStore, StoreError},
    record::{Format, Log, Metrics, Recorder},
    shape::Signer,
};
use usher_lab::{
    clock::TurnedClock,
    lines::Lines,
    upstream::{Exchange, Upstream},
};
use usher_rules::{
    people::BoxFuture,
    plan::Plan,
    secret::Secret,
    session::{Keys, SessionId, SignedIn},
    time::{Clock, Now, UnixTime},
};

use crate::{
    sockets,
    test_server::{self, config, eventually, public},
};

/// What a visitor sent, and what no line may hold.
const CANARY: &str = "canary-panic-51Xz";

/// Pages that panic with what the visitor sent.
struct Brittle;

impl OwnPages for Brittle {
    fn device_redirect(&self, _: &SignInNeeded<'_>, _: &str) -> Response<Body> {
        panic!("the way to devices broke")
    }

    fn answer(&self, request: OwnRequest) -> BoxFuture<'_, Response<Body>> {
        Box::pin(async move { panic!("a page broke on {}", request.head.uri) })
    }

    fn sign_in_redirect<'a>(&'a self, _: SignInNeeded<'a>) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async { panic!("the sign-in broke") })
    }
}

/// Nobody has a session.
struct Nobody;

impl SessionStore for Nobody {
    fn find(&self, _: &SessionId) -> Found {
        Found::Ended
    }
    fn insert(&self, _: SignedIn) -> BoxFuture<'_, Result<Arc<LiveSession>, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable("none".into())) })
    }
    fn renew<'a>(
        &'a self,
        _: &'a Arc<SignedIn>,
        _: SignedIn,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async { Ok(false) })
    }
    fn all(&self) -> Vec<Arc<LiveSession>> {
        Vec::new()
    }
    fn end<'a>(&'a self, _: &'a SessionId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
    fn of_person(&self, _: &str) -> Vec<Arc<LiveSession>> {
        Vec::new()
    }
    fn once(&self, _: [u8; 32], _: UnixTime, _: UnixTime) -> BoxFuture<'_, Result<(), NotOnce>> {
        Box::pin(async { Err(NotOnce::Used) })
    }
}

/// A clock that panics once, when it has been told to.
struct Cracked {
    clock: Arc<TurnedClock>,
    breaks: AtomicBool,
}

impl Clock for Cracked {
    fn now(&self) -> Now {
        assert!(!self.breaks.swap(false, Ordering::SeqCst), "the clock broke");
        self.clock.now()
    }
}

/// A client's connection in which a read panics once, when it has been told to.
struct Rigged {
    stream: TcpStream,
    breaks: Arc<AtomicBool>,
}

impl AsyncRead for Rigged {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let brings = matches!(read, Poll::Ready(Ok(()))) && !buffer.filled().is_empty();
        assert!(!(brings && self.breaks.swap(false, Ordering::SeqCst)), "the connection broke");
        read
    }
}

impl AsyncWrite for Rigged {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The keys of a hut.
pub fn keys() -> Keys {
    let secret = Secret::new([7; 32]);
    Keys::derive(&secret, &secret).unwrap()
}

/// A door on a port of loopback, behind a terminator.
pub struct Hut {
    address: SocketAddr,
    door: Arc<Door>,
    clock: Arc<Cracked>,
    /// Whether the next read of a connection panics.
    cracks: Arc<AtomicBool>,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    lines: Lines,
}

impl Hut {
    async fn open(plan: Plan) -> Self {
        Self::with(plan, Arc::new(Nobody)).await
    }

    /// The same, where these sessions are in force.
    pub async fn with(plan: Plan, sessions: Arc<dyn SessionStore>) -> Self {
        let (plan, lines) = (Arc::new(plan), Lines::default());
        let metrics = Arc::new(Metrics::new(&plan));
        let recorder = Recorder::new([Log::new(lines.clone(), Format::Json)]);
        let recorder = recorder.counting(Arc::clone(&metrics));
        let clock = Arc::new(Cracked { clock: TurnedClock::new(), breaks: AtomicBool::new(false) });
        let tasks = Tasks::default();
        let parts = DoorParts {
            apps: usher::request::Apps::default(),
            keys: Arc::new(keys()),
            sessions,
            own: Arc::new(Brittle),
            signer: Arc::new(Signer::from_pem(Signer::generate_pem().unwrap().expose()).unwrap()),
            recorder: recorder.clone(),
            clock: Arc::<Cracked>::clone(&clock),
            tasks: tasks.clone(),
            trust: usher::request::forward::Trust::only([]),
        };
        let door = Arc::new(Door::new(plan, parts));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&door);
        let (cracks, cracked) = (Arc::new(AtomicBool::new(false)), Arc::clone(&clock));
        let breaks = Arc::clone(&cracks);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let mut first = [0; 4];
                stream.peek(&mut first).await.unwrap();
                let protocol = if first == *b"PRI " { Protocol::Http2 } else { Protocol::Http1 };
                let pulse = Pulse::new(protocol);
                let (server_name, shown) = (None, Shown::new(None));
                let presented = Arc::default();
                let connection = Connection {
                    peer: peer.into(),
                    server_name,
                    shown,
                    presented,
                    pulse,
                    asked_for: AskedFor::default(),
                };
                let (door, own) = (Arc::clone(&serving), tasks.clone());
                let connection = Arc::new(connection);
                let stream = Rigged { stream, breaks: Arc::clone(&breaks) };
                tasks.spawn_connection(peer, async move {
                    serve(stream, connection, door, &own, None).await;
                });
            }
        });
        Self { address, door, clock: cracked, cracks, recorder, metrics, lines }
    }

    /// From now on, once.
    fn breaks(&self) {
        self.clock.breaks.store(true, Ordering::SeqCst);
    }

    pub async fn send(&self, target: &str, fields: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nhost: tv.test\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    async fn ask(&self, target: &str) -> String {
        let mut stream = self.send(target, "connection: close\r\naccept: text/html\r\n").await;
        rest(&mut stream).await
    }

    /// The line about a path, when it is there.
    pub async fn line(&self, message: &str, field: &str, value: &str) -> Value {
        eventually("the line is written", || {
            self.recorder.flush();
            self.lines
                .text()
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .find(|line| line["message"] == message && line[field] == value)
        })
        .await
    }

    /// The access line of a path tells a panic, and so does an event that says where.
    async fn tells(&self, path: &str, status: u16, place: &str) -> Value {
        let line = self.line("http-request", "path", path).await;
        assert_eq!(line["response-code-details"], "internal_panic", "{line}");
        assert_eq!(line["response-code"], status, "{line}");
        let id = line["request-id"].as_str().unwrap();
        assert_eq!(id.len(), 36, "{line}");
        let event = self.line("panic", "request-id", id).await;
        assert_eq!(event["level"], "error", "{event}");
        assert!(event["place"].as_str().unwrap().contains(place), "{event}");
        let log = self.lines.text();
        assert!(!log.contains(CANARY), "what the panic says may be a visitor's: {log}");
        line
    }

    fn panics(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.lines().find(|line| line.starts_with("usher_panics_total")).unwrap().to_owned()
    }
}

pub async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let line = answer.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name}: {answer}"))
}

/// One of our own pages, and the sign-in: our 500 page, with the id that the log has.
#[tokio::test]
async fn a_page_that_panics_is_a_500_with_a_name() {
    let upstream = Upstream::echo();
    let open = public("tv.test", upstream.address);
    let closed =
        test_server::friends("tv.test", upstream.address).replace("  to:", "  prefix: /in\n  to:");
    let hut = Hut::open(test_server::plan(&config(&[closed, open]))).await;
    for path in ["/.pomerium/", "/in"] {
        let navigates = "connection: close\r\naccept: text/html\r\nsec-fetch-mode: navigate\r\n\
                         sec-fetch-dest: document\r\n";
        let mut stream = hut.send(&format!("{path}?{CANARY}"), navigates).await;
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains("Something went wrong here"), "{answer}");
        let line = hut.tells(path, 500, "panics.rs:").await;
        assert_eq!(line["request-id"], field(&answer, "x-request-id"), "{line}");
        assert!(answer.contains(field(&answer, "x-request-id")), "the page tells it: {answer}");
    }
    assert_eq!(hut.panics(), "usher_panics_total 2");
    assert!(hut.ask("/app").await.starts_with("HTTP/1.1 200 "), "others go on");
}

/// Before there is a request to speak of, there is still a page and an id.
#[tokio::test]
async fn a_panic_before_anything_is_known_is_told_too() {
    let upstream = Upstream::echo();
    let hut = Hut::open(test_server::plan(&config(&[public("tv.test", upstream.address)]))).await;
    hut.breaks();
    let answer = hut.ask("/app").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let event = hut.line("panic", "request-id", field(&answer, "x-request-id")).await;
    assert_eq!(event["problem"], "the clock broke", "{event}");
    assert!(answer.contains("Something went wrong here"), "{answer}");
}

/// While the upstream is waited for, and in the middle of its answer.
#[tokio::test]
async fn a_stream_that_panics_is_told_and_not_taken_for_the_client_leaving() {
    let goes_on = Arc::new(Notify::new());
    let more = Arc::clone(&goes_on);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        if exchange.target().1 == "/film" {
            exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nfour").await?;
            more.notified().await;
            exchange.send("more").await?;
        }
        exchange.hung_up().await;
        Ok(())
    });
    let text = config(&[public("tv.test", upstream.address)]);
    let hut = Hut::open(test_server::plan(&text)).await;

    let mut waiting = hut.send("/waits", "connection: close\r\n").await;
    upstream.came(1).await;
    hut.breaks();
    hut.door.swap(Arc::new(test_server::plan(&text)));
    let answer = rest(&mut waiting).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    hut.tells("/waits", 500, "panics.rs:").await;

    let mut film = hut.send("/film", "connection: close\r\n").await;
    let mut began = Vec::new();
    while !began.ends_with(b"four") {
        began.push(film.read_u8().await.unwrap());
    }
    hut.breaks();
    hut.door.swap(Arc::new(test_server::plan(&text)));
    goes_on.notify_one();
    assert_eq!(rest(&mut film).await, "", "what could not be decided on does not go out");
    hut.tells("/film", 200, "panics.rs:").await;
}

/// A socket.
#[tokio::test]
async fn a_socket_that_panics_is_told() {
    let upstream = sockets::echo();
    let hut = Hut::open(test_server::plan(&config(&[public("tv.test", upstream.address)]))).await;
    let asks = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut stream = hut.send("/socket", asks).await;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 101");
    hut.breaks();
    rest(&mut stream).await;
    hut.tells("/socket", 101, "panics.rs:").await;
}

/// What moves a connection's bytes: that connection ends, whichever protocol it speaks, and is
/// told; one beside it goes on.
#[tokio::test]
async fn a_connection_that_panics_ends_alone_and_is_told() {
    let upstream = Upstream::echo();
    let hut = Hut::open(test_server::plan(&config(&[public("tv.test", upstream.address)]))).await;
    let mut beside = hut.send("/beside", "").await;
    let mut first = [0; 12];
    beside.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    for (n, preface) in
        [&b"GET /x HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"].into_iter().enumerate()
    {
        hut.cracks.store(true, Ordering::SeqCst);
        let mut stream = TcpStream::connect(hut.address).await.unwrap();
        let own = stream.local_addr().unwrap().to_string();
        stream.write_all(preface).await.unwrap();
        rest(&mut stream).await; // it is over
        let line = hut.line("panic", "connection", &own).await;
        assert_eq!(line["problem"], "the connection broke", "{line}");
        assert_eq!(line["level"], "error", "{line}");
        assert_eq!(hut.panics(), format!("usher_panics_total {}", n + 1));
    }
    beside
        .write_all(b"GET /on HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut beside).await.contains("HTTP/1.1 200 "), "the one beside it goes on");
}
