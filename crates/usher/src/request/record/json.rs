/// The name of a member that is not the first: `,"name":`.
macro_rules! member {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
pub(super) use member;

/// The longest value of a record, in octets as they are written: what strangers send fills no disk.
/// What was left out stands at its end: `…(+1234 octets)`.
pub(super) const VALUE: usize = 1024;

/// The same for the fields of an event, where a list of problems may stand.
const EVENT_VALUE: usize = 8 * 1024;

/// Writes one JSON object on one line.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Opens the object.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Opens the object with members that are written already, all of them our own words.
    pub(super) fn begin_with(out: &'a mut Vec<u8>, members: &str) -> Self {
        out.push(b'{');
        out.extend_from_slice(members.as_bytes());
        Self { out, first: false }
    }

    /// How far the line has come.
    pub(super) fn written(&self) -> usize {
        self.out.len()
    }

    /// What was written since then.
    pub(super) fn since(&self, before: usize) -> &[u8] {
        self.out.get(before..).unwrap_or_default()
    }

    /// Members that stood on another line, with the comma before them.
    pub(super) fn again(&mut self, members: &[u8]) {
        self.out.extend_from_slice(members);
    }

    /// `"key":"value"`.
    pub(super) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        quoted_up_to(self.out, value, EVENT_VALUE);
        self
    }

    /// The same for a [`member`], whose punctuation was put together by the compiler, since a record
    /// has two dozen; and for bytes that should be text: what is not becomes U+FFFD.
    pub(super) fn put(&mut self, member: &str, value: &[u8]) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        if value.len() <= VALUE && is_plain(value) {
            self.out.push(b'"');
            self.out.extend_from_slice(value);
            self.out.push(b'"');
        } else {
            let (kept, cut) = value.split_at_checked(VALUE).unwrap_or((value, &[]));
            quoted_with(self.out, &String::from_utf8_lossy(kept), VALUE, cut.len());
        }
        self
    }

    /// The same for words of our own, in which there is nothing to escape.
    pub(super) fn word(&mut self, member: &str, value: &str) -> &mut Self {
        self.out.extend_from_slice(member.as_bytes());
        self.out.push(b'"');
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
        self
    }

    /// `"key":true`.
    pub(super) fn boolean(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { b"true" } else { b"false" })
    }

    /// `"key":42`, or anything else that is JSON already.
    pub(super) fn raw(&mut self, key: &str, value: &[u8]) -> &mut Self {
        self.key(key);
        self.out.extend_from_slice(value);
        self
    }

    /// `"key":42`.
    pub(super) fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.key(key);
        integer(self.out, value);
        self
    }

    /// `"key":1.500`: milliseconds, from microseconds.
    pub(super) fn millis(&mut self, key: &str, micros: u64) -> &mut Self {
        self.key(key);
        integer(self.out, micros / 1000);
        let below = micros % 1000;
        self.out.extend_from_slice(match below {
            0..10 => b".00",
            10..100 => b".0",
            _ => b".",
        });
        integer(self.out, below);
        self
    }

    /// `"key":"prefixvalue"`, both our own words.
    pub(super) fn prefixed(&mut self, key: &str, prefix: &str, value: &str) -> &mut Self {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
        self
    }

    /// `"key":["a","b"]`.
    pub(super) fn list<'b>(
        &mut self,
        key: &str,
        values: impl Iterator<Item = &'b str>,
    ) -> &mut Self {
        self.key(key);
        self.out.push(b'[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            quoted(self.out, value);
        }
        self.out.push(b']');
        self
    }

    /// `"key":{…}`, with what `write` puts into it.
    pub(super) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.key(key);
        self.out.push(b'{');
        write(&mut Object { out: &mut *self.out, first: true });
        self.out.push(b'}');
        self
    }

    /// Closes the object and the line.
    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    fn key(&mut self, key: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes()); // our own words: nothing to escape
        self.out.extend_from_slice(b"\":");
    }
}

/// Decimal digits, without a detour over `String`.
pub(super) fn integer(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20]; // as many as u64::MAX has
    let mut rest = value;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Text that stands in a JSON string as it is. Eight octets at a time, since a record has dozens of
/// short texts; the last eight may have been looked at before.
fn is_plain(text: &[u8]) -> bool {
    match text.last_chunk() {
        Some(last) => {
            let (words, _) = text.as_chunks();
            words.iter().fold(odd(last), |found, word| found | odd(word)) == 0
        }
        None => text
            .iter()
            .all(|octet| matches!(octet, 0x20..=0x7e) && *octet != b'"' && *octet != b'\\'),
    }
}

/// Not 0 where one of the octets is below 0x20, above 0x7e, a quotation mark or a backslash.
fn odd(word: &[u8; 8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    const QUOTATION: u64 = ONES * b'"' as u64;
    const BACKSLASH: u64 = ONES * b'\\' as u64;
    let word = u64::from_ne_bytes(*word);
    // The highest bit of an octet tells that it is below the bound. A borrow out of a neighbour
    // spoils it only where that neighbour is below the bound itself.
    let below = |word: u64, bound: u64| word.wrapping_sub(bound) & !word;
    let found = word
        | word.wrapping_add(ONES) // 0x7f
        | below(word, ONES * 0x20)
        | below(word ^ QUOTATION, ONES)
        | below(word ^ BACKSLASH, ONES);
    found & HIGH
}

/// A JSON string of at most [`VALUE`] octets.
pub(super) fn quoted(out: &mut Vec<u8>, text: &str) {
    quoted_up_to(out, text, VALUE);
}

/// A JSON string. What strangers wrote can't end it, begin a line, move a terminal's cursor, or go
/// on without end.
fn quoted_up_to(out: &mut Vec<u8>, text: &str, most: usize) {
    quoted_with(out, text, most, 0);
}

/// The same for a text of which `cut` octets were left out before.
fn quoted_with(out: &mut Vec<u8>, text: &str, most: usize, cut: usize) {
    out.push(b'"');
    let begin = out.len();
    if text.len() <= most && is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else if let Some(rest) = escape(out, text, begin + most) {
        return end_cut(out, rest + cut);
    }
    if cut > 0 {
        return end_cut(out, cut);
    }
    out.push(b'"');
}

/// Says how much is missing.
fn end_cut(out: &mut Vec<u8>, octets: usize) {
    out.extend_from_slice("…(+".as_bytes());
    integer(out, octets as u64);
    out.extend_from_slice(b" octets)\"");
}

/// Escapes until `out` has grown to `end`; gives the octets of `text` that had no room.
fn escape(out: &mut Vec<u8>, text: &str, end: usize) -> Option<usize> {
    for (at, c) in text.char_indices() {
        if out.len() >= end {
            return Some(text.len() - at);
        }
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Object, is_plain, quoted};

    #[test]
    fn log_injection_is_not_possible() {
        for text in [
            "plain",
            "\"},{\"level\":\"x",
            "a\nb",
            "a\r\n\u{1b}[2J",
            "ü\u{2028}\u{202e}",
            "\u{7f}\u{9b}",
            "😀\n",
        ] {
            let mut out = Vec::new();
            quoted(&mut out, text);
            assert!(!out.iter().any(|b| *b < 0x20 || *b == 0x7f), "{text:?}");
            let read: String = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn every_octet_is_plain_or_odd_wherever_it_stands() {
        for octet in 0..=u8::MAX {
            let expected = matches!(octet, 0x20..=0x7e) && octet != b'"' && octet != b'\\';
            for (length, at) in (1..=17).flat_map(|length| (0..length).map(move |at| (length, at)))
            {
                for beside in [b' ', b'a', b'~', b'!', b'#', b'[', b']'] {
                    let mut text = vec![beside; length];
                    text[at] = octet;
                    assert_eq!(is_plain(&text), expected, "{octet:#x} at {at} of {length}");
                }
            }
        }
        assert!(is_plain(b""));
    }

    #[test]
    fn a_value_has_a_bound_and_says_what_is_missing() {
        for (text, why) in [
            ("x".repeat(110_000), "plain"),
            ("\u{1}".repeat(110_000), "escaped"),
            ("ü".repeat(110_000), "of several octets"),
        ] {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out);
            object.put("\"a\":", text.as_bytes());
            object.end();
            assert!(out.len() < 1100, "{why}: {}", out.len());
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let shown = read["a"].as_str().unwrap();
            let (kept, rest) = shown.split_once("…(+").unwrap();
            let rest: usize = rest.strip_suffix(" octets)").unwrap().parse().unwrap();
            assert_eq!(kept.len() + rest, text.len(), "{why}: {} {rest}", kept.len());
            let mut out = Vec::new();
            quoted(&mut out, &text);
            assert!(out.len() < 1100, "{why}: {}", out.len());
        }
        let mut out = Vec::new();
        quoted(&mut out, &"x".repeat(1024));
        assert_eq!(out.len(), 1026, "what fits is not cut");
    }

    #[test]
    fn milliseconds_have_three_digits_behind_the_point() {
        for (micros, expected) in
            [(0, "0.000"), (7, "0.007"), (42, "0.042"), (1_500, "1.500"), (12_345_678, "12345.678")]
        {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out);
            object.millis("a", micros);
            object.end();
            assert_eq!(String::from_utf8(out).unwrap(), format!("{{\"a\":{expected}}}\n"));
        }
    }

    #[test]
    fn an_object_is_one_line_of_json() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("a", "x").boolean("b", true).number("c", 7).list("d", ["e", "f"].into_iter());
        object.end();
        assert_eq!(out, b"{\"a\":\"x\",\"b\":true,\"c\":7,\"d\":[\"e\",\"f\"]}\n");
    }
}
