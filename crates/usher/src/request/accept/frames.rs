use super::limits;

/// Octets of the client's preface (RFC 9113 §3.4).
const PREFACE: usize = 24;
/// Octets before a frame's payload (RFC 9113 §4.1).
const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Walks over the frames that a client sends, to know whether it is in the middle of a head.
///
/// HTTP/2 has no time for that (CVE-2024-27316 is its flood; this is its silence): HEADERS without
/// END_HEADERS, or a frame that comes octet by octet, would hold what was read of it for ever.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Octets of the preface that have come.
    preface: usize,
    head: [u8; FRAME_HEAD],
    /// Octets of `head` that have come.
    filled: usize,
    /// Octets of the payload that have not.
    left: usize,
    /// Is a header block open, between HEADERS and END_HEADERS (RFC 9113 §4.3)?
    in_block: bool,
    held: usize,
}

/// A frame or a head that has begun and not ended: each has a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// Of nothing, or of a body.
    Nothing,
    /// Of what it was in the middle of before.
    Same,
    /// Of something that has just begun.
    Other,
}

impl Frames {
    /// Goes over what has come in.
    pub(super) fn walk(&mut self, mut bytes: &[u8]) -> Half {
        let mut begins = !self.is_half();
        while let Some((&first, rest)) = bytes.split_first() {
            bytes = if self.preface < PREFACE {
                self.preface += 1;
                rest
            } else if self.filled < FRAME_HEAD {
                self.octet_of_head(first);
                rest
            } else {
                self.payload(bytes)
            };
            begins |= !self.is_half();
        }
        match (self.is_half(), begins) {
            (false, _) => Half::Nothing,
            (true, true) => Half::Other,
            (true, false) => Half::Same,
        }
    }

    /// Octets of an open header block that have come.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// An upload may take its time: what is half of DATA has the limit of bodies.
    fn is_half(&self) -> bool {
        let [_, _, _, kind, ..] = self.head;
        let in_body = self.filled == FRAME_HEAD && kind == DATA;
        self.preface < PREFACE || self.in_block || (self.filled > 0 && !in_body)
    }

    fn octet_of_head(&mut self, octet: u8) {
        if let Some(place) = self.head.get_mut(self.filled) {
            *place = octet;
        }
        self.filled += 1;
        if self.filled < FRAME_HEAD {
            return;
        }
        let [a, b, c, kind, ..] = self.head;
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.in_block |= kind == HEADERS;
        if self.left == 0 {
            self.frame_ends();
        }
    }

    fn payload<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (payload, rest) = bytes.split_at_checked(self.left).unwrap_or((bytes, &[]));
        self.left -= payload.len();
        if self.in_block {
            self.held = (self.held + payload.len()).min(limits::READ_BUFFER); // no more is kept
        }
        if self.left == 0 {
            self.frame_ends();
        }
        rest
    }

    fn frame_ends(&mut self) {
        let [_, _, _, kind, flags, ..] = self.head;
        self.filled = 0;
        if matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0 {
            self.in_block = false;
            self.held = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CONTINUATION, DATA, END_HEADERS, Frames, HEADERS, Half};

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn after_the_preface() -> Frames {
        let mut frames = Frames::default();
        assert_eq!(frames.walk(PREFACE), Half::Nothing);
        frames
    }

    #[test]
    fn a_head_is_open_until_it_says_that_it_ends() {
        let mut frames = after_the_preface();
        assert_eq!(frames.walk(&frame(HEADERS, 0, b"abc")), Half::Other);
        assert_eq!(frames.walk(&frame(CONTINUATION, 0, b"")), Half::Same);
        assert_eq!(frames.walk(&frame(CONTINUATION, 0, b"de")), Half::Same);
        assert_eq!(frames.held(), 5);
        assert_eq!(frames.walk(&frame(CONTINUATION, END_HEADERS, b"f")), Half::Nothing);
        assert_eq!(frames.held(), 0);
        // The next one has a time of its own, even where it begins in the same packet.
        assert_eq!(frames.walk(&frame(HEADERS, 0, b"abc")), Half::Other);
        let both = [frame(CONTINUATION, END_HEADERS, b""), frame(HEADERS, 0, b"a")].concat();
        assert_eq!(frames.walk(&both), Half::Other);
    }

    #[test]
    fn a_frame_is_as_long_as_its_three_octets_say() {
        for length in [0x02, 0x0103, 0x01_0204] {
            let mut frames = after_the_preface();
            let whole = frame(HEADERS, END_HEADERS, &vec![0; length]);
            let (last, others) = whole.split_last().unwrap();
            assert_eq!(frames.walk(others), Half::Other, "{length:x}");
            assert_eq!(frames.held(), length - 1);
            assert_eq!(frames.walk(&[*last]), Half::Nothing, "{length:x}");
            assert_eq!(frames.walk(&frame(PING, 0, &[0; 8])), Half::Nothing, "and the next begins");
        }
    }

    #[test]
    fn octet_by_octet_is_one_head() {
        let whole = [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, END_HEADERS, b"d")].concat();
        let mut frames = after_the_preface();
        let (last, others) = whole.split_last().unwrap();
        for (at, octet) in others.iter().enumerate() {
            let expected = if at == 0 { Half::Other } else { Half::Same };
            assert_eq!(frames.walk(&[*octet]), expected, "octet {at}");
        }
        assert_eq!(frames.walk(&[*last]), Half::Nothing);
    }

    #[test]
    fn half_a_body_is_no_head_and_half_of_anything_else_is() {
        let mut frames = after_the_preface();
        let data = frame(DATA, 0, &[7; 100]);
        assert_eq!(frames.walk(&data[..50]), Half::Nothing);
        assert_eq!(frames.walk(&data[50..]), Half::Nothing);
        assert_eq!(frames.walk(&data[..5]), Half::Other);
        assert_eq!(frames.walk(&data[5..]), Half::Nothing);
        let ping = frame(PING, 0, &[0; 8]);
        assert_eq!(frames.walk(&ping[..12]), Half::Other);
        assert_eq!(frames.walk(&ping[12..]), Half::Nothing);
        assert_eq!(Frames::default().walk(&PREFACE[..23]), Half::Same, "and half a preface");
    }
}
