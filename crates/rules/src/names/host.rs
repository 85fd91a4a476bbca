use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// A host as it is compared: ASCII lower case, no port; IPv6 in brackets. A root dot counts, as it
/// does in Pomerium: `tv.example.` is another host than `tv.example`. Shared by its copies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Arc<str>);

/// Why a text is not a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing, or only the root dot.
    #[error("there is no host name in it")]
    Empty,
    /// Over 253 octets.
    #[error("a host name has at most 253 characters")]
    TooLong,
    /// A label that is empty, too long, or holds something else than letters, digits, `-`, `_`.
    #[error(
        "a host name is made of labels of 1 to 63 letters, digits and hyphens, with dots between"
    )]
    BadLabel,
    /// Brackets around something that is no IPv6 address.
    #[error("what stands in brackets is not an IPv6 address")]
    BadAddress,
}

impl Host {
    /// The only way in, for every source: `Host` field, `:authority`, SNI, config.
    ///
    /// Two constructors would sooner or later normalise differently.
    ///
    /// # Errors
    ///
    /// [`HostError`], one variant per rule.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().map_err(|_| HostError::BadAddress)?;
            return Ok(Self(format!("[{address}]").into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        match name.len() {
            0 => return Err(HostError::Empty),
            254.. => return Err(HostError::TooLong), // 255 octets on the wire, RFC 1035 §2.3.4
            _ => {}
        }
        if !text.is_ascii() {
            return Self::in_ascii(text);
        }
        if !are_labels(name) {
            return Err(HostError::BadLabel);
        }
        // Nearly all are written in small letters: those are kept with one copy.
        Ok(Self(match text.bytes().any(|octet| octet.is_ascii_uppercase()) {
            true => text.to_ascii_lowercase().into(),
            false => text.into(),
        }))
    }

    /// A name in other letters is its A-labels, as browsers send it (UTS 46). Only a config can
    /// hold one: fields and SNI are ASCII.
    fn in_ascii(text: &str) -> Result<Self, HostError> {
        match url::Host::parse(text) {
            Ok(url::Host::Domain(name)) if name.is_ascii() => Self::parse(&name),
            Ok(_) | Err(_) => Err(HostError::BadLabel),
        }
    }

    /// A name as it was written, with labels in other letters as A-labels: for names that are sent
    /// and need not be hosts by our rules.
    pub fn a_labels(text: &str) -> Box<str> {
        match Self::parse(text) {
            Ok(host) if !text.is_ascii() => (*host.0).into(),
            Ok(_) | Err(_) => text.into(),
        }
    }

    /// The name, as certificates have it: without a root dot (RFC 6066 §3).
    pub fn as_str(&self) -> &str {
        self.0.strip_suffix('.').unwrap_or(&self.0)
    }

    /// The name as it is compared: with the root dot, where one was written.
    pub fn as_compared(&self) -> &str {
        &self.0
    }

    /// Is it an IPv6 address?
    pub fn is_ipv6(&self) -> bool {
        self.0.starts_with('[')
    }

    /// Is it an address of a network, of either kind?
    pub fn is_address(&self) -> bool {
        self.is_ipv6() || self.0.parse::<Ipv4Addr>().is_ok()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Labels with dots between them: letters, digits, inner hyphens (RFC 1123 §2.1), and underscores,
/// which home networks use. Each request names a host, so its octets are looked at once.
fn are_labels(name: &str) -> bool {
    let (mut length, mut last) = (0, b'.');
    for octet in name.bytes() {
        match octet {
            b'.' if last == b'-' || !(1..=63).contains(&length) => return false,
            b'.' => length = 0,
            b'-' if length == 0 => return false,
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => length += 1,
            _ => return false,
        }
        last = octet;
    }
    last != b'-' && (1..=63).contains(&length)
}

#[cfg(test)]
mod tests {
    use super::{Host, HostError::*};

    /// What is sent as it was written stays so, and other letters become what DNS knows.
    #[test]
    fn a_labels() {
        for (given, expected) in [
            ("TV.Example", "TV.Example"),
            ("no host at all", "no host at all"),
            ("Bücherei.example", "xn--bcherei-n2a.example"),
        ] {
            assert_eq!(&*Host::a_labels(given), expected);
        }
    }

    #[test]
    fn parse() {
        for (given, expected, why) in [
            ("TV.Example.COM", Ok("tv.example.com"), "case does not count"),
            ("TV.example.com.", Ok("tv.example.com."), "the root dot counts"),
            ("xn--bcher-kva.example", Ok("xn--bcher-kva.example"), "A-labels pass as they are"),
            ("Bücherei.example", Ok("xn--bcherei-n2a.example"), "other letters are A-labels"),
            ("127.0.0.1", Ok("127.0.0.1"), "addresses are hosts"),
            ("[2001:DB8::1]", Ok("[2001:db8::1]"), "IPv6 has one spelling"),
            ("[2001:db8:0:0::1]", Ok("[2001:db8::1]"), "IPv6 has one spelling"),
            ("my_nas", Ok("my_nas"), "an underscore is common at home"),
            ("", Err(Empty), "nothing is not a host"),
            (".", Err(Empty), "the root is not a host"),
            ("tv..example", Err(BadLabel), "empty label"),
            ("tv.example:443", Err(BadLabel), "the port belongs to the authority"),
            ("tv.example/..", Err(BadLabel), "nothing but letters, digits, hyphens"),
            ("a,b.example", Err(BadLabel), "a list is not a host"),
            ("user@tv.example", Err(BadLabel), "nor is user information"),
            ("-tv.example", Err(BadLabel), "leading hyphen"),
            ("[::1", Err(BadLabel), "half a bracket"),
            ("[127.0.0.1]", Err(BadAddress), "brackets are for IPv6"),
        ] {
            let expected = expected.map(|name| Host(name.into()));
            assert_eq!(Host::parse(given), expected, "{given:?}: {why}");
        }
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        assert_eq!(longest.len(), 253);
        assert_eq!(Host::parse(&longest), Ok(Host(longest.as_str().into())));
        let rooted = format!("{longest}.");
        assert_eq!(Host::parse(&rooted), Ok(Host(rooted.as_str().into())));
        assert_eq!(Host::parse(&rooted).unwrap().as_str(), longest);
        assert_eq!(Host::parse(&format!("{longest}b")), Err(TooLong));
    }
}
