use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// A record of this type holds what is encrypted (RFC 8446 §5.1). Of what a server writes in a
/// handshake, a ticket begins so, or an alert: whatever a client waits for begins with another one.
const APPLICATION_DATA: u8 = 23;

/// An alert: a record's head, two octets, the octet that is their type, a tag (RFC 8446 §5.2, §6).
const ALERT: usize = 5 + 2 + 1 + 16;

/// `MSG_MORE`, without a signal where the client has left (`MSG_NOSIGNAL`): as Linux has both,
/// whatever the processor (`include/linux/socket.h`; send(2)).
const MORE: i32 = 0x8000 | 0x4000;

/// A client's connection, inside of TLS. On the heap, since TLS is large.
#[derive(Debug)]
pub struct ClientStream(Box<TlsStream<Socket>>);

impl ClientStream {
    /// Of a handshake that is over.
    pub(super) fn new(mut stream: Box<TlsStream<Socket>>) -> Self {
        stream.get_mut().0.phase = Phase::Served;
        Self(stream)
    }
}

/// The socket below TLS. What is followed at once by something else waits in the system for that
/// (`MSG_MORE`), and both leave as one segment: the ticket, which a client is given before the first
/// answer (RFC 8446 §4.6.1), and the alert before an end (§6.1). What nothing follows leaves all the
/// same, by the system's clock: after 200 ms, or later where answers of the client take long.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Shaking hands.
    Handshake,
    /// The same, where the system took a part of something: what comes next begins anywhere.
    Cut,
    /// What is written is waited for.
    Served,
    /// The end comes next.
    Ending,
}

impl Phase {
    /// Does something follow at once? An alert in a handshake is the last that is said.
    fn is_followed(self, first: Option<u8>, whole: usize) -> bool {
        match self {
            Self::Handshake => first == Some(APPLICATION_DATA) && whole > ALERT,
            Self::Cut | Self::Served => false,
            Self::Ending => true,
        }
    }

    /// After a write of `whole` octets, of which so many were taken.
    fn after(self, taken: usize, whole: usize) -> Self {
        if self == Self::Handshake && taken < whole { Self::Cut } else { self }
    }
}

impl Socket {
    /// That of a connection on which nothing was said.
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream, phase: Phase::Handshake }
    }

    /// One part alone goes by the call that takes no list, which is the quicker one.
    fn poll_sent(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        match bufs {
            [only] => stream.poll_write(cx, only),
            parts => stream.poll_write_vectored(cx, parts),
        }
    }

    fn poll_held(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let socket = SockRef::from(&self.stream);
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let sent = self
                .stream
                .try_io(Interest::WRITABLE, || socket.send_vectored_with_flags(bufs, MORE));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {} // not ready any more
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.phase == Phase::Served {
            return self.poll_sent(cx, bufs);
        }
        let first = bufs.iter().find_map(|buf| buf.first().copied());
        let whole = bufs.iter().map(|buf| buf.len()).sum();
        let taken = ready!(match self.phase.is_followed(first, whole) {
            true => self.poll_held(cx, bufs),
            false => self.poll_sent(cx, bufs),
        })?;
        self.phase = self.phase.after(taken, whole);
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.get_mut().0.phase = Phase::Ending;
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests;
