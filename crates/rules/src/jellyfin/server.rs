use std::fmt;

use http::StatusCode;
use serde_json::Value;

/// A server's version, as far as it is told apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `10`, `12`.
    pub major: u16,
    /// `11`.
    pub minor: u16,
}

/// How a server stands, by its answer to `/System/Info/Public`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// It serves.
    Ready(Version),
    /// It is not there yet.
    Starting,
    /// Nobody has set it up: it takes whoever asks for its administrator.
    SetupOpen,
    /// It is older than what is known here.
    TooOld(Version),
    /// Something else answers.
    NoJellyfin,
    /// Nobody answers.
    Unreachable,
}

impl Version {
    /// The oldest that is known here.
    const FIRST: Self = Self { major: 10, minor: 9 };

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(['.', '-']);
        Some(Self { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl ServerState {
    /// By its answer.
    pub fn of_answer(status: StatusCode, body: &str) -> Self {
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Self::Starting;
        }
        let Ok(info) = serde_json::from_str::<Value>(body) else { return Self::NoJellyfin };
        if status != StatusCode::OK {
            return Self::NoJellyfin;
        }
        // What answers while it starts writes its keys in camel case.
        if info.get("startupWizardCompleted").is_some() {
            return Self::Starting;
        }
        let text = |key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default();
        let version = Version::read(text("Version"));
        let done = info.get("StartupWizardCompleted").and_then(Value::as_bool);
        match (text("ProductName"), version, done) {
            ("Jellyfin Server", Some(version), _) if version < Version::FIRST => {
                Self::TooOld(version)
            }
            ("Jellyfin Server", Some(_), Some(false)) => Self::SetupOpen,
            ("Jellyfin Server", Some(version), _) => Self::Ready(version),
            _ => Self::NoJellyfin,
        }
    }

    /// How it stands, in words.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Ready(_) => "the Jellyfin is ready",
            Self::Starting => "the Jellyfin is starting",
            Self::SetupOpen => "the Jellyfin was never set up, or its setup is open again",
            Self::TooOld(_) => "the Jellyfin is older than 10.9",
            Self::NoJellyfin => "what answers is no Jellyfin, or has another base path",
            Self::Unreachable => "the Jellyfin does not answer",
        }
    }

    /// On access lines, where it is not as it should be.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Ready(_) => None,
            Self::Starting => Some("jellyfin-starting"),
            Self::SetupOpen => Some("jellyfin-setup-open"),
            Self::TooOld(_) => Some("jellyfin-too-old"),
            Self::NoJellyfin => Some("no-jellyfin"),
            Self::Unreachable => Some("jellyfin-unreachable"),
        }
    }

    /// What follows from it.
    pub const fn effect(self) -> &'static str {
        match self {
            Self::Ready(_) => "it is served",
            Self::Starting => "visitors see its own page until it is ready",
            Self::SetupOpen => "only those of `admin_policy` get through",
            Self::TooOld(_) => "nothing is known of it here, and what is shut is that of 10.9",
            Self::NoJellyfin => "what is shut of a Jellyfin is shut all the same; see `base_path`",
            Self::Unreachable => "visitors get 503",
        }
    }

    /// Its version, where it tells one.
    pub const fn version(self) -> Option<Version> {
        match self {
            Self::Ready(version) | Self::TooOld(version) => Some(version),
            Self::Starting | Self::SetupOpen | Self::NoJellyfin | Self::Unreachable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{ServerState::*, Version};

    #[test]
    fn a_server_stands_as_it_answers() {
        const JF: &str = r#""ProductName":"Jellyfin Server""#;
        for (status, rest, expected) in [
            (
                200,
                r#""Version":"10.11.11","StartupWizardCompleted":true"#,
                Ready(Version { major: 10, minor: 11 }),
            ),
            (
                200,
                r#""Version":"12.0.0-rc5","StartupWizardCompleted":true"#,
                Ready(Version { major: 12, minor: 0 }),
            ),
            (
                200,
                r#""Version":"10.8.13","StartupWizardCompleted":true"#,
                TooOld(Version { major: 10, minor: 8 }),
            ),
            (200, r#""Version":"10.10.7","StartupWizardCompleted":false"#, SetupOpen),
            (200, r#""version":"10.11.0","startupWizardCompleted":true"#, Starting),
            (200, r#""Version":"x""#, NoJellyfin),
            (404, r#""Version":"10.11.11""#, NoJellyfin),
            (503, "", Starting),
        ] {
            let body = format!("{{{JF},{rest}}}");
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(super::ServerState::of_answer(status, &body), expected, "{body}");
        }
        let other = super::ServerState::of_answer(StatusCode::OK, "<html>");
        assert_eq!(other, NoJellyfin);
    }
}
