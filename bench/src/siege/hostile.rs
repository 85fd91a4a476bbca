//! Those who besiege: each kind of client that wants to take what belongs to all.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{OPEN, guess};
use crate::front_door::HOST;

/// A kind of attack.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Connects and begins no handshake, or half of one.
    IdleHandshakes,
    /// A head that comes a byte a second.
    SlowHeads,
    /// HTTP/2 with a window of zero: the answer can't be sent.
    StalledHttp2,
    /// An answer over HTTP/1.1 that nobody reads.
    UnreadHttp1,
    /// A hundred answers on one connection that nobody reads.
    HundredUnread,
    /// A body that comes a byte a second.
    SlowUploads,
    /// Requests that are taken back as soon as they are made.
    Cancelled,
    /// One request, and then nothing.
    IdleKeepAlives,
    /// A WebSocket whose client has gone silent.
    HalfOpenSockets,
    /// Forms for signing in, one after the other.
    SignIns,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::IdleHandshakes,
        Self::SlowHeads,
        Self::StalledHttp2,
        Self::UnreadHttp1,
        Self::HundredUnread,
        Self::SlowUploads,
        Self::Cancelled,
        Self::IdleKeepAlives,
        Self::HalfOpenSockets,
        Self::SignIns,
    ];

    /// As in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdleHandshakes => "idle handshakes",
            Self::SlowHeads => "slow heads",
            Self::StalledHttp2 => "stalled answers, HTTP/2",
            Self::UnreadHttp1 => "unread answers, HTTP/1.1",
            Self::HundredUnread => "100 unread streams each",
            Self::SlowUploads => "slow uploads",
            Self::Cancelled => "cancelled requests",
            Self::IdleKeepAlives => "idle keep-alives",
            Self::HalfOpenSockets => "half-open WebSockets",
            Self::SignIns => "floods of sign-ins",
        }
    }
}

/// One of them: where it comes from, and where the door is.
#[derive(Clone, Debug)]
pub struct Hostile {
    pub door: SocketAddr,
    pub from: Ipv4Addr,
    pub http1: Arc<ClientConfig>,
    pub http2: Arc<ClientConfig>,
}

const SECOND: Duration = Duration::from_secs(1);
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

type Tls = TlsStream<TcpStream>;

impl Hostile {
    /// Attacks until it is dropped; who is shown out comes back.
    pub async fn attack(self, kind: Kind) {
        loop {
            let _shown_out = self.once(kind).await;
            sleep(SECOND).await;
        }
    }

    async fn once(&self, kind: Kind) -> io::Result<()> {
        match kind {
            Kind::IdleHandshakes => {
                let mut tcp = self.tcp().await?;
                tcp.write_all(&[22, 3, 1, 2, 0, 1]).await?;
                read_to_end(&mut tcp).await
            }
            Kind::SlowHeads => {
                let mut tls = self.tls(OPEN, &self.http1).await?;
                tls.write_all(format!("GET / HTTP/1.1\r\nHost: {OPEN}\r\nX: ").as_bytes()).await?;
                trickle(&mut tls, b"x").await
            }
            Kind::StalledHttp2 => self.streams(1, 0).await,
            Kind::HundredUnread => self.streams(100, i32::MAX.unsigned_abs()).await,
            Kind::UnreadHttp1 => {
                let mut tls = self.tls(OPEN, &self.http1).await?;
                let head = format!("GET /zeros/{} HTTP/1.1\r\nHost: {OPEN}\r\n\r\n", 1_u64 << 30);
                tls.write_all(head.as_bytes()).await?;
                hold_unread(&mut tls, b"\r\n").await
            }
            Kind::SlowUploads => {
                let mut tls = self.tls(OPEN, &self.http1).await?;
                let head = format!(
                    "POST /sink HTTP/1.1\r\nHost: {OPEN}\r\nContent-Length: 1000000000\r\n\r\n"
                );
                tls.write_all(head.as_bytes()).await?;
                trickle(&mut tls, b"x").await
            }
            Kind::Cancelled => self.cancel().await,
            Kind::IdleKeepAlives => {
                let mut tls = self.tls(OPEN, &self.http1).await?;
                let head = format!("GET / HTTP/1.1\r\nHost: {OPEN}\r\n\r\n");
                tls.write_all(head.as_bytes()).await?;
                read_to_end(&mut tls).await
            }
            Kind::HalfOpenSockets => {
                let mut tls = self.tls(OPEN, &self.http1).await?;
                let head = format!(
                    "GET /socket HTTP/1.1\r\nHost: {OPEN}\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                );
                tls.write_all(head.as_bytes()).await?;
                read_to_end(&mut tls).await
            }
            Kind::SignIns => guess::passwords(self.tls(HOST, &self.http1).await?).await,
        }
    }

    async fn tcp(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(self.from), 0))?;
        timeout(10 * SECOND, socket.connect(self.door)).await?
    }

    async fn tls(&self, host: &'static str, config: &Arc<ClientConfig>) -> io::Result<Tls> {
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(config));
        let tcp = self.tcp().await?;
        timeout(20 * SECOND, connector.connect(name, tcp)).await?
    }

    /// So many streams with this window, whose answers are not read.
    async fn streams(&self, count: u32, window: u32) -> io::Result<()> {
        let mut tls = self.tls(OPEN, &self.http2).await?;
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let settings = [&[0, 4][..], &window.to_be_bytes()].concat(); // INITIAL_WINDOW_SIZE
        bytes.extend(frame(SETTINGS, 0, 0, &settings));
        if window > 65_535 {
            bytes.extend(frame(WINDOW_UPDATE, 0, 0, &(window - 65_535).to_be_bytes()));
        }
        for number in 0..count {
            bytes.extend(get(2 * number + 1, "/zeros/1073741824"));
        }
        tls.write_all(&bytes).await?;
        hold_unread(&mut tls, &frame(PING, 0, 0, &[0; 8])).await
    }

    async fn cancel(&self) -> io::Result<()> {
        let mut tls = self.tls(OPEN, &self.http2).await?;
        tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        tls.write_all(&frame(SETTINGS, 0, 0, b"")).await?;
        let mut id = 1;
        loop {
            let mut bytes = Vec::new();
            for _ in 0..50 {
                bytes.extend(get(id, "/zeros/1073741824"));
                bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
                id += 2;
            }
            tls.write_all(&bytes).await?;
            let mut ignored = [0; 4096];
            let _nothing = timeout(SECOND, tls.read(&mut ignored)).await;
        }
    }
}

async fn read_to_end(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<()> {
    let mut ignored = [0; 4096];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

/// A byte a second, until the other side has had enough.
async fn trickle(tls: &mut Tls, byte: &[u8]) -> io::Result<()> {
    loop {
        tls.write_all(byte).await?;
        tls.flush().await?;
        let mut ignored = [0; 4096];
        if let Ok(Ok(0) | Err(_)) = timeout(SECOND, tls.read(&mut ignored)).await {
            return Ok(());
        }
    }
}

/// Reads nothing; asks now and then whether the connection lives.
async fn hold_unread(tls: &mut Tls, word: &[u8]) -> io::Result<()> {
    loop {
        sleep(5 * SECOND).await;
        tls.write_all(word).await?;
        tls.flush().await?;
    }
}

/// An HTTP/2 frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    let [_, length @ ..] = length;
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET path` for [`OPEN`], without indexing (RFC 7541 §6.2.2).
fn get(stream: u32, path: &str) -> Vec<u8> {
    let text =
        |text: &str| [&[u8::try_from(text.len()).unwrap_or_default()], text.as_bytes()].concat();
    let head = [&[0x82, 0x87, 0x04][..], &text(path), &[0x01], &text(OPEN)].concat();
    frame(HEADERS, 5, stream, &head)
}
