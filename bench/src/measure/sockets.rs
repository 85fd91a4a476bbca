//! WebSockets that are open and say nothing.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
};
use tokio_rustls::client::TlsStream;

use super::{Figure, upstream::PONG};
use crate::{
    client::{Client, Protocol},
    failure::Failure,
    front_door::FrontDoor,
};

/// A masked ping of four bytes (RFC 6455 §5.5.2); the mask is zero, which is a mask too.
const PING: &[u8] = &[0x89, 0x84, 0, 0, 0, 0, b'h', b'e', b'r', b'e'];

/// How many handshakes at once.
const AT_ONCE: usize = 32;

/// Sockets of one household.
const SHARED: usize = 100;

/// How long an answer may take.
pub const ANSWER: Duration = Duration::from_secs(5);

/// A connection over which messages go.
pub type Socket = TlsStream<TcpStream>;

/// Opens `count`, leaves them alone for `patience`, then asks each whether it still lives.
pub async fn idle(
    door: &FrontDoor,
    client: &Client,
    count: usize,
    patience: Duration,
) -> Result<Figure, Failure> {
    let before = door.process.resident()?;
    door.process.forget_peak()?;
    let mut sockets = open(client, count).await?;
    tokio::time::sleep(patience).await;
    for (held, socket) in sockets.iter_mut().enumerate() {
        echo(socket).await.map_err(Failure::io(format!("WebSocket {held} of {count}")))?;
    }
    let kib = door.process.peak()?.saturating_sub(before);
    let each = kib / count as u64;
    Ok(Figure {
        what: format!("{count} idle WebSockets"),
        kib,
        limit: None,
        note: format!("{each} KiB each, all answered after {} s", patience.as_secs()),
    })
}

/// How many of them still answer. One that was closed by the other end is open here until it is
/// asked something.
pub async fn answering(sockets: &mut [Socket]) -> usize {
    let mut answering = 0;
    for socket in sockets {
        let answer = tokio::time::timeout(ANSWER, echo(socket)).await;
        answering += usize::from(answer.is_ok_and(|said| said.is_ok()));
    }
    answering
}

/// Handshakes run beside each other; the sockets come back in any order.
pub async fn open(client: &Client, count: usize) -> Result<Vec<Socket>, Failure> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for nth in 0..count {
        let (client, slots) = (client.clone(), Arc::clone(&slots));
        tasks.spawn(async move {
            let _slot = slots.acquire().await.map_err(Failure::exchange("slot"))?;
            upgrade(&client, home(nth)).await
        });
    }
    let mut sockets = Vec::with_capacity(count);
    while let Some(done) = tasks.join_next().await {
        sockets.push(done.map_err(Failure::exchange("WebSocket"))??);
    }
    Ok(sockets)
}

/// Whose socket that is: two thousand of one address are more than a client's share.
pub fn home(nth: usize) -> Ipv4Addr {
    let household = u8::try_from(nth / SHARED).unwrap_or(u8::MAX);
    Ipv4Addr::new(127, 0, 1, household)
}

/// One handshake by hand: hyper's client would keep buffers that are not usher's to answer for.
async fn upgrade(client: &Client, from: Ipv4Addr) -> Result<Socket, Failure> {
    let mut socket = client.tls_from(from, Protocol::Http1).await?;
    let head = format!(
        "GET /socket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        client.host()
    );
    socket.write_all(head.as_bytes()).await.map_err(Failure::io("upgrade"))?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.map_err(Failure::io("upgrade"))?);
    }
    if answer.starts_with(b"HTTP/1.1 101 ") {
        echo(&mut socket).await.map_err(Failure::io("first message"))?;
        return Ok(socket);
    }
    let what = String::from_utf8_lossy(&answer).into_owned();
    Err(Failure::Program { program: "usher".into(), what })
}

/// One message there and one back.
async fn echo(socket: &mut Socket) -> std::io::Result<()> {
    socket.write_all(PING).await?;
    socket.flush().await?;
    let mut answer = [0; PONG.len()];
    socket.read_exact(&mut answer).await?;
    Ok(())
}
