use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroize;

/// What a client shows to say who it is: a user's token or an API key, which look alike.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

/// The SHA-256 of a [`Token`]: what is kept of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl Token {
    pub(super) fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The token itself: searching for `expose(` lists the places to review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is compared and kept.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.as_bytes())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl TokenHash {
    /// Of a token's text.
    pub fn of(token: &[u8]) -> Self {
        let mut octets = [0; 32];
        octets.copy_from_slice(digest(&SHA256, token).as_ref());
        Self(octets)
    }

    /// 64 hexadecimal digits, small ones.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// 64 hexadecimal digits, in either case.
    pub fn of_hex(text: &str) -> Option<Self> {
        let mut octets = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != octets.len() || !rest.is_empty() {
            return None;
        }
        for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
            let digit = |of: &u8| char::from(*of).to_digit(16).and_then(|it| u8::try_from(it).ok());
            *octet = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(octets))
    }
}

/// Does it look as tokens and API keys do: a GUID in the form "N"?
pub fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::TokenHash;

    #[test]
    fn what_is_kept_is_read_in_either_case_and_nothing_else_is() {
        let hash = TokenHash::of(b"a token");
        let text = hash.to_hex();
        assert_eq!(TokenHash::of_hex(&text), Some(hash));
        assert_eq!(TokenHash::of_hex(&text.to_ascii_uppercase()), Some(hash));
        for wrong in ["", "ab", &text[1..], &format!("{text}0"), &text.replace('0', "g")] {
            assert_eq!(TokenHash::of_hex(wrong), None, "{wrong}");
        }
        assert_eq!(TokenHash::of_hex(&format!("+{}", &text[1..])), None, "no sign is a digit");
    }
}
