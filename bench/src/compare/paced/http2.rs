//! HTTP/2 (RFC 9113), as much of it as small answers need.

use bytes::{Buf as _, BytesMut};
use http::StatusCode;

use super::{
    PATH,
    connection::Wire,
    hpack::{self, Blocks},
};
use crate::failure::Failure;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame's length is three octets, its kind and its flags one each, its stream four (§4.1).
const HEAD: usize = 9;
/// No frame may be larger unless we say so (§6.5.2).
const LARGEST: usize = 16_384;
/// How much of one answer, and of all answers of a connection, may be under way.
const STREAM_WINDOW: u32 = 1 << 20;
const WINDOW: u32 = 4 << 20;
/// What it is to begin with (§6.9.2).
const FIRST_WINDOW: u32 = 65_535;

/// Kinds of frames (§6).
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PUSH_PROMISE: u8 = 5;
    pub(super) const PING: u8 = 6;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
}

/// Flags of frames (§6).
mod flag {
    pub(super) const END_STREAM: u8 = 0x1;
    pub(super) const ACK: u8 = 0x1;
    pub(super) const END_HEADERS: u8 = 0x4;
    pub(super) const PADDED: u8 = 0x8;
    pub(super) const PRIORITY: u8 = 0x20;
}

/// Settings (§6.5.2).
mod setting {
    pub(super) const HEADER_TABLE_SIZE: u16 = 1;
    pub(super) const ENABLE_PUSH: u16 = 2;
    pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
}

/// One connection, with as many requests under way as its streams are used for.
#[derive(Debug)]
pub struct Http2 {
    blocks: Blocks,
    /// How many requests are to be under way at once.
    streams: usize,
    /// The next stream, of which the client's are odd (§5.1.1).
    next: u32,
    asked: Vec<Asked>,
    /// Octets of answers since the window was last opened.
    received: u32,
}

/// A request without the end of its answer.
#[derive(Debug)]
struct Asked {
    stream: u32,
    nth: u64,
    has_status: bool,
}

#[derive(Clone, Copy, Debug)]
struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

impl Http2 {
    /// Asks `host` on so many streams at once.
    pub fn new(host: &str, fields: &[(&str, &str)], streams: usize) -> Result<Self, Failure> {
        let blocks = Blocks::new(&[&[(":authority", host)], fields].concat())?;
        Ok(Self { blocks, streams, next: 1, asked: Vec::new(), received: 0 })
    }

    fn take(
        &mut self,
        frame: Frame<'_>,
        output: &mut Vec<u8>,
        answered: &mut Vec<u64>,
    ) -> Result<(), Failure> {
        let ends = frame.flags & flag::END_STREAM != 0;
        match frame.kind {
            kind::DATA => {
                self.receive(frame.payload.len(), output);
                let at = self.find(frame.stream)?;
                if self.asked.get(at).is_none_or(|it| !it.has_status) {
                    return Err(wrong("a body without a status"));
                }
                answered.extend(ends.then(|| self.asked.swap_remove(at).nth));
            }
            kind::HEADERS => {
                let at = self.find(frame.stream)?;
                is_200(&frame)?;
                if ends {
                    answered.push(self.asked.swap_remove(at).nth);
                } else if let Some(asked) = self.asked.get_mut(at) {
                    asked.has_status = true;
                }
            }
            kind::SETTINGS if frame.flags & flag::ACK == 0 => {
                self.allowed(frame.payload)?;
                head(output, 0, (kind::SETTINGS, flag::ACK), 0);
            }
            kind::PING if frame.flags & flag::ACK == 0 => {
                head(output, frame.payload.len(), (kind::PING, flag::ACK), 0);
                output.extend_from_slice(frame.payload);
            }
            kind::GOAWAY => return Err(wrong(ended("GOAWAY", frame.payload.get(4..8)))),
            kind::RST_STREAM => return Err(wrong(ended("RST_STREAM", frame.payload.get(..4)))),
            kind::PUSH_PROMISE => return Err(wrong("PUSH_PROMISE, which we refuse")),
            kind::CONTINUATION => return Err(wrong("CONTINUATION behind nothing")),
            _ => {} // WINDOW_UPDATE, acknowledgements; and what is not known is passed over (§5.5)
        }
        Ok(())
    }

    fn find(&self, stream: u32) -> Result<usize, Failure> {
        let at = self.asked.iter().position(|it| it.stream == stream);
        at.ok_or_else(|| wrong(format!("an answer on stream {stream}, where nothing was asked")))
    }

    /// Opens the connection's window again before it is shut. Each stream's is never used up.
    fn receive(&mut self, octets: usize, output: &mut Vec<u8>) {
        self.received += u32::try_from(octets).unwrap_or(u32::MAX);
        if self.received >= WINDOW / 2 {
            open_window(output, self.received);
            self.received = 0;
        }
    }

    /// May we do what we do?
    fn allowed(&self, settings: &[u8]) -> Result<(), Failure> {
        for [a, b, value @ ..] in settings.as_chunks::<6>().0 {
            let (id, value) = (u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*value) as usize);
            match id {
                setting::HEADER_TABLE_SIZE if value < hpack::TABLE => {
                    return Err(wrong(format!("a table of {value} octets for fields")));
                }
                setting::MAX_CONCURRENT_STREAMS if value < self.streams => {
                    return Err(wrong(format!("no more than {value} streams")));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Wire for Http2 {
    fn ask(&mut self, nth: u64, output: &mut Vec<u8>) {
        let block = if self.next == 1 {
            begin(output);
            &self.blocks.first
        } else {
            &self.blocks.later
        };
        let flags = flag::END_STREAM | flag::END_HEADERS;
        head(output, block.len(), (kind::HEADERS, flags), self.next);
        output.extend_from_slice(block);
        self.asked.push(Asked { stream: self.next, nth, has_status: false });
        self.next += 2;
    }

    fn read(
        &mut self,
        input: &mut BytesMut,
        output: &mut Vec<u8>,
        answered: &mut Vec<u64>,
    ) -> Result<(), Failure> {
        while let Some(frame) = frame(input)? {
            let length = HEAD + frame.payload.len();
            self.take(frame, output, answered)?;
            input.advance(length);
        }
        Ok(())
    }

    fn is_busy(&self) -> bool {
        !self.asked.is_empty()
    }
}

/// The connection preface, and room for answers (§3.4).
fn begin(output: &mut Vec<u8>) {
    output.extend_from_slice(PREFACE);
    let settings = [(setting::ENABLE_PUSH, 0), (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW)];
    head(output, 6 * settings.len(), (kind::SETTINGS, 0), 0);
    for (id, value) in settings {
        output.extend_from_slice(&id.to_be_bytes());
        output.extend_from_slice(&value.to_be_bytes());
    }
    open_window(output, WINDOW - FIRST_WINDOW);
}

fn open_window(output: &mut Vec<u8>, octets: u32) {
    head(output, 4, (kind::WINDOW_UPDATE, 0), 0);
    output.extend_from_slice(&octets.to_be_bytes());
}

/// What a frame begins with (§4.1).
fn head(output: &mut Vec<u8>, length: usize, (kind, flags): (u8, u8), stream: u32) {
    let [_, length @ ..] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    output.extend_from_slice(&length);
    output.extend_from_slice(&[kind, flags]);
    output.extend_from_slice(&stream.to_be_bytes());
}

/// The frame at the beginning, once all of it is there.
fn frame(input: &[u8]) -> Result<Option<Frame<'_>>, Failure> {
    let Some((head, rest)) = input.split_first_chunk::<HEAD>() else { return Ok(None) };
    let [a, b, c, kind, flags, stream @ ..] = *head;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    if length > LARGEST {
        return Err(wrong(format!("a frame of {length} octets")));
    }
    let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1); // one bit is reserved
    Ok(rest.get(..length).map(|payload| Frame { kind, flags, stream, payload }))
}

/// Is it the head of an answer that is wanted (§6.2)?
fn is_200(frame: &Frame<'_>) -> Result<(), Failure> {
    if frame.flags & flag::END_HEADERS == 0 {
        return Err(wrong("a field block in pieces"));
    }
    let padding = usize::from(frame.flags & flag::PADDED != 0);
    let priority = if frame.flags & flag::PRIORITY == 0 { 0 } else { 5 };
    let block = frame.payload.get(padding + priority..).unwrap_or_default();
    match hpack::status(block).map(StatusCode::from_u16) {
        Some(Ok(StatusCode::OK)) => Ok(()),
        Some(Ok(status)) => Err(Failure::Status { what: PATH.into(), status }),
        Some(Err(_)) | None => {
            let begins = block.get(..block.len().min(16));
            Err(wrong(format!("a field block without a status: {begins:02x?}")))
        }
    }
}

/// By which error the other side ended it (§7).
fn ended(by: &str, error: Option<&[u8]>) -> String {
    format!("{by}, error {:02x?}", error.unwrap_or_default())
}

fn wrong(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::exchange(PATH)(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: (u8, u8, u32) = (kind::SETTINGS, 0, 0);

    /// One whose requests 7 and 8 are under way, on streams 1 and 3.
    fn asked() -> Http2 {
        let mut wire = Http2::new("tv.test", &[("cookie", "a=b")], 32).unwrap();
        for nth in [7, 8] {
            wire.ask(nth, &mut Vec::new());
        }
        wire
    }

    fn octets((kind, flags, stream): (u8, u8, u32), payload: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        head(&mut octets, payload.len(), (kind, flags), stream);
        octets.extend_from_slice(payload);
        octets
    }

    /// What was answered, and what is said to that.
    fn read(wire: &mut Http2, octets: &[u8]) -> Result<(Vec<u64>, Vec<u8>), Failure> {
        let (mut answered, mut output) = (Vec::new(), Vec::new());
        wire.read(&mut BytesMut::from(octets), &mut output, &mut answered)?;
        Ok((answered, output))
    }

    #[test]
    fn answers_end_in_any_order_and_come_in_pieces() {
        let (headers, end) = (flag::END_HEADERS, flag::END_STREAM);
        let all = [
            octets((kind::HEADERS, headers, 1), &[0x88]),
            octets((kind::HEADERS, headers | end, 3), &[0x88]),
            octets((kind::DATA, 0, 1), b"{"),
            octets((kind::DATA, end, 1), b"}"),
        ]
        .concat();
        let mut wire = asked();
        assert_eq!(read(&mut wire, &all).unwrap().0, [8, 7]);
        assert!(!wire.is_busy());

        let (mut wire, mut input, mut answered) = (asked(), BytesMut::new(), Vec::new());
        for octet in all {
            assert!(wire.is_busy());
            input.extend_from_slice(&[octet]);
            wire.read(&mut input, &mut Vec::new(), &mut answered).unwrap();
        }
        assert_eq!((answered, wire.is_busy(), input.len()), (vec![8, 7], false, 0));
    }

    #[test]
    fn what_ends_a_request_without_an_answer() {
        let (headers, whole) = (kind::HEADERS, flag::END_HEADERS);
        let streams = [0, 3, 0, 0, 0, 31];
        for (frame, payload, expected) in [
            ((headers, whole, 1), &b"\x48\x03502"[..], "status 502"),
            ((headers, whole, 1), &[0x8d], "status 404"),
            ((headers, whole, 1), &[0xbe], "without a status"),
            ((headers, whole | flag::PADDED, 1), &[0, 0x8d], "status 404"),
            ((headers, whole | flag::PRIORITY, 1), &[0, 0, 0, 0, 0, 0x8d], "status 404"),
            ((headers, 0, 1), &[0x88], "in pieces"),
            ((headers, whole, 5), &[0x88], "stream 5"),
            ((kind::DATA, flag::END_STREAM, 1), b"{}", "a body without a status"),
            ((kind::GOAWAY, 0, 0), &[0, 0, 0, 3, 0, 0, 0, 11], "GOAWAY, error [00, 00, 00, 0b]"),
            ((kind::RST_STREAM, 0, 1), &[0, 0, 0, 7], "RST_STREAM, error [00, 00, 00, 07]"),
            ((kind::PUSH_PROMISE, 0, 1), &[], "PUSH_PROMISE"),
            ((kind::CONTINUATION, 0, 1), &[], "CONTINUATION"),
            (SETTINGS, &[0, 1, 0, 0, 0x0f, 0xff], "a table of 4095 octets"),
            (SETTINGS, &streams, "no more than 31 streams"),
            ((kind::DATA, 0, 1), &[0; LARGEST + 1], "a frame of 16385 octets"),
        ] {
            let told = read(&mut asked(), &octets(frame, payload)).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn what_wants_an_acknowledgement_gets_one() {
        let mut wire = asked();
        let settings = octets(SETTINGS, &[0, 1, 0, 0, 0x10, 0, 0, 3, 0, 0, 0, 32]);
        assert_eq!(read(&mut wire, &settings).unwrap().1, [0, 0, 0, 4, 1, 0, 0, 0, 0]);
        let pong = [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], b"12345678"].concat();
        assert_eq!(read(&mut wire, &octets((kind::PING, 0, 0), b"12345678")).unwrap().1, pong);
        for quiet in [(kind::SETTINGS, flag::ACK, 0), (kind::PING, flag::ACK, 0), (0xbe, 1, 9)] {
            assert_eq!(read(&mut wire, &octets(quiet, b"12345678")).unwrap(), (vec![], vec![]));
        }
    }

    #[test]
    fn the_window_is_opened_before_it_is_shut() {
        let mut wire = asked();
        read(&mut wire, &octets((kind::HEADERS, flag::END_HEADERS, 1), &[0x88])).unwrap();
        let data = octets((kind::DATA, 0, 1), &[0; LARGEST]);
        for _ in 1..WINDOW / 2 / LARGEST as u32 {
            assert_eq!(read(&mut wire, &data).unwrap().1, b"");
        }
        let opened = octets((kind::WINDOW_UPDATE, 0, 0), &(WINDOW / 2).to_be_bytes());
        assert_eq!(read(&mut wire, &data).unwrap().1, opened);
        assert_eq!(read(&mut wire, &data).unwrap().1, b"", "and counts anew");
    }
}
