//! `application/x-www-form-urlencoded`, as Go writes and reads it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What Go's form encoding leaves as it is, besides letters and digits.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why a query is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// Two readers could take different ones (RFC 6749 §3.1 forbids it, too).
    #[error("a parameter is given twice")]
    Duplicate,
    /// `%` without two digits behind it, or octets that are not UTF-8.
    #[error("a parameter is not encoded as a form is")]
    BadEncoding,
}

/// Writes one name or value.
pub(super) fn encode_onto(query: &mut String, text: &str) {
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 {
            query.push('+');
        }
        query.extend(utf8_percent_encode(word, FORM));
    }
}

/// Reads one name or value.
pub(super) fn decode(text: &str) -> Result<Box<str>, ParamsError> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|octet| *octet == b'%') {
        let digits = rest.get(at + 1..at + 3).ok_or(ParamsError::BadEncoding)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(ParamsError::BadEncoding);
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(|text| text.into()).map_err(|_| ParamsError::BadEncoding)
}
