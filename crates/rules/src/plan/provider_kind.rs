//! What one kind of provider presets and does otherwise than OpenID Connect says. Each is a fact of
//! that provider; who acts on it asks here.

/// The word in `idp_provider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// Sign in with Apple.
    Apple,
    /// Auth0.
    Auth0,
    /// Microsoft Entra ID.
    Azure,
    /// Amazon Cognito.
    Cognito,
    /// GitHub and GitHub Enterprise: OAuth 2.0, and no ID token.
    GitHub,
    /// GitLab, anybody's.
    GitLab,
    /// Google.
    Google,
    /// Whatever speaks OpenID Connect as it is written.
    Oidc,
    /// Okta.
    Okta,
    /// OneLogin.
    OneLogin,
    /// Ping Identity.
    Ping,
}

/// How the parameter is called that says where somebody goes on to after signing out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutForm {
    /// RP-Initiated Logout 1.0 §2, with all that may go along.
    Standard,
    /// Only this parameter, beside `client_id`.
    Bare(&'static str),
}

impl ProviderKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Apple,
        Self::Auth0,
        Self::Azure,
        Self::Cognito,
        Self::GitHub,
        Self::GitLab,
        Self::Google,
        Self::Oidc,
        Self::Okta,
        Self::OneLogin,
        Self::Ping,
    ];

    /// The kind of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// As `idp_provider` has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Apple => "apple",
            Self::Auth0 => "auth0",
            Self::Azure => "azure",
            Self::Cognito => "cognito",
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Google => "google",
            Self::Oidc => "oidc",
            Self::Okta => "okta",
            Self::OneLogin => "onelogin",
            Self::Ping => "ping",
        }
    }

    /// As people know it; `None` for one that is called otherwise everywhere.
    pub const fn title(self) -> Option<&'static str> {
        match self {
            Self::Apple => Some("Apple"),
            Self::Auth0 => Some("Auth0"),
            Self::Azure => Some("Microsoft"),
            Self::GitHub => Some("GitHub"),
            Self::GitLab => Some("GitLab"),
            Self::Google => Some("Google"),
            Self::Okta => Some("Okta"),
            Self::OneLogin => Some("OneLogin"),
            Self::Cognito | Self::Oidc | Self::Ping => None,
        }
    }

    /// Where it is, unless `idp_provider_url` says.
    pub(super) const fn address(self) -> Option<&'static str> {
        match self {
            Self::Apple => Some("https://appleid.apple.com"),
            Self::Azure => Some("https://login.microsoftonline.com/common/v2.0"),
            Self::GitHub => Some("https://github.com"),
            Self::GitLab => Some("https://gitlab.com"),
            Self::Google => Some("https://accounts.google.com"),
            Self::OneLogin => Some("https://openid-connect.onelogin.com/oidc"),
            Self::Auth0 | Self::Cognito | Self::Oidc | Self::Okta | Self::Ping => None,
        }
    }

    /// What it is asked to tell, unless `idp_scopes` says. OneLogin knows groups by their scope in
    /// the first version of its protocol alone.
    pub(super) fn scopes(self, issuer: &str) -> &'static [&'static str] {
        match self {
            Self::Apple => &["name", "email"],
            Self::GitHub => &["user:email", "read:org"],
            Self::Cognito => &["openid", "email", "profile"],
            Self::OneLogin if !issuer.contains("/oidc/2") => {
                &["openid", "profile", "email", "groups"]
            }
            Self::Auth0
            | Self::Azure
            | Self::GitLab
            | Self::Google
            | Self::Oidc
            | Self::Okta
            | Self::OneLogin
            | Self::Ping => &["openid", "profile", "email"],
        }
    }

    /// Parameters of its authentication request, unless `idp_request_params` says.
    pub(super) const fn params(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Google => &[("prompt", "select_account consent"), ("access_type", "offline")],
            Self::Azure => &[("prompt", "select_account")],
            Self::Apple
            | Self::Auth0
            | Self::Cognito
            | Self::GitHub
            | Self::GitLab
            | Self::Oidc
            | Self::Okta
            | Self::OneLogin
            | Self::Ping => &[],
        }
    }

    /// What it needs in every authentication request, whatever `idp_request_params` says: Apple
    /// tells name and address in a form alone.
    pub const fn needs(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Apple => Some(("response_mode", "form_post")),
            Self::Auth0
            | Self::Azure
            | Self::Cognito
            | Self::GitHub
            | Self::GitLab
            | Self::Google
            | Self::Oidc
            | Self::Okta
            | Self::OneLogin
            | Self::Ping => None,
        }
    }

    /// Does it publish what it is, and sign what it says? GitHub does neither: its API is asked.
    pub const fn speaks_openid(self) -> bool {
        !matches!(self, Self::GitHub)
    }

    /// How people are signed out there.
    pub const fn logout_form(self, publishes_it: Published) -> LogoutForm {
        match (self, publishes_it) {
            (Self::Cognito, _) => LogoutForm::Bare("logout_uri"),
            (Self::Auth0, Published::No) => LogoutForm::Bare("returnTo"),
            _ => LogoutForm::Standard,
        }
    }

    /// Where that is, for one that does not publish it; `authorization` is its authorization
    /// endpoint, on whose host the others are.
    pub fn logout_path(self) -> Option<&'static str> {
        match self {
            Self::Auth0 => Some("/v2/logout"),
            Self::Cognito => Some("/logout"),
            Self::Apple
            | Self::Azure
            | Self::GitHub
            | Self::GitLab
            | Self::Google
            | Self::Oidc
            | Self::Okta
            | Self::OneLogin
            | Self::Ping => None,
        }
    }
}

/// Does a provider publish an `end_session_endpoint`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It does.
    Yes,
    /// It does not.
    No,
}
