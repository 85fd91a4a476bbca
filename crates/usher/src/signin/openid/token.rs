//! Codes and refresh tokens to tokens.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use usher_rules::{
    openid::{
        AccessToken, Asked, Code, Grant, GrantRefusal, GrantStep, IdToken, RefreshToken,
        TokenError, authenticate, claimed, id_token,
    },
    plan::{Level, OpenIdClient, Scope, Scopes},
    policy::Verdict,
    session::{SessionId, SignedIn},
    signin::Params,
};

use super::{
    super::{Ask, SignInRoom, answer, random},
    issuer, verdict,
};
use crate::request::{Body, EventName, identify::LiveSession};

/// Why an app gets nothing: a word for it, the cause for the operator.
#[derive(Debug)]
pub(super) struct NoTokens {
    pub(super) error: TokenError,
    cause: String,
    retry_after: Option<Duration>,
}

impl NoTokens {
    pub(super) fn new(error: TokenError, cause: impl ToString) -> Self {
        Self { error, cause: cause.to_string(), retry_after: None }
    }
}

impl From<TokenError> for NoTokens {
    fn from(error: TokenError) -> Self {
        Self::new(error, error)
    }
}

impl From<GrantRefusal> for NoTokens {
    fn from(refusal: GrantRefusal) -> Self {
        let error = match refusal {
            GrantRefusal::Store(_) | GrantRefusal::TooMany => TokenError::NotNow,
            GrantRefusal::Replayed | GrantRefusal::Reused | GrantRefusal::Over => TokenError::Grant,
        };
        Self::new(error, refusal)
    }
}

/// For whom tokens are made.
struct Told<'a> {
    client: &'a OpenIdClient,
    who: &'a SignedIn,
    grant: &'a Grant,
    scopes: Scopes,
    nonce: Option<&'a str>,
}

impl SignInRoom {
    pub(super) async fn token(&self, ask: &Ask) -> Response<Body> {
        match self.tokens(ask).await {
            Ok(tokens) => answer::personal(answer::json(&tokens)),
            Err(refused) => self.no_tokens(ask, &refused),
        }
    }

    async fn tokens(&self, ask: &Ask) -> Result<Value, NoTokens> {
        let form = ask.form().map_err(|_| TokenError::Request)?;
        let client = self.client(ask, &form)?;
        match Asked::read(&form)? {
            Asked::Code { code, redirect_uri, verifier } => {
                self.redeem(ask, client, code, (redirect_uri, verifier)).await
            }
            Asked::Refresh { token, scopes } => self.refresh(ask, client, token, scopes).await,
        }
    }

    /// The app that asks, which shows its secret. Wrong ones are bounded, as passwords are.
    pub(super) fn client<'a>(
        &self,
        ask: &'a Ask,
        form: &Params,
    ) -> Result<&'a OpenIdClient, NoTokens> {
        let (clients, field) = (&ask.plan().openid_clients, authorization(ask));
        let (from, now) = (ask.visitor(), ask.now());
        let tried = claimed(clients, field, form).map(|client| &*client.id);
        if let Some(left) = tried.and_then(|id| self.wrong_secrets.wait(id, from, now)) {
            let error = NoTokens::from(TokenError::TooMany);
            return Err(NoTokens { retry_after: Some(left), ..error });
        }
        let client = authenticate(clients, field, form);
        if let (Err(TokenError::Client), Some(id)) = (&client, tried) {
            self.wrong_secrets.was_wrong(id, from, now);
        }
        client.map_err(NoTokens::from)
    }

    async fn redeem(
        &self,
        ask: &Ask,
        client: &OpenIdClient,
        code: &str,
        (redirect_uri, verifier): (&str, &str),
    ) -> Result<Value, NoTokens> {
        let shown = (&*client.id, redirect_uri, verifier);
        let code = Code::redeem(&self.keys, code, shown, ask.wall())
            .map_err(|fault| NoTokens::new(TokenError::Grant, fault))?;
        let live = self.may_still(ask, client, &code.session, &code.source).await?;
        let Code { grant: id, session, client: to, scopes, nonce, source, .. } = code;
        let scopes = scopes.within(client.scopes);
        let grant = Grant {
            id,
            session,
            client: to,
            scopes,
            source,
            generation: 0,
            is_revoked: false,
            begun_at: ask.wall().seconds(),
            over_at: live.session().expires_at,
        };
        let grant = self.grants.take(GrantStep::Redeem(Box::new(grant)), ask.wall()).await?;
        let (who, nonce) = (live.newest(), nonce.as_deref());
        self.issue(ask, &Told { client, who: &who, grant: &grant, scopes, nonce })
    }

    async fn refresh(
        &self,
        ask: &Ask,
        client: &OpenIdClient,
        token: &str,
        scopes: Option<Scopes>,
    ) -> Result<Value, NoTokens> {
        let refused = |cause| NoTokens::new(TokenError::Grant, cause);
        let token = RefreshToken::open(&self.keys, token);
        let token = token.ok_or_else(|| refused("it is no refresh token of ours"))?;
        if token.client != client.id {
            return Err(refused("the refresh token is another client's"));
        }
        let grant = self.grants.take(GrantStep::Look(token.grant.clone()), ask.wall()).await?;
        let live = self.may_still(ask, client, &grant.session, &grant.source).await?;
        let agreed = grant.scopes.within(client.scopes); // today's config may give less
        if !agreed.has(Scope::OfflineAccess) {
            return Err(refused("the client may have no refresh tokens any more"));
        }
        let scopes = scopes.unwrap_or(agreed);
        if scopes.within(grant.scopes) != scopes {
            return Err(TokenError::Scope.into());
        }
        let scopes = scopes.within(agreed);
        let step = GrantStep::Refresh { id: token.grant, generation: token.generation };
        let grant = self.grants.take(step, ask.wall()).await?;
        let who = live.newest();
        self.issue(ask, &Told { client, who: &who, grant: &grant, scopes, nonce: None })
    }

    /// The session, if it is in force and the client's policy lets them in today.
    pub(super) async fn may_still(
        &self,
        ask: &Ask,
        client: &OpenIdClient,
        session: &SessionId,
        source: &str,
    ) -> Result<Arc<LiveSession>, NoTokens> {
        let live = self.in_force(ask, session).await;
        let live = live.map_err(|error| NoTokens::new(TokenError::NotNow, error))?;
        let over = || NoTokens::new(TokenError::Grant, "the session has ended");
        let live = live.ok_or_else(over)?;
        match verdict(client, &live.newest(), source.parse().ok(), ask.wall()) {
            Verdict::Allow => Ok(live),
            Verdict::SignIn
            | Verdict::SignInAgain
            | Verdict::ShowPasskey
            | Verdict::ShowDevice
            | Verdict::ShowCertificate
            | Verdict::Deny => {
                let cause = format!("the policy of `{}` does not let them in", client.id);
                Err(NoTokens::new(TokenError::Grant, cause))
            }
        }
    }

    fn issue(&self, ask: &Ask, told: &Told<'_>) -> Result<Value, NoTokens> {
        let Told { client, who, grant, scopes, nonce } = *told;
        let no_keys = || NoTokens::new(TokenError::NotNow, "there are no keys for ID tokens");
        let signer = self.id_token_signer().ok_or_else(no_keys)?;
        let (first, second) = random().zip(random()).ok_or_else(no_keys)?;
        let ids = (grant.id.clone(), grant.session.clone());
        let access_token = AccessToken::new(ids, &client.id, scopes, ask.wall());
        let access_token = access_token.seal(&self.keys, first);
        let issuer = issuer(ask);
        let token = IdToken {
            issuer: &issuer,
            client: &client.id,
            scopes,
            nonce,
            access_token: &access_token,
        };
        let signed = signer.sign(&id_token(token, who, ask.wall()));
        let mut tokens = json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": AccessToken::LIFETIME.as_secs(),
            "scope": scopes.to_string(),
            "id_token": signed.map_err(|_| no_keys())?,
        });
        if let (true, Some(members)) =
            (grant.scopes.within(client.scopes).has(Scope::OfflineAccess), tokens.as_object_mut())
        {
            let (grant, client, generation) =
                (grant.id.clone(), client.id.clone(), grant.generation);
            let refresh = RefreshToken { grant, client, generation }.seal(&self.keys, second);
            members.insert("refresh_token".into(), refresh.into());
        }
        Ok(tokens)
    }

    /// RFC 6749 §5.2.
    pub(super) fn no_tokens(&self, ask: &Ask, refused: &NoTokens) -> Response<Body> {
        let NoTokens { error, cause, retry_after } = refused;
        let level = match error {
            TokenError::Request | TokenError::TooMany => Level::Info,
            TokenError::Client
            | TokenError::Grant
            | TokenError::GrantType
            | TokenError::Scope
            | TokenError::NotNow => Level::Warn,
        };
        self.note(
            ask,
            level,
            EventName::OpenId,
            None,
            Some(format!("an app gets nothing: {cause}")),
        );
        let words = json!({"error": error.word(), "error_description": error.to_string()});
        let mut response = answer::personal(answer::json(&words));
        *response.status_mut() =
            StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        if let Some(left) = retry_after {
            let seconds = HeaderValue::from(left.as_secs() + 1); // a part of one is one
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if *error == TokenError::Client {
            let basic = HeaderValue::from_static("Basic realm=\"usher\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

/// The one `Authorization` field; two are none that can be read.
pub(super) fn authorization(ask: &Ask) -> Option<&str> {
    let mut fields = ask.fields().get_all(header::AUTHORIZATION).iter();
    let field = fields.next()?;
    match fields.next() {
        None => Some(field.to_str().unwrap_or_default()),
        Some(_) => Some(""),
    }
}
