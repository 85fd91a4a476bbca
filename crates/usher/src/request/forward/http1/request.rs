//! The head of a request, as it is written.

use std::io::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};

use usher_rules::fields::length;

use super::fields::asks_to_close;

/// What is known of a request's body before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// There is none.
    Nothing,
    /// So many octets.
    Octets(u64),
    /// As many as come.
    Unknown,
}

/// How its end is found (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many octets.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// What a head that was written says of what follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub framing: Framing,
    /// Trailers that the head names; others are not sent (RFC 9110 §6.6.2).
    pub trailers: Vec<HeaderName>,
    pub next: Next,
}

/// May a request follow?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Another,
    Close,
}

/// Writes request line and fields behind what `out` has. A value can't hold an end of a line, nor a
/// target or a name: their types see to that.
pub(super) fn write_head<B>(head: &Request<B>, content: Content, out: &mut Vec<u8>) -> Announced {
    let framing = framing(head.headers(), content);
    let path = head.uri().path_and_query().map_or("/", |path| path.as_str());
    for part in [head.method().as_str(), " ", path, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    let (mut is_framed, mut next) = (false, Next::Another);
    for (name, value) in head.headers() {
        if *name == header::TRANSFER_ENCODING || *name == header::CONTENT_LENGTH {
            // One of them, once: two framings would be one too many (RFC 9112 §6.3).
            if !is_framed && is_of(framing, content, name, value) {
                is_framed = true;
                write_framing(framing, out);
            }
            continue;
        }
        // Whoever asked for another protocol can't be sure of this one afterwards.
        if *name == header::UPGRADE {
            next = Next::Close;
        }
        write_field(name, value, out);
    }
    if !is_framed && content != Content::Nothing {
        write_framing(framing, out);
    }
    out.extend_from_slice(b"\r\n");
    if *head.method() == Method::CONNECT || asks_to_close(head.headers()) {
        next = Next::Close;
    }
    let trailers = if framing == Framing::Chunked { named(head.headers()) } else { Vec::new() };
    Announced { framing, trailers, next }
}

/// `name: value` and the end of the line.
pub(super) fn write_field(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// What the fields say goes before what the body knows of itself.
fn framing(fields: &HeaderMap, content: Content) -> Framing {
    match content {
        Content::Nothing => Framing::Length(0),
        _ if fields.contains_key(header::TRANSFER_ENCODING) => Framing::Chunked,
        Content::Octets(octets) => Framing::Length(said(fields).unwrap_or(octets)),
        Content::Unknown => said(fields).map_or(Framing::Chunked, Framing::Length),
    }
}

/// The length that the fields say, where they say one.
fn said(fields: &HeaderMap) -> Option<u64> {
    length(fields).ok().flatten()
}

/// Is it this line that says how the body is framed? A length of nothing stays where it was; one that
/// no body follows would swallow the next request.
fn is_of(framing: Framing, content: Content, name: &HeaderName, value: &HeaderValue) -> bool {
    match (framing, content) {
        (Framing::Length(_), Content::Nothing) => {
            *name == header::CONTENT_LENGTH && value.as_bytes() == b"0"
        }
        (Framing::Length(_), _) => *name == header::CONTENT_LENGTH,
        (Framing::Chunked, _) => *name == header::TRANSFER_ENCODING,
    }
}

fn write_framing(framing: Framing, out: &mut Vec<u8>) {
    let _into_memory = match framing {
        Framing::Length(octets) => write!(out, "content-length: {octets}\r\n"),
        Framing::Chunked => write!(out, "transfer-encoding: chunked\r\n"),
    };
}

/// The trailers that `Trailer` names.
fn named(fields: &HeaderMap) -> Vec<HeaderName> {
    let lines = fields.get_all(header::TRAILER).iter().filter_map(|line| line.to_str().ok());
    let names = lines.flat_map(|line| line.split(','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok()).collect()
}
