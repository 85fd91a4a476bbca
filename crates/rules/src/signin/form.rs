//! `application/x-www-form-urlencoded`, as Go writes and reads it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::ParamsError;

/// What Go's form encoding leaves as it is, besides letters and digits.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

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
