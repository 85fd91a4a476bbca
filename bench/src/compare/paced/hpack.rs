//! Field blocks (RFC 7541): a request's, made once, and the status of an answer's.

use super::PATH;
use crate::failure::Failure;

/// How large the table is where nobody says otherwise (RFC 9113 §6.5.2).
pub const TABLE: usize = 4096;
/// What a field takes in the table besides its octets (RFC 7541 §4.1).
const ENTRY: usize = 32;
/// Begins a field that is an index alone (RFC 7541 §6.1).
const INDEXED: u8 = 0x80;
/// The first index of the dynamic table (RFC 7541 §2.3.3).
const DYNAMIC: u8 = 62;
/// How many of the dynamic table have an index that fits into one octet (RFC 7541 §5.1).
const SHORT: u8 = 0x7f - DYNAMIC;
/// `:method: GET` and `:scheme: https`.
const GET_HTTPS: [u8; 2] = [INDEXED | 2, INDEXED | 7];
/// Each `:status` of the static table; the first is entry 8.
const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];

/// `:path` with a value of its own that goes into no table (RFC 7541 §6.2.2): browsers ask each path
/// once, and say so.
const PATH_ALONE: u8 = 4;

/// The field blocks of one connection's requests.
#[derive(Debug)]
pub struct Blocks {
    /// The first request's: whatever the static table lacks goes into the dynamic one.
    pub first: Vec<u8>,
    /// All later ones': the path, and an index for each field.
    pub later: Vec<u8>,
}

impl Blocks {
    /// A GET of [`PATH`] over https with these fields, of which the pseudo-header fields come first.
    ///
    /// # Errors
    ///
    /// Where the table can't hold all of them at once.
    pub fn new(fields: &[(&str, &str)]) -> Result<Self, Failure> {
        let size: usize = fields.iter().map(|(name, it)| name.len() + it.len() + ENTRY).sum();
        let count = u8::try_from(fields.len()).ok().filter(|it| *it <= SHORT && size <= TABLE);
        let count = count.ok_or_else(|| {
            Failure::exchange(PATH)(format!("{size} octets of fields are no request's"))
        })?;
        let mut first = GET_HTTPS.to_vec();
        first.push(PATH_ALONE);
        text(PATH, &mut first);
        let mut later = first.clone();
        for (name, value) in fields {
            first.push(0x40); // with incremental indexing, a new name: RFC 7541 §6.2.1
            text(name, &mut first);
            text(value, &mut first);
        }
        // what went in last has the lowest index (RFC 7541 §2.3.3)
        later.extend((DYNAMIC..DYNAMIC + count).rev().map(|index| INDEXED | index));
        Ok(Self { first, later })
    }
}

/// A string as it is, behind its length (RFC 7541 §5.1 and §5.2).
fn text(text: &str, output: &mut Vec<u8>) {
    let octet = |of: usize| u8::try_from(of).unwrap_or(u8::MAX);
    match text.len().checked_sub(0x7f) {
        None => output.push(octet(text.len())),
        Some(mut left) => {
            output.push(0x7f);
            while left >= 0x80 {
                output.push(octet(left % 0x80 + 0x80));
                left /= 0x80;
            }
            output.push(octet(left));
        }
    }
    output.extend_from_slice(text.as_bytes());
}

/// The status that an answer's field block begins with (RFC 9113 §8.3.2). `None` where it stands
/// in the dynamic table: none of the usual servers puts 200 there, which the static table has.
pub fn status(block: &[u8]) -> Option<u16> {
    match without_sizes(block)? {
        [indexed, ..] if indexed & INDEXED != 0 => {
            STATUSES.get(usize::from(indexed & !INDEXED).checked_sub(8)?).copied()
        }
        // a value of its own for entry 8 (RFC 7541 §6.2)
        [0x08 | 0x18 | 0x48, length, value @ ..] => {
            let value = value.get(..usize::from(length & 0x7f))?;
            let plain = || str::from_utf8(value).ok()?.parse().ok();
            if length & 0x80 == 0 { plain() } else { digits(value) }
        }
        _ => None,
    }
}

/// What comes behind new sizes of the table (RFC 7541 §6.3).
fn without_sizes(mut block: &[u8]) -> Option<&[u8]> {
    while let [first @ 0x20..=0x3f, rest @ ..] = block {
        let more = if *first == 0x3f { rest.iter().position(|it| *it < 0x80)? + 1 } else { 0 };
        block = rest.get(more..)?;
    }
    Some(block)
}

/// Three digits in Huffman's code: five bits for 0 to 2, six for the others (RFC 7541 Appendix B).
fn digits(value: &[u8]) -> Option<u16> {
    // what fills up the last octet is ones (RFC 7541 §5.2)
    let [a, b, c] = [0, 1, 2].map(|nth| value.get(nth).copied().unwrap_or(u8::MAX));
    let mut bits = u32::from_be_bytes([a, b, c, u8::MAX]);
    let mut number = 0;
    for _ in 0..3 {
        let (digit, length) = match (bits >> 27, bits >> 26) {
            (digit @ 0..=2, _) => (digit, 5),
            (_, code @ 0x19..=0x1f) => (code - 0x16, 6),
            _ => return None,
        };
        number = number * 10 + digit;
        bits <<= length;
    }
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_said_once_and_then_by_its_index() {
        let fields = [(":authority", "tv.test"), ("cookie", "a=b")];
        let Blocks { first, later } = Blocks::new(&fields).unwrap();
        let begins = b"\x82\x87\x04\x06/small";
        let literals = b"\x40\x0a:authority\x07tv.test\x40\x06cookie\x03a=b";
        assert_eq!(first, [&begins[..], &literals[..]].concat());
        assert_eq!(later, [&begins[..], &[0x80 | 63, 0x80 | 62]].concat());
    }

    #[test]
    fn the_table_has_an_end() {
        let value = "x".repeat(TABLE - ENTRY - 1);
        assert!(Blocks::new(&[("a", &value)]).is_ok());
        assert!(Blocks::new(&[("ab", &value)]).is_err());
        assert!(Blocks::new(&[("a", ""); 65]).is_ok());
        assert!(Blocks::new(&[("a", ""); 66]).is_err(), "an index of two octets");
    }

    #[test]
    fn lengths() {
        for (length, expected) in [
            (0x7e, &[0x7e][..]),
            (0x7f, &[0x7f, 0]),
            (0xfe, &[0x7f, 0x7f]),
            (0xff, &[0x7f, 0x80, 1]),
            (1337 + 0x7f - 31, &[0x7f, 0x9a, 10]), // as in RFC 7541 C.1.2
        ] {
            let mut output = Vec::new();
            text(&"x".repeat(length), &mut output);
            assert_eq!(output.len() - length, expected.len(), "{length}");
            assert_eq!(&output[..expected.len()], expected, "{length}");
        }
    }

    #[test]
    fn statuses() {
        for (block, expected, why) in [
            (&[0x88, 0x76][..], Some(200), "an index"),
            (&[0x20, 0x88], Some(200), "behind a new size of 0"),
            (&[0x20, 0x3f, 0xe1, 0x1f, 0x88], Some(200), "behind 0 and then 4,096"),
            (&[0x8e], Some(500), "the last of the static table"),
            (&[0x8f], None, "accept-charset"),
            (&[0xbe], None, "of the dynamic table"),
            (b"\x48\x03502", Some(502), "plain"),
            (b"\x08\x03200", Some(200), "plain, not indexed"),
            (&[0x48, 0x82, 0x64, 0x02], Some(302), "RFC 7541 C.6.1"),
            (&[0x48, 0x83, 0x64, 0x0e, 0xff], Some(307), "RFC 7541 C.6.2"),
            (&[0x48, 0x82, 0x64], None, "cut off"),
            (&[0x48, 0x81, 0x64], None, "one digit and a half"),
            (&[0x48, 0x82, 0xff, 0xff], None, "no digits"),
            (&[0x3f, 0xe1], None, "a size without an end"),
            (&[], None, "nothing"),
        ] {
            assert_eq!(status(block), expected, "{block:02x?}: {why}");
        }
    }
}
