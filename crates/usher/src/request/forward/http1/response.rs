//! The head of an answer, as it is read.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes};
use http::{Method, Response, StatusCode, Version, header};
use httparse::{Header, ParserConfig, Status};
use hyper::ext::ReasonPhrase;
use usher_rules::fields::{DifferentLengths, length};

use super::{
    decoder::Decoder,
    error::Http1Error,
    fields::{FIELDS, asks_to_close, asks_to_keep, of_head},
    request::Next,
};

/// Octets of a head: as many as we take from clients.
pub(super) const HEAD: usize = 128 * 1024;

/// Empty lines that may stand before a head (RFC 9112 §2.2 has them before requests).
const EMPTY_LINES: usize = 2;

/// Takes one head from the beginning of `input`, if all of it has come. Its values are parts of
/// `input`.
pub(super) fn parse(input: &mut Bytes) -> Result<Option<Response<()>>, Http1Error> {
    let begins = input.get(empty_lines(input)?..).unwrap_or_default();
    let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let mut rules = ParserConfig::default();
    rules.allow_spaces_after_header_name_in_responses(true); // RFC 9112 §5.1
    let read = rules.parse_response_with_uninit_headers(&mut parsed, begins, &mut fields);
    let octets = match read.map_err(Http1Error::Fields)? {
        Status::Complete(octets) if octets <= HEAD => input.len() - begins.len() + octets,
        Status::Partial if input.len() <= HEAD => return Ok(None),
        Status::Complete(_) | Status::Partial => {
            return Err(Http1Error::Malformed("has too long a head"));
        }
    };
    let mut answer = Response::new(());
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default());
    *answer.status_mut() =
        status.map_err(|_| Http1Error::Malformed("has a status that is none"))?;
    let is_http10 = parsed.version == Some(0);
    *answer.version_mut() = if is_http10 { Version::HTTP_10 } else { Version::HTTP_11 };
    // The usual one is known at the other end.
    if let Some(reason) =
        parsed.reason.filter(|reason| Some(*reason) != answer.status().canonical_reason())
        && let Ok(reason) = ReasonPhrase::try_from(Bytes::copy_from_slice(reason.as_bytes()))
    {
        answer.extensions_mut().insert(reason);
    }
    *answer.headers_mut() = of_head(parsed.headers, input)?;
    input.advance(octets);
    Ok(Some(answer))
}

/// Octets of the empty lines at the beginning. They are counted anew each time, and not taken: too many
/// are too many however they come.
fn empty_lines(input: &[u8]) -> Result<usize, Http1Error> {
    let (mut rest, mut lines) = (input, 0);
    while let Some(next) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
        (rest, lines) = (next, lines + 1);
        if lines > EMPTY_LINES {
            return Err(Http1Error::Malformed("begins with empty lines"));
        }
    }
    Ok(input.len() - rest.len())
}

/// How the body of an answer ends (RFC 9112 §6.3).
pub(super) fn framing(answer: &Response<()>, asked: &Method) -> Result<Decoder, Http1Error> {
    let (status, fields) = (answer.status(), answer.headers());
    let has_none = status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *asked == Method::HEAD
        || (*asked == Method::CONNECT && status.is_success());
    if has_none {
        return Ok(Decoder::length(0));
    }
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        // HTTP/1.0 has none: whoever reads it in another way finds another end.
        if answer.version() == Version::HTTP_10 {
            return Err(Http1Error::Malformed("is HTTP/1.0 in a transfer coding"));
        }
        let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        // Any other is refused by who reads the head, and ends with the connection.
        return Ok(match is_chunked && codings.next().is_none() {
            true => Decoder::chunked(),
            false => Decoder::until_end(),
        });
    }
    match length(fields) {
        Ok(Some(octets)) => Ok(Decoder::length(octets)),
        Ok(None) => Ok(Decoder::until_end()),
        Err(DifferentLengths) => Err(Http1Error::Malformed("has a length that is none, or two")),
    }
}

/// May a request follow (RFC 9112 §9.3)? Whoever says `close` once means it; and where two framings
/// stand beside each other somebody between here and there may have found another end (§6.1).
pub(super) fn next(answer: &Response<()>) -> Next {
    let fields = answer.headers();
    let keeps = answer.version() == Version::HTTP_11 || asks_to_keep(fields);
    let is_framed_twice = fields.contains_key(header::TRANSFER_ENCODING)
        && fields.contains_key(header::CONTENT_LENGTH);
    match keeps && !asks_to_close(fields) && !is_framed_twice {
        true => Next::Another,
        false => Next::Close,
    }
}
