//! The people whom the stand-in knows, their passwords and policies.

use serde_json::{Value, json};

use super::{State, flag, stable_id};
use crate::options::{CinemaUser, JellyfinVersion};

/// Passwords count only where the policy names this provider.
pub(crate) const DEFAULT_PROVIDER: &str =
    "Jellyfin.Server.Implementations.Users.DefaultAuthenticationProvider";

/// A person's id: 32 lower-case hex digits.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct PersonId(pub String);

/// A person.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub id: PersonId,
    pub name: String,
    pub password: String,
    /// `UserPolicy`, one JSON object.
    pub policy: Value,
    /// Last seen, in Jellyfin's spelling.
    pub last_activity: Option<String>,
}

impl Person {
    pub(crate) fn new(user: &CinemaUser, version: JellyfinVersion) -> Self {
        let mut policy = default_policy(version);
        super::lay_over(
            &mut policy,
            &json!({ "IsAdministrator": user.administrator, "IsHidden": !user.listed }),
        );
        Self {
            id: PersonId(stable_id(&format!("person/{}", user.name.to_lowercase()))),
            name: user.name.clone(),
            password: user.password.clone(),
            policy,
            last_activity: None,
        }
    }

    pub(crate) fn is_administrator(&self) -> bool {
        flag(&self.policy, "IsAdministrator")
    }

    pub(crate) fn is_disabled(&self) -> bool {
        flag(&self.policy, "IsDisabled")
    }

    pub(crate) fn is_hidden(&self) -> bool {
        flag(&self.policy, "IsHidden")
    }

    pub(crate) fn may_connect_from_afar(&self) -> bool {
        flag(&self.policy, "EnableRemoteAccess")
    }

    /// Whether the policy lets this device in.
    pub(crate) fn may_use_device(&self, device_id: &str) -> bool {
        let listed = self.policy.get("EnabledDevices").and_then(Value::as_array);
        self.is_administrator()
            || flag(&self.policy, "EnableAllDevices")
            || listed.into_iter().flatten().any(|id| id.as_str() == Some(device_id))
    }

    /// Whether the password signs in. Never, where the policy names a provider that nobody has:
    /// the way to keep somebody to single sign-on.
    pub(crate) fn password_is(&self, given: &str) -> bool {
        self.has_default_provider() && self.password == given
    }

    pub(crate) fn has_default_provider(&self) -> bool {
        let provider = self.policy.get("AuthenticationProviderId").and_then(Value::as_str);
        provider == Some(DEFAULT_PROVIDER)
    }

    /// The person as `UserDto`.
    pub(crate) fn dto(&self, server_id: &str, version: JellyfinVersion) -> Value {
        let has_password = match version {
            JellyfinVersion::V10_10 | JellyfinVersion::V10_11 => {
                !self.password.is_empty() || !self.has_default_provider()
            }
            // As measured, even where the empty password signs in.
            JellyfinVersion::V12 => true,
        };
        let mut dto = json!({
            "Name": self.name,
            "ServerId": server_id,
            "Id": self.id.0,
            "HasPassword": has_password,
            "HasConfiguredPassword": has_password,
            "HasConfiguredEasyPassword": false,
            "EnableAutoLogin": false,
            "Configuration": configuration(),
            "Policy": self.policy,
        });
        if let Some(moment) = &self.last_activity {
            super::lay_over(&mut dto, &json!({ "LastActivityDate": moment }));
        }
        dto
    }
}

impl State {
    pub(crate) fn person(&self, id: &PersonId) -> Option<&Person> {
        self.people.iter().find(|person| person.id == *id)
    }

    pub(crate) fn person_mut(&mut self, id: &PersonId) -> Option<&mut Person> {
        self.people.iter_mut().find(|person| person.id == *id)
    }

    pub(crate) fn person_named(&self, name: &str) -> Option<&Person> {
        let name = name.to_lowercase();
        self.people.iter().find(|person| person.name.to_lowercase() == name)
    }
}

/// Whether a new person may have this name: word characters of any script and ` -'._@+`. Blanks
/// at an end are refused, except by 10.10, which refuses `+` instead.
pub(crate) fn name_is_allowed(name: &str, version: JellyfinVersion) -> bool {
    let punctuation = match version {
        JellyfinVersion::V10_10 => " -'._@",
        JellyfinVersion::V10_11 | JellyfinVersion::V12 => " -'._@+",
    };
    let letters = name
        .chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_' || punctuation.contains(letter));
    let blanks = match version {
        JellyfinVersion::V10_10 => !name.trim().is_empty(),
        JellyfinVersion::V10_11 | JellyfinVersion::V12 => !name.is_empty() && name.trim() == name,
    };
    let dots = version == JellyfinVersion::V12 && matches!(name, "." | "..");
    letters && blanks && !dots
}

/// `UserPolicy` of a new user.
pub(crate) fn default_policy(version: JellyfinVersion) -> Value {
    json!({
        "IsAdministrator": false,
        "IsHidden": true,
        "EnableCollectionManagement": false,
        "EnableSubtitleManagement": false,
        "EnableLyricManagement": false,
        "IsDisabled": false,
        "BlockedTags": [],
        "AllowedTags": [],
        "EnableUserPreferenceAccess": true,
        "AccessSchedules": [],
        "BlockUnratedItems": [],
        "EnableRemoteControlOfOtherUsers": false,
        "EnableSharedDeviceControl": true,
        "EnableRemoteAccess": true,
        "EnableLiveTvManagement": version == JellyfinVersion::V10_10,
        "EnableLiveTvAccess": true,
        "EnableMediaPlayback": true,
        "EnableAudioPlaybackTranscoding": true,
        "EnableVideoPlaybackTranscoding": true,
        "EnablePlaybackRemuxing": true,
        "ForceRemoteSourceTranscoding": false,
        "EnableContentDeletion": false,
        "EnableContentDeletionFromFolders": [],
        "EnableContentDownloading": true,
        "EnableSyncTranscoding": true,
        "EnableMediaConversion": true,
        "EnabledDevices": [],
        "EnableAllDevices": true,
        "EnabledChannels": [],
        "EnableAllChannels": true,
        "EnabledFolders": [],
        "EnableAllFolders": true,
        "InvalidLoginAttemptCount": 0,
        "LoginAttemptsBeforeLockout": -1,
        "MaxActiveSessions": 0,
        "EnablePublicSharing": true,
        "BlockedMediaFolders": [],
        "BlockedChannels": [],
        "RemoteClientBitrateLimit": 0,
        "AuthenticationProviderId": DEFAULT_PROVIDER,
        "PasswordResetProviderId":
            "Jellyfin.Server.Implementations.Users.DefaultPasswordResetProvider",
        "SyncPlayAccess": "CreateAndJoinGroups",
    })
}

fn configuration() -> Value {
    json!({
        "PlayDefaultAudioTrack": true,
        "SubtitleLanguagePreference": "",
        "DisplayMissingEpisodes": false,
        "GroupedFolders": [],
        "SubtitleMode": "Default",
        "DisplayCollectionsView": false,
        "EnableLocalPassword": false,
        "OrderedViews": [],
        "LatestItemsExcludes": [],
        "MyMediaExcludes": [],
        "HidePlayedInLatest": true,
        "RememberAudioSelections": true,
        "RememberSubtitleSelections": true,
        "EnableNextEpisodeAutoPlay": true,
        "CastReceiverId": "F007D354",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        use JellyfinVersion::{V10_10, V10_11, V12};
        for (given, version, expected, why) in [
            ("carol@company.com", V10_11, true, "an address"),
            ("Dave O'Neil", V10_11, true, "blank and apostrophe inside"),
            ("émile", V10_11, true, "letters of any script"),
            ("a/b", V10_11, false, "a slash"),
            ("<x>", V10_11, false, "brackets"),
            (" lead", V10_11, false, "a blank first"),
            (" lead", V10_10, true, "which 10.10 takes"),
            ("a+b", V10_10, false, "and this it does not"),
            ("a+b", V10_11, true, "plus"),
            ("..", V10_11, true, "only dots"),
            ("..", V12, false, "refused by 12"),
            ("", V10_11, false, "nothing"),
        ] {
            assert_eq!(name_is_allowed(given, version), expected, "{given:?} {version:?}: {why}");
        }
    }
}
