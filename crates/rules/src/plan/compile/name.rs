//! Field names and values that a config gives, judged once (RFC 9110 §5.1, §5.5).

use http::{HeaderName, HeaderValue};

use crate::{config::values::Text, names::Authority, problem::Problem};

/// A `tchar` of RFC 9110 §5.6.2.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Fields that frame the message: a config that sets them would let one request look like two.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A name that may be set or removed.
pub(super) fn field_name(key: &str, name: &Text) -> Result<HeaderName, Problem> {
    let refused = |what: String, help: &str| Problem::error("U407", name.at.clone(), what, help);
    if name.text.starts_with(':') {
        return Err(refused(
            format!("`{}` is no field: `{key}` can't change method, host or path", name.text),
            "use `host_rewrite` or `prefix_rewrite`",
        ));
    }
    match HeaderName::from_bytes(name.text.as_bytes()) {
        Ok(name) if FRAMING.contains(&name.as_str()) => Err(refused(
            format!("`{key}` can't touch `{name}`: it says where a message ends"),
            "delete it",
        )),
        Ok(name) => Ok(name),
        Err(_) => Err(refused(
            format!("`{}` can't be a field's name", name.text),
            "use letters, digits and `-`; no blanks",
        )),
    }
}

/// A host, perhaps with a port, for a field: as its A-labels, since fields are ASCII
/// (RFC 9110 §7.2).
pub(super) fn authority(text: &str) -> Option<String> {
    let authority = Authority::parse(text).ok()?;
    Some(if text.is_ascii() { text.to_owned() } else { authority.to_string() })
}

/// A value without control characters.
pub(super) fn field_value(key: &str, value: &Text) -> Result<HeaderValue, Problem> {
    HeaderValue::from_bytes(value.text.trim().as_bytes()).map_err(|_| {
        Problem::error(
            "U408",
            value.at.clone(),
            format!("a value of `{key}` holds a line end or another control character"),
            "write it in one line",
        )
    })
}
