//! Chunks (RFC 9112 §7.1), read octet by octet where they are no data.

use bytes::{Buf as _, Bytes};
use http_body::Frame;

use super::{error::Http1Error, fields};

/// Extensions of all chunks of a body together: nobody needs any, and they are not passed on.
const EXTENSIONS: usize = 16 * 1024;

/// Zeros in front of one size and blanks behind it: some write sizes of one length for all chunks.
const PADDING: u8 = 32;

/// Octets of trailers.
const TRAILERS: usize = 16 * 1024;

/// A body in chunks, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    at: At,
    extensions: usize,
    /// Of this chunk's size.
    padding: u8,
    trailers: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The size, of which so much was read; `None` before its first digit.
    Size(Option<u64>),
    /// Blanks behind the size, or `;`.
    AfterSize(u64),
    /// An extension.
    Extension(u64),
    /// The line feed of the line with the size.
    SizeEnd(u64),
    /// So many octets.
    Data(u64),
    /// Carriage return and line feed behind them.
    DataReturn,
    DataEnd,
    /// Trailers, or the empty line.
    TrailersOrEnd,
    /// The line feed of an empty line without trailers.
    End,
    Trailers,
    Done,
}

impl Default for At {
    fn default() -> Self {
        Self::Size(None)
    }
}

impl Chunked {
    pub(super) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Frame<Bytes>>, Http1Error> {
        while self.at != At::Done {
            if let At::Data(left) = &mut self.at {
                let data = piece(left, input);
                if *left == 0 {
                    self.at = At::DataReturn;
                }
                return Ok(data.map(Frame::data));
            }
            let Some(octet) = input.first().copied() else { return Ok(None) };
            input.advance(1);
            self.at = self.after(octet)?;
            if self.at == At::Done && !self.trailers.is_empty() {
                let trailers = Bytes::from(std::mem::take(&mut self.trailers));
                return fields::trailers(&trailers).map(|fields| Some(Frame::trailers(fields)));
            }
        }
        Ok(None)
    }

    /// Where this octet leads. Nothing but CR LF ends a line here: whoever takes a bare one for an end
    /// sees other chunks than whoever does not.
    fn after(&mut self, octet: u8) -> Result<At, Http1Error> {
        Ok(match (self.at, octet) {
            (At::Size(size), digit) if digit.is_ascii_hexdigit() => {
                if size == Some(0) {
                    self.count_padding()?;
                }
                At::Size(Some(more(size, digit)?))
            }
            (At::Size(Some(size)) | At::AfterSize(size), b' ' | b'\t') => {
                self.count_padding()?;
                At::AfterSize(size)
            }
            (At::Size(Some(size)) | At::AfterSize(size), b';') => At::Extension(size),
            (At::Size(Some(size)) | At::AfterSize(size) | At::Extension(size), b'\r') => {
                At::SizeEnd(size)
            }
            (At::Extension(_), b'\n') => {
                return Err(Http1Error::Malformed("has a chunk extension of two lines"));
            }
            (At::Extension(size), _) => {
                self.count_extension()?;
                At::Extension(size)
            }
            (At::SizeEnd(0), b'\n') => At::TrailersOrEnd,
            (At::SizeEnd(size), b'\n') => At::Data(size),
            (At::DataReturn, b'\r') => At::DataEnd,
            (At::DataEnd, b'\n') => {
                self.padding = 0;
                At::Size(None)
            }
            (At::TrailersOrEnd, b'\r') => At::End,
            (At::End, b'\n') => At::Done,
            (At::TrailersOrEnd | At::Trailers, octet) => self.trailer(octet)?,
            (
                At::Size(_)
                | At::AfterSize(_)
                | At::SizeEnd(_)
                | At::Data(_)
                | At::DataReturn
                | At::DataEnd
                | At::End
                | At::Done,
                _,
            ) => return Err(Http1Error::Malformed("has a chunk that is none")),
        })
    }

    fn count_padding(&mut self) -> Result<(), Http1Error> {
        self.padding += 1;
        match self.padding > PADDING {
            true => Err(Http1Error::Malformed("has a chunk size that never ends")),
            false => Ok(()),
        }
    }

    fn count_extension(&mut self) -> Result<(), Http1Error> {
        self.extensions += 1;
        match self.extensions > EXTENSIONS {
            true => Err(Http1Error::Malformed("has too long chunk extensions")),
            false => Ok(()),
        }
    }

    fn trailer(&mut self, octet: u8) -> Result<At, Http1Error> {
        if self.trailers.len() >= TRAILERS {
            return Err(Http1Error::Malformed("has too long trailers"));
        }
        self.trailers.push(octet);
        Ok(if self.trailers.ends_with(b"\r\n\r\n") { At::Done } else { At::Trailers })
    }
}

/// A size with one more digit. One that can't be counted is an error, and never a small one.
fn more(size: Option<u64>, digit: u8) -> Result<u64, Http1Error> {
    let digit = char::from(digit).to_digit(16).map_or(0, u64::from);
    let longer = size.unwrap_or_default().checked_mul(16).and_then(|size| size.checked_add(digit));
    longer.ok_or(Http1Error::Malformed("has a chunk longer than can be counted"))
}

/// At most `left` octets of `input`, which are counted down.
pub(super) fn piece(left: &mut u64, input: &mut Bytes) -> Option<Bytes> {
    let octets = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    if octets == 0 {
        return None;
    }
    *left -= octets as u64;
    Some(input.split_to(octets))
}
