use std::{
    cell::Cell,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Pulse, limits, pieces::append};

thread_local! {
    /// One that nobody uses: it is in the cache still, and an idle connection holds none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A stream that HTTP/2 writes to, and that sends what one turn of its connection has written in
/// one go: the library writes and flushes each frame by itself, a TLS record and a call of the
/// system for each, and the nine octets before a full frame would be a record of their own.
///
/// Nothing waits for another turn: [`Self::turns`] sends what there is at the end of each.
#[derive(Debug)]
pub(super) struct Gathered<S>(Arc<Mutex<Gathering<S>>>);

#[derive(Debug)]
struct Gathering<S> {
    stream: S,
    /// Counts what is held among what waits for the client.
    pulse: Arc<Pulse>,
    /// What was written and not sent yet; no memory where there is nothing.
    held: Vec<u8>,
    /// How much of it is sent.
    sent: usize,
}

impl<S> Gathered<S> {
    /// Gathers what is written to `stream`, of a connection with this pulse.
    pub(super) fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self(Arc::new(Mutex::new(Gathering { stream, pulse, held: Vec::new(), sent: 0 })))
    }

    /// The same stream, to send what a turn has written.
    pub(super) fn another(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn lock(&self) -> MutexGuard<'_, Gathering<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Runs `served`, and sends after each of its turns what it has written.
    pub(super) async fn turns<F: Future>(&self, mut served: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            let polled = served.as_mut().poll(cx);
            // Where the client takes no more, this task is woken when it does. Where it has left,
            // whoever reads or writes next is told.
            let _sent = self.lock().poll_send(cx);
            polled
        })
        .await
    }
}

impl<S: AsyncWrite + Unpin> Gathering<S> {
    /// Sends what is held.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while let Some(rest) = self.held.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                octets => self.sent += octets,
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.sent = 0;
        self.pulse.taken(self.held.len());
        self.held.clear();
        SPARE.set(std::mem::take(&mut self.held));
        Poll::Ready(Ok(()))
    }

    /// Makes room for at least one octet.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.held.len() >= limits::GATHERED {
            ready!(self.poll_send(cx))?;
        }
        if self.held.is_empty() {
            self.held = SPARE.take();
            self.held.reserve(limits::GATHERED);
        }
        Poll::Ready(Ok(limits::GATHERED - self.held.len()))
    }
}

impl<S> Drop for Gathering<S> {
    fn drop(&mut self) {
        self.pulse.taken(self.held.len());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut this = self.lock();
        let room = ready!(this.poll_room(cx))?;
        let mut left = room;
        for buf in bufs {
            let part = buf.get(..left).unwrap_or(buf);
            append(&mut this.held, part);
            left -= part.len();
        }
        this.pulse.wait(room - left);
        Poll::Ready(Ok(room - left))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Done at the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.lock();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
pub(super) mod tests;
