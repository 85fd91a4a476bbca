/// Are these two names one to CGI and its heirs (RFC 3875 §4.1.18), which make `HTTP_X_AUTH_USER`
/// of `X-Auth-User`, `X_Auth_User` and, in some servers, `X.Auth.User`? Whatever is no letter and
/// no digit counts as the same, and case does not count.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && begins(one, other)
}

/// Does `name` begin with `prefix`, in some spelling?
pub(super) fn begins(name: &str, prefix: &str) -> bool {
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(a, b)| fold(a) == fold(b))
}

/// Is the name written as everybody writes it, so that no other name is one with it?
pub(super) fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}
