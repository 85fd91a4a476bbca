//! Asks a provider about a token that a program brought.

use serde_json::{Map, Value};
use usher_rules::{
    plan::{OidcProvider, Plan},
    time::Now,
};

use super::{ProviderError, Providers, exchange, github};

impl Providers {
    /// What the userinfo endpoint says to an access token (OIDC Core §5.3).
    ///
    /// # Errors
    ///
    /// [`ProviderError`]; see [`ProviderError::refuses_token`].
    pub(in crate::signin) async fn says_to(
        &self,
        plan: &Plan,
        provider: &OidcProvider,
        access_token: &str,
        now: Now,
    ) -> Result<Map<String, Value>, ProviderError> {
        let known = self.cache(plan, provider).of(plan, provider, now).await?;
        if !provider.kind.speaks_openid() {
            return github::claims(&known, provider, access_token).await;
        }
        let said = exchange::userinfo(&known, access_token).await?;
        said.ok_or(ProviderError::Unreadable("`userinfo_endpoint` of the discovery document"))
    }
}

impl ProviderError {
    /// Is it the token that is no good, and not the provider (RFC 6750 §3.1)?
    pub(in crate::signin) fn refuses_token(&self) -> bool {
        match self {
            Self::Status { document, status } => {
                ["userinfo", github::USER].contains(document) && [400, 401, 403].contains(status)
            }
            Self::IdToken(_) => true,
            Self::Unreachable(_)
            | Self::Tls(_)
            | Self::NotHttp
            | Self::Slow
            | Self::Lately(_)
            | Self::NoKeys
            | Self::Unreadable(_)
            | Self::InTheClear
            | Self::OtherIssuer(_)
            | Self::NoTokenEndpoint
            | Self::CodeRefused { .. }
            | Self::NoIdToken
            | Self::TakenBack => false,
        }
    }
}
