use std::{
    cell::RefCell,
    future::{Future as _, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UdpSocket,
};
use usher_rules::capsule::{self, Capsules, LONGEST};

use super::{
    Relayed, SharedRecheck,
    relay::{Silence, permit_ends},
};
use crate::request::{Details, authorize::Standing};

/// So many datagrams or reads in one turn: others have theirs.
const TURN: usize = 32;

thread_local! {
    /// Room for the longest datagram, one per core: an idle tunnel holds none.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; LONGEST].into_boxed_slice());
}

/// Carries datagrams between a stream of capsules and a socket (RFC 9298 §5), until the client
/// ends, `idle` passes in silence, or the permit ends. There is no half-close: whoever has said all
/// hears nothing more. Payloads are counted, and neither kept nor put in another order.
pub async fn relay_datagrams<C>(
    mut client: C,
    socket: UdpSocket,
    idle: Option<Duration>,
    standing: &Standing,
    recheck: &SharedRecheck,
) -> Relayed
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down) = (Upward::default(), Downward::default());
    let mut permit = pin!(permit_ends(standing, recheck));
    let mut silence = Silence::new(idle);
    let end = poll_fn(|cx| {
        if let Poll::Ready(why) = permit.as_mut().poll(cx) {
            return Poll::Ready(why.details());
        }
        let before = up.carried + down.carried;
        match up.poll(cx, &mut client, &socket) {
            Poll::Ready(Ok(())) => return Poll::Ready(Details::SocketClosed),
            Poll::Ready(Err(_)) => return Poll::Ready(Details::SocketReset),
            Poll::Pending => {}
        }
        if down.poll(cx, &mut client, &socket).is_ready() {
            return Poll::Ready(Details::SocketReset);
        }
        silence.poll(cx, up.carried + down.carried != before).map(|()| Details::IdleTimeout)
    })
    .await;
    Relayed { up: up.carried, down: down.carried, end }
}

/// From the client.
#[derive(Default)]
struct Upward {
    capsules: Capsules,
    carried: u64,
}

impl Upward {
    /// Ready when the client has ended, or says what are no capsules.
    fn poll<C: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        socket: &UdpSocket,
    ) -> Poll<io::Result<()>> {
        for _ in 0..TURN {
            ready!(socket.poll_send_ready(cx))?;
            let is_over = BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut *client).poll_read(cx, &mut buffer))?;
                let came = buffer.filled();
                let read = self.capsules.read(came, |payload| {
                    // What the path does not take is lost, as everywhere: UDP promises nothing, and
                    // a server that is away now may be back for the next one.
                    if socket.try_send(payload).is_ok() {
                        self.carried += payload.len() as u64;
                    }
                });
                let read = if came.is_empty() { self.capsules.end() } else { read };
                Poll::Ready(read.map(|()| came.is_empty()).map_err(io::Error::other))
            });
            if ready!(is_over)? {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// To the client. Heap is used only while a capsule is on its way.
#[derive(Default)]
struct Downward {
    waiting: Vec<u8>,
    sent: usize,
    carried: u64,
}

impl Downward {
    /// Ready when the client can't be written to. While it takes nothing nothing is received, and
    /// the system drops what comes.
    fn poll<C: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        socket: &UdpSocket,
    ) -> Poll<io::Error> {
        for _ in 0..TURN {
            while let Some(rest) = self.waiting.get(self.sent..).filter(|rest| !rest.is_empty()) {
                match ready!(Pin::new(&mut *client).poll_write(cx, rest)) {
                    Ok(0) => return Poll::Ready(io::ErrorKind::WriteZero.into()),
                    Ok(written) => self.sent += written,
                    Err(error) => return Poll::Ready(error),
                }
            }
            (self.waiting, self.sent) = (Vec::new(), 0);
            let received = BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                let received = ready!(socket.poll_recv(cx, &mut buffer));
                if received.is_ok() {
                    self.carried += buffer.filled().len() as u64;
                    capsule::write(buffer.filled(), &mut self.waiting);
                }
                Poll::Ready(())
            });
            if received.is_pending() {
                if let Poll::Ready(Err(error)) = Pin::new(&mut *client).poll_flush(cx) {
                    return Poll::Ready(error);
                }
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
