//! App passwords: for clients that know no sign-in page, only a name and a password (RFC 7617), such
//! as those of WebDAV and some of Jellyfin. Each is for one host, and ends with its person.

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
    /// The app of a Jellyfin that has signed in with it: it is for nothing else from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppOnDevice>,
}

/// An app on one device, as it said when it signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppOnDevice {
    /// Which app.
    pub client: Box<str>,
    /// What its device was called.
    pub device: Box<str>,
    /// What its server knows its device by.
    pub device_id: Box<str>,
    /// The library that it signed in to: its host, and what is in front of its paths. Nothing where
    /// that was not written down.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub library: Box<str>,
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

    /// May that app sign in with it? The first one that does is the only one.
    pub fn is_open_to(&self, app: &AppOnDevice) -> bool {
        self.app.as_ref().is_none_or(|known| {
            let is_there = known.library.is_empty() || known.library == app.library;
            is_there && known.device_id == app.device_id
        })
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
    /// Has the one of this digest be that app's alone, and ends what ran under it before it was an
    /// app's; `false` where it is not here, or another app's.
    fn take_for_app(
        &self,
        digest: [u8; 32],
        app: AppOnDevice,
    ) -> BoxFuture<'_, Result<bool, PeopleError>>;
    /// Ends somebody's, and what runs under it; `false` where they have none of this id.
    fn end_app_password<'a>(
        &'a self,
        owner: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<bool, PeopleError>>;
}

#[cfg(test)]
mod tests {
    use super::{AppOnDevice, AppPassword};
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
            app: None,
        };
        for (host, second, expected) in
            [("files.example", 19, true), ("files.example", 20, false), ("tv.example", 19, false)]
        {
            assert_eq!(kept.is_for(host, UnixTime::from_seconds(second)), expected, "{host}");
        }
    }

    #[test]
    fn an_app_password_is_for_the_first_app_that_signs_in_with_it() {
        let app = |device_id: &str| AppOnDevice {
            client: "Kodi".into(),
            device: "Living room".into(),
            device_id: device_id.into(),
            library: "tv.example/films".into(),
        };
        let fresh = AppPassword {
            id: "1".into(),
            owner: "ann".into(),
            label: "Kodi".into(),
            host: "tv.example".into(),
            added_at: 10,
            over_at: 20,
            app: None,
        };
        assert!(fresh.is_open_to(&app("a")) && fresh.is_open_to(&app("b")));
        let taken = AppPassword { app: Some(app("a")), ..fresh };
        let renamed = AppOnDevice { device: "Bedroom".into(), ..app("a") };
        assert!(taken.is_open_to(&renamed), "a device may be called otherwise");
        assert!(!taken.is_open_to(&app("b")) && !taken.is_open_to(&app("A")));
        let elsewhere = AppOnDevice { library: "tv.example/songs".into(), ..app("a") };
        assert!(!taken.is_open_to(&elsewhere), "another library of the same host");
        let before = AppOnDevice { library: Box::default(), ..app("a") };
        let before = AppPassword { app: Some(before), ..taken };
        assert!(before.is_open_to(&elsewhere), "it was not written down");
    }
}
