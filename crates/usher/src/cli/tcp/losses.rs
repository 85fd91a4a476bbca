//! Datagrams that were lost on this side, which nobody else would tell of.

use std::{
    fmt,
    io::{self, Write as _},
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Notify, time::sleep};

/// They are told of together.
const TOGETHER: Duration = Duration::from_secs(1);

/// Why one was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The path takes none so long; none is cut.
    TooLong,
    /// More came than could wait.
    NoRoom,
    /// Its tunnel ended, or did not open.
    NoTunnel,
}

/// How many of each, at one port.
#[derive(Debug)]
pub(super) struct Losses {
    at: SocketAddr,
    too_long: AtomicU64,
    no_room: AtomicU64,
    no_tunnel: AtomicU64,
    news: Notify,
}

impl Losses {
    pub(super) const fn at(at: SocketAddr) -> Self {
        let (too_long, no_room) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { at, too_long, no_room, no_tunnel: AtomicU64::new(0), news: Notify::const_new() }
    }

    pub(super) fn add(&self, loss: Loss) {
        let of = match loss {
            Loss::TooLong => &self.too_long,
            Loss::NoRoom => &self.no_room,
            Loss::NoTunnel => &self.no_tunnel,
        };
        of.fetch_add(1, Ordering::Relaxed);
        self.news.notify_one();
    }

    /// Says how many there are whenever there are more.
    pub(super) async fn tell(&self) {
        loop {
            self.news.notified().await;
            sleep(TOGETHER).await;
            let _nowhere_left = writeln!(io::stderr(), "{self}");
        }
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let [too_long, no_room, no_tunnel] =
            [&self.too_long, &self.no_room, &self.no_tunnel].map(count);
        write!(
            f,
            "{}: datagrams lost so far: {too_long} too long for the path, {no_room} faster than \
             the proxy takes them, {no_tunnel} without a tunnel",
            self.at
        )
    }
}
