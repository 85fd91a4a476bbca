//! Text in few octets: the JSON of a session that nobody has asked about.
//!
//! | octet | what it stands for |
//! |---|---|
//! | one that JSON on one line never has | a phrase of [`PHRASES`] |
//! | [`NUMBER`], 4 octets | a number of six to ten digits: a moment |
//! | [`ID`], 16 octets | a UUID |
//! | [`HEX`], a count, so many octets | two digits each: a digest |
//! | [`BASE64`], a count of 2 octets, three for each | four characters each: what is sealed |
//! | [`SAME`], a distance of 2 octets, a length | what a string was before |
//! | [`PLAIN`], an octet | itself, where it would stand for something |
//! | any other | itself |
//!
//! Whatever the text is, it comes back as it was.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

const PLAIN: u8 = 0x00;
const NUMBER: u8 = 0x01;
const ID: u8 = 0x02;
const HEX: u8 = 0x03;
const BASE64: u8 = 0x04;
const SAME: u8 = 0x05;

/// Digits of the shortest and the longest number that is shorter as four octets.
const DIGITS: std::ops::RangeInclusive<usize> = 6..=10;
/// Digits of the shortest run that is taken for a digest: two numbers beside each other are longer.
const SHORTEST_HEX: usize = 16;
/// Characters of the shortest run that is taken for something sealed.
const SHORTEST_BASE64: usize = 16;
/// Octets of the shortest and the longest string that is not written again.
const REPEATED: std::ops::RangeInclusive<usize> = 5..=255;
/// Characters of a UUID.
const ID_LENGTH: usize = 36;

/// What sessions are written with, longer ones before their own beginnings, and the octet of each.
/// Where another one is better, it may be changed: nothing that is packed outlives the process.
const PHRASES: [(u8, &str); 39] = [
    (0x0c, "{\"id\":\""),
    (0x06, "\",\"idp_id\":\"builtin\",\"sign_in\":{\"means\":\"Password\",\"at\":"),
    (0x07, "\",\"idp_id\":\""),
    (0x08, "\",\"sign_in\":{\"means\":\""),
    (0x09, "},\"issued_at\":"),
    (0x0a, ",\"expires_at\":"),
    (
        0x0b,
        ",\"claims\":{},\"devices\":[],\"actor\":null,\"replaces\":null,\"id_token\":null,\
         \"tokens\":null,\"vouched_at\":",
    ),
    (0x0d, ",\"claims\":{"),
    (0x0e, ",\"devices\":[],\"actor\":null,\"replaces\":"),
    (0x11, ",\"replaces\":"),
    (0x12, ",\"id_token\":"),
    (0x13, ",\"tokens\":"),
    (0x14, ",\"vouched_at\":"),
    (
        0x15,
        ",\"used_at\":null,\"provider_session\":null,\"browser\":null,\"address\":null,\
         \"app\":null,\"person\":{\"id\":\"",
    ),
    (0x16, ",\"used_at\":null,\"provider_session\":null,\"browser\":\""),
    (0x17, "\",\"at\":"),
    (0x18, ",\"provider_session\":"),
    (0x19, ",\"browser\":"),
    (0x1a, ",\"address\":"),
    (0x1b, ",\"app\":null,\"person\":{\"id\":\""),
    (0x1c, ",\"app\":{\"token\":\""),
    (0x1d, ",\"person\":{\"id\":\""),
    (0x1e, "\",\"email\":\""),
    (0x1f, "\",\"name\":\""),
    (0xc0, "},\"directory_groups\":null,\"unproven\":[],\"spelling\":\""),
    (0xc1, "\",\"claims\":{},\"directory_groups\":["),
    (0x0f, "\",\"claims\":{\"email\":[\""),
    (0x10, "\"],\"email_verified\":[true],\"groups\":["),
    (0xfd, "],\"sub\":[\""),
    (0xfe, "\"]},\"directory_groups\":[],\"unproven\":[],\"spelling\":\"Kept\"}}"),
    (0xff, "\"]},\"directory_groups\":["),
    (0xf5, "\",\"claims\":{"),
    (0xf6, "\",\"server\":\"http"),
    (0xf7, "\",\"host\":\""),
    (0xf8, "\",\"user\":\""),
    (0xf9, "\",\"client\":\""),
    (0xfa, "\",\"device\":\""),
    (0xfb, "\",\"device_id\":\""),
    (0xfc, "\",\"by\":\""),
];

/// The text behind `head`, which stays in the clear.
pub(super) fn pack(head: &[u8], text: &str) -> Box<[u8]> {
    let mut packed = Vec::with_capacity(head.len() + text.len() / 2);
    packed.extend_from_slice(head);
    let text = text.as_bytes();
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let run = match first {
            b'"' | b',' | b'{' | b'}' | b']' => phrase(rest, &mut packed),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => {
                let before = text.get(..text.len() - rest.len()).unwrap_or_default();
                repeated(before, rest, &mut packed).or_else(|| run(rest, &mut packed))
            }
            _ => None,
        };
        rest = match run {
            Some(taken) => rest.get(taken..).unwrap_or_default(),
            None => {
                if stands_for_something(first) {
                    packed.push(PLAIN);
                }
                packed.push(first);
                behind
            }
        };
    }
    packed.into()
}

/// What [`pack`] was given behind its head; `None` where it has not made that.
pub(super) fn unpack(packed: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(packed.len() * 4);
    let mut rest = packed;
    while let Some((&first, behind)) = rest.split_first() {
        rest = match first {
            PLAIN => {
                let (&plain, behind) = behind.split_first()?;
                text.push(plain);
                behind
            }
            NUMBER => {
                let (octets, behind) = behind.split_first_chunk()?;
                text.extend_from_slice(u32::from_be_bytes(*octets).to_string().as_bytes());
                behind
            }
            ID => {
                let (octets, behind) = behind.split_first_chunk()?;
                let id = uuid::Uuid::from_bytes(*octets);
                let mut room = [0; ID_LENGTH];
                text.extend_from_slice(id.hyphenated().encode_lower(&mut room).as_bytes());
                behind
            }
            HEX => {
                let (&count, behind) = behind.split_first()?;
                let (octets, behind) = behind.split_at_checked(count.into())?;
                text.extend_from_slice(data_encoding::HEXLOWER.encode(octets).as_bytes());
                behind
            }
            BASE64 => {
                let (count, behind) = behind.split_first_chunk()?;
                let octets = usize::from(u16::from_be_bytes(*count)) * 3;
                let (octets, behind) = behind.split_at_checked(octets)?;
                text.extend_from_slice(BASE64_URL_SAFE_NO_PAD.encode(octets).as_bytes());
                behind
            }
            SAME => {
                let (&[far, near, length], behind) = behind.split_first_chunk()?;
                let from = text.len().checked_sub(u16::from_be_bytes([far, near]).into())?;
                let same = text.get(from..)?.get(..length.into())?.to_vec();
                text.extend(same);
                behind
            }
            _ if stands_for_something(first) => {
                let (_, phrase) = PHRASES.iter().find(|(code, _)| *code == first)?;
                text.extend_from_slice(phrase.as_bytes());
                behind
            }
            _ => {
                text.push(first);
                behind
            }
        };
    }
    String::from_utf8(text).ok()
}

/// Those that UTF-8 never has, and those below the printable ones.
const fn stands_for_something(octet: u8) -> bool {
    matches!(octet, 0x00..=0x1f | 0xc0 | 0xc1 | 0xf5..)
}

/// Takes a phrase; how many octets of `rest` that are.
fn phrase(rest: &[u8], packed: &mut Vec<u8>) -> Option<usize> {
    let (code, phrase) = PHRASES.iter().find(|(_, it)| rest.starts_with(it.as_bytes()))?;
    packed.push(*code);
    Some(phrase.len())
}

/// How far back a string is looked for. A session of a thousand groups is packed in no time, too.
const FARTHEST: usize = 4096;

/// Takes the rest of a string that is whole somewhere before; how many octets of `rest` that are.
fn repeated(before: &[u8], rest: &[u8], packed: &mut Vec<u8>) -> Option<usize> {
    before.ends_with(b"\"").then_some(())?;
    let length = rest.iter().take(REPEATED.end() + 1).position(|octet| *octet == b'"')?;
    let string = rest.get(..length).filter(|it| REPEATED.contains(&it.len()))?;
    let before = before.get(before.len().saturating_sub(FARTHEST)..).unwrap_or_default();
    // A comparison is a call: most places are told from it by their first octet.
    let is_it = |it: &[u8]| it.first() == string.first() && it == string;
    let from = before.windows(length).rposition(is_it)?;
    let [far, near] = u16::try_from(before.len() - from).ok()?.to_be_bytes();
    packed.extend([SAME, far, near, u8::try_from(length).ok()?]);
    Some(length)
}

/// Takes a run of digits and letters that is shorter in another form; how many octets of `rest` that
/// are.
fn run(rest: &[u8], packed: &mut Vec<u8>) -> Option<usize> {
    let of = |is_one: fn(&u8) -> bool| {
        let length = rest.iter().position(|octet| !is_one(octet)).unwrap_or(rest.len());
        rest.get(..length).unwrap_or_default()
    };
    if let Some(id) = id(rest) {
        packed.push(ID);
        packed.extend_from_slice(&id);
        return Some(ID_LENGTH);
    }
    let hex = of(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
    let hex = hex.get(..(hex.len() & !1).min(2 * usize::from(u8::MAX))).unwrap_or_default();
    if hex.len() >= SHORTEST_HEX {
        let octets = data_encoding::HEXLOWER.decode(hex).ok()?;
        packed.extend([HEX, u8::try_from(octets.len()).ok()?]);
        packed.extend(octets);
        return Some(hex.len());
    }
    let digits = of(u8::is_ascii_digit);
    if DIGITS.contains(&digits.len()) && !digits.starts_with(b"0") {
        let number: Option<u32> = std::str::from_utf8(digits).ok().and_then(|it| it.parse().ok());
        if let Some(number) = number {
            packed.push(NUMBER);
            packed.extend_from_slice(&number.to_be_bytes());
            return Some(digits.len());
        }
    }
    let base64 = of(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
    let base64 = base64.get(..(base64.len() & !3).min(4 * usize::from(u16::MAX)))?;
    if base64.len() < SHORTEST_BASE64 {
        return None;
    }
    let octets = BASE64_URL_SAFE_NO_PAD.decode(base64).ok()?;
    packed.push(BASE64);
    packed.extend_from_slice(&u16::try_from(octets.len() / 3).ok()?.to_be_bytes());
    packed.extend(octets);
    Some(base64.len())
}

/// A UUID as ours are written, and no other way of writing one.
fn id(rest: &[u8]) -> Option<[u8; 16]> {
    let text = rest.get(..ID_LENGTH)?;
    let id = uuid::Uuid::try_parse_ascii(text).ok()?;
    let mut room = [0; ID_LENGTH];
    (id.hyphenated().encode_lower(&mut room).as_bytes() == text).then(|| id.into_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PHRASES, pack, stands_for_something, unpack};

    #[test]
    fn phrases_can_be_told_apart() {
        for (at, (code, phrase)) in PHRASES.iter().enumerate() {
            assert!(stands_for_something(*code) && *code > super::SAME, "{phrase}");
            for (earlier, before) in &PHRASES[..at] {
                assert_ne!(earlier, code);
                assert!(!phrase.starts_with(before), "`{phrase}` is never taken");
            }
        }
    }

    #[test]
    fn what_would_be_written_in_another_way_stays_as_it_is() {
        for text in [
            "",
            "{\"id\":\"",
            "12345678-1234-4234-8234-12345678ABCD",
            "12345678-1234-4234-8234-12345678abcd-and-more",
            "12345678123442348234123456789012",
            "000123456 4294967295 4294967296 99999999999 1234567.5",
            "0123456789ABCDEF0123456789abcdef0123456789abcde",
            "abcdefghijklmnopqrst+/==",
            "\"ann@example.com\" \"ann@example.com\" \"ann@example\" \"abcdeabcde\" \"abcdeabcdeabcde\"",
            "\"\"\"abcde\"",
            "\u{0}\u{1}\n\t \u{7f} \u{80} \u{10ffff} ä€",
        ] {
            let packed = pack(b"head", text);
            assert_eq!(unpack(&packed[4..]).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_cut_off_is_told() {
        let packed = pack(b"", "12345678-1234-4234-8234-12345678abcd");
        for length in 1..packed.len() {
            assert_eq!(unpack(&packed[..length]), None, "{length}");
        }
    }

    proptest! {
        /// `unpack(pack(text)) == text`, for any text and for what it is made for.
        #[test]
        fn text_comes_back(
            text in "\\PC*",
            parts in proptest::collection::vec(
                prop_oneof![
                    "[0-9a-f]{0,80}",
                    "[0-9]{0,12}",
                    "\"[ab]{0,9}\"",
                    "[-_0-9A-Za-z]{0,300}",
                    "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
                    "[\u{0}-\u{20}]{0,3}",
                    (0..PHRASES.len()).prop_map(|at| PHRASES[at].1.to_owned()),
                    any::<String>(),
                ],
                0..12,
            )
        ) {
            for text in [text, parts.concat()] {
                prop_assert_eq!(unpack(&pack(b"", &text)), Some(text));
            }
        }

        /// Whatever is there instead: it ends, and panics nowhere.
        #[test]
        fn no_octets_break_it(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _is_text_or_none = unpack(&octets);
        }
    }
}
