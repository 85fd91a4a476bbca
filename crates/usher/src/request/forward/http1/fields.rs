//! Fields as they are read, and what single ones mean to a connection.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use httparse::{Header, Status};
use usher_rules::fields::elements;

use super::error::Http1Error;

/// Fields of a head, or behind a body.
pub(super) const FIELDS: usize = 100;

/// Does `Connection` list this option (RFC 9110 §7.6.1)?
fn lists(fields: &HeaderMap, option: &[u8]) -> bool {
    elements(fields, &header::CONNECTION).any(|one| one.eq_ignore_ascii_case(option))
}

pub(super) fn asks_to_close(fields: &HeaderMap) -> bool {
    lists(fields, b"close")
}

pub(super) fn asks_to_keep(fields: &HeaderMap) -> bool {
    lists(fields, b"keep-alive")
}

/// Room in the map of a head. The fields that an answer gets on its way would else make the map grow,
/// and so would a request's: the HTTP library puts a connection's next request into the map of the
/// answer before.
const ROOM: usize = 24;

/// Those of a head, with room for what is added on its way.
pub(super) fn of_head(fields: &[Header<'_>], input: &Bytes) -> Result<HeaderMap, Http1Error> {
    map(fields, input, ROOM)
}

/// Fields whose values are parts of `input`, in which they stand, in a map with room for so many.
fn map(fields: &[Header<'_>], input: &Bytes, room: usize) -> Result<HeaderMap, Http1Error> {
    let wrong = || Http1Error::Malformed("has a field that is none");
    let mut map = HeaderMap::with_capacity(fields.len().max(room));
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
        Status::Complete((octets, fields)) if octets == input.len() => map(fields, input, 0),
        Status::Complete(_) | Status::Partial => {
            Err(Http1Error::Malformed("has trailers that end somewhere else"))
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, header};
    use usher_rules::fields::length;

    use super::{FIELDS, asks_to_close, of_head, trailers};

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
            let is_wrong = !lines.is_empty() && expected.is_none();
            assert_eq!(length(&fields).ok().flatten(), expected, "{lines:?}: {why}");
            assert_eq!(length(&fields).is_err(), is_wrong, "{lines:?}: {why}");
        }
    }

    /// Each time that a map grows, all that is in it is copied and looked for anew.
    #[test]
    fn what_is_added_on_the_way_finds_room() {
        let input = Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\netag: a\r\n\r\n");
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        assert!(answer.parse(&input).unwrap().is_complete());
        let mut read = of_head(answer.headers, &input).unwrap();
        let room = read.capacity();
        for added in 0..20 {
            let name = format!("x-added-{added}").parse::<http::HeaderName>().unwrap();
            read.insert(name, HeaderValue::from_static("1"));
        }
        assert_eq!((read.len(), read.capacity()), (22, room));
        let behind_a_body = trailers(&Bytes::from_static(b"x-sum: 1\r\n\r\n")).unwrap();
        assert!(behind_a_body.capacity() < room, "nothing is added to trailers");
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
            let fields =
                HeaderMap::from_iter([(header::CONNECTION, HeaderValue::from_static(value))]);
            assert_eq!(asks_to_close(&fields), expected, "{value}");
        }
    }
}
