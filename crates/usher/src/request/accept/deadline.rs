use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, Sleep, sleep},
};

use super::{Admitted, Waiting, limits};

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
    /// Has the last request a body, which may still be on its way?
    body_follows: AtomicBool,
    cancelled: Cancelled,
    /// Its part of its client's share, as long as it lives.
    admitted: Option<Admitted>,
    /// HTTP/2 connections speak between requests (PING, WINDOW_UPDATE): that is no head.
    multiplexed: bool,
}

/// One request on a connection; while it lives, the connection is not idle.
#[derive(Debug)]
pub struct InFlight {
    pulse: Arc<Pulse>,
    has_room: bool,
}

impl Pulse {
    /// A connection that opens now.
    pub fn new(multiplexed: bool) -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            last_read: AtomicU64::new(0),
            head_began: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            body_follows: AtomicBool::new(false),
            cancelled: Cancelled::default(),
            admitted: None,
            multiplexed,
        })
    }

    /// A connection that has come in, and counts.
    pub fn admitted(multiplexed: bool, admitted: Admitted) -> Arc<Self> {
        admitted.is_ready();
        let mut pulse = Self::new(multiplexed);
        if let Some(pulse) = Arc::get_mut(&mut pulse) {
            pulse.admitted = Some(admitted);
        }
        pulse
    }

    /// Resolves when this connection has to make room for others.
    pub async fn must_go(&self) {
        match &self.admitted {
            Some(admitted) => admitted.must_go().await,
            None => std::future::pending().await,
        }
    }

    /// Bytes of answers wait for the client.
    pub(super) fn wait(&self, bytes: usize) {
        if let Some(admitted) = &self.admitted {
            admitted.wait(bytes);
        }
    }

    /// They wait no more.
    pub(super) fn taken(&self, bytes: usize) {
        if let Some(admitted) = &self.admitted {
            admitted.taken(bytes);
        }
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.admitted.as_ref().map_or(0, Admitted::waiting)
    }

    /// How many may before its answers take turns.
    pub(super) fn may_wait(&self) -> usize {
        self.admitted.as_ref().map_or(limits::CONNECTION_WAITING, Admitted::may_wait)
    }

    fn moved(&self, bytes: usize) {
        if let Some(admitted) = &self.admitted {
            admitted.moved(bytes);
        }
    }

    fn clock(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// A request's head is complete.
    pub fn request(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.head_began.store(0, Ordering::Relaxed);
        self.body_follows.store(false, Ordering::Relaxed);
        let has_room = self.admitted.as_ref().is_none_or(Admitted::request);
        InFlight { pulse: Arc::clone(self), has_room }
    }

    /// The request that has just come brings a body.
    pub fn body_follows(&self) {
        self.body_follows.store(true, Ordering::Relaxed);
    }

    /// May the client be in the middle of a head or of a body?
    fn says_more(&self) -> bool {
        self.body_follows.load(Ordering::Relaxed) || self.head_began.load(Ordering::Relaxed) > 0
    }

    /// Resolves when the client cancels more requests than anybody has a reason to.
    pub async fn cancels_too_much(&self) {
        self.cancelled.too_many.notified().await;
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

/// Requests that the client took back (RST_STREAM): so many at once, and so many a second.
///
/// What was reset before we saw it is counted by h2; this counts what we had begun to work on.
#[derive(Debug, Default)]
struct Cancelled {
    /// How many were taken back, less what time has forgiven.
    level: AtomicU64,
    /// [`Pulse::clock`] when `level` was last looked at.
    at: AtomicU64,
    too_many: Notify,
}

impl Cancelled {
    fn another(&self, now: u64) {
        let passed = now.saturating_sub(self.at.swap(now, Ordering::Relaxed));
        let forgiven = passed.saturating_mul(limits::CANCELS_PER_SECOND) / 1000;
        let level = self.level.load(Ordering::Relaxed).saturating_sub(forgiven) + 1;
        self.level.store(level, Ordering::Relaxed);
        if level > limits::CANCELS {
            self.too_many.notify_one();
        }
    }
}

impl InFlight {
    /// The client took this request back.
    pub fn cancelled(&self) {
        if self.pulse.multiplexed {
            self.pulse.cancelled.another(self.pulse.clock());
            if let Some(admitted) = &self.pulse.admitted {
                admitted.cancelled();
            }
        }
    }

    /// Is there room to answer it?
    pub const fn has_room(&self) -> bool {
        self.has_room
    }

    /// Resolves when its connection has to make room for others.
    pub fn must_go(&self) -> impl Future<Output = ()> + Send + use<> {
        let pulse = Arc::clone(&self.pulse);
        async move { pulse.must_go().await }
    }

    /// Counts the bytes of its answer that wait.
    pub fn waiting(&self) -> Waiting {
        Waiting::new(Arc::clone(&self.pulse))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = self.pulse.clock();
        self.pulse.last_read.store(now, Ordering::Relaxed);
        self.pulse.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(admitted) = &self.pulse.admitted {
            admitted.answered();
        }
    }
}

/// A stream that tells a [`Pulse`] when bytes come in, and closes without losing what was said.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
    closing: Closing,
}

/// How far the end of a stream has come.
#[derive(Debug)]
enum Closing {
    No,
    /// Our side has ended; what the client still says is read and dropped.
    Lingering(Pin<Box<Sleep>>),
    Over,
}

impl<S> Watched<S> {
    /// Watches `stream`.
    pub const fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse, closing: Closing::No }
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
            self.pulse.moved(buf.filled().len() - before);
            self.pulse.read();
        }
        polled
    }
}

impl<S> Watched<S> {
    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = polled {
            self.pulse.moved(*bytes);
        }
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads and drops until the client has ended, or has had [`limits::LINGER`].
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Closing::Lingering(patience) = &mut self.closing else { return Poll::Ready(()) };
        if patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut scratch = [MaybeUninit::uninit(); 8 * 1024];
        for _ in 0..limits::LINGER_READS {
            let mut dropped = ReadBuf::uninit(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut dropped)) {
                Ok(()) if !dropped.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref(); // others have their turn
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closing while bytes wait to be read makes the system send a reset, which takes the answer
    /// away from a client that has not read it yet (RFC 9112 §9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.closing, Closing::No) {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.closing = match self.pulse.says_more() {
                true => Closing::Lingering(Box::pin(sleep(limits::LINGER))),
                false => Closing::Over,
            };
        }
        ready!(self.poll_linger(cx));
        self.closing = Closing::Over;
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&polled);
        polled
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
