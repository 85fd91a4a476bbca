//! What an access token opens, and tokens that are given back.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use usher_rules::{
    openid::{AccessToken, GrantStep, RefreshToken, TokenError, userinfo as told},
    plan::Level,
};

use super::{
    super::{Ask, SignInRoom, answer},
    token::{NoTokens, authorization},
};
use crate::request::{Body, EventName};

impl SignInRoom {
    /// OIDC Core §5.3.
    pub(super) async fn userinfo(&self, ask: &Ask) -> Response<Body> {
        match self.about(ask).await {
            Ok(claims) => answer::personal(answer::json(&claims)),
            Err(NoTokens { error: TokenError::NotNow, .. }) => {
                answer::text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable\n")
            }
            Err(_) => {
                let mut response = answer::text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
                let challenge = match authorization(ask) {
                    Some(_) => "Bearer realm=\"usher\", error=\"invalid_token\"",
                    None => "Bearer realm=\"usher\"", // RFC 6750 §3.1
                };
                let challenge = HeaderValue::from_static(challenge);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
        }
    }

    async fn about(&self, ask: &Ask) -> Result<Value, NoTokens> {
        let field = authorization(ask).and_then(|field| field.split_once(' '));
        let bearer = field.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = bearer.and_then(|(_, token)| AccessToken::open(&self.keys, token, ask.wall()));
        let token = token.ok_or(TokenError::Grant)?;
        let grant = self.grants.take(GrantStep::Look(token.grant), ask.wall()).await?;
        let mut clients = ask.plan().openid_clients.iter();
        let client = clients.find(|client| client.id == token.client).ok_or(TokenError::Client)?;
        let live = self.may_still(ask, client, &token.session, &grant.source).await?;
        let scopes = token.scopes.within(client.scopes);
        Ok(told(&live.newest(), scopes))
    }

    /// RFC 7009: what is given back counts no more, nor what came of the same code.
    pub(super) async fn revoke(&self, ask: &Ask) -> Response<Body> {
        match self.take_back(ask).await {
            Ok(()) => answer::personal(answer::text(StatusCode::OK, "")),
            Err(refused) => self.no_tokens(ask, &refused),
        }
    }

    /// A token that is none is given back already (RFC 7009 §2.2).
    async fn take_back(&self, ask: &Ask) -> Result<(), NoTokens> {
        let form = ask.form().map_err(|_| TokenError::Request)?;
        let client = self.client(ask, &form)?;
        let text = form.text("token").ok_or(TokenError::Request)?;
        let refresh = RefreshToken::open(&self.keys, text).map(|token| (token.client, token.grant));
        let access = || AccessToken::open(&self.keys, text, ask.wall());
        let named = refresh.or_else(|| access().map(|token| (token.client, token.grant)));
        let Some((owner, grant)) = named else { return Ok(()) };
        if owner != client.id {
            return Err(NoTokens::new(TokenError::Grant, "the token is another client's"));
        }
        let revoked = self.grants.take(GrantStep::Revoke(grant), ask.wall()).await;
        let cause = Some(format!("`{}` gives its tokens back", client.id));
        self.note(ask, Level::Info, EventName::OpenId, None, cause);
        match revoked.map_err(NoTokens::from) {
            Err(NoTokens { error: TokenError::Grant, .. }) | Ok(_) => Ok(()),
            Err(failed) => Err(failed),
        }
    }
}
