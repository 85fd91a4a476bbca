//! A provider says that somebody signed out there (OpenID Connect Back-Channel Logout 1.0).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Response, StatusCode};
use serde_json::{Map, Value};
use usher_rules::{
    plan::{Level, OidcProvider, Plan},
    signin::{LogoutToken, LogoutTokenFault, check_logout_token},
};

use super::{Ask, SignInRoom, answer, provider::ProviderError};
use crate::request::{
    Body, EventName,
    identify::{NotOnce, StoreError},
};

/// Why a logout token ends nothing.
#[derive(Debug, thiserror::Error)]
enum NotLoggedOut {
    #[error("there is no `logout_token` that can be read")]
    NoToken,
    #[error("it is from no provider that is asked here")]
    OtherProvider,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the logout token is not good: {0}")]
    Token(#[from] LogoutTokenFault),
    #[error("the logout token can't be counted: {0}")]
    Once(#[from] NotOnce),
    #[error("a session could not be ended for good: {0}")]
    Store(#[from] StoreError),
}

impl SignInRoom {
    /// Ends the sessions that a logout token names. Its answer says whether that was done (§2.8).
    pub(super) async fn back_channel_logout(&self, ask: &Ask) -> Response<Body> {
        let error = match self.log_out(ask).await {
            Ok(()) => return answer::personal(answer::text(StatusCode::OK, "")),
            Err(error) => error,
        };
        let cause = Some(format!("by the provider: {error}"));
        self.note(ask, Level::Warn, EventName::SignOut, None, cause);
        let mut response = answer::json(&serde_json::json!({"error": "invalid_request"}));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        answer::personal(response)
    }

    async fn log_out(&self, ask: &Ask) -> Result<(), NotLoggedOut> {
        let form = ask.form().map_err(|_| NotLoggedOut::NoToken)?;
        let token = form.text("logout_token").ok_or(NotLoggedOut::NoToken)?;
        let [header, payload] = unverified(token).ok_or(NotLoggedOut::NoToken)?;
        let provider = said_to_be_of(ask.plan(), &payload).ok_or(NotLoggedOut::OtherProvider)?;
        let claims = self.providers.verified(ask.plan(), provider, token, ask.now()).await?;
        let issuer = provider.issuer_of(&claims).ok_or(LogoutTokenFault::Issuer)?;
        let expected = (&*issuer, &*provider.client_id);
        let token = check_logout_token(&header, &claims, expected, ask.wall())?;
        let used = token.digest(&provider.id);
        self.sessions.once(used, token.over_at(), ask.wall()).await?;
        self.end_named(ask, provider, &token).await
    }

    /// Every one is tried, also where one fails.
    async fn end_named(
        &self,
        ask: &Ask,
        provider: &OidcProvider,
        token: &LogoutToken,
    ) -> Result<(), NotLoggedOut> {
        let mut result = Ok(());
        for live in self.sessions.all() {
            if live.session().idp_id == provider.id && token.ends(live.signed_in()) {
                let ended = self.end_with_replaced(&live).await;
                let cause = Some("by the provider".to_owned());
                let person = Some(live.person().into());
                self.note(ask, Level::Info, EventName::SignOut, person, cause);
                result = result.and(ended.map_err(NotLoggedOut::from));
            }
        }
        result
    }
}

/// Header and claims, to find out whose signature they should have.
fn unverified(token: &str) -> Option<[Map<String, Value>; 2]> {
    let mut parts = token.split('.');
    let mut read = || {
        let octets = BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        serde_json::from_slice::<Map<String, Value>>(&octets).ok()
    };
    Some([read()?, read()?])
}

/// The provider by issuer and client; several clients of one issuer have sessions of their own.
fn said_to_be_of<'a>(plan: &'a Plan, claims: &Map<String, Value>) -> Option<&'a OidcProvider> {
    let issuer = claims.get("iss").and_then(Value::as_str)?;
    let is_of =
        |provider: &OidcProvider| provider.issuer_of(claims).is_some_and(|own| *own == *issuer);
    let is_for = |client_id: &str| match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(client_id)),
        Some(one) => one.as_str() == Some(client_id),
        None => false,
    };
    let mut asked = plan.sign_in.providers.iter().filter_map(|provider| provider.oidc());
    asked.find(|provider| is_of(provider) && is_for(&provider.client_id))
}
