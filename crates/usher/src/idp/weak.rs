//! Passwords that are tried first.

use super::generate::canonical;

/// What people choose most, without the digits and signs that they put behind.
const COMMON: &[&str] = &[
    "password",
    "passwort",
    "passw",
    "pass",
    "qwerty",
    "qwertz",
    "azerty",
    "letmein",
    "welcome",
    "willkommen",
    "iloveyou",
    "admin",
    "administrator",
    "jellyfin",
    "plex",
    "emby",
    "usher",
    "pomerium",
    "football",
    "baseball",
    "superman",
    "batman",
    "princess",
    "sunshine",
    "dragon",
    "monkey",
    "shadow",
    "master",
    "michael",
    "starwars",
    "whatever",
    "trustno",
    "changeme",
    "change",
    "secret",
    "geheim",
    "hallo",
    "hello",
    "test",
    "tester",
    "testing",
    "guest",
    "login",
    "computer",
    "internet",
    "summer",
    "sommer",
    "winter",
    "spring",
    "autumn",
    "freedom",
    "pokemon",
    "charlie",
    "family",
    "movie",
    "movies",
    "cinema",
    "netflix",
    "abc",
    "asdf",
    "default",
    "correcthorsebatterystaple",
    "lovely",
    "loveme",
    "cheese",
    "cookie",
    "chocolate",
    "mustang",
];

/// Rows of keys, digits and letters: any stretch of one, either way, is tried early.
const ROWS: &[&str] = &[
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn",
    "qazwsxedcrfvtgbyhnujm",
];

/// Is this among what somebody who guesses tries first? `email` is whose password it is to be.
pub(super) fn is_weak(password: &str, email: &str) -> bool {
    if canonical(password).is_some() {
        return false;
    }
    let lower = password.trim().to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    let letters: String = lower.chars().map(unmasked).filter(|c| c.is_alphabetic()).collect();
    let bare: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    let dense: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    let backwards: String = dense.chars().rev().collect();
    let is_row = |text: &str| !text.is_empty() && ROWS.iter().any(|row| row.contains(text));
    is_few(&lower)
        || [&letters, &bare].into_iter().any(|word| is_common(word))
        || lower == email
        || (local.len() > 2 && bare.chars().eq(local.chars().filter(|c| c.is_alphabetic())))
        || is_row(&dense)
        || is_row(&backwards)
}

fn is_common(word: &str) -> bool {
    // twice the same word is one word
    let half = word.len() / 2;
    let once = word.get(..half).filter(|first| word.get(half..) == Some(*first));
    COMMON.iter().any(|common| *common == word || once == Some(*common))
}

/// `aaaaaaaa`, `abababab`, `11223311`.
fn is_few(password: &str) -> bool {
    password.chars().collect::<std::collections::BTreeSet<_>>().len() < 4
}

/// The letter that a digit or a sign stands for.
const fn unmasked(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::is_weak;

    #[test]
    fn weak_passwords_are_known() {
        for (password, weak, why) in [
            ("password", true, "the most common one"),
            ("Password123!", true, "with what people put behind"),
            ("P@ssw0rd", true, "masked"),
            ("12345678", true, "digits in a row"),
            ("87654321", true, "backwards"),
            ("qwertyuiop", true, "a row of keys"),
            ("aaaaaaaa", true, "one character"),
            ("jellyfin2026", true, "what it opens"),
            ("jellyfinjellyfin", true, "twice"),
            ("ann.example@example.com", true, "one's own address"),
            ("annexample1", true, "one's own name"),
            ("correct horse", false, "two words"),
            ("walruses in a box", false, "a sentence"),
            ("passwords are dull", false, "a sentence that has the word in it"),
            ("kx7-2mz-p9q", false, "random"),
        ] {
            assert_eq!(is_weak(password, "ann.example@example.com"), weak, "{password}: {why}");
        }
    }
}
