/// Where to send the browser after sign-in: a path on our own origin, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(Box<str>);

/// Why a target is not a way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReturnToError {
    /// It does not begin with `/`.
    #[error("it is not a path")]
    NotAPath,
    /// Some browser would read another origin in it.
    #[error("it names another origin")]
    OtherAuthority,
    /// Something else than visible ASCII.
    #[error("it holds something else than visible ASCII")]
    NotVisibleAscii,
    /// Over [`ReturnTo::MAX_OCTETS`].
    #[error("it is too long")]
    TooLong,
}

impl ReturnTo {
    /// Longest return path that is kept, in octets: what the cookies of a deep link hold. Browsers
    /// need only keep 4096 in each (RFC 6265 §6.1).
    pub const MAX_OCTETS: usize = 6750;

    /// Accepts an origin-form target (RFC 9112 §3.2.1): `/path?query`.
    ///
    /// Rejects everything that some browser reads as another origin: `//host` is a network-path
    /// reference (RFC 3986 §4.2), and the WHATWG URL parser treats `\` as `/` and strips tab and
    /// newline, so `/\host` and `/<TAB>/host` would leave too.
    ///
    /// # Errors
    ///
    /// [`ReturnToError`], one variant per rule. The caller falls back to `/`; it does not show
    /// the value back to the visitor.
    pub fn parse(target: &str) -> Result<Self, ReturnToError> {
        let second = target.as_bytes().get(1);
        if target.len() > Self::MAX_OCTETS {
            Err(ReturnToError::TooLong)
        } else if !target.bytes().all(|b| b.is_ascii_graphic()) {
            Err(ReturnToError::NotVisibleAscii)
        } else if !target.starts_with('/') {
            Err(ReturnToError::NotAPath)
        } else if matches!(second, Some(b'/' | b'\\')) {
            Err(ReturnToError::OtherAuthority)
        } else {
            Ok(Self(target.into()))
        }
    }

    /// The target: path and query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{ReturnTo, ReturnToError::*};

    #[test]
    fn parse() {
        for (given, refused) in [
            ("/", None),
            ("/web/index.html?id=1#top", None),
            ("/a//b", None),
            ("", Some(NotAPath)),
            ("https://evil.example/", Some(NotAPath)),
            ("javascript:alert(1)", Some(NotAPath)),
            ("//evil.example", Some(OtherAuthority)),
            ("/\\evil.example", Some(OtherAuthority)),
            ("/\t/evil.example", Some(NotVisibleAscii)),
            ("/ü", Some(NotVisibleAscii)),
        ] {
            assert_eq!(ReturnTo::parse(given).err(), refused, "{given:?}");
        }
        let longest = format!("/{}", "x".repeat(ReturnTo::MAX_OCTETS - 1));
        assert_eq!(ReturnTo::parse(&longest).err(), None);
        assert_eq!(ReturnTo::parse(&format!("{longest}x")).err(), Some(TooLong));
        assert_eq!(ReturnTo::parse(&format!("{longest}xx")).err(), Some(TooLong));
    }
}
