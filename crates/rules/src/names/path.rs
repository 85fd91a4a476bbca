use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use super::{
    PathError,
    canonical::is_canonical,
    fold_case,
    reading::{self, Reading},
};

/// A request's path in its one canonical form.
///
/// INVARIANT: policy, routing, rewriting and the upstream see these same bytes.
#[derive(Clone, Debug)]
pub struct RequestPath {
    wire: Arc<str>,
    decoded: Arc<str>,
    /// What [`fold_case`] makes of it, once it was asked for.
    folded: OnceLock<Arc<str>>,
    others: Arc<[Reading]>,
    was_unescaped: bool,
}

/// Whether it was folded is no difference.
impl PartialEq for RequestPath {
    fn eq(&self, other: &Self) -> bool {
        let Self { wire, decoded, folded: _, others, was_unescaped } = self;
        *wire == other.wire
            && *decoded == other.decoded
            && *others == other.others
            && *was_unescaped == other.was_unescaped
    }
}

impl Eq for RequestPath {}

/// What becomes of `%2F` and `%5C` (`path_with_escaped_slashes_action`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// 400.
    #[default]
    Reject,
    /// They pass as they are. Rules and routes must agree about both readings.
    Keep,
    /// They are separators, here and for the upstream.
    Unescape,
    /// The same, and the client is sent to that path (307).
    Redirect,
}

impl RequestPath {
    /// [`RequestPath::parse_as`] where nothing is said about escaped separators: they are refused.
    ///
    /// # Errors
    ///
    /// [`PathError`], one variant per rule; the answer is 400.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        Self::parse_as(path, EscapedSlashes::Reject)
    }

    /// Of a request that has none: CONNECT (RFC 9110 §9.3.6).
    pub fn none() -> Self {
        Self::of("".into(), "".into(), Arc::default())
    }

    fn of(wire: Arc<str>, decoded: Arc<str>, others: Arc<[Reading]>) -> Self {
        Self { wire, decoded, folded: OnceLock::new(), others, was_unescaped: false }
    }

    /// Normalises the path of a request target (without its query).
    ///
    /// Unreserved escapes are decoded, `\` becomes `/`, dot segments go (RFC 3986 §5.2.4) and
    /// runs of `/` are merged. What remains ambiguous is refused
    /// (`pomerium-policy-measured.md` 63, 64), or kept as [`RequestPath::other_readings`].
    ///
    /// # Errors
    ///
    /// [`PathError`], one variant per rule; the answer is 400.
    pub fn parse_as(path: &str, slashes: EscapedSlashes) -> Result<Self, PathError> {
        if !path.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        if is_canonical(path) {
            let wire: Arc<str> = path.into();
            return Ok(Self::of(Arc::clone(&wire), wire, Arc::default()));
        }
        let Unescaped { text, separators } = unescape_unreserved(path, slashes)?;
        for segment in text.split('/') {
            if is_dots_with_parameter(segment) {
                return Err(PathError::DotsWithParameter);
            }
            if begins_with_parameter(segment) {
                return Err(PathError::OnlyParameters);
            }
        }
        let wire = remove_dots_and_merge(&text);
        let decoded = percent_encoding::percent_decode_str(&wire)
            .decode_utf8()
            .map_err(|_| PathError::NotUtf8)?
            .into_owned();
        let keeps = separators && slashes == EscapedSlashes::Keep;
        let others = reading::others(&wire, &decoded, keeps)?;
        let was_unescaped = separators && !keeps;
        Ok(Self { was_unescaped, ..Self::of(wire.into(), decoded.into(), others.into()) })
    }

    /// The bytes that are routed, rewritten and forwarded.
    pub fn wire(&self) -> &str {
        &self.wire
    }

    /// The same, for who keeps it.
    pub fn shared_wire(&self) -> Arc<str> {
        Arc::clone(&self.wire)
    }

    /// The same path with every escape decoded: what `http_path` is compared with.
    pub fn decoded(&self) -> &str {
        &self.decoded
    }

    /// [`Self::decoded`] as servers compare it that know no case ([`fold_case`]): what keeps out is
    /// compared so. Worked out once, for every copy of it that is made afterwards, too.
    pub fn folded(&self) -> &str {
        self.folded.get_or_init(|| match is_small(&self.decoded) {
            true => Arc::clone(&self.decoded),
            false => fold_case(&self.decoded).into(),
        })
    }

    /// [`Self::decoded`] with the letters of ASCII in small ones, and every other as it is: what
    /// lets in is compared so.
    pub fn small(&self) -> Cow<'_, str> {
        match self.decoded.is_ascii() {
            true => Cow::Borrowed(self.folded()),
            false => Cow::Owned(self.decoded.to_ascii_lowercase()),
        }
    }

    /// How servers read this path that know path parameters, decode twice, and so on: none for
    /// nearly every path. Each must lead to the same route and to the same decision.
    pub fn other_readings(&self) -> &[Reading] {
        &self.others
    }

    /// Were escaped separators decoded in it?
    pub const fn was_unescaped(&self) -> bool {
        self.was_unescaped
    }
}

/// A path that could not be read, as a record may show it: raw octets are escaped.
pub fn escaped_path(path: &str) -> String {
    const ODD: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ');
    percent_encoding::utf8_percent_encode(path, ODD).to_string()
}

fn is_small(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

/// A path without escapes of unreserved characters.
struct Unescaped {
    text: String,
    /// Were there `%2F` or `%5C`?
    separators: bool,
}

fn unescape_unreserved(path: &str, slashes: EscapedSlashes) -> Result<Unescaped, PathError> {
    let mut out = String::with_capacity(path.len());
    let mut separators = false;
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
                    b'/' | b'\\' => {
                        separators = true;
                        match slashes {
                            EscapedSlashes::Reject => return Err(PathError::EscapedSeparator),
                            EscapedSlashes::Unescape | EscapedSlashes::Redirect => out.push('/'),
                            EscapedSlashes::Keep if value == b'/' => out.push_str("%2F"),
                            EscapedSlashes::Keep => out.push_str("%5C"),
                        }
                    }
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
    Ok(Unescaped { text: out, separators })
}

/// `;x` and `%3Bx`: some servers look for parameters after they decoded.
fn begins_with_parameter(segment: &str) -> bool {
    segment.starts_with(';') || segment.starts_with("%3B")
}

fn is_dots_with_parameter(segment: &str) -> bool {
    let rest = segment.trim_start_matches('.');
    let dots = segment.len() - rest.len();
    (1..=2).contains(&dots) && begins_with_parameter(rest)
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Has this part of a path what no canonical one has?
pub(crate) fn never_canonical(part: &str) -> bool {
    ["//", "/./", "/../"].iter().any(|odd| part.contains(odd))
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
    use super::{EscapedSlashes::*, PathError::*, RequestPath};

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
            ("/a;b=c/d;e", Ok("/a;b=c/d;e"), "parameters stay"),
            ("/x/..;/admin", Err(DotsWithParameter), "`..` to who knows parameters"),
            ("/x/..%3ba/admin", Err(DotsWithParameter), "the same after decoding"),
            ("/x/.;/admin", Err(DotsWithParameter), "`.` to who knows parameters"),
            ("/x/...;a/b", Ok("/x/...;a/b"), "three dots are a name"),
            ("/;/admin", Err(OnlyParameters), "`//admin` to who knows parameters"),
            ("/;a=b/admin", Err(OnlyParameters), "the same"),
            ("/x/;a=b", Err(OnlyParameters), "the same at the end"),
            ("/%3b/admin", Err(OnlyParameters), "the same after decoding"),
            ("/x/;/../admin", Err(OnlyParameters), "how much does `..` take away?"),
            ("/%c0%af", Err(NotUtf8), "an overlong slash"),
            ("/%e0%80%ae%e0%80%ae/x", Err(NotUtf8), "overlong dots"),
            ("/%ff", Err(NotUtf8), "no UTF-8"),
            ("/caf%e9", Err(NotUtf8), "Latin-1"),
            ("/%ed%a0%80", Err(NotUtf8), "half a surrogate pair"),
            ("/a%c2%85b", Err(Control), "a line break to some"),
            ("/a%2500", Err(Control), "NUL to who decodes twice"),
            ("/x/%252e%252e/admin", Err(HiddenDots), "`..` to who decodes twice"),
            ("/x/%252e%252e%252fadmin", Err(HiddenDots), "the same"),
            ("/x/%25252e./admin", Err(HiddenDots), "`..` to who decodes three times"),
            ("/x/%EF%BC%8E%EF%BC%8E/admin", Err(HiddenDots), "full-width dots"),
            ("/x/%E2%80%A5/admin", Err(HiddenDots), "two dots in one character"),
            ("/a%25252541", Ok("/a%25252541"), "escaped four times"),
            ("/a%2525252525252525252541", Err(EscapedWithoutEnd), "ten times"),
            ("/x/..%EF%BC%8Fadmin", Err(HiddenDots), "a full-width slash"),
            ("/x/..%20/admin", Err(HiddenDots), "Windows drops the blank"),
            ("/Persons/Robert%20Downey%20Jr.", Ok("/Persons/Robert%20Downey%20Jr."), "a name"),
            ("/Artists/100%25", Ok("/Artists/100%25"), "a name"),
            ("/a/...", Ok("/a/..."), "a name"),
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
    fn escaped_separators_do_what_the_config_says() {
        for (slashes, given, expected) in [
            (Reject, "/a%2fb", Err(EscapedSeparator)),
            (Keep, "/a%2fb", Ok("/a%2Fb")),
            (Keep, "/a%5cb", Ok("/a%5Cb")),
            (Keep, "/x%2f..%2fadmin", Err(HiddenDots)),
            (Keep, "/x/..%2fadmin", Err(HiddenDots)),
            (Unescape, "/a%2fb", Ok("/a/b")),
            (Unescape, "/x%2f..%5cadmin", Ok("/admin")),
            (Redirect, "/x/%2e%2e%2fadmin", Ok("/admin")),
        ] {
            let path = RequestPath::parse_as(given, slashes);
            let wire = path.map(|path| path.wire().to_owned());
            assert_eq!(wire, expected.map(String::from), "{slashes:?} {given}");
        }
        assert!(RequestPath::parse_as("/a%2fb", Redirect).unwrap().was_unescaped());
        assert!(!RequestPath::parse_as("/a/b%20", Redirect).unwrap().was_unescaped());
    }

    #[test]
    fn who_reads_another_path() {
        for (slashes, given, other, why) in [
            (Reject, "/admin;x/y", "/admin/y", "parameters"),
            (Reject, "/adm%2569n", "/admin", "decoded twice"),
            (Reject, "/adm%2569n%253bx", "/admin", "decoded twice, then parameters"),
            (Reject, "/admin%3Fx/y", "/admin", "an escaped question mark"),
            (Reject, "/admin.", "/admin", "Windows drops the dot"),
            (Reject, "/admin%20/x", "/admin/x", "and the blank"),
            (Reject, "/admin::$DATA", "/admin", "and knows streams"),
            (Reject, "/%EF%BD%81dmin", "/admin", "full-width letters"),
            (Reject, "/a%E2%80%8Bdmin", "/admin", "what has no width"),
            (Reject, "/a%EF%B8%8Fdmin", "/admin", "what can't be seen"),
            (Reject, "/%E2%93%90dmin", "/admin", "a letter in a ring"),
            (Reject, "/%C5%BFecret", "/secret", "a long s"),
            (Reject, "/%F0%9D%90%9Admin", "/admin", "a mathematical letter"),
            (Reject, "/gro%CC%88%C3%9Fe", "/größe", "a letter and its dots, one by one"),
            (Reject, "/admin:$I30:$INDEX_ALLOCATION/x", "/admin/x", "a folder's own stream"),
            (Reject, "/my+admin", "/my admin", "a form's blank"),
            (Reject, "/admin;x/", "/admin/", "the slash at the end stays"),
            (Keep, "/a%2Fb", "/a%2Fb", "no separator, and not decoded"),
            (Keep, "/admin%2Fx", "/admin/x", "a separator"),
            (Keep, "/admin%5Cx", "/admin/x", "another"),
        ] {
            let path = RequestPath::parse_as(given, slashes).unwrap();
            let others: Vec<_> = path.other_readings().iter().map(|r| r.decoded()).collect();
            assert!(others.contains(&other), "{given}: {why}: {others:?}");
        }
        for given in ["/", "/web/index.html", "/a//b", "/Items/caf%C3%A9", "/a%20b/c", "/a.b/c"] {
            let path = RequestPath::parse(given).unwrap();
            assert!(path.other_readings().is_empty(), "{given}: {path:?}");
        }
    }

    /// Routes are compared with what would be written, so a reading is escaped as a path is.
    #[test]
    fn other_readings_are_escaped_as_paths_are() {
        for (slashes, given, wires) in [
            (Reject, "/a%20b;x", &["/a%20b"][..]),
            (Reject, "/a%20b;x%20y/c", &["/a%20b/c"]),
            (Reject, "/a%253Fb/c", &["/a%3Fb/c", "/a"]),
            (Keep, "/a%2Fb%20c", &["/a%2Fb c", "/a/b%20c"]),
        ] {
            let path = RequestPath::parse_as(given, slashes).unwrap();
            let found: Vec<_> = path.other_readings().iter().map(|r| r.wire()).collect();
            assert_eq!(found, wires, "{given}");
        }
        assert_eq!(super::escaped_path("/a b\u{1}\u{e9}"), "/a%20b%01%C3%A9");
    }

    #[test]
    fn a_path_is_compared_in_two_manners() {
        for (given, small, folded) in [
            ("/Items/A", "/items/a", "/items/a"),
            ("/items", "/items", "/items"),
            ("/%C4%B1tems/X", "/\u{131}tems/x", "/items/x"),
            ("/CAF%C3%89", "/caf\u{c9}", "/caf\u{e9}"),
        ] {
            let path = RequestPath::parse(given).unwrap();
            let before = path.clone();
            assert_eq!((&*path.small(), path.folded()), (small, folded), "{given}");
            assert_eq!(path, before, "folding makes no difference");
            assert_eq!(path.clone().folded(), folded, "a copy has it, too");
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
