//! Which names, values and addresses hold a credential, and what they look like without it.

/// Parts of a name behind which a secret stands, of keys, fields and parameters alike.
const SECRET_NAMES: &[&str] = &[
    "secr",
    "passw",
    "token",
    "signing_key",
    "certificate_key",
    "client_key",
    "basic_auth",
    "service_account",
    "mac_key",
    "api_key",
    "apikey",
    "authorization",
    "connection_string",
    "otlp_headers",
    "credential",
];

/// Names that hold these and no secret.
const PUBLIC_ENDINGS: &[&str] = &["_file", "_format", "_url"];

/// Whole words in the names of fields, parameters and options of programs, which apps choose.
const SECRET_WORDS: &[&str] = &[
    "assertion",
    "auth",
    "bearer",
    "jwt",
    "key",
    "pass",
    "pin",
    "psk",
    "pw",
    "pwd",
    "session",
    "sid",
    "sig",
    "signature",
];

/// What a credential in a field begins with, in any case (RFC 9110 §11.4).
const SCHEMES: &[&str] = &["basic", "bearer", "digest", "token", "apikey"];

/// Letters of base64 in a row that may be a key.
const KEY_LIKE: usize = 40;

/// What stands in the place of a secret that is not shown.
pub(super) const HIDDEN: &str = "(not shown)";

/// The one rule of which names hold secrets.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let is_named = name.ends_with("cookie") || SECRET_NAMES.iter().any(|word| name.contains(word));
    is_named && !PUBLIC_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// The same of names that are no keys of the config: any app may have made them up.
fn is_secret_word(name: &str) -> bool {
    let is_secret = |word: &str| SECRET_WORDS.iter().any(|it| it.eq_ignore_ascii_case(word));
    is_secret_name(name) || name.split(|c: char| !c.is_ascii_alphanumeric()).any(is_secret)
}

/// May a field of this name hold a secret? A reference to what is known at the time of a request is
/// none.
pub(crate) fn is_secret_field(name: &str, value: &str) -> bool {
    let said = without_references(value);
    let said = said.trim();
    let is_scheme = SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(said));
    let is_public = said.is_empty() || (is_scheme && said.len() < value.trim().len());
    !is_public && (is_secret_word(name) || is_credential(said))
}

/// Does a text look like a credential, whatever its name is?
fn is_credential(text: &str) -> bool {
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        // JSON in base64: a JWT (RFC 7519 §3)
        let is_token = word.starts_with("eyJ") || is_key_like(word);
        let is_scheme = SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(word));
        if is_token || (is_scheme && words.peek().is_some()) {
            return true;
        }
    }
    false
}

/// A long text of base64 alone.
pub(super) fn is_key_like(text: &str) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    text.len() >= KEY_LIKE && text.chars().all(is_base64)
}

/// A value without its `${pomerium.…}`.
fn without_references(value: &str) -> String {
    let mut parts = value.split("${pomerium.");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('}').map_or("", |(_, after)| after))
}

/// A program's arguments, of which none holds a secret: `--token SECRET`, `--token=SECRET`.
pub(crate) fn without_arguments(items: &[&str], mask: &str) -> Vec<String> {
    let is_option = |item: &str| {
        let name = item.trim_start_matches('-');
        name.len() < item.len() && (is_secret_word(name) || matches!(name, "u" | "user" | "p"))
    };
    let before = std::iter::once("").chain(items.iter().copied());
    let each = before.zip(items).map(|(before, item)| match item.split_once('=') {
        _ if is_option(before) || is_credential(item) => mask.to_owned(),
        Some((name, _)) if is_secret_word(name) => format!("{name}={mask}"),
        Some(_) | None => without_parameters(&without_passwords(item), mask),
    });
    each.collect()
}

/// A text in which `mask` stands for the values of parameters that may hold a secret.
pub(crate) fn without_parameters(text: &str, mask: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&', '#']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        rest = after;
        let Some((name, behind)) = after.split_once('=') else { continue };
        let is_name =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
        if !name.is_empty() && name.chars().all(is_name) && is_secret_word(name) {
            let ends = |c: char| c.is_whitespace() || matches!(c, '&' | '#' | '"' | '\'' | '`');
            let end = behind.find(ends).unwrap_or(behind.len());
            out.extend([name, "=", if end == 0 { "" } else { mask }]);
            rest = behind.get(end..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Words about a config without the credentials that stand in it.
pub(super) fn told(words: String) -> String {
    if !words.contains(['@', '=']) {
        return words;
    }
    without_parameters(&without_passwords_anywhere(&words), HIDDEN)
}

/// [`without_passwords`], and of addresses whose scheme was forgotten, too: `user:password@host`.
pub(super) fn without_passwords_anywhere(text: &str) -> String {
    let is_outside = |c: char| c.is_whitespace() || "\"'`{[(,=<".contains(c);
    let text = without_passwords(text);
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(is_outside) {
        out.push_str(&without_password(word));
    }
    out
}

/// A word `user:password@host` with a star for each letter of the password.
fn without_password(word: &str) -> String {
    let is_name = |c: char| c.is_alphanumeric() || "._~%+-".contains(c);
    let behind = word.split_once(':').filter(|(name, _)| name.chars().all(is_name));
    match behind.and_then(|(name, rest)| Some((name, rest.rsplit_once('@')?))) {
        Some((name, (password, host))) if !password.starts_with("//") && !is_port(password) => {
            format!("{name}:{}@{host}", "*".repeat(password.chars().count()))
        }
        Some(_) | None => word.to_owned(),
    }
}

/// `8096/films`: what stands behind a host's colon.
fn is_port(text: &str) -> bool {
    let port = text.split(['/', '?', '#']).next().unwrap_or_default();
    port.len() < text.len() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// `http://user:password@host` with a star for each letter of the password.
pub(crate) fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let (slashes, after) = after.split_at(after.len() - after.trim_start_matches('/').len());
        out.push_str(slashes);
        rest = after;
        let authority = after.get(..authority_end(after)).unwrap_or_default();
        if let Some((user, _)) = authority.rsplit_once('@') {
            let name = user.split(':').next().unwrap_or_default();
            out.push_str(name);
            if let Some(password) = user.get(name.len() + 1..) {
                out.push(':');
                out.push_str(&"*".repeat(password.chars().count()));
            }
            rest = after.get(user.len()..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Where host and port end. A password that holds a `/` is one all the same: what stands behind the
/// first colon is no port then, and an `@` follows.
fn authority_end(after: &str) -> usize {
    let stop = |marks: &[char]| after.find(marks).unwrap_or(after.len());
    let end = stop(&['/', ' ', '"', '\'', ',', '?', '#']);
    let authority = after.get(..end).unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port).unwrap_or("0");
    let whole = stop(&[' ', '"', '\'', '`']);
    match after.get(..whole).and_then(|text| text.rfind('@')) {
        Some(at) if at >= end && !port.bytes().all(|byte| byte.is_ascii_digit()) => at + 1,
        Some(_) | None => end,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_secret_field, told, without_passwords};

    /// An `@` behind the authority makes no password of a port.
    #[test]
    fn passwords_of_addresses_are_starred_and_ports_are_not() {
        for (given, expected) in [
            ("http://tv:8096/a@b", "http://tv:8096/a@b"),
            ("http://ann:secret@tv:8096/a@b", "http://ann:******@tv:8096/a@b"),
            ("http://ann:sec/ret@tv", "http://ann:*******@tv"),
            ("http://ann@tv/", "http://ann@tv/"),
            ("http:///ann:secret@tv", "http:///ann:******@tv"),
        ] {
            assert_eq!(without_passwords(given), expected);
        }
    }

    /// Whoever writes a problem need not think of it.
    #[test]
    fn no_problem_tells_a_credential_of_an_address() {
        for (given, expected) in [
            ("`to: ann:secret@tv:9` is none", "`to: ann:******@tv:9` is none"),
            ("`udp://ann:secret@1.1.1.1`", "`udp://ann:******@1.1.1.1`"),
            ("`http:/ann:secret@tv`", "`http:***********@tv`"),
            ("`http://a b/?token=abc&x=1`", "`http://a b/?token=(not shown)&x=1`"),
            ("`tv:8096/a@b`, `ann@tv.test`: no", "`tv:8096/a@b`, `ann@tv.test`: no"),
            ("`email: ann@tv.test`", "`email: ann@tv.test`"),
        ] {
            assert_eq!(told(given.to_owned()), expected);
        }
    }

    #[test]
    fn a_field_is_judged_by_its_name_and_by_its_value() {
        for (name, value) in [
            ("X-Auth", "hunter2"),
            ("X-Pass", "hunter2"),
            ("X-Custom", "Basic aGVsbG8="),
            ("X-Custom", "bearer hunter2"),
            ("X-Custom", "eyJhbGciOiJub25lIn0.e30."),
            ("client_assertion", "abc"),
            ("Authorization", "hunter2 ${pomerium.jwt}"),
        ] {
            assert!(is_secret_field(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("X-Place", "home"),
            ("X-Author", "ann"),
            ("Authorization", "Bearer ${pomerium.id_token}"),
            ("X-Token", "${pomerium.jwt}"),
            ("Accept", "text/html, */*"),
        ] {
            assert!(!is_secret_field(name, value), "{name}: {value}");
        }
    }
}
