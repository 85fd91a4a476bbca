use std::{
    cell::RefCell,
    future::{Future as _, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UdpSocket;
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
                    if sent(socket, payload) {
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

/// What the path does not take is lost, as everywhere: UDP promises nothing, and a server that is
/// away now may be back for the next one. That nobody took an earlier one is told once, in the place
/// of sending this one (`ip(7)`), which then goes out all the same.
fn sent(socket: &UdpSocket, payload: &[u8]) -> bool {
    match socket.try_send(payload) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            socket.try_send(payload).is_ok()
        }
        sent => sent.is_ok(),
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

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use tokio::{io::AsyncWriteExt as _, net::UdpSocket};
    use usher_rules::capsule;

    use super::{Downward, Upward};

    /// A server that is away for a while gets the next datagram. A socket that hears one peer alone
    /// is a closed port to all others, and keeps its port.
    #[tokio::test]
    async fn a_datagram_to_a_closed_port_is_lost_and_ends_no_tunnel() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        server.connect(stranger.local_addr().unwrap()).await.unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server.local_addr().unwrap()).await.unwrap();
        let (mut client, mut ours) = tokio::io::duplex(1024);
        let (mut up, mut down) = (Upward::default(), Downward::default());
        for (said, expected) in [(&b"to nobody"[..], 9), (b"again", 14)] {
            let mut stream = Vec::new();
            capsule::write(said, &mut stream);
            client.write_all(&stream).await.unwrap();
            poll_fn(|cx| {
                assert!(up.poll(cx, &mut ours, &socket).is_pending(), "it goes on");
                if up.carried < expected { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            server.connect(socket.local_addr().unwrap()).await.unwrap(); // it is back
        }
        let mut heard = [0; 16];
        let length = server.recv(&mut heard).await.unwrap();
        assert_eq!(&heard[..length], b"again");
        server.send(b"here").await.unwrap();
        poll_fn(|cx| {
            assert!(down.poll(cx, &mut ours, &socket).is_pending(), "it goes on");
            if down.carried < 4 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}
