use std::fmt;

use http::StatusCode;

use super::{Ended, Unread};

/// Octets before a frame's payload (RFC 9113 §4.1), and the code that is all of RST_STREAM's.
const FRAME_HEAD: usize = 9;
const RESET: usize = FRAME_HEAD + 4;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;
const PROTOCOL_ERROR: u32 = 1;
/// No head of ours is so short: each has a request's id. A status alone is the library's 431.
const BARE: usize = 16;

/// Walks over the frames that go to a client, and tells of requests that the HTTP/2 library refuses
/// by itself: it answers a header list that is too long with a bare 431 and resets the stream of a
/// malformed request (RFC 9113 §8.1.1, §10.5.1), and nobody hears of either.
pub(super) struct Refused {
    head: [u8; RESET],
    /// Octets of `head` that have gone out.
    filled: usize,
    /// Octets of the payload that have not.
    left: usize,
    /// The stream that was answered with a bare 431: what resets it says nothing new.
    answered: [u8; 4],
    tell: Box<dyn Fn(&Unread) + Send + Sync>,
}

impl Refused {
    /// Tells `tell` of each.
    pub(super) fn new(tell: impl Fn(&Unread) + Send + Sync + 'static) -> Self {
        let (head, answered) = ([0; RESET], [0; 4]);
        Self { head, filled: 0, left: 0, answered, tell: Box::new(tell) }
    }

    /// Goes over what has gone out.
    pub(super) fn walk(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            if skipped > 0 {
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            bytes = rest;
            if let Some(place) = self.head.get_mut(self.filled) {
                *place = first;
            }
            self.filled += 1;
            let [_, _, _, kind, ..] = self.head;
            let whole = if kind == RST_STREAM { RESET } else { FRAME_HEAD };
            if self.filled >= FRAME_HEAD && self.filled >= whole {
                self.frame();
            }
        }
    }

    fn frame(&mut self) {
        let [a, b, c, kind, flags, id @ .., e, f, g, h] = self.head;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.left = length.saturating_sub(self.filled - FRAME_HEAD);
        self.filled = 0;
        let refused = match kind {
            HEADERS if flags & END_STREAM != 0 && length <= BARE => {
                self.answered = id;
                Unread {
                    status: Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
                    problem: "more fields than can be read, or longer ones",
                    ended: Ended::Stream,
                }
            }
            RST_STREAM if u32::from_be_bytes([e, f, g, h]) == PROTOCOL_ERROR => {
                if id == self.answered {
                    return;
                }
                let problem = "a request is malformed (PROTOCOL_ERROR)";
                Unread { status: None, problem, ended: Ended::Stream }
            }
            _ => return,
        };
        (self.tell)(&refused);
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{END_STREAM, HEADERS, PROTOCOL_ERROR, RST_STREAM, Refused, Unread};

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
    }

    fn reset(stream: u8, code: u32) -> Vec<u8> {
        frame(RST_STREAM, 0, stream, &code.to_be_bytes())
    }

    /// However a write is cut, and whatever goes out between.
    #[test]
    fn what_the_library_refuses_is_told_once_and_nothing_else_is() {
        let out = [
            frame(4, 0, 0, &[]),
            frame(HEADERS, 4, 1, &[1; 100]),
            frame(0, END_STREAM, 1, &[HEADERS; 300]), // a body that looks like heads
            frame(HEADERS, 4 | END_STREAM, 3, &[1; 100]), // an answer of ours
            frame(HEADERS, 4 | END_STREAM, 5, &[0x48, 3, b'4', b'3', b'1']),
            reset(5, PROTOCOL_ERROR), // the same again
            reset(7, 8),              // an answer that nobody wants to end
            reset(9, PROTOCOL_ERROR),
        ]
        .concat();
        for piece in [1, 2, 7, 13, 64, out.len()] {
            let told = Arc::new(Mutex::new(Vec::new()));
            let heard = Arc::clone(&told);
            let mut refused = Refused::new(move |unread: &Unread| {
                heard.lock().unwrap().push(unread.status.map(|status| status.as_u16()));
            });
            out.chunks(piece).for_each(|bytes| refused.walk(bytes));
            assert_eq!(*told.lock().unwrap(), [Some(431), None], "in pieces of {piece}");
        }
    }
}
