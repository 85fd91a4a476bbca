use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::UpstreamIo;

/// The upstream's side of a connection after a 101: first what came together with the head.
#[derive(Debug)]
pub struct Upgraded {
    io: UpstreamIo,
    before: Bytes,
}

impl Upgraded {
    pub(super) fn new((io, before): (UpstreamIo, Bytes)) -> Self {
        Self { io, before }
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.before.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let octets = this.before.len().min(buf.remaining());
        buf.put_slice(this.before.get(..octets).unwrap_or_default());
        this.before.advance(octets);
        if this.before.is_empty() {
            this.before = Bytes::new(); // a socket lives for hours
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
