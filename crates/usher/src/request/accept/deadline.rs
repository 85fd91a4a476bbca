use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::limits;

/// What a connection has been doing, so that one timer can judge it.
///
/// hyper's own head timeout counts the silence between two requests as well, and HTTP/2 has
/// none: a connection that opens and says nothing would live for ever (hyper issue 3756).
#[derive(Debug)]
pub struct Pulse {
    opened: Instant,
    /// Milliseconds since `opened` at which bytes last came in, plus one; 0 is never.
    last_read: AtomicU64,
    /// The same for the first byte after the last request was done; 0 is none.
    head_began: AtomicU64,
    in_flight: AtomicU32,
    /// HTTP/2 connections speak between requests (PING, WINDOW_UPDATE): that is no head.
    multiplexed: bool,
}

/// One request on a connection; while it lives, the connection is not idle.
#[derive(Debug)]
pub struct InFlight(Arc<Pulse>);

impl Pulse {
    /// A connection that opens now.
    pub fn new(multiplexed: bool) -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            last_read: AtomicU64::new(0),
            head_began: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            multiplexed,
        })
    }

    fn clock(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// A request's head is complete.
    pub fn request(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.head_began.store(0, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    fn read(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0 {
            let now = self.clock();
            self.last_read.store(now, Ordering::Relaxed);
            let _ = self.head_began.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// When this connection has outstayed its welcome, as things are; `None` while it works.
    pub fn deadline(&self, idle: Option<Duration>) -> Option<Instant> {
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let at =
            |mark: u64, patience: Duration| self.opened + Duration::from_millis(mark) + patience;
        let last_read = self.last_read.load(Ordering::Relaxed);
        let head_began = self.head_began.load(Ordering::Relaxed);
        match (last_read, head_began) {
            (0, _) => Some(self.opened + limits::FIRST_BYTE),
            (_, began) if began > 0 && !self.multiplexed => Some(at(began, limits::HEAD)),
            (last, _) => idle.map(|idle| at(last, idle)),
        }
    }

    /// Resolves when the connection has outstayed its welcome.
    pub async fn outstayed(&self, idle: Option<Duration>) {
        // With nothing to wait for, look again when something may have changed.
        const LOOK_AGAIN: Duration = Duration::from_secs(5);
        loop {
            match self.deadline(idle) {
                Some(deadline) if deadline <= Instant::now() => return,
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = self.0.clock();
        self.0.last_read.store(now, Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that tells a [`Pulse`] when bytes come in.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S> Watched<S> {
    /// Watches `stream`.
    pub const fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::{Instant, advance},
    };

    use super::{Pulse, Watched, limits};

    const IDLE: Option<Duration> = Some(Duration::from_secs(300));

    /// Seconds until the connection has outstayed its welcome.
    async fn shown_out_after(pulse: &Pulse) -> u64 {
        let began = Instant::now();
        pulse.outstayed(IDLE).await;
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn t12_who_says_nothing_is_shown_out() {
        for multiplexed in [false, true] {
            let silent = Pulse::new(multiplexed);
            assert_eq!(shown_out_after(&silent).await, limits::FIRST_BYTE.as_secs());
        }
        // A byte now and then is no progress: the whole head has one limit.
        let dribbling = Pulse::new(false);
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = Watched::new(server, std::sync::Arc::clone(&dribbling));
        let began = Instant::now();
        while began.elapsed() < limits::HEAD - Duration::from_secs(1) {
            client.write_all(b"x").await.unwrap();
            server.read_u8().await.unwrap();
            advance(Duration::from_secs(5)).await;
        }
        dribbling.outstayed(IDLE).await;
        assert_eq!(began.elapsed().as_secs(), limits::HEAD.as_secs());

        // Between two requests it is the idle limit, from the end of the first on.
        let idle = Pulse::new(false);
        let request = idle.request();
        assert!(idle.deadline(IDLE).is_none(), "a request that runs has its own limits");
        advance(Duration::from_secs(9000)).await;
        drop(request);
        assert_eq!(shown_out_after(&idle).await, 300);
        assert!(idle.deadline(None).is_none(), "and none where the config says so");
    }
}
