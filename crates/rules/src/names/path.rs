use std::borrow::Cow;

/// A request's path in its one canonical form.
///
/// INVARIANT: policy, routing, rewriting and the upstream see these same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    wire: Box<str>,
    decoded: Box<str>,
}

/// Why a path is refused with 400: two readers could disagree about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// `%` without two hexadecimal digits behind it.
    #[error("the path holds an incomplete escape")]
    BadEscape,
    /// `%2F` or `%5C`: some upstreams read a separator, some do not.
    #[error("the path holds an escaped separator")]
    EscapedSeparator,
    /// A control character, escaped or not, or a raw byte outside visible ASCII.
    #[error("the path holds a control character or a raw byte outside ASCII")]
    Control,
    /// `..;x`: servers that know path parameters read `..`, others a name (RFC 3986 §3.3).
    #[error("the path holds a dot segment with a parameter")]
    DotsWithParameter,
    /// `#`: a fragment never travels (RFC 9112 §3.2).
    #[error("the path holds `#`")]
    Fragment,
}

impl RequestPath {
    /// Normalises the path of a request target (without its query).
    ///
    /// Unreserved escapes are decoded, `\` becomes `/`, dot segments go (RFC 3986 §5.2.4) and
    /// runs of `/` are merged. What remains ambiguous is refused
    /// (`pomerium-policy-measured.md` 63, 64).
    ///
    /// # Errors
    ///
    /// [`PathError`], one variant per rule; the answer is 400.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        if !path.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        if path.bytes().all(is_settled) && !path.contains("//") && !path.contains("/.") {
            return Ok(Self { wire: path.into(), decoded: path.into() });
        }
        let unescaped = unescape_unreserved(path)?;
        if unescaped.split('/').any(is_dots_with_parameter) {
            return Err(PathError::DotsWithParameter);
        }
        let wire = remove_dots_and_merge(&unescaped);
        let decoded = percent_encoding::percent_decode_str(&wire).decode_utf8_lossy();
        let decoded = match decoded {
            Cow::Borrowed(same) => same.into(),
            Cow::Owned(text) => text.into(),
        };
        Ok(Self { wire: wire.into(), decoded })
    }

    /// The bytes that are routed, rewritten and forwarded.
    pub fn wire(&self) -> &str {
        &self.wire
    }

    /// The same path with every escape decoded: what `http_path` is compared with.
    pub fn decoded(&self) -> &str {
        &self.decoded
    }
}

/// Bytes that stand for themselves whatever their neighbours, so that most paths need no work.
fn is_settled(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'#' | b'?')
}

fn unescape_unreserved(path: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (Some(high), Some(low)) = (bytes.next(), bytes.next()) else {
                    return Err(PathError::BadEscape);
                };
                let value = hex(high)
                    .zip(hex(low))
                    .map(|(high, low)| high << 4 | low)
                    .ok_or(PathError::BadEscape)?;
                match value {
                    b'/' | b'\\' => return Err(PathError::EscapedSeparator),
                    0..=0x1f | 0x7f => return Err(PathError::Control),
                    b'-' | b'.' | b'_' | b'~' => out.push(char::from(value)),
                    _ if value.is_ascii_alphanumeric() => out.push(char::from(value)),
                    _ => {
                        out.push('%');
                        out.push(char::from(high.to_ascii_uppercase()));
                        out.push(char::from(low.to_ascii_uppercase()));
                    }
                }
            }
            b'\\' => out.push('/'),
            b'#' => return Err(PathError::Fragment),
            _ if byte.is_ascii_graphic() => out.push(char::from(byte)),
            _ => return Err(PathError::Control),
        }
    }
    Ok(out)
}

fn is_dots_with_parameter(segment: &str) -> bool {
    let rest = segment.trim_start_matches('.');
    let dots = segment.len() - rest.len();
    (1..=2).contains(&dots) && (rest.starts_with(';') || rest.starts_with("%3B"))
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// `/a/./b`, `/a/../b` and `/a//b` lose what is superfluous; a final slash stays.
fn remove_dots_and_merge(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_directory = false;
    for segment in path.split('/') {
        ends_in_directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() || ends_in_directory {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{PathError::*, RequestPath};

    #[test]
    fn parse() {
        for (given, expected, why) in [
            ("/", Ok("/"), "the root"),
            ("/web/index.html", Ok("/web/index.html"), "most paths need no work"),
            ("/a//b", Ok("/a/b"), "`//admin` must not pass where `/admin` does not"),
            ("//admin", Ok("/admin"), "the same at the front"),
            ("/.//admin", Ok("/admin"), "the same in disguise"),
            ("/a/./b/../c", Ok("/a/c"), "dot segments"),
            ("/a/..", Ok("/"), "a final dot segment leaves a directory"),
            ("/a/b/.", Ok("/a/b/"), "a final dot leaves the slash"),
            ("/../../etc", Ok("/etc"), "nothing above the root"),
            ("/%2e%2e/x", Ok("/x"), "an escaped dot is a dot"),
            ("/.hidden", Ok("/.hidden"), "a name may begin with a dot"),
            ("/%61dmin", Ok("/admin"), "unreserved escapes are decoded"),
            ("/a%c3%a9", Ok("/a%C3%A9"), "others are kept, in one case"),
            ("/a%20b", Ok("/a%20b"), "a blank stays escaped"),
            ("/a\\b", Ok("/a/b"), "a backslash is a separator to many"),
            ("/;/admin", Ok("/;/admin"), "parameters stay"),
            ("/x%2fadmin", Err(EscapedSeparator), "some read a separator"),
            ("/x%5cadmin", Err(EscapedSeparator), "some read a separator"),
            ("/a%zz", Err(BadEscape), "not two digits"),
            ("/a%", Err(BadEscape), "not two digits"),
            ("/a%00", Err(Control), "NUL"),
            ("/a%0d%0aset-cookie", Err(Control), "line break"),
            ("/a#b", Err(Fragment), "a fragment never travels"),
            ("/é", Err(Control), "raw bytes outside ASCII"),
            ("a", Err(NotAbsolute), "no slash"),
            ("*", Err(NotAbsolute), "asterisk-form is not for an app"),
            ("", Err(NotAbsolute), "nothing"),
        ] {
            let wire = RequestPath::parse(given).map(|path| path.wire().to_owned());
            assert_eq!(wire, expected.map(String::from), "{given:?}: {why}");
        }
    }

    #[test]
    fn decoded_is_the_same_path() {
        for (given, decoded) in
            [("/a%20b", "/a b"), ("/%C3%A9", "/é"), ("/%61", "/a"), ("/a%25b", "/a%b")]
        {
            let path = RequestPath::parse(given).unwrap();
            assert_eq!(path.decoded(), decoded, "{given:?}");
        }
    }

    #[test]
    fn normalising_twice_changes_nothing() {
        for given in ["/a//b/../c", "/%2e/x", "/a%c3%a9/", "/\\x", "/a%2541"] {
            let once = RequestPath::parse(given).unwrap();
            assert_eq!(RequestPath::parse(once.wire()).unwrap(), once, "{given:?}");
        }
    }
}
