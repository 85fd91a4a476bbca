use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is copied in one go. glibc copies more than 2,112 octets by `rep movsb` where the
/// processor calls that quick. AMD's Zen 3 does, and is slow wherever the target is not aligned, as
/// what stands behind the five octets that begin a TLS record (decision 0118).
const PIECE: usize = 2 * 1024;

/// Pieces in one write: what the TLS library takes at once.
const PIECES: usize = super::limits::PLAINTEXT_LIMIT / PIECE;

/// `from` behind `to`, copied in pieces.
pub(super) fn append(to: &mut Vec<u8>, from: &[u8]) {
    to.reserve(from.len());
    for piece in from.chunks(PIECE) {
        to.extend_from_slice(piece);
    }
}

/// TLS that is written to in pieces, of which it takes as many at once as before: each octet is copied
/// into the record that it is sealed in, piece by piece.
#[derive(Debug)]
pub struct Pieces<S>(S);

impl<S> Pieces<S> {
    /// Writes to `stream` in pieces.
    pub const fn new(stream: S) -> Self {
        Self(stream)
    }
}

/// All that is in `bufs`, or as much of it as `PIECES` hold. How many there are.
fn cut<'a>(bufs: &'a [IoSlice<'_>], pieces: &mut [IoSlice<'a>; PIECES]) -> usize {
    let cut = bufs.iter().flat_map(|buf| buf.chunks(PIECE));
    pieces.iter_mut().zip(cut).map(|(place, piece)| *place = IoSlice::new(piece)).count()
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pieces<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.len() <= PIECE || !self.0.is_write_vectored() {
            return Pin::new(&mut self.0).poll_write(cx, buf);
        }
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.len() <= PIECE) || !self.0.is_write_vectored() {
            return Pin::new(&mut self.0).poll_write_vectored(cx, bufs);
        }
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let count = cut(bufs, &mut pieces);
        Pin::new(&mut self.0).poll_write_vectored(cx, pieces.get(..count).unwrap_or(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pieces<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::request::accept::gathered::tests::octets;

    /// Takes at most so much of a write, and keeps how long its parts were.
    #[derive(Debug)]
    struct Taking {
        most: usize,
        is_vectored: bool,
        taken: Vec<u8>,
        parts: Vec<Vec<usize>>,
    }

    impl AsyncWrite for Taking {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.parts.push(bufs.iter().map(|buf| buf.len()).collect());
            let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
            let taken = all.get(..self.most).unwrap_or(&all);
            self.taken.extend_from_slice(taken);
            Poll::Ready(Ok(taken.len()))
        }

        fn is_write_vectored(&self) -> bool {
            self.is_vectored
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn taking(most: usize, is_vectored: bool) -> Pieces<Taking> {
        Pieces::new(Taking { most, is_vectored, taken: Vec::new(), parts: Vec::new() })
    }

    #[tokio::test]
    async fn what_is_long_is_written_in_pieces_and_every_octet_once() {
        let film = octets(300_000);
        for most in [700, 5000, 64 * 1024, usize::MAX] {
            let mut stream = taking(most, true);
            stream.write_all(&film).await.unwrap();
            let Taking { taken, parts, .. } = stream.0;
            assert!(taken == film, "{most}");
            assert!(parts.iter().flatten().all(|part| *part <= PIECE), "{most}");
            assert!(parts.iter().all(|parts| parts.len() <= PIECES), "{most}");
        }
    }

    #[tokio::test]
    async fn parts_of_one_write_keep_their_order() {
        let (head, film) = (octets(300), octets(100_000));
        let mut stream = taking(usize::MAX, true);
        let bufs = [IoSlice::new(&head), IoSlice::new(&[]), IoSlice::new(&film)];
        let wrote = stream.write_vectored(&bufs).await.unwrap();
        assert_eq!(stream.0.taken.len(), wrote);
        assert_eq!(stream.0.taken, [head, film].concat()[..wrote]);
        assert!(wrote > 60_000, "a whole write, and not a piece: {wrote}");
    }

    /// Such a stream takes the first piece alone.
    #[tokio::test]
    async fn a_stream_that_takes_no_parts_is_given_none() {
        let (film, mut stream) = (octets(100_000), taking(usize::MAX, false));
        stream.write_all(&film).await.unwrap();
        assert_eq!(stream.0.parts, [[100_000]]);
    }

    #[tokio::test]
    async fn what_is_short_is_handed_on_as_it_is() {
        let (head, body, mut stream) = (octets(300), octets(1024), taking(usize::MAX, true));
        stream.write_all(&head).await.unwrap();
        let wrote = stream.write_vectored(&[IoSlice::new(&head), IoSlice::new(&body)]).await;
        assert_eq!(wrote.unwrap(), 1324);
        assert_eq!(stream.0.parts, [vec![300], vec![300, 1024]]);
    }

    #[test]
    fn what_is_appended_is_all_there() {
        let film = octets(10_000);
        let mut all = b"before".to_vec();
        append(&mut all, &film);
        assert_eq!(all, [&b"before"[..], &film].concat());
    }
}
