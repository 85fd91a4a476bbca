/// What a Jellyfin leaves open, and usher closes: a word of the config, and the reason on records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// Films and music without a token.
    Media,
    /// Pictures without a token.
    Pictures,
    /// Subtitles, and what is attached to films, without a token.
    Attachments,
    /// Restarting it, which it lets everybody do who comes through a proxy that it does not know.
    Restart,
    /// Its setup.
    Wizard,
    /// Its log, while it starts.
    StartupLog,
    /// An old way to sign in, with the password in the address.
    OldAuthenticate,
    /// Forgotten passwords: the answer has a path of the server's disk.
    ForgotPassword,
    /// Its description of all endpoints.
    ApiDocuments,
    /// Its figures.
    Metrics,
}

impl Door {
    /// Every one of them.
    pub const ALL: [Self; 10] = [
        Self::Media,
        Self::Pictures,
        Self::Attachments,
        Self::Restart,
        Self::Wizard,
        Self::StartupLog,
        Self::OldAuthenticate,
        Self::ForgotPassword,
        Self::ApiDocuments,
        Self::Metrics,
    ];

    /// Why it is closed, on records. Stable. Without its beginning it is the word of the config.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Media => "jellyfin-media",
            Self::Pictures => "jellyfin-pictures",
            Self::Attachments => "jellyfin-attachments",
            Self::Restart => "jellyfin-restart",
            Self::Wizard => "jellyfin-wizard",
            Self::StartupLog => "jellyfin-startup-log",
            Self::OldAuthenticate => "jellyfin-old-authenticate",
            Self::ForgotPassword => "jellyfin-forgot-password",
            Self::ApiDocuments => "jellyfin-api-documents",
            Self::Metrics => "jellyfin-metrics",
        }
    }

    /// Its word in `open`.
    pub fn word(self) -> &'static str {
        self.reason().trim_start_matches("jellyfin-")
    }

    /// Every word of `open`.
    pub fn words() -> Vec<&'static str> {
        Self::ALL.iter().map(|door| door.word()).collect()
    }

    /// The door of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.word().eq_ignore_ascii_case(word))
    }
}
