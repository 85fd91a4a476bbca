use usher_rules::plan::Provider;

/// Why a provider is of no help.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No connection, or it broke.
    #[error("the provider can't be reached: {0}")]
    Unreachable(Box<str>),
    /// What answers shows a certificate that does not count, or speaks no TLS.
    #[error(
        "the provider's TLS does not hold: {0}; check `https` and the port of `idp_provider_url`, \
         and name an authority of your own in `certificate_authority_file`"
    )]
    Tls(Box<str>),
    /// What answers speaks something else.
    #[error(
        "what answers at the provider's address does not speak HTTP; if it speaks TLS, write \
         `https` in `idp_provider_url`"
    )]
    NotHttp,
    /// No whole answer in time.
    #[error("the provider did not answer in time")]
    Slow,
    /// It failed a moment ago, and nobody has asked again yet.
    #[error("{0}")]
    Lately(Box<str>),
    /// Another status than the one that was hoped for.
    #[error("{document} is answered with {status}{}", advice(document, *status))]
    Status {
        /// What was asked for.
        document: &'static str,
        /// RFC 9110 §15.
        status: u16,
    },
    /// Nothing to check a signature with.
    #[error(
        "the provider publishes no signing keys that can be read; choose one there (RS256 or ES256)"
    )]
    NoKeys,
    /// Something that is not what it should be.
    #[error("{0} is missing or can't be read; check `idp_provider_url` and the provider")]
    Unreadable(&'static str),
    /// An https provider that names an endpoint in the clear.
    #[error(
        "the provider leads from https to http; let it publish https addresses (is it told that \
         a proxy stands in front of it?)"
    )]
    InTheClear,
    /// The issuer must be the configured one, octet for octet (OIDC Discovery §4.3).
    #[error(
        "the discovery document says the issuer is `{0}`, which is not the configured one; if that \
         is the provider, write `idp_provider_url: {0}`"
    )]
    OtherIssuer(Box<str>),
    /// The token endpoint takes no code.
    #[error("the provider has no token endpoint")]
    NoTokenEndpoint,
    /// The token endpoint refused the code, or us.
    #[error("the token endpoint refused: `{word}`{}{}", by(method), cure(word))]
    CodeRefused {
        /// The RFC's word.
        word: Box<str>,
        /// How the client said its secret.
        method: &'static str,
    },
    /// The token endpoint sent none.
    #[error("the provider sent no ID token")]
    NoIdToken,
    /// What says who somebody is refuses a token that should still open it.
    #[error("the provider has taken its grant back: its token is answered with 401")]
    TakenBack,
    /// Its signature does not hold, or it is not for us.
    #[error("the ID token is not good: {0}")]
    IdToken(Box<str>),
}

impl ProviderError {
    /// Would it help to try again in a minute?
    pub const fn is_down(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Slow | Self::Lately(_) => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::Tls(_)
            | Self::NotHttp
            | Self::InTheClear
            | Self::OtherIssuer(_)
            | Self::NoTokenEndpoint
            | Self::NoKeys
            | Self::Unreadable(_)
            | Self::CodeRefused { .. }
            | Self::NoIdToken
            | Self::TakenBack
            | Self::IdToken(_) => false,
        }
    }
}

impl ProviderError {
    /// Does the provider say no to this person, rather than nothing of them?
    pub fn is_refusal(&self) -> bool {
        let Self::CodeRefused { word, .. } = self else { return matches!(self, Self::TakenBack) };
        let of_us = ["invalid_client", "unauthorized_client", "unsupported_grant_type"];
        let of_us = of_us.iter().chain(&["invalid_scope", "invalid_request", "another error"]);
        !of_us.copied().any(|one| one == &**word)
    }

    /// Is it the config that is wrong, so that nobody can sign in until it is mended?
    pub fn is_set_up_wrong(&self) -> bool {
        let Self::CodeRefused { word, .. } = self else { return false };
        matches!(&**word, "invalid_client" | "unauthorized_client")
    }

    /// What the operator can do about `provider`; empty where the words say it.
    pub const fn hint(&self, provider: &Provider) -> &'static str {
        if !provider.signs_in_here() {
            return "check `authenticate_service_url`, and that this machine reaches it";
        }
        match self {
            Self::Unreachable(_) | Self::Slow | Self::Lately(_) => {
                "check `idp_provider_url` and that this machine reaches it; a certificate of your \
                 own authority is named in `certificate_authority_file`"
            }
            Self::Status { .. } | Self::Unreadable(_) => {
                "`idp_provider_url` is the issuer, without `/.well-known/…`: open its discovery \
                 document in a browser"
            }
            Self::Tls(_)
            | Self::NotHttp
            | Self::OtherIssuer(_)
            | Self::InTheClear
            | Self::NoKeys
            | Self::NoTokenEndpoint
            | Self::CodeRefused { .. }
            | Self::NoIdToken
            | Self::TakenBack
            | Self::IdToken(_) => "",
        }
    }
}

pub(crate) const SERVICE_KEY: &str = "the service's public key";

/// What to do about a status that lasts.
fn advice(document: &str, status: u16) -> &'static str {
    match (document, status) {
        (SERVICE_KEY, _) | (_, 500.. | 429) => "",
        _ => "; check `idp_provider_url`: it is the issuer, as the provider writes it",
    }
}

fn by(method: &str) -> String {
    if method.is_empty() { String::new() } else { format!(" (client authentication: {method})") }
}

/// What to do about a word of RFC 6749 §5.2.
fn cure(word: &str) -> &'static str {
    match word {
        "invalid_client" | "unauthorized_client" => {
            "; the provider does not take this client or its secret: copy `idp_client_id` and \
             `idp_client_secret` anew from the client's page at the provider"
        }
        "invalid_grant" => {
            "; the code was used, is too old, or is for another address: `redirect_uri` at the \
             provider is what `usher check --live` says, and both clocks are right (`date -u`)"
        }
        _ => "",
    }
}
