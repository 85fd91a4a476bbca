//! App passwords: for clients that know no sign-in page, only a name and a password (RFC 7617), such
//! as those of WebDAV. Each is for one host, and ends with its person.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::{
    people::{BoxFuture, Member, PeopleError, UnixTimeSeconds},
    secret::Secret,
    time::UnixTime,
};

/// How many somebody may have.
pub const MOST_APP_PASSWORDS: usize = 20;
/// The longest label, in octets.
pub const LONGEST_LABEL: usize = 60;
/// What each begins with, so that one is told from the app's own passwords, and found where it has
/// leaked.
const PREFIX: &str = "usher_";
/// Hexadecimal digits behind it: 128 random bits, which need no slow hash.
const DIGITS: usize = 32;

/// What is kept of one. Only a digest leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPassword {
    /// The id of the session that it leads to.
    pub id: Box<str>,
    /// Whose it is: [`Member::id`].
    pub owner: Box<str>,
    /// What its owner calls it.
    pub label: Box<str>,
    /// The one host that it is for.
    pub host: Box<str>,
    /// When it was made.
    pub added_at: UnixTimeSeconds,
    /// From this second on it is no good.
    pub over_at: UnixTimeSeconds,
}

impl AppPassword {
    /// What somebody types into a client, by random octets.
    pub fn secret(random: [u8; 16]) -> Secret {
        let digits: String = random.iter().map(|octet| format!("{octet:02x}")).collect();
        Secret::new(format!("{PREFIX}{digits}").into_bytes())
    }

    /// May one be called so?
    pub fn is_label(label: &str) -> bool {
        (1..=LONGEST_LABEL).contains(&label.len()) && !label.chars().any(char::is_control)
    }

    /// Is that one, by its form?
    pub fn is_one(password: &str) -> bool {
        password.strip_prefix(PREFIX).is_some_and(|digits| {
            digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        })
    }

    /// By which it is found.
    pub fn digest(password: &str) -> [u8; 32] {
        let mut kept = [0; 32];
        let made = digest(&SHA256, password.as_bytes());
        kept.iter_mut().zip(made.as_ref()).for_each(|(to, from)| *to = *from);
        kept
    }

    /// Is it good at this moment, for this host?
    pub fn is_for(&self, host: &str, now: UnixTime) -> bool {
        *self.host == *host && now.seconds() < self.over_at
    }
}

/// What is kept of app passwords. Implemented in `store/`. Each change is all or nothing.
pub trait AppPasswords: Send + Sync {
    /// Keeps a new one; `false` where its owner is not here, or has enough.
    fn add_app_password(
        &self,
        digest: [u8; 32],
        new: AppPassword,
    ) -> BoxFuture<'_, Result<bool, PeopleError>>;
    /// Somebody's, oldest first.
    fn app_passwords<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<AppPassword>, PeopleError>>;
    /// The one of this digest, and its owner as they are now.
    fn app_password(
        &self,
        digest: [u8; 32],
    ) -> BoxFuture<'_, Result<Option<(AppPassword, Member)>, PeopleError>>;
    /// Ends somebody's, and what runs under it; `false` where they have none of this id.
    fn end_app_password<'a>(
        &'a self,
        owner: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<bool, PeopleError>>;
}

#[cfg(test)]
mod tests {
    use super::AppPassword;
    use crate::time::UnixTime;

    #[test]
    fn an_app_password_is_known_by_its_form_and_counts_for_one_host_until_its_end() {
        let made = AppPassword::secret([0xab; 16]);
        let text = made.expose_str().unwrap();
        assert_eq!(text, "usher_abababababababababababababababab");
        assert!(AppPassword::is_one(text));
        for odd in ["", "usher_", "hunter2", &text[..37], &format!("{text}0"), &text[6..]] {
            assert!(!AppPassword::is_one(odd), "{odd}");
        }
        assert_ne!(AppPassword::digest(text), AppPassword::digest(&text.to_uppercase()));
        let kept = AppPassword {
            id: "1".into(),
            owner: "ann".into(),
            label: "rclone".into(),
            host: "files.example".into(),
            added_at: 10,
            over_at: 20,
        };
        for (host, second, expected) in
            [("files.example", 19, true), ("files.example", 20, false), ("tv.example", 19, false)]
        {
            assert_eq!(kept.is_for(host, UnixTime::from_seconds(second)), expected, "{host}");
        }
    }
}
