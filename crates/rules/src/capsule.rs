//! Datagrams in a stream of bytes: capsules (RFC 9297 §3.2), and what they carry for UDP
//! (RFC 9298 §5).

/// The longest payload of UDP (RFC 9298 §5).
pub const LONGEST: usize = 65_527;

/// The capsule that carries a datagram (RFC 9297 §3.5).
const DATAGRAM: u64 = 0;

/// The context whose datagrams are payloads of UDP (RFC 9298 §4).
const PAYLOAD: u64 = 0;

/// Why a stream of capsules is none. Whoever sent it is not listened to any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapsuleError {
    /// Longer than UDP can carry (RFC 9298 §5: the stream is aborted).
    #[error("a datagram is longer than {LONGEST} octets")]
    TooLong,
    /// Too short for the context that each begins with (RFC 9298 §5).
    #[error("a datagram has no context")]
    NoContext,
    /// The stream ends within a capsule (RFC 9297 §3.3).
    #[error("the stream ends within a capsule")]
    Torn,
}

/// Reads capsules in whatever pieces they come. Holds at most one that is not whole.
#[derive(Debug, Default)]
pub struct Capsules {
    half: Vec<u8>,
    skip: u64,
}

/// What stands at the beginning of some octets.
enum Next<'b> {
    /// A payload, and what follows it.
    Payload(&'b [u8], &'b [u8]),
    /// So many octets of something that is for nobody, which begin with the rest.
    Skip(u64, &'b [u8]),
    /// More has to come.
    Half,
}

impl Capsules {
    /// Takes what came, and gives each payload that is whole. Capsules of other types and datagrams
    /// of other contexts are passed over (RFC 9297 §3.2, RFC 9298 §4), however long.
    ///
    /// # Errors
    ///
    /// [`CapsuleError`]; what came before it was given.
    pub fn read(&mut self, bytes: &[u8], each: impl FnMut(&[u8])) -> Result<(), CapsuleError> {
        if self.half.is_empty() {
            let left = self.walk(bytes, each)?;
            self.half = bytes.get(bytes.len() - left..).unwrap_or_default().to_vec();
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.half);
        whole.extend_from_slice(bytes);
        let left = self.walk(&whole, each)?;
        whole.drain(..whole.len() - left);
        self.half = whole;
        Ok(())
    }

    /// The stream has ended.
    ///
    /// # Errors
    ///
    /// [`CapsuleError::Torn`] within a capsule.
    pub fn end(&self) -> Result<(), CapsuleError> {
        if self.half.is_empty() && self.skip == 0 { Ok(()) } else { Err(CapsuleError::Torn) }
    }

    /// How many octets at the end are half a capsule.
    fn walk(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<usize, CapsuleError> {
        let mut rest = bytes;
        loop {
            let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
            self.skip -= passed as u64;
            rest = rest.get(passed..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(0);
            }
            match next(rest)? {
                Next::Payload(payload, after) => {
                    each(payload);
                    rest = after;
                }
                Next::Skip(length, after) => {
                    self.skip = length;
                    rest = after;
                }
                Next::Half => return Ok(rest.len()),
            }
        }
    }
}

fn next(bytes: &[u8]) -> Result<Next<'_>, CapsuleError> {
    let Some((kind, rest)) = varint(bytes) else { return Ok(Next::Half) };
    let Some((length, value)) = varint(rest) else { return Ok(Next::Half) };
    if kind != DATAGRAM {
        return Ok(Next::Skip(length, value));
    }
    let Some((context, after)) = varint(value) else {
        return if length == 0 { Err(CapsuleError::NoContext) } else { Ok(Next::Half) };
    };
    let left = length.checked_sub((value.len() - after.len()) as u64);
    let left = left.ok_or(CapsuleError::NoContext)?;
    if context != PAYLOAD {
        return Ok(Next::Skip(left, after));
    }
    if left > LONGEST as u64 {
        return Err(CapsuleError::TooLong);
    }
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    Ok(after
        .split_at_checked(left)
        .map_or(Next::Half, |(payload, rest)| Next::Payload(payload, rest)))
}

/// Writes a capsule with one payload.
pub fn write(payload: &[u8], to: &mut Vec<u8>) {
    to.push(0); // DATAGRAM
    let length = payload.len() as u64 + 1;
    let (width, mark) = match length {
        0..64 => (1, 0),
        64..16_384 => (2, 0x4000),
        _ => (4, 0x8000_0000),
    };
    let octets = (length | mark).to_be_bytes();
    to.extend_from_slice(octets.get(octets.len() - width..).unwrap_or_default());
    to.push(0); // PAYLOAD
    to.extend_from_slice(payload);
}

/// An integer of variable length (RFC 9000 §16), and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let (number, rest) = bytes.split_at_checked(1 << (first >> 6))?;
    let [first, others @ ..] = number else { return None };
    let value =
        others.iter().fold(u64::from(first & 0x3f), |sum, octet| sum << 8 | u64::from(*octet));
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::{CapsuleError, Capsules, LONGEST, write};

    /// What a stream gives, read in pieces of `size`.
    fn read(stream: &[u8], size: usize) -> (Vec<Vec<u8>>, Result<(), CapsuleError>) {
        let (mut capsules, mut found) = (Capsules::default(), Vec::new());
        for piece in stream.chunks(size) {
            let read = capsules.read(piece, |payload| found.push(payload.to_vec()));
            if read.is_err() {
                return (found, read);
            }
            assert!(capsules.half.len() <= LONGEST + 24, "no more is held than one");
        }
        (found, capsules.end())
    }

    #[test]
    fn capsules_are_read_in_any_pieces_and_nothing_else_is_a_payload() {
        let ok: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b"\0\x04\0one", &[b"one"]),
            (b"\0\x01\0", &[b""]),
            (b"\x40\0\x40\x04\x40\0ab", &[b"ab"]),
            (b"\x29\x03abc\0\x02\0x", &[b"x"]),
            (b"\0\x03\x02ab\0\x02\0y", &[b"y"]),
            (b"\x80\0\0\x29\0\0\x02\0z", &[b"z"]),
        ];
        let bad: &[(&[u8], CapsuleError)] = &[
            (b"\0\0\0\x04", CapsuleError::NoContext),
            (b"\0\x01\x40\0", CapsuleError::NoContext),
            (b"\0\x80\x01\0\0\0", CapsuleError::TooLong),
            (b"\0\xff\xff\xff\xff\xff\xff\xff\xff\0", CapsuleError::TooLong),
            (b"\0\x04\0on", CapsuleError::Torn),
            (b"\x29\x03ab", CapsuleError::Torn),
            (b"\0", CapsuleError::Torn),
        ];
        for size in [1, 2, 3, 1000] {
            for (stream, expected) in ok {
                let (found, end) = read(stream, size);
                assert_eq!((found, end), (expected.iter().map(|e| e.to_vec()).collect(), Ok(())));
            }
            for (stream, why) in bad {
                let (found, end) = read(stream, size);
                assert_eq!((found.len(), end), (0, Err(*why)), "{stream:?}");
            }
        }
    }

    #[test]
    fn a_payload_of_any_length_comes_back() {
        for length in [0, 1, 62, 63, 64, 1600, 16_382, 16_383, 65_507, LONGEST] {
            let (payload, mut stream) = (vec![7; length], Vec::new());
            write(&payload, &mut stream);
            write(b"next", &mut stream);
            for size in [999, 1 << 20] {
                let (found, end) = read(&stream, size);
                assert_eq!((found, end), (vec![payload.clone(), b"next".to_vec()], Ok(())));
            }
        }
    }
}
