//! Where the body of an answer ends.

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    chunked::{Chunked, piece},
    error::Http1Error,
};

/// Takes a body's pieces from what was read.
#[derive(Debug)]
pub(super) enum Decoder {
    /// So many octets are still to come.
    Length(u64),
    /// Chunks.
    Chunked(Box<Chunked>),
    /// All that comes.
    UntilEnd,
}

impl Decoder {
    pub(super) const fn length(octets: u64) -> Self {
        Self::Length(octets)
    }

    pub(super) fn chunked() -> Self {
        Self::Chunked(Box::default())
    }

    pub(super) const fn until_end() -> Self {
        Self::UntilEnd
    }

    /// Has all of it come?
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilEnd => false,
        }
    }

    /// The next piece, of which as much is taken as has come. `None` where more has to be read first,
    /// or all of it was.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Frame<Bytes>>, Http1Error> {
        match self {
            Self::Length(left) => Ok(piece(left, input).map(Frame::data)),
            Self::Chunked(chunked) => chunked.next(input),
            Self::UntilEnd if input.is_empty() => Ok(None),
            Self::UntilEnd => Ok(Some(Frame::data(std::mem::take(input)))),
        }
    }

    /// The other side says no more. What is not all of it never looks like all of it.
    pub(super) fn ended(&mut self) -> Result<(), Http1Error> {
        match self {
            Self::UntilEnd => {
                *self = Self::Length(0);
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) if self.is_done() => Ok(()),
            Self::Length(_) | Self::Chunked(_) => Err(Http1Error::Ended),
        }
    }

    /// What is worth reading at once.
    pub(super) fn wanted(&self) -> usize {
        match self {
            // One more shows whether something follows.
            Self::Length(left) => usize::try_from(left.saturating_add(1)).unwrap_or(usize::MAX),
            Self::Chunked(_) | Self::UntilEnd => usize::MAX,
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Length(left) => SizeHint::with_exact(*left),
            Self::Chunked(chunked) if chunked.is_done() => SizeHint::with_exact(0),
            Self::Chunked(_) | Self::UntilEnd => SizeHint::default(),
        }
    }
}
