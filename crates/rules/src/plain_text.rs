//! Text files as editors and tools save them: with a byte order mark, in UTF-16, with line ends of
//! other systems, with blanks around. Keys that name a text file read it through here, so that no
//! key is pickier than another.

use zeroize::Zeroizing;

const MARK: &[u8] = b"\xEF\xBB\xBF";

/// The text in UTF-8 without a byte order mark at its start. UTF-16 is known by its mark, or by
/// every second byte of its first characters being zero (RFC 8259 §3 of old, RFC 4627 §3).
///
/// Bytes that are no such text come back as they are: whoever reads them says what is wrong.
pub fn utf8(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [1..=255, 0, 1..=255, 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0, 1..=255, 0, 1..=255, ..] => utf16(bytes, u16::from_be_bytes),
        _ => None,
    };
    text.unwrap_or_else(|| Zeroizing::new(bytes.strip_prefix(MARK).unwrap_or(bytes).to_vec()))
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| read(*pair));
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len() * 3 / 2));
    for unit in char::decode_utf16(units) {
        let mut place = [0; 4];
        text.extend_from_slice(unit.ok()?.encode_utf8(&mut place).as_bytes());
    }
    rest.is_empty().then_some(text)
}

/// A PEM text (RFC 7468) as strict readers take it: each line without blanks around it and without
/// a mark before it. Files put together with `cat` have a mark in their middle, and a reader that
/// overlooks that block serves a chain without its leaf.
pub fn pem(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = utf8(bytes);
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let mut line = line.trim_ascii();
        while let Some(rest) = line.strip_prefix(MARK) {
            line = rest.trim_ascii();
        }
        if !line.is_empty() {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }
    out
}

/// A secret alone in a file: what editors put around it is no part of it.
pub fn word(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = utf8(bytes);
    Zeroizing::new(text.trim_ascii().to_vec())
}

#[cfg(test)]
mod tests {
    use super::{pem, utf8, word};

    fn utf16(text: &str, mark: bool) -> (Vec<u8>, Vec<u8>) {
        let mark = mark.then_some(0xFEFF);
        let units: Vec<u16> = mark.into_iter().chain(text.encode_utf16()).collect();
        (
            units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        )
    }

    #[test]
    fn text_in_every_dress_is_the_same_text() {
        let text = "routes: ü\n";
        for mark in [true, false] {
            let (little, big) = utf16(text, mark);
            assert_eq!(*utf8(&little), text.as_bytes(), "little endian, mark: {mark}");
            assert_eq!(*utf8(&big), text.as_bytes(), "big endian, mark: {mark}");
        }
        assert_eq!(*utf8(format!("\u{feff}{text}").as_bytes()), text.as_bytes());
        for odd in [&b"\xFF\xFEa"[..], b"\xFF\xFE\x00\xD8", b"\xFF", b"", b"a\0"] {
            assert_eq!(*utf8(odd), odd, "what is no text stays");
        }
    }

    #[test]
    fn pem_in_every_dress_is_the_same_pem() {
        let plain =
            "-----BEGIN X-----\nAAAA\n-----END X-----\n-----BEGIN X-----\nBBBB\n-----END X-----\n";
        let with_marks = plain.replace("-----BEGIN", "\u{feff}-----BEGIN");
        for dressed in [
            plain.to_owned(),
            with_marks,
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\r"),
            plain.replace('\n', " \t\n  "),
            plain.replace('\n', "\n\n"),
            format!("\n\n{}", plain.trim_end()),
        ] {
            assert_eq!(*pem(dressed.as_bytes()), plain.as_bytes(), "{dressed:?}");
            assert_eq!(*pem(&utf16(&dressed, true).0), plain.as_bytes(), "{dressed:?} in UTF-16");
        }
    }

    #[test]
    fn a_secret_alone_in_a_file() {
        for file in ["s3 cret", "s3 cret\n", "\u{feff}s3 cret\r\n", " s3 cret \n\n"] {
            assert_eq!(*word(file.as_bytes()), b"s3 cret", "{file:?}");
        }
    }
}
