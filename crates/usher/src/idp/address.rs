//! The one spelling of an address: two that differ only in case are one person.

/// Why a text is no address of a person here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@`, or more than one.
    #[error("an address has one `@`")]
    NotOneAt,
    /// Over 64 octets before the `@` or 254 in all (RFC 5321 §4.5.3.1).
    #[error("an address has at most 64 octets before the `@` and 254 in all")]
    TooLong,
    /// Nothing before or after the `@`, or an empty part between dots.
    #[error("something is missing before, after or between the dots")]
    EmptyPart,
    /// A character that no dot-atom has (RFC 5322 §3.2.3): white space, quotes, control and
    /// invisible characters.
    #[error("`{}` can't be in an address", .0.escape_debug())]
    Character(char),
}

const MOST_OCTETS: usize = 254;
const MOST_LOCAL_OCTETS: usize = 64;

/// Trims and lower-cases an address, and judges what is left.
///
/// Letters outside ASCII are kept (RFC 6531); quoted local parts and address literals are not
/// accepted, since nobody types them and they hide a second `@`.
///
/// # Errors
///
/// [`AddressError`], one variant per rule.
pub fn normalised(typed: &str) -> Result<Box<str>, AddressError> {
    if typed.len() > 2 * MOST_OCTETS {
        return Err(AddressError::TooLong); // before any work on it
    }
    let address = typed.trim().to_lowercase();
    let (local, domain) = address.split_once('@').ok_or(AddressError::NotOneAt)?;
    if domain.contains('@') {
        return Err(AddressError::NotOneAt);
    }
    if local.len() > MOST_LOCAL_OCTETS || address.len() > MOST_OCTETS {
        return Err(AddressError::TooLong);
    }
    for part in local.split('.').chain(domain.split('.')) {
        if part.is_empty() {
            return Err(AddressError::EmptyPart);
        }
    }
    let odd = |allowed: fn(char) -> bool| move |c: &char| *c != '.' && !allowed(*c);
    let in_local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let in_domain = |c: char| c.is_alphanumeric() || c == '-';
    let found = local.chars().find(odd(in_local)).or(domain.chars().find(odd(in_domain)));
    match found {
        Some(character) => Err(AddressError::Character(character)),
        None => Ok(address.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AddressError::*, normalised};

    #[test]
    fn one_spelling() {
        let long = format!("{}@example.com", "a".repeat(64));
        for (typed, expected, why) in [
            ("ann@example.com", Ok("ann@example.com"), "as it is"),
            (" Ann@Example.COM\r\n", Ok("ann@example.com"), "a phone's capital, a pasted newline"),
            ("ann+tv@localhost", Ok("ann+tv@localhost"), "a tag; a host at home"),
            ("JÜRGEN@example.com", Ok("jürgen@example.com"), "letters of the world"),
            (&long, Ok(long.as_str()), "64 octets before the @"),
            ("", Err(NotOneAt), "nothing"),
            ("ann", Err(NotOneAt), "a name"),
            ("ann@evil.example@example.com", Err(NotOneAt), "two domains"),
            ("@example.com", Err(EmptyPart), "nobody"),
            ("ann@", Err(EmptyPart), "nowhere"),
            ("ann@example..com", Err(EmptyPart), "two dots"),
            (".ann@example.com", Err(EmptyPart), "a dot in front"),
            ("ann lee@example.com", Err(Character(' ')), "white space within"),
            ("ann\0@example.com", Err(Character('\0')), "control"),
            ("ann\u{202e}@example.com", Err(Character('\u{202e}')), "turns the text around"),
            ("ann\u{200b}@example.com", Err(Character('\u{200b}')), "invisible"),
            ("\"ann\"@example.com", Err(Character('"')), "quoted"),
            ("ann@[127.0.0.1]", Err(Character('[')), "a literal"),
            ("ann,bob@example.com", Err(Character(',')), "would be two in a header"),
        ] {
            assert_eq!(
                normalised(typed).as_deref(),
                expected.as_ref().copied(),
                "{why}: {typed:?}"
            );
        }
        for (octets, why) in [(65, "before the @"), (600, "in all, before it is lower-cased")] {
            let typed = format!("{}@example.com", "a".repeat(octets));
            assert_eq!(normalised(&typed), Err(TooLong), "{why}");
        }
        assert_eq!(normalised(&format!("a@{}", "a.".repeat(130))), Err(TooLong), "domain");
    }

    proptest! {
        #[test]
        fn is_idempotent(typed in "\\PC{0,12}@?\\PC{0,12}|[A-Za-zÄİΣẞǅ.]{1,8}@[A-Za-zÄİΣẞ.-]{1,8}") {
            if let Ok(once) = normalised(&typed) {
                prop_assert_eq!(normalised(&once), Ok(once.clone()));
                prop_assert_eq!(normalised(&format!(" {once} ")), Ok(once.clone()));
            }
        }
    }
}
