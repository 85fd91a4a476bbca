//! What a proxy says in front of a connection about whom it is from: the PROXY protocol, versions
//! 1 and 2 (HAProxy's `proxy-protocol.txt`, whose sections are cited here).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Whom a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxied {
    /// Somebody at this address.
    Client(SocketAddr),
    /// The proxy itself, such as its own health check (`LOCAL`, `UNKNOWN`).
    Itself,
}

/// Why a header can't be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub enum ProxyHeaderError {
    /// The connection begins with something else.
    Missing,
    /// It is neither version 1 nor version 2, or has a command that is none.
    Version,
    /// Its end does not come where it must.
    TooLong,
    /// Its addresses are none.
    Address,
    /// The client has no address: it came over a Unix socket, or by datagrams.
    NoAddress,
    /// What follows the addresses can't be taken apart.
    Fields,
    /// It is not what its sender wrote.
    Checksum,
}

impl ProxyHeaderError {
    /// What stands on the record: nothing of what was sent.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Missing => "it begins with no PROXY header",
            Self::Version => "its PROXY header is of no known version, protocol or command",
            Self::TooLong => "its PROXY header has no end, or a wrong one",
            Self::Address => "the addresses in its PROXY header are none",
            Self::NoAddress => "its PROXY header is of a client without an IP address",
            Self::Fields => "the fields of its PROXY header go beyond its end",
            Self::Checksum => "the checksum of its PROXY header is wrong",
        }
    }
}

/// As many octets tell the two versions apart: any header has more.
pub const PROXY_START: usize = 12;

/// A line of version 1 at most, its end included (§2.1).
pub const PROXY_LINE: usize = 107;

/// The fixed part of version 2: signature, command, family, length (§2.2).
pub const PROXY_FIXED: usize = 16;

/// Fields behind the addresses of version 2 at most. Those that are in use need some hundred
/// octets; the length field would allow 64 KiB from whoever has not yet said who it is.
const LONGEST_REST: usize = 4096;

const SIGNATURE: [u8; PROXY_START] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Which version a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// A line of text.
    One,
    /// Octets.
    Two,
}

impl ProxyVersion {
    /// By the first octets.
    ///
    /// # Errors
    ///
    /// It begins with no PROXY header.
    pub fn of(start: &[u8; PROXY_START]) -> Result<Self, ProxyHeaderError> {
        match start {
            &SIGNATURE => Ok(Self::Two),
            start if start.starts_with(b"PROXY ") => Ok(Self::One),
            _ => Err(ProxyHeaderError::Missing),
        }
    }
}

/// Version 1: a whole line with its CRLF. One blank between its parts, and nothing else (§2.1).
///
/// # Errors
///
/// [`ProxyHeaderError`].
pub fn proxy_line(line: &[u8]) -> Result<Proxied, ProxyHeaderError> {
    let bare = line.strip_suffix(b"\r\n").filter(|_| line.len() <= PROXY_LINE);
    let text = bare.and_then(|line| std::str::from_utf8(line).ok());
    let rest =
        text.and_then(|text| text.strip_prefix("PROXY ")).ok_or(ProxyHeaderError::TooLong)?;
    let mut parts = rest.split(' ');
    let is_v4 = match parts.next() {
        Some("TCP4") => true,
        Some("TCP6") => false,
        Some("UNKNOWN") => return Ok(Proxied::Itself), // whatever follows means nothing
        Some(_) | None => return Err(ProxyHeaderError::Version),
    };
    let address = |text: Option<&str>| -> Option<IpAddr> {
        match is_v4 {
            true => text?.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            false => text?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        }
    };
    let (source, destination) = (address(parts.next()), address(parts.next()));
    let (from, to) = (parts.next().and_then(port), parts.next().and_then(port));
    match (source, destination, from, to, parts.next()) {
        (Some(source), Some(_), Some(port), Some(_), None) => {
            Ok(Proxied::Client(SocketAddr::new(source, port)))
        }
        _ => Err(ProxyHeaderError::Address),
    }
}

/// Digits without a zero in front (§2.1).
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_padded = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| is_plain && !is_padded)
}

/// Version 2: how many octets follow the fixed part.
///
/// # Errors
///
/// [`ProxyHeaderError::TooLong`].
pub fn proxy_rest(fixed: &[u8; PROXY_FIXED]) -> Result<usize, ProxyHeaderError> {
    let [.., high, low] = *fixed;
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > LONGEST_REST { Err(ProxyHeaderError::TooLong) } else { Ok(rest) }
}

/// Version 2: the fixed part and all that follows (§2.2).
///
/// # Errors
///
/// [`ProxyHeaderError`].
pub fn proxy_octets(whole: &[u8]) -> Result<Proxied, ProxyHeaderError> {
    let (fixed, rest) = whole.split_at_checked(PROXY_FIXED).ok_or(ProxyHeaderError::Missing)?;
    let &[.., command, family, _, _] = fixed else { return Err(ProxyHeaderError::Missing) };
    match command {
        0x20 => return Ok(Proxied::Itself), // LOCAL: the rest is skipped, its family too
        0x21 => {}
        _ => return Err(ProxyHeaderError::Version),
    }
    let (client, fields) = match family {
        0x11 => inet(rest)?,
        0x21 => inet6(rest)?,
        _ => return Err(ProxyHeaderError::NoAddress),
    };
    let sum = check_fields(fields)?;
    match sum.is_none_or(|sum| crc32c(whole, whole.len() - fields.len() + sum.at) == sum.value) {
        true => Ok(Proxied::Client(client)),
        false => Err(ProxyHeaderError::Checksum),
    }
}

/// Source and destination, then both ports; then fields.
fn inet(rest: &[u8]) -> Result<(SocketAddr, &[u8]), ProxyHeaderError> {
    let (&[a, b, c, d, _, _, _, _, high, low, _, _], fields) =
        rest.split_first_chunk::<12>().ok_or(ProxyHeaderError::Address)?;
    let port = u16::from_be_bytes([high, low]);
    Ok((SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port), fields))
}

fn inet6(rest: &[u8]) -> Result<(SocketAddr, &[u8]), ProxyHeaderError> {
    let wrong = ProxyHeaderError::Address;
    let (addresses, fields) = rest.split_first_chunk::<36>().ok_or(wrong)?;
    let (source, behind) = addresses.split_first_chunk::<16>().ok_or(wrong)?;
    let &[.., high, low, _, _] = behind else { return Err(wrong) };
    let port = u16::from_be_bytes([high, low]);
    Ok((SocketAddr::new(Ipv6Addr::from(*source).into(), port), fields))
}

/// `PP2_TYPE_CRC32C`, and where its value stands among the fields.
struct Checksum {
    at: usize,
    value: u32,
}

/// The kind of the field that holds the checksum (§2.2.4).
const CRC32C: u8 = 3;

/// Type, length, value, as often as it fits exactly (§2.2.1).
fn check_fields(fields: &[u8]) -> Result<Option<Checksum>, ProxyHeaderError> {
    let (mut left, mut sum) = (fields, None);
    while let [kind, high, low, behind @ ..] = left {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, next) = behind.split_at_checked(length).ok_or(ProxyHeaderError::Fields)?;
        if *kind == CRC32C {
            let octets = value.try_into().map_err(|_| ProxyHeaderError::Checksum)?;
            let at = fields.len() - behind.len();
            let found = Checksum { at, value: u32::from_be_bytes(octets) };
            if sum.replace(found).is_some() {
                return Err(ProxyHeaderError::Checksum); // either may be the one that was meant
            }
        }
        left = next;
    }
    if left.is_empty() { Ok(sum) } else { Err(ProxyHeaderError::Fields) }
}

/// CRC-32C (RFC 3720 appendix B.4) over all octets, the four of the checksum itself as zeros.
fn crc32c(whole: &[u8], sum_at: usize) -> u32 {
    let octets = whole
        .iter()
        .enumerate()
        .map(|(at, octet)| if (sum_at..sum_at + 4).contains(&at) { 0 } else { *octet });
    !octets.fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(octet), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{
        PROXY_FIXED, Proxied, ProxyHeaderError as Error, ProxyVersion, SIGNATURE, crc32c,
        proxy_line, proxy_octets, proxy_rest,
    };

    fn client(text: &str) -> Result<Proxied, Error> {
        Ok(Proxied::Client(text.parse().unwrap()))
    }

    #[test]
    fn lines_of_version_one() {
        for (line, expected) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443", client("192.0.2.1:56324")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 443", client("[2001:db8::1]:1")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 443", client("[::ffff:192.0.2.1]:1")),
            ("PROXY UNKNOWN", Ok(Proxied::Itself)),
            ("PROXY UNKNOWN 192.0.2.1 what ever 1", Ok(Proxied::Itself)),
            ("PROXY UNKNOWNS", Err(Error::Version)),
            ("PROXY UDP4 192.0.2.1 198.51.100.2 1 2", Err(Error::Version)),
            ("PROXY tcp4 192.0.2.1 198.51.100.2 1 2", Err(Error::Version)),
            ("PROXY TCP4 2001:db8::1 2001:db8::2 1 2", Err(Error::Address)),
            ("PROXY TCP6 192.0.2.1 198.51.100.2 1 2", Err(Error::Address)),
            ("PROXY TCP4 192.0.2.01 198.51.100.2 1 2", Err(Error::Address)),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 01 2", Err(Error::Address)),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 +1 2", Err(Error::Address)),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 65536 2", Err(Error::Address)),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1", Err(Error::Address)),
            ("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3", Err(Error::Address)),
            ("PROXY TCP4  192.0.2.1 198.51.100.2 1 2", Err(Error::Address)),
            ("PROXY TCP4 192.0.2.1\t198.51.100.2 1 2", Err(Error::Address)),
            ("PROXY TCP6 fe80::1%eth0 ::1 1 2", Err(Error::Address)),
        ] {
            assert_eq!(proxy_line(format!("{line}\r\n").as_bytes()), expected, "{line}");
        }
        for line in ["PROXY UNKNOWN\n", "PROXY UNKNOWN", "proxy UNKNOWN\r\n"] {
            assert_eq!(proxy_line(line.as_bytes()), Err(Error::TooLong), "{line:?}");
        }
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        assert_eq!((long.len(), proxy_line(long.as_bytes())), (108, Err(Error::TooLong)));
    }

    fn octets(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    const FOUR: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 1, 0xbb];

    #[test]
    fn octets_of_version_two() {
        let six = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0, 80, 1, 0xbb]].concat();
        let with = |fields: &[u8]| [&FOUR[..], fields].concat();
        for (command, family, rest, expected) in [
            (0x21, 0x11, FOUR.to_vec(), client("192.0.2.1:56324")),
            (0x21, 0x21, six, client("[2001:db8::1]:80")),
            (0x21, 0x11, with(&[1, 0, 2, b'h', b'2', 4, 0, 0]), client("192.0.2.1:56324")),
            (0x20, 0x00, vec![], Ok(Proxied::Itself)),
            (0x20, 0x11, vec![9; 5], Ok(Proxied::Itself)),
            (0x21, 0x31, vec![0; 216], Err(Error::NoAddress)), // a Unix socket
            (0x21, 0x12, FOUR.to_vec(), Err(Error::NoAddress)), // datagrams
            (0x21, 0x00, vec![], Err(Error::NoAddress)),
            (0x21, 0x11, FOUR[..11].to_vec(), Err(Error::Address)),
            (0x21, 0x21, vec![0; 35], Err(Error::Address)),
            (0x22, 0x11, FOUR.to_vec(), Err(Error::Version)),
            (0x11, 0x11, FOUR.to_vec(), Err(Error::Version)),
            (0x21, 0x11, with(&[4]), Err(Error::Fields)),
            (0x21, 0x11, with(&[4, 0, 2, 1]), Err(Error::Fields)), // beyond its end
            (0x21, 0x11, with(&[3, 0, 3, 1, 2, 3]), Err(Error::Checksum)),
            (0x21, 0x11, with(&[3, 0, 4, 1, 2, 3, 4]), Err(Error::Checksum)),
        ] {
            let whole = octets(command, family, &rest);
            assert_eq!(proxy_octets(&whole), expected, "{command:x} {family:x} {rest:?}");
        }
    }

    #[test]
    fn a_checksum_is_held_against_every_octet() {
        assert_eq!(crc32c(b"123456789", usize::MAX - 4), 0xe306_9283, "the catalogue's own check");
        let fields = [&FOUR[..], &[1, 0, 2, b'h', b'2', 3, 0, 4, 0, 0, 0, 0, 4, 0, 1, 0]].concat();
        let mut whole = octets(0x21, 0x11, &fields);
        let at = PROXY_FIXED + FOUR.len() + 8;
        let sum = crc32c(&whole, at).to_be_bytes();
        whole[at..at + 4].copy_from_slice(&sum);
        assert_eq!(proxy_octets(&whole), client("192.0.2.1:56324"));
        let kind = at - 3; // of another kind it is no checksum
        for at in (PROXY_FIXED..whole.len()).filter(|at| *at != kind) {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_ne!(proxy_octets(&other), client("192.0.2.1:56324"), "octet {at}");
        }
        let twice = [&fields[..], &fields[17..24]].concat();
        assert_eq!(proxy_octets(&octets(0x21, 0x11, &twice)), Err(Error::Checksum));
    }

    #[test]
    fn what_a_connection_begins_with() {
        let fixed = |rest: u16| -> [u8; PROXY_FIXED] {
            let whole = [&SIGNATURE[..], &[0x21, 0x11], &rest.to_be_bytes()].concat();
            whole.try_into().unwrap()
        };
        assert_eq!(
            (proxy_rest(&fixed(12)), proxy_rest(&fixed(4097))),
            (Ok(12), Err(Error::TooLong))
        );
        for (start, expected) in [
            (&SIGNATURE, Ok(ProxyVersion::Two)),
            (b"PROXY TCP4 1", Ok(ProxyVersion::One)),
            (b"GET / HTTP/1", Err(Error::Missing)),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0", Err(Error::Missing)),
            (b"\r\n\r\n\0\r\nQUIT\r", Err(Error::Missing)),
        ] {
            assert_eq!(ProxyVersion::of(start), expected, "{start:?}");
        }
    }
}
