use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take},
    time::{Instant, Sleep, sleep},
};

use super::{
    Admitted, Protocol, Unread,
    as_ok::AsOk,
    cancelled::Cancelled,
    frames::{Frames, Half},
    limits,
    refused::Refused,
};

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
    /// The same for what of HTTP/2 is half here: other streams may be in flight beside it.
    half_began: AtomicU64,
    /// Octets of a head that have come before its last.
    head_bytes: AtomicUsize,
    /// Octets of them that count in the client's share.
    held: AtomicUsize,
    in_flight: AtomicU32,
    /// Has the last request a body, which may still be on its way?
    body_follows: AtomicBool,
    as_ok: AsOk,
    has_closed: AtomicBool,
    cancelled: Cancelled,
    /// Its part of its client's share, as long as it lives.
    admitted: Option<Admitted>,
    /// HTTP/2 connections speak between requests (PING, WINDOW_UPDATE): that is no head. What is
    /// one is seen by [`Frames`].
    protocol: Protocol,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.hold(0);
    }
}

/// One request on a connection; while it lives, the connection is not idle.
#[derive(Debug)]
pub struct InFlight {
    pulse: Arc<Pulse>,
    has_room: bool,
}

impl Pulse {
    /// A connection that opens now.
    pub fn new(protocol: Protocol) -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            last_read: AtomicU64::new(0),
            head_began: AtomicU64::new(0),
            half_began: AtomicU64::new(0),
            head_bytes: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            in_flight: AtomicU32::new(0),
            body_follows: AtomicBool::new(false),
            as_ok: AsOk::default(),
            has_closed: AtomicBool::new(false),
            cancelled: Cancelled::default(),
            admitted: None,
            protocol,
        })
    }

    /// A connection that has come in, and counts.
    pub fn admitted(protocol: Protocol, admitted: Admitted) -> Arc<Self> {
        admitted.is_ready();
        let mut pulse = Self::new(protocol);
        if let Some(pulse) = Arc::get_mut(&mut pulse) {
            pulse.admitted = Some(admitted);
        }
        pulse
    }

    /// How it carries requests.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
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
        if !self.protocol.is_multiplexed() {
            self.head_bytes.store(0, Ordering::Relaxed);
            self.hold(0);
        }
        let has_room = self.admitted.as_ref().is_none_or(Admitted::request);
        InFlight { pulse: Arc::clone(self), has_room }
    }

    /// The request that has just come brings a body.
    pub fn body_follows(&self) {
        self.body_follows.store(true, Ordering::Relaxed);
    }

    /// Nothing more will be written.
    pub fn has_closed(&self) -> bool {
        self.has_closed.load(Ordering::Relaxed)
    }

    /// The 101 that comes next is written as a 200.
    pub fn tell_as_ok(&self) {
        self.as_ok.begin();
    }

    /// May the client be in the middle of a head or of a body?
    fn says_more(&self) -> bool {
        self.body_follows.load(Ordering::Relaxed) || self.head_began.load(Ordering::Relaxed) > 0
    }

    /// Resolves when the client cancels more requests than anybody has a reason to.
    pub async fn cancels_too_much(&self) {
        self.cancelled.too_many.notified().await;
    }

    fn read(&self, bytes: usize) {
        if self.in_flight.load(Ordering::Relaxed) == 0 {
            if !self.protocol.is_multiplexed() {
                self.hold(self.head_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes);
            }
            let now = self.clock();
            self.last_read.store(now, Ordering::Relaxed);
            let _ = self.head_began.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// How far the frames of HTTP/2 have come.
    fn frames(&self, half: Half, held: usize) {
        match half {
            Half::Nothing => self.half_began.store(0, Ordering::Relaxed),
            Half::Same => {
                let (now, mark) = (self.clock(), &self.half_began);
                let _ = mark.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
            }
            Half::Other => self.half_began.store(self.clock(), Ordering::Relaxed),
        }
        self.hold(held);
    }

    /// So much of a head is kept until the rest of it comes. What every head has counts nothing.
    fn hold(&self, bytes: usize) {
        let bytes = bytes.min(limits::READ_BUFFER).saturating_sub(limits::SHORT_HEAD);
        let before = self.held.swap(bytes, Ordering::Relaxed);
        match bytes.checked_sub(before) {
            Some(0) => {}
            Some(more) => self.wait(more),
            None => self.taken(before - bytes),
        }
    }

    /// When this connection has outstayed its welcome, as things are; `None` while it works.
    pub fn deadline(&self, idle: Option<Duration>) -> Option<Instant> {
        let at =
            |mark: u64, patience: Duration| self.opened + Duration::from_millis(mark) + patience;
        let half_began = self.half_began.load(Ordering::Relaxed);
        if half_began > 0 {
            return Some(at(half_began, limits::HEAD));
        }
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let last_read = self.last_read.load(Ordering::Relaxed);
        let head_began = self.head_began.load(Ordering::Relaxed);
        match (last_read, head_began) {
            (0, _) => Some(self.opened + limits::FIRST_BYTE),
            (_, began) if began > 0 && !self.protocol.is_multiplexed() => {
                Some(at(began, limits::HEAD))
            }
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
                // A head that begins meanwhile has its own, which comes no sooner than this.
                Some(deadline) => {
                    tokio::time::sleep_until(deadline.min(Instant::now() + limits::HEAD)).await;
                }
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }
}

impl InFlight {
    /// The client took this request back.
    pub fn cancelled(&self) {
        if self.pulse.protocol.is_multiplexed() {
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

    /// The pulse of its connection.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
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
    stream: Take<S>,
    pulse: Arc<Pulse>,
    /// Those of HTTP/2.
    frames: Option<Frames>,
    refused: Option<Refused>,
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

impl<S: AsyncRead> Watched<S> {
    /// Watches `stream`.
    pub fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        let frames = match pulse.protocol {
            Protocol::Http1 => None,
            Protocol::Http2 => Some(Frames::default()),
        };
        let stream = stream.take(limits::READ_AHEAD);
        Self { stream, pulse, frames, refused: None, closing: Closing::No }
    }

    /// Tells of requests that the HTTP/2 library refuses by itself.
    #[must_use]
    pub(super) fn telling(self, tell: impl Fn(&Unread) + Send + Sync + 'static) -> Self {
        Self { refused: Some(Refused::new(tell)), ..self }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        self.stream.set_limit(limits::READ_AHEAD);
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let came = buf.filled().get(before..).unwrap_or_default();
        if !came.is_empty() {
            self.came(came);
        }
        polled
    }
}

impl<S> Watched<S> {
    fn came(&mut self, bytes: &[u8]) {
        self.pulse.moved(bytes.len());
        self.pulse.read(bytes.len());
        if let Some(frames) = &mut self.frames {
            let half = frames.walk(bytes);
            self.pulse.frames(half, frames.held());
        }
    }

    fn wrote(&mut self, polled: &Poll<io::Result<usize>>, bufs: &[io::IoSlice<'_>]) {
        let Poll::Ready(Ok(bytes)) = polled else { return };
        self.pulse.moved(*bytes);
        let Some(refused) = &mut self.refused else { return };
        let mut left = *bytes;
        for buf in bufs {
            let (wrote, _) = buf.split_at_checked(left).unwrap_or((buf, &[]));
            left -= wrote.len();
            refused.walk(wrote);
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
            match ready!(Pin::new(self.stream.get_mut()).poll_read(cx, &mut dropped)) {
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
        let head = self.pulse.as_ok.head(buf);
        let polled = Pin::new(self.stream.get_mut()).poll_write(cx, head.as_deref().unwrap_or(buf));
        let polled = if head.is_some() { self.pulse.as_ok.wrote(polled) } else { polled };
        self.wrote(&polled, &[io::IoSlice::new(buf)]);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(cx)
    }

    /// Closing while bytes wait to be read makes the system send a reset, which takes the answer
    /// away from a client that has not read it yet (RFC 9112 §9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.closing, Closing::No) {
            ready!(Pin::new(self.stream.get_mut()).poll_shutdown(cx))?;
            self.closing = match self.pulse.says_more() {
                true => Closing::Lingering(Box::pin(sleep(limits::LINGER))),
                false => Closing::Over,
            };
        }
        ready!(self.poll_linger(cx));
        self.closing = Closing::Over;
        self.pulse.has_closed.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let (true, Some(head)) = (self.pulse.as_ok.is_due(), bufs.first()) {
            return self.poll_write(cx, head);
        }
        let polled = Pin::new(self.stream.get_mut()).poll_write_vectored(cx, bufs);
        self.wrote(&polled, bufs);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
