use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::{SharedRecheck, exchange::RECHECK};
use crate::request::{
    Details,
    authorize::{PermitEnd, Standing, Stream},
};

/// Bytes that one read takes over. One buffer per core: an idle socket holds none.
const SCRATCH: usize = 32 * 1024;

/// Every so many looks at a permit it is decided again whatever is known: a rule may ask how late it is.
const AT_LEAST: u32 = 5;

/// When one side of a socket has ended, the other may finish what it was saying for so long.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// One side of a tunnel may have said all and listen on (RFC 9293 §3.6, half-closed): as long as
/// something comes at least this often. Nobody can tell it from one that has left.
const HALF_CLOSED: Duration = Duration::from_secs(600);

/// So long an app that was ended still hears what its server has to say about that. Nothing of what
/// it says itself is carried any more.
const FAREWELL: Duration = Duration::from_secs(3);

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// How a relay ended, and what it carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Bytes from the client.
    pub up: u64,
    /// Bytes to the client.
    pub down: u64,
    /// Its word on the access line.
    pub end: Details,
}

/// Carries bytes both ways until one side ends, `idle` passes in silence, or the permit ends.
pub async fn relay<C, U>(
    client: C,
    upstream: U,
    idle: Option<Duration>,
    standing: &Standing,
    recheck: &SharedRecheck,
) -> Relayed
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut client, mut upstream) = (client, upstream);
    let (mut up, mut down) = (Direction::default(), Direction::default());
    let mut permit = pin!(permit_ends(standing, recheck));
    let mut silence = Silence::new(idle);
    let mut last_words = LastWords::of(Stream::after_upgrade(standing.route()));
    let mut farewell = None;
    let end = poll_fn(|cx| {
        if farewell.is_none()
            && let Poll::Ready(why) = permit.as_mut().poll(cx)
        {
            match is_told_why(standing, why) {
                true => farewell = Some(Box::pin(sleep(FAREWELL))),
                false => return Poll::Ready(why.details()),
            }
        }
        if let Some(over) = &mut farewell {
            let has_closed = down.poll(cx, &mut upstream, &mut client).is_ready();
            let is_over = over.as_mut().poll(cx).is_ready() || has_closed;
            return match is_over {
                true => Poll::Ready(PermitEnd::SessionEnded.details()),
                false => Poll::Pending,
            };
        }
        let before = up.carried + down.carried;
        let upward = up.poll(cx, &mut client, &mut upstream);
        let downward = down.poll(cx, &mut upstream, &mut client);
        let moved = up.carried + down.carried != before;
        match (upward, downward) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => {
                return Poll::Ready(Details::SocketReset);
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                return Poll::Ready(Details::SocketClosed);
            }
            (Poll::Ready(Ok(())), Poll::Pending) | (Poll::Pending, Poll::Ready(Ok(()))) => {
                if last_words.poll(cx, moved).is_ready() {
                    return Poll::Ready(Details::SocketClosed);
                }
            }
            (Poll::Pending, Poll::Pending) => {}
        }
        silence.poll(cx, moved).map(|()| Details::IdleTimeout)
    })
    .await;
    Relayed { up: up.carried, down: down.carried, end }
}

/// Does whoever has it open hear of the end on its screen? Apps do, by their socket.
fn is_told_why(standing: &Standing, why: PermitEnd) -> bool {
    let app = standing.session().and_then(|live| live.session().app.as_ref());
    let is_app = app.is_some_and(|app| app.seat.is_none());
    is_app && why == PermitEnd::SessionEnded
}

/// Resolves when the permit under which a socket was opened no longer holds: sign-out,
/// revocation, expiry, a changed policy (invariant 10). A tunnel goes on for a while after expiry,
/// and is decided again all that time.
pub(super) async fn permit_ends(standing: &Standing, recheck: &SharedRecheck) -> PermitEnd {
    let revoked = async {
        match standing.session() {
            Some(session) => session.ended().await,
            None => std::future::pending().await,
        }
    };
    let route = standing.route();
    let (stream, after) = (Stream::after_upgrade(route), route.after_session());
    let decided_again = async {
        let (mut over_since, mut looks) = (None, Looks::default());
        loop {
            sleep(RECHECK).await;
            if !looks.is_due(recheck.generation(standing)) && over_since.is_none() {
                continue;
            }
            let Err(why) = recheck.still_holds(standing, stream) else { continue };
            let over_since = *over_since.get_or_insert_with(Instant::now);
            if why != PermitEnd::SessionExpired || over_since.elapsed() >= after {
                return why;
            }
            if let Err(why) = recheck.still_holds(standing, Stream::TunnelAfterSession) {
                return why;
            }
        }
    };
    tokio::select! {
        () = revoked => PermitEnd::SessionEnded,
        why = decided_again => why,
    }
}

/// When a permit is to be decided again. Thousands of sockets that say nothing are looked at all the
/// time: as long as nothing has changed a look reads a few numbers.
#[derive(Default)]
struct Looks {
    generation: Option<u64>,
    undecided: u32,
}

impl Looks {
    /// Of what the permit rests on, as [`super::Recheck::generation`] tells it.
    fn is_due(&mut self, generation: u64) -> bool {
        let is_new = self.generation.replace(generation) != Some(generation);
        self.undecided += 1;
        let is_due = is_new || self.undecided >= AT_LEAST;
        if is_due {
            self.undecided = 0;
        }
        is_due
    }
}

/// How long one side goes on alone.
struct LastWords {
    timer: Option<Pin<Box<Sleep>>>,
    patience: Duration,
    ends: Ends,
}

/// When that is over.
#[derive(PartialEq, Eq)]
enum Ends {
    /// After that time.
    Then,
    /// When nothing has come for that time.
    InSilence,
}

impl LastWords {
    const fn of(stream: Stream) -> Self {
        let (patience, ends) = match stream {
            Stream::Body | Stream::Socket => (LAST_WORDS, Ends::Then),
            Stream::Tunnel | Stream::TunnelAfterSession => (HALF_CLOSED, Ends::InSilence),
        };
        Self { timer: None, patience, ends }
    }

    fn poll(&mut self, cx: &mut Context<'_>, moved: bool) -> Poll<()> {
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        if moved && self.ends == Ends::InSilence {
            timer.as_mut().reset(Instant::now() + patience);
        }
        timer.as_mut().poll(cx)
    }
}

pub(super) struct Silence {
    idle: Option<Duration>,
    since: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    pub(super) fn new(idle: Option<Duration>) -> Self {
        Self { idle, since: Instant::now(), timer: None }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, moved: bool) -> Poll<()> {
        let Some(idle) = self.idle else { return Poll::Pending };
        if moved {
            self.since = Instant::now();
        }
        loop {
            let left = (self.since + idle).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Poll::Ready(());
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(left)));
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
    }
}

/// One direction. Heap is used only while the sink is full.
#[derive(Default)]
struct Direction {
    waiting: Vec<u8>,
    sent: usize,
    carried: u64,
    /// Some of it may not have left yet.
    is_flush_due: bool,
    source_ended: bool,
    finished: bool,
}

impl Direction {
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut R,
        sink: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.finished {
            return Poll::Ready(Ok(()));
        }
        loop {
            while let Some(rest) = self.waiting.get(self.sent..).filter(|rest| !rest.is_empty()) {
                match Pin::new(&mut *sink).poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => {
                        self.sent += n;
                        self.carried += n as u64;
                        self.is_flush_due = true;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            self.waiting = Vec::new();
            self.sent = 0;
            if self.source_ended {
                ready!(Pin::new(&mut *sink).poll_shutdown(cx))?;
                self.finished = true;
                return Poll::Ready(Ok(()));
            }
            match self.read(cx, source) {
                Poll::Ready(result) => result?,
                Poll::Pending => {
                    // TLS takes octets that its socket has no room for yet; they wait there until
                    // somebody asks again.
                    if self.is_flush_due && Pin::new(&mut *sink).poll_flush(cx)?.is_ready() {
                        self.is_flush_due = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads once into the shared buffer and keeps what came.
    fn read<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut R,
    ) -> Poll<io::Result<()>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(source).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                self.source_ended = true;
            }
            self.waiting = buffer.filled().to_vec();
            Poll::Ready(Ok(()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

    use super::{AT_LEAST, Direction, Looks};

    #[test]
    fn a_permit_is_decided_again_when_something_changed_and_now_and_then() {
        let mut looks = Looks::default();
        assert!(looks.is_due(7), "at the first look");
        for _ in 1..AT_LEAST {
            assert!(!looks.is_due(7), "nothing has changed");
        }
        assert!(looks.is_due(7), "it may be too late by now");
        assert!(!looks.is_due(7));
        assert!(looks.is_due(8), "something has");
        assert!(!looks.is_due(8));
        assert!(looks.is_due(7), "also where it is as it was once");
    }

    /// Takes what is written, and lets go of it at the second flush.
    #[derive(Default)]
    struct Holding {
        held: usize,
        flushes: usize,
    }

    impl AsyncWrite for Holding {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.held += octets.len();
            Poll::Ready(Ok(octets.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushes += 1;
            if self.flushes == 1 {
                cx.waker().wake_by_ref(); // there is room now
                return Poll::Pending;
            }
            self.held = 0;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_was_taken_leaves_though_nothing_follows_it() {
        let (mut near, mut source) = tokio::io::duplex(64);
        near.write_all(b"and what is yours?").await.unwrap();
        let (mut direction, mut sink, mut polls) = (Direction::default(), Holding::default(), 0);
        let carried = std::future::poll_fn(|cx| {
            polls += 1;
            assert!(direction.poll(cx, &mut source, &mut sink).is_pending(), "the source is open");
            if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
        });
        let again = tokio::time::timeout(std::time::Duration::from_millis(1), carried);
        let _nobody_wakes_it_a_third_time = again.await;
        assert_eq!((sink.held, sink.flushes), (0, 2), "all of it has left, and is flushed no more");
    }

    #[tokio::test]
    async fn carries_everything_and_closes_after_it() {
        let (mut near, mut source) = tokio::io::duplex(64);
        let (mut sink, mut far) = tokio::io::duplex(16);
        let sent: Vec<u8> = (0..5000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut direction = Direction::default();
        let carry = std::future::poll_fn(|cx| direction.poll(cx, &mut source, &mut sink));
        let write = async {
            near.write_all(&sent).await.unwrap();
            near.shutdown().await.unwrap();
        };
        let read = async {
            let mut got = Vec::new();
            far.read_to_end(&mut got).await.unwrap();
            got
        };
        let (carried, (), got) = tokio::join!(carry, write, read);
        carried.unwrap();
        assert_eq!(got, sent);
        assert_eq!(direction.carried, 5000);
        assert!(direction.waiting.is_empty(), "an idle direction holds no heap");
    }
}
