//! DNS messages as far as a dynamic update needs them (RFC 1035 §4, RFC 2136 §2).

use super::{DnsError, TxtRecord};

pub const TXT: u16 = 16;
pub const SOA: u16 = 6;
const IN: u16 = 1;
/// CLASS NONE in an update: delete this very record (RFC 2136 §2.5.4).
const NONE: u16 = 254;
const UPDATE: u16 = 5 << 11;
const RECURSION_DESIRED: u16 = 1 << 8;
const HEADER: usize = 12;
/// How long a record may be kept by others, in seconds.
const TTL: u32 = 60;

/// What an update does with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Add,
    Delete,
}

/// A name on the wire: labels with their lengths, lower case.
pub fn name(text: &str) -> Result<Vec<u8>, DnsError> {
    let unfit = || DnsError::Unfit(text.into());
    let mut octets = Vec::new();
    for label in text.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        let length = u8::try_from(label.len()).ok().filter(|length| *length <= 63);
        octets.push(length.ok_or_else(unfit)?);
        octets.extend(label.to_ascii_lowercase().bytes());
    }
    octets.push(0);
    if octets.len() > 255 { Err(unfit()) } else { Ok(octets) }
}

fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(HEADER);
    for number in [id, flags].into_iter().chain(counts) {
        octets.extend(number.to_be_bytes());
    }
    octets
}

/// A question.
pub fn query(id: u16, asked: &str, kind: u16) -> Result<Vec<u8>, DnsError> {
    let mut message = header(id, RECURSION_DESIRED, [1, 0, 0, 0]);
    message.extend(name(asked)?);
    message.extend(kind.to_be_bytes());
    message.extend(IN.to_be_bytes());
    Ok(message)
}

/// An update of one TXT record in a zone.
pub fn update(
    id: u16,
    zone: &str,
    record: &TxtRecord,
    change: Change,
) -> Result<Vec<u8>, DnsError> {
    let mut message = header(id, UPDATE, [1, 0, 1, 0]);
    message.extend(name(zone)?);
    message.extend(SOA.to_be_bytes());
    message.extend(IN.to_be_bytes());
    let (class, ttl) = match change {
        Change::Add => (IN, TTL),
        Change::Delete => (NONE, 0),
    };
    message.extend(name(&record.name)?);
    message.extend(TXT.to_be_bytes());
    message.extend(class.to_be_bytes());
    message.extend(ttl.to_be_bytes());
    let length =
        u8::try_from(record.value.len()).map_err(|_| DnsError::Unfit(record.value.clone()))?;
    message.extend((u16::from(length) + 1).to_be_bytes());
    message.push(length);
    message.extend(record.value.bytes());
    Ok(message)
}

/// Adds a record to the last section and counts it.
pub fn append(message: &mut Vec<u8>, record: &[u8]) {
    if let Some([high, low]) = message.get(10..12) {
        let count = u16::from_be_bytes([*high, *low]).saturating_add(1).to_be_bytes();
        if let Some(place) = message.get_mut(10..12) {
            place.copy_from_slice(&count);
        }
    }
    message.extend_from_slice(record);
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub id: u16,
    pub code: u16,
    /// Records of the answer and authority sections.
    pub records: Vec<Record>,
}

/// A record: owner, type, data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub owner: String,
    pub kind: u16,
    pub data: Vec<u8>,
}

impl Record {
    /// The texts of a TXT record, put together.
    pub fn text(&self) -> String {
        let mut rest = self.data.as_slice();
        let mut text = Vec::new();
        while let Some((length, more)) = rest.split_first() {
            let Some((part, more)) = more.split_at_checked(usize::from(*length)) else { break };
            text.extend_from_slice(part);
            rest = more;
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Reply {
    /// Reads an answer; `None` when it is none.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let mut reader = Reader { message, at: 0 };
        let (id, flags) = (reader.u16()?, reader.u16()?);
        if flags >> 15 != 1 {
            return None; // a question
        }
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let [questions, answers, authorities, _additional] = counts;
        for _ in 0..questions {
            reader.name()?;
            reader.skip(4)?;
        }
        let mut records = Vec::new();
        for _ in 0..u32::from(answers) + u32::from(authorities) {
            records.push(reader.record()?);
        }
        Some(Self { id, code: flags & 15, records })
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn u16(&mut self) -> Option<u16> {
        let octets = self.message.get(self.at..self.at + 2)?;
        self.at += 2;
        octets.try_into().ok().map(u16::from_be_bytes)
    }

    fn skip(&mut self, octets: usize) -> Option<()> {
        self.at = self.at.checked_add(octets).filter(|at| *at <= self.message.len())?;
        Some(())
    }

    fn record(&mut self) -> Option<Record> {
        let owner = self.name()?;
        let kind = self.u16()?;
        self.skip(6)?; // class and TTL
        let length = usize::from(self.u16()?);
        let data = self.message.get(self.at..self.at.checked_add(length)?)?.to_vec();
        self.at += length;
        Some(Record { owner, kind, data })
    }

    /// A name, through pointers that lead backwards only (RFC 1035 §4.1.4).
    fn name(&mut self) -> Option<String> {
        let (mut text, mut at, mut jumped, mut lowest) = (String::new(), self.at, false, self.at);
        loop {
            let length = *self.message.get(at)?;
            if length & 0xc0 == 0xc0 {
                let low = *self.message.get(at + 1)?;
                if !jumped {
                    self.at = at + 2;
                }
                jumped = true;
                at = usize::from(length & 0x3f) << 8 | usize::from(low);
                if at >= lowest {
                    return None; // a loop
                }
                lowest = at;
            } else if length == 0 {
                if !jumped {
                    self.at = at + 1;
                }
                return Some(text);
            } else {
                let label = self.message.get(at + 1..at + 1 + usize::from(length))?;
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
                at += 1 + usize::from(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Change, Record, Reply, TXT, TxtRecord, name, query, update};

    #[test]
    fn names_on_the_wire() {
        assert_eq!(name("Tv.Example.").unwrap(), b"\x02tv\x07example\x00");
        assert_eq!(name("").unwrap(), b"\x00");
        assert!(name(&"a".repeat(64)).is_err());
        assert!(name(&"abc.".repeat(64)).is_err(), "256 octets");
    }

    #[test]
    fn an_update_is_what_the_rfc_says() {
        let record = TxtRecord { name: "_acme-challenge.tv.example".into(), value: "v".into() };
        let add = update(0x1234, "example", &record, Change::Add).unwrap();
        assert_eq!(add.get(..12).unwrap(), b"\x12\x34\x28\x00\x00\x01\x00\x00\x00\x01\x00\x00");
        assert!(add.ends_with(b"\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x02\x01v"), "class IN, 60 s");
        let delete = update(0x1234, "example", &record, Change::Delete).unwrap();
        assert!(delete.ends_with(b"\x00\x10\x00\xfe\x00\x00\x00\x00\x00\x02\x01v"), "class NONE");
        let long = TxtRecord { name: "x".into(), value: "v".repeat(256).into() };
        assert!(update(1, "example", &long, Change::Add).is_err());
    }

    #[test]
    fn an_answer_with_pointers_is_read() {
        let mut message = query(7, "tv.example", TXT).unwrap();
        message[2] |= 0x80;
        message[7] = 1; // one answer
        message.extend(b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x06\x02ab\x02cd");
        let reply = Reply::parse(&message).unwrap();
        assert_eq!((reply.id, reply.code), (7, 0));
        let Record { owner, kind, .. } = &reply.records[0];
        assert_eq!(
            (owner.as_str(), *kind, reply.records[0].text().as_str()),
            ("tv.example", 16, "abcd")
        );
        let at = message.len() - 18;
        message[at + 1] = u8::try_from(at).unwrap(); // a pointer to itself
        assert_eq!(Reply::parse(&message), None);
        assert_eq!(Reply::parse(&query(7, "tv.example", TXT).unwrap()), None, "a question");
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _verdict = Reply::parse(&octets);
        }
    }
}
