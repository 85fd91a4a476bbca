//! A request on its way out: the head and what is there of the body at once, the rest as it comes.

use std::{
    cell::RefCell,
    io::{self, IoSlice, Write as _},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, Request};
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite};
use usher_rules::fields::may_stand_behind;

use super::{
    error::Http1Error,
    request::{Announced, Content, Framing, Next, write_field, write_head},
};

/// Pieces of a body up to this are written together with what stands before them.
const SMALL: usize = 8 * 1024;

/// What is gathered before it is written.
const GATHERED: usize = 16 * 1024;

thread_local! {
    /// Heads are written here, and mostly sent at once: no connection keeps memory for it.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is still to be sent of a request.
#[derive(Debug)]
pub(super) struct Outgoing<B> {
    /// Heads, sizes, small pieces; sent up to `sent`.
    gathered: Vec<u8>,
    sent: usize,
    /// A large piece, which is not copied, and what stands behind it.
    piece: Bytes,
    behind: &'static [u8],
    framing: Framing,
    trailers: Vec<HeaderName>,
    body: Option<B>,
    flush: Flush,
}

/// Was all that was written passed on? TLS may hold some of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    Due,
    Done,
}

impl<B> Outgoing<B> {
    /// Nothing is under way.
    pub(super) const fn nothing() -> Self {
        Self {
            gathered: Vec::new(),
            sent: 0,
            piece: Bytes::new(),
            behind: b"",
            framing: Framing::Length(0),
            trailers: Vec::new(),
            body: None,
            flush: Flush::Done,
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.gathered.capacity() + self.piece.len()
    }

    /// Was all of it sent?
    pub(super) fn is_done(&self) -> bool {
        self.body.is_none() && self.flush == Flush::Done
    }
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Outgoing<B> {
    /// Takes the next request, whose head is written into memory.
    pub(super) fn begin(&mut self, head: &Request<B>, body: B) -> Next {
        let content = match (body.is_end_stream(), body.size_hint().exact()) {
            (true, _) => Content::Nothing,
            (false, Some(octets)) => Content::Octets(octets),
            (false, None) => Content::Unknown,
        };
        self.gathered = SPARE.take();
        let announced = write_head(head, content, &mut self.gathered);
        let Announced { framing, trailers, next } = announced;
        (self.sent, self.framing, self.trailers, self.flush) = (0, framing, trailers, Flush::Due);
        self.body = (content != Content::Nothing).then_some(body);
        next
    }

    /// Sends what there is. Ready when nothing is left to send.
    pub(super) fn poll<Io: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut Io,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Http1Error>> {
        while !self.is_done() {
            let gathered = self.gather(cx)?;
            ready!(self.write(io, cx)).map_err(Http1Error::Io)?;
            if gathered.is_pending() || self.body.is_none() {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(Http1Error::Io)?;
                self.flush = Flush::Done;
                ready!(gathered);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes over pieces of the body as long as little is gathered. Pending while the client has no
    /// more of it.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Http1Error> {
        while self.piece.is_empty() && self.gathered.len() < GATHERED {
            let Some(body) = &mut self.body else { break };
            let frame = match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(frame) => frame.transpose().map_err(Http1Error::Body)?,
            };
            let is_last = frame.is_none() || body.is_end_stream();
            self.flush = Flush::Due;
            let trailers = match frame.map(Frame::into_data) {
                Some(Ok(data)) => {
                    self.take(data)?;
                    None
                }
                Some(Err(other)) => other.into_trailers().ok(),
                None => None,
            };
            if is_last || trailers.is_some() {
                self.end(trailers.as_ref())?;
            }
        }
        Ok(Poll::Ready(()))
    }

    fn take(&mut self, data: Bytes) -> Result<(), Http1Error> {
        if data.is_empty() {
            return Ok(()); // a chunk of nothing would be the last
        }
        match &mut self.framing {
            Framing::Length(left) => {
                let fits = left.checked_sub(data.len() as u64);
                *left = fits.ok_or_else(|| Http1Error::Body(io::ErrorKind::InvalidData.into()))?;
            }
            Framing::Chunked => {
                let _into_memory = write!(self.gathered, "{:x}\r\n", data.len());
                self.behind = b"\r\n";
            }
        }
        if data.len() <= SMALL {
            self.gathered.extend_from_slice(&data);
            self.gathered.extend_from_slice(std::mem::take(&mut self.behind));
        } else {
            self.piece = data;
        }
        Ok(())
    }

    /// Writes what ends the body. It stands behind a piece that is still to be sent.
    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), Http1Error> {
        self.body = None;
        match (self.framing, trailers) {
            (Framing::Length(0), _) => {}
            (Framing::Length(_), _) => {
                return Err(Http1Error::Body(io::ErrorKind::UnexpectedEof.into()));
            }
            (Framing::Chunked, None) if !self.piece.is_empty() => self.behind = b"\r\n0\r\n\r\n",
            (Framing::Chunked, trailers) => {
                self.gathered.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.into_iter().flatten() {
                    if self.trailers.contains(name) && may_stand_behind(name) {
                        write_field(name, value, &mut self.gathered);
                    }
                }
                self.gathered.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }

    fn write<Io: AsyncWrite + Unpin>(
        &mut self,
        io: &mut Io,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let gathered = self.gathered.get(self.sent..).unwrap_or_default();
            let left = gathered.len() + self.piece.len() + self.behind.len();
            if left == 0 {
                break;
            }
            let written = match self.piece.is_empty() && self.behind.is_empty() {
                true => Pin::new(&mut *io).poll_write(cx, gathered),
                false => {
                    let parts = [gathered, &self.piece, self.behind].map(IoSlice::new);
                    Pin::new(&mut *io).poll_write_vectored(cx, &parts)
                }
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                octets => self.forget(octets),
            }
        }
        self.sent = 0;
        let mut spare = std::mem::take(&mut self.gathered);
        if spare.capacity() > 0 {
            spare.clear();
            SPARE.set(spare);
        }
        Poll::Ready(Ok(()))
    }

    /// So many octets were written.
    fn forget(&mut self, octets: usize) {
        let of_gathered = octets.min(self.gathered.len() - self.sent);
        self.sent += of_gathered;
        let of_piece = (octets - of_gathered).min(self.piece.len());
        self.piece.advance(of_piece);
        let behind = self.behind.get(octets - of_gathered - of_piece..);
        self.behind = behind.unwrap_or_default();
    }
}
