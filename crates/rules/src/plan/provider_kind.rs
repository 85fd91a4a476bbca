//! What one kind of provider presets and does otherwise than OpenID Connect says. Each is a fact of
//! that provider; who acts on it asks here.

use serde_json::{Map, Value};

use super::OidcProvider;

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

/// Entra's tenant of everybody's own Microsoft account.
const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

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
        if matches!(self, Self::Cognito) {
            LogoutForm::Bare("logout_uri")
        } else if matches!((self, publishes_it), (Self::Auth0, Published::No)) {
            LogoutForm::Bare("returnTo")
        } else {
            LogoutForm::Standard
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

/// Whose people an issuer of Entra is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenants {
    /// Of every tenant, and everybody with an account of their own.
    Common,
    /// Of every tenant.
    Organizations,
    /// Everybody with an account of their own.
    Consumers,
}

impl OidcProvider {
    /// Which part of the address stands for the tenant, where it is for more than one.
    fn tenants(&self) -> Option<(&'static str, Tenants)> {
        if self.kind != ProviderKind::Azure {
            return None;
        }
        let named = [
            ("/common", Tenants::Common),
            ("/organizations", Tenants::Organizations),
            ("/consumers", Tenants::Consumers),
        ];
        named.into_iter().find(|(segment, _)| {
            let after = self.issuer.split_once(segment).map(|(_, after)| after);
            after.is_some_and(|after| after.is_empty() || after.starts_with('/'))
        })
    }

    fn in_tenant(&self, segment: &str, tenant: &str) -> String {
        self.issuer.replacen(segment, &format!("/{tenant}"), 1)
    }

    /// Are people of more than one organisation let in, each of which says of its own people what
    /// it likes?
    pub fn is_of_many_tenants(&self) -> bool {
        matches!(self.tenants(), Some((_, Tenants::Common | Tenants::Organizations)))
    }

    /// Is this the issuer that its discovery document has to name (OIDC Discovery §4.3)? Entra's
    /// for many tenants names a template.
    pub fn publishes(&self, issuer: &str) -> bool {
        match self.tenants() {
            None => issuer == &*self.issuer,
            Some((segment, Tenants::Consumers)) => {
                issuer == self.in_tenant(segment, PERSONAL_TENANT)
            }
            Some((segment, Tenants::Common | Tenants::Organizations)) => {
                issuer == self.in_tenant(segment, "{tenantid}")
            }
        }
    }

    /// The issuer that an ID token with these claims has to name; `None` where none would do.
    pub fn issuer_of(&self, claims: &Map<String, Value>) -> Option<Box<str>> {
        let Some((segment, tenants)) = self.tenants() else {
            // Google writes it in both ways (its OpenID Connect pages, "An ID token's payload").
            let bare = self.issuer.strip_prefix("https://");
            let says = claims.get("iss").and_then(Value::as_str);
            let is_bare = self.kind == ProviderKind::Google && says.is_some() && says == bare;
            return Some(if is_bare { bare?.into() } else { self.issuer.clone() });
        };
        let tenant = claims.get("tid").and_then(Value::as_str).filter(|tenant| is_guid(tenant))?;
        let counts = match tenants {
            Tenants::Common => true,
            Tenants::Organizations => tenant != PERSONAL_TENANT,
            Tenants::Consumers => tenant == PERSONAL_TENANT,
        };
        counts.then(|| self.in_tenant(segment, tenant).into())
    }

    /// May an authorization response name this issuer (RFC 9207 §2.4)?
    pub fn may_answer_as(&self, issuer: &str) -> bool {
        issuer == &*self.issuer || (self.tenants().is_some() && self.publishes(issuer))
    }

    /// Does the tenant that these claims are of vouch for no address?
    pub fn doubts_addresses(&self, claims: &Map<String, Value>) -> bool {
        // Whoever runs a tenant writes any address into it; `xms_edov` says that the domain is
        // theirs. Everybody's own accounts are Microsoft's, which asks.
        let proven = |value: &Value| match value {
            Value::Bool(says) => *says,
            Value::Number(number) => number.as_u64() == Some(1),
            Value::String(text) => text == "1" || text.eq_ignore_ascii_case("true"),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        let tenant = claims.get("tid").and_then(Value::as_str);
        self.is_of_many_tenants()
            && tenant != Some(PERSONAL_TENANT)
            && !claims.get("xms_edov").is_some_and(proven)
    }
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && parts.iter().all(|part| part.bytes().all(|octet| octet.is_ascii_hexdigit()))
}
