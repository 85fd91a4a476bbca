//! What was read from an upstream and nobody has taken yet.

use std::{
    cell::RefCell,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

/// One read into the room that all share. What came is copied from there into memory of its own
/// length: neither the fields of an answer nor a silent connection hold more.
const SHARED: usize = 16 * 1024;

/// Streams that fill it are read into room of their own and are not copied. It grows with what comes,
/// up to this: a larger one costs memory and saves nothing.
const LARGEST: usize = 256 * 1024;

/// Steps in which it grows.
const GROWTH: usize = 4;

thread_local! {
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; SHARED].into_boxed_slice());
}

/// What was read, and how the next is read.
#[derive(Debug)]
pub(super) struct Input {
    /// Not yet taken.
    pub ready: Bytes,
    /// Room for a stream's next read; nothing stands in it.
    own: BytesMut,
    /// Octets of the next read into room of our own; none for the shared one.
    next: usize,
}

impl Input {
    pub(super) fn new() -> Self {
        Self { ready: Bytes::new(), own: BytesMut::new(), next: 0 }
    }

    /// Reads once, when all that had come was taken. `wanted` is what can be of use. How many octets
    /// came; none at the end.
    pub(super) fn poll_read<Io: AsyncRead + Unpin>(
        &mut self,
        io: &mut Io,
        wanted: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match self.next {
            0 => self.read_shared(io, cx),
            next => self.read_own(io, next.min(wanted), cx),
        }
    }

    fn read_shared<Io: AsyncRead + Unpin>(
        &mut self,
        io: &mut Io,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        ROOM.with_borrow_mut(|room| {
            let mut room = ReadBuf::new(room);
            ready!(Pin::new(io).poll_read(cx, &mut room))?;
            let octets = room.filled().len();
            if octets == SHARED {
                self.next = SHARED * GROWTH;
            }
            self.ready = Bytes::copy_from_slice(room.filled());
            Poll::Ready(Ok(octets))
        })
    }

    fn read_own<Io: AsyncRead + Unpin>(
        &mut self,
        io: &mut Io,
        room: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.own.capacity() < room {
            self.own = BytesMut::with_capacity(room);
        }
        let octets = ready!(pin!(io.read_buf(&mut self.own)).poll(cx))?;
        if octets >= self.next {
            self.next = (self.next * GROWTH).min(LARGEST);
        } else if octets < SHARED / 2 {
            self.next = 0;
        }
        self.ready = self.own.split().freeze();
        if self.next == 0 {
            self.own = BytesMut::new();
        }
        Poll::Ready(Ok(octets))
    }

    /// Reads more behind what is not enough by itself.
    pub(super) fn poll_more<Io: AsyncRead + Unpin>(
        &mut self,
        io: &mut Io,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = std::mem::take(&mut self.ready);
        let read = self.read_shared(io, cx);
        self.ready = match self.ready.is_empty() {
            true => before,
            false if before.is_empty() => std::mem::take(&mut self.ready),
            false => {
                let mut all =
                    before.try_into_mut().unwrap_or_else(|part| BytesMut::from(&part[..]));
                all.extend_from_slice(&self.ready);
                all.freeze()
            }
        };
        read
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.own.capacity() + self.ready.len()
    }

    /// An answer is over: nothing of it is kept.
    pub(super) fn rest(&mut self) {
        (self.own, self.next) = (BytesMut::new(), 0);
    }
}
