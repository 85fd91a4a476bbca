//! What stays open beside the load: idle WebSockets, and readers who take their time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
    time,
};

use super::Many;
use crate::{
    client::{Client, Protocol},
    failure::Failure,
    measure::sockets::{self, Socket},
};

/// What a slow reader takes each second; less would not count as moving.
const SIP: usize = 4096;
/// Ten of one address at most: what waits for all of them has to fit into a client's share.
const APART: usize = 10;
/// Longer than anybody reads at that pace.
const FILM: u64 = 1 << 40;
/// What was only needed for opening is let go of.
const SETTLING: Duration = Duration::from_secs(5);

/// Open until it is dropped.
#[derive(Debug)]
pub enum Held {
    /// Routes and sessions hold nothing open.
    Nothing,
    /// WebSockets.
    Sockets(Vec<Socket>),
    /// Each ends with its connection; and how many have.
    Readers(JoinSet<()>, Arc<AtomicUsize>),
}

impl Held {
    /// Opens so many of that.
    pub async fn open(what: Many, count: usize, client: &Client) -> Result<Self, Failure> {
        let held = match what {
            Many::Routes | Many::Sessions => return Ok(Self::Nothing),
            Many::Sockets => Self::Sockets(sockets::open(client, count).await?),
            Many::Readers => {
                let (mut readers, gone) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
                for nth in 0..count {
                    let (film, gone) = (begin(client, nth).await?, Arc::clone(&gone));
                    readers.spawn(async move {
                        sip(film).await;
                        gone.fetch_add(1, Relaxed);
                    });
                }
                Self::Readers(readers, gone)
            }
        };
        time::sleep(SETTLING).await;
        Ok(held)
    }

    /// How many are still open; that a few are not is usher's right, not that many are not.
    pub async fn open_now(&mut self, count: usize) -> Result<usize, Failure> {
        let open = match self {
            Self::Nothing => count,
            Self::Sockets(sockets) => sockets::answering(sockets).await,
            Self::Readers(readers, gone) => readers.len() - gone.load(Relaxed),
        };
        if open * 20 >= count * 19 {
            return Ok(open);
        }
        let what = format!("only {open} of {count} are still open");
        Err(Failure::Program { program: "usher".into(), what })
    }
}

/// Asks for a film without end.
async fn begin(client: &Client, nth: usize) -> Result<Socket, Failure> {
    let mut film = client.tls_from(sockets::home(nth * APART), Protocol::Http1).await?;
    let head = format!("GET /zeros/{FILM} HTTP/1.1\r\nHost: {}\r\n\r\n", client.host());
    film.write_all(head.as_bytes()).await.map_err(Failure::io("a slow reader"))?;
    let mut status = [0; 13];
    film.read_exact(&mut status).await.map_err(Failure::io("a slow reader"))?;
    if status.starts_with(b"HTTP/1.1 200 ") {
        return Ok(film);
    }
    let what = String::from_utf8_lossy(&status).into_owned();
    Err(Failure::Program { program: "a slow reader".into(), what })
}

/// Reads a little each second, until the connection ends.
async fn sip(mut film: Socket) {
    let (mut ticks, mut sip) = (time::interval(Duration::from_secs(1)), [0; SIP]);
    while film.read_exact(&mut sip).await.is_ok() {
        ticks.tick().await;
    }
}
