/// Writes one JSON object on one line.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Opens the object.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// `"key":"value"`.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        quoted(self.out, value);
        self
    }

    /// The same with bytes that should be text; what is not becomes U+FFFD.
    pub fn bytes(&mut self, key: &str, value: &[u8]) -> &mut Self {
        match std::str::from_utf8(value) {
            Ok(text) => self.text(key, text),
            Err(_) => self.text(key, &String::from_utf8_lossy(value)),
        }
    }

    /// `"key":true`.
    pub fn boolean(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { b"true" } else { b"false" })
    }

    /// `"key":42`, or anything else that is JSON already.
    pub fn raw(&mut self, key: &str, value: &[u8]) -> &mut Self {
        self.key(key);
        self.out.extend_from_slice(value);
        self
    }

    /// `"key":42`.
    pub fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.key(key);
        integer(self.out, value);
        self
    }

    /// `"key":["a","b"]`.
    pub fn list<'b>(&mut self, key: &str, values: impl Iterator<Item = &'b str>) -> &mut Self {
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

    /// Closes the object and the line.
    pub fn end(self) {
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
pub fn integer(out: &mut Vec<u8>, value: u64) {
    use std::io::Write as _;
    let _ = write!(out, "{value}"); // a Vec takes everything
}

/// A JSON string. What strangers wrote can't end it, begin a line, or move a terminal's cursor.
pub fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\') {
        out.extend_from_slice(text.as_bytes());
    } else {
        for c in text.chars() {
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
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::{Object, quoted};

    #[test]
    fn log_injection_is_not_possible() {
        for text in [
            "plain",
            "\"},{\"level\":\"x",
            "a\nb",
            "a\r\n\u{1b}[2J",
            "ü\u{2028}\u{202e}",
            "\u{7f}\u{9b}",
        ] {
            let mut out = Vec::new();
            quoted(&mut out, text);
            assert!(!out.iter().any(|b| *b < 0x20 || *b == 0x7f), "{text:?}");
            let read: String = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, text);
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
