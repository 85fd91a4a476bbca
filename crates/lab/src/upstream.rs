//! An upstream that does what a test tells it to, byte for byte: it answers, is slow, lies, goes
//! silent, hangs up.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Builder,
    sync::{Notify, oneshot},
    task::LocalSet,
};

/// A server on loopback.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Seen>,
    over: Option<oneshot::Sender<()>>,
}

/// What it has seen so far.
#[derive(Debug, Default)]
struct Seen {
    heads: Mutex<Vec<String>>,
    connections: AtomicUsize,
    bytes: AtomicU64,
    news: Notify,
}

/// One request on one connection.
pub struct Exchange {
    /// The head as it came, without the empty line.
    pub head: String,
    /// What stood behind a chunked body, line by line.
    pub trailers: String,
    /// Bytes that came behind the head.
    rest: Vec<u8>,
    /// The connection.
    pub stream: TcpStream,
    seen: Arc<Seen>,
}

impl Upstream {
    /// Starts one that plays `script` for each request, on a thread of its own. An error closes
    /// the connection.
    pub fn start<S>(script: S) -> Self
    where
        S: AsyncFn(&mut Exchange) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = StdListener::bind("127.0.0.1:0").expect("a port of loopback");
        listener.set_nonblocking(true).expect("an option");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let (over, is_over) = oneshot::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let stage = LocalSet::new();
            runtime.block_on(stage.run_until(async move {
                tokio::select! {
                    () = accept(listener, script, shared) => {}
                    _ = is_over => {}
                }
            }));
        });
        Self { address, seen, over: Some(over) }
    }

    /// Answers every request with 200 and the request's own head as text.
    pub fn echo() -> Self {
        Self::start(async |exchange: &mut Exchange| {
            exchange.body().await?;
            let head = exchange.head.clone();
            exchange.reply(200, "content-type: text/plain\r\n", head.as_bytes()).await
        })
    }

    /// Nobody listens there, and nobody else can: the port is taken, for as long as the process
    /// lives.
    pub fn nobody() -> SocketAddr {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port of loopback");
        Box::leak(Box::new(socket)).local_addr().expect("an address")
    }

    /// Every head that came, in order.
    pub fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().expect("no panic").clone()
    }

    /// The head that came last.
    pub fn last(&self) -> String {
        self.heads().pop().expect("a request")
    }

    /// Connections that were opened to it.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// Bytes of bodies that it has read.
    pub fn bytes(&self) -> u64 {
        self.seen.bytes.load(Ordering::Relaxed)
    }

    /// Resolves when `n` heads have come.
    pub async fn came(&self, n: usize) {
        loop {
            let news = self.seen.news.notified();
            if self.heads().len() >= n {
                return;
            }
            news.await;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ended_already = self.over.take().map(|over| over.send(()));
    }
}

async fn accept<S>(listener: StdListener, script: S, seen: Arc<Seen>)
where
    S: AsyncFn(&mut Exchange) -> io::Result<()> + 'static,
{
    let listener = TcpListener::from_std(listener).expect("a listener");
    let script = Rc::new(script);
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::Relaxed);
        let (script, seen) = (Rc::clone(&script), Arc::clone(&seen));
        tokio::task::spawn_local(async move {
            let _later = stream.set_nodelay(true);
            let mut exchange = Exchange {
                head: String::new(),
                trailers: String::new(),
                rest: Vec::new(),
                stream,
                seen,
            };
            while let Ok(true) = exchange.next().await {
                if script(&mut exchange).await.is_err() {
                    return;
                }
            }
        });
    }
}

impl Exchange {
    /// Reads the next head; `false` when there is none.
    async fn next(&mut self) -> io::Result<bool> {
        loop {
            if let Some(at) = find(&self.rest, b"\r\n\r\n") {
                let head: Vec<u8> = self.rest.drain(..at + 4).collect();
                self.head = String::from_utf8_lossy(&head[..at]).into_owned();
                self.seen.heads.lock().expect("no panic").push(self.head.clone());
                self.seen.news.notify_waiters();
                return Ok(true);
            }
            if self.fill().await? == 0 {
                return Ok(false);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        let n = self.stream.read(&mut piece).await?;
        self.rest.extend_from_slice(&piece[..n]);
        Ok(n)
    }

    /// The value of a field, by its lower-case name.
    pub fn field(&self, name: &str) -> Option<String> {
        field(&self.head, name)
    }

    /// The request's method and target.
    pub fn target(&self) -> (&str, &str) {
        let mut words = self.head.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// Reads the whole body, whichever way it comes.
    pub async fn body(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut body).await? {
            self.seen.bytes.fetch_add(piece as u64, Ordering::Relaxed);
        }
        Ok(body)
    }

    /// Reads on in the body; `None` at its end. Keeps count in `body`.
    async fn piece(&mut self, body: &mut Vec<u8>) -> io::Result<Option<usize>> {
        if self.field("transfer-encoding").is_some() {
            let line = self.line().await?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            let data = self.exactly(size).await?;
            body.extend_from_slice(&data);
            if size > 0 {
                self.line().await?;
                return Ok(Some(size));
            }
            self.trailers.clear();
            loop {
                match self.line().await? {
                    line if line.is_empty() => break,
                    line => self.trailers.push_str(&format!("{line}\n")),
                }
            }
            return Ok(None);
        }
        let length: usize =
            self.field("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return Ok(None);
        }
        let data = self.exactly((length - body.len()).min(16 * 1024)).await?;
        body.extend_from_slice(&data);
        Ok(Some(data.len()))
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = find(&self.rest, b"\r\n") {
                let line: Vec<u8> = self.rest.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < n {
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.rest.drain(..n).collect())
    }

    /// Sends these bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Sends a whole answer; `fields` end with CRLF each.
    pub async fn reply(&mut self, status: u16, fields: &str, body: &[u8]) -> io::Result<()> {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\n{fields}content-length: {length}\r\n\r\n");
        let is_head = self.head.starts_with("HEAD ");
        let body = if is_head { &[][..] } else { body };
        self.send([head.as_bytes(), body].concat()).await
    }

    /// Resolves when the other side has hung up; what it says until then is dropped.
    pub async fn hung_up(&mut self) {
        let mut piece = [0; 16 * 1024];
        while self.stream.read(&mut piece).await.is_ok_and(|n| n > 0) {}
    }
}

/// The value of a field in a head, by its lower-case name.
pub fn field(head: &str, name: &str) -> Option<String> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
