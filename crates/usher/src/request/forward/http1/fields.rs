//! Fields as they are read, and what single ones mean to a connection.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use httparse::{Header, Status};

use super::error::Http1Error;

/// Fields of a head, or behind a body.
pub(super) const FIELDS: usize = 100;

/// Does `Connection` list this option (RFC 9110 §7.6.1)?
fn lists(value: &HeaderValue, option: &[u8]) -> bool {
    value.as_bytes().split(|octet| *octet == b',').any(|one| {
        let one = one.trim_ascii();
        one.eq_ignore_ascii_case(option)
    })
}

pub(super) fn asks_to_close(value: &HeaderValue) -> bool {
    lists(value, b"close")
}

pub(super) fn asks_to_keep(value: &HeaderValue) -> bool {
    lists(value, b"keep-alive")
}

/// The length that all lines and all their parts say, where they say the same one (RFC 9112 §6.3).
pub(super) fn length_of(fields: &HeaderMap) -> Option<u64> {
    let mut length = None;
    for line in fields.get_all(header::CONTENT_LENGTH) {
        for part in line.as_bytes().split(|octet| *octet == b',') {
            let said = number(part.trim_ascii())?;
            if *length.get_or_insert(said) != said {
                return None;
            }
        }
    }
    length
}

/// Digits alone: `FromStr` takes a sign as well.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Fields whose values are parts of `input`, in which they stand.
pub(super) fn map(fields: &[Header<'_>], input: &Bytes) -> Result<HeaderMap, Http1Error> {
    let wrong = || Http1Error::Malformed("has a field that is none");
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| wrong())?;
        let value = HeaderValue::from_maybe_shared(input.slice_ref(field.value));
        map.append(name, value.map_err(|_| wrong())?);
    }
    Ok(map)
}

/// Trailers: fields and the empty line, and nothing else.
pub(super) fn trailers(input: &Bytes) -> Result<HeaderMap, Http1Error> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    match httparse::parse_headers(input, &mut fields).map_err(Http1Error::Fields)? {
        Status::Complete((octets, fields)) if octets == input.len() => map(fields, input),
        Status::Complete(_) | Status::Partial => {
            Err(Http1Error::Malformed("has trailers that end somewhere else"))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::{asks_to_close, length_of};

    #[test]
    fn lengths_agree_or_are_none() {
        for (lines, expected, why) in [
            (&[][..], None, "there is none"),
            (&["12"], Some(12), "one"),
            (&["12", "12"], Some(12), "two that agree"),
            (&["12, 12"], Some(12), "two in one line"),
            (&["12", "13"], None, "two that don't"),
            (&["12,13"], None, "nor in one line"),
            (&["12,"], None, "half of a list"),
            (&[""], None, "no digits"),
            (&["+12"], None, "a sign"),
            (&["-1"], None, "a sign"),
            (&["0x10"], None, "no decimal"),
            (&["1 2"], None, "a space inside"),
            (&["18446744073709551615"], Some(u64::MAX), "the longest"),
            (&["18446744073709551616"], None, "longer than can be counted"),
        ] {
            let mut fields = HeaderMap::new();
            for line in lines {
                fields.append(header::CONTENT_LENGTH, HeaderValue::from_static(line));
            }
            assert_eq!(length_of(&fields), expected, "{lines:?}: {why}");
        }
    }

    #[test]
    fn close_is_an_option_among_others() {
        for (value, expected) in [
            ("close", true),
            ("Keep-Alive, CLOSE", true),
            ("keep-alive", false),
            ("closed", false),
            ("", false),
        ] {
            assert_eq!(asks_to_close(&HeaderValue::from_static(value)), expected, "{value}");
        }
    }
}
