//! The talk with an OpenID Connect provider. `openidconnect` builds requests and checks
//! signatures; what a checked answer means is decided in [`usher_rules::signin`].

mod again;
mod apple;
mod documents;
mod entra;
mod error;
mod exchange;
mod github;
mod http;
mod known;
mod token;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use openidconnect::{
    ClientId, ClientSecret, CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    Scope,
    core::{CoreAuthPrompt, CoreAuthenticationFlow},
};
use serde_json::{Map, Value};
use usher_rules::{
    plan::{LogoutForm, OidcProvider, Plan, ProviderKind, Published},
    session::ProviderTokens,
    signin::{Pending, Redeeming},
    time::{Now, UnixTime},
};

use self::{
    exchange::Grant,
    known::{Cache, ProviderState},
};

pub(super) use self::again::{AskedAgain, SaysNow};
pub use self::error::ProviderError;
pub(crate) use self::error::SERVICE_KEY;
pub(crate) use self::http::{Http, PATIENCE};

/// Somebody whom a provider vouches for, its signature checked.
pub(super) struct VerifiedTokens {
    pub claims: Map<String, Value>,
    pub userinfo: Option<Map<String, Value>>,
    pub redeemed: Redeemed,
}

pub(super) struct Redeemed {
    /// The ID token itself, for the end of the session at the provider; empty where there is none.
    pub id_token: String,
    /// What it takes to ask the provider again.
    pub tokens: ProviderTokens,
    /// The provider's own name for the session (`sid`).
    pub session: Option<Box<str>>,
    /// How our secret was told; `None` where there is none.
    pub method: Option<&'static str>,
}

/// Where a session at a provider ends, and what it is told.
pub(super) struct EndSession {
    pub url: url::Url,
    pub form: LogoutForm,
}

/// The documents of each OpenID Connect provider that is asked.
pub(super) struct Providers {
    patience: Duration,
    caches: Mutex<HashMap<Box<str>, Arc<Cache>>>,
}

impl Providers {
    /// Nobody was spoken with yet. A provider may take `patience` for one answer.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, caches: Mutex::default() }
    }

    /// Of providers that the plan no longer asks nothing is kept.
    fn cache(&self, plan: &Plan, provider: &OidcProvider) -> Arc<Cache> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|id, _| plan.sign_in.providers.of(id).is_some());
        let cache = caches.entry(provider.id.clone());
        Arc::clone(cache.or_insert_with(|| Arc::new(Cache::new(self.patience))))
    }

    /// Where the browser goes: the authorization endpoint, with state, nonce and PKCE S256.
    pub(super) async fn authorize_url(
        &self,
        plan: &Plan,
        provider: &OidcProvider,
        pending: &Pending,
        now: Now,
    ) -> Result<String, ProviderError> {
        let known = self.cache(plan, provider).of(plan, provider, now).await?;
        let client = client(&known, provider, plan)?;
        // The challenge is ours, made of the verifier in the browser's cookie.
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(
            pending.verifier().into(),
        ));
        let (state, nonce) = (pending.state().to_owned(), pending.nonce().to_owned());
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .set_pkce_challenge(challenge);
        // `openid` is added by the library, once.
        for scope in provider.scopes.iter().filter(|scope| &***scope != "openid") {
            request = request.add_scope(Scope::new(scope.to_string()));
        }
        let anew = pending.goal().is_anew();
        if anew {
            // With `max_age` an ID token has to say when (OIDC Core §3.1.2.1).
            request = request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO);
        }
        for (name, value) in &provider.request_params {
            let needed = provider.kind.needs().is_some_and(|(needed, _)| needed == &**name);
            let replaced = needed || (anew && ["prompt", "max_age"].contains(&&**name));
            if !replaced && !is_ours(name) {
                request = request.add_extra_param(name.to_string(), value.to_string());
            }
        }
        if let Some((name, value)) = provider.kind.needs() {
            request = request.add_extra_param(name, value);
        }
        let (url, _, _) = request.url();
        Ok(if provider.kind.speaks_openid() {
            url.into()
        } else {
            github::plain_oauth2(&url, provider)
        })
    }

    /// Does the provider promise to name itself in its responses (RFC 9207)?
    pub(super) async fn names_itself(
        &self,
        plan: &Plan,
        provider: &OidcProvider,
        now: Now,
    ) -> Result<bool, ProviderError> {
        let known = self.cache(plan, provider).of(plan, provider, now).await?;
        Ok(known.metadata.additional_metadata().authorization_response_iss_parameter_supported)
    }

    /// Where a session at the provider ends; `None` when it has no such place, or does not answer.
    pub(super) async fn end_session(
        &self,
        plan: &Plan,
        provider: &OidcProvider,
        now: Now,
    ) -> Option<EndSession> {
        let known = self.cache(plan, provider).of(plan, provider, now).await.ok()?;
        let published = known.metadata.additional_metadata().end_session_endpoint.clone();
        let is_published = if published.is_some() { Published::Yes } else { Published::No };
        let beside = known.metadata.authorization_endpoint().url();
        let derived = || beside.join(provider.kind.logout_path()?).ok();
        let url = published.or_else(derived)?;
        let form = provider.kind.logout_form(is_published);
        matches!(url.scheme(), "https" | "http").then_some(EndSession { url, form })
    }

    /// The claims of a token that the provider signed.
    pub(super) async fn verified(
        &self,
        plan: &Plan,
        provider: &OidcProvider,
        token: &str,
        now: Now,
    ) -> Result<Map<String, Value>, ProviderError> {
        let cache = self.cache(plan, provider);
        let known = cache.of(plan, provider, now).await?;
        verified(&cache, &known, token, now).await
    }

    /// Redeems a code, checks the ID token's signature, and asks the userinfo endpoint.
    pub(super) async fn redeem(
        &self,
        plan: &Plan,
        provider: &OidcProvider,
        redeeming: &Redeeming,
        now: Now,
    ) -> Result<VerifiedTokens, ProviderError> {
        let cache = self.cache(plan, provider);
        let known = cache.of(plan, provider, now).await?;
        let grant = Grant::Code(&redeeming.code, &redeeming.verifier);
        let (tokens, method) = exchange::redeem(&known, provider, plan, grant).await?;
        let method = provider.client_secret.as_ref().map(|_| method.word());
        if !provider.kind.speaks_openid() {
            let claims = github::claims(&known, provider, &tokens.access_token).await?;
            let tokens = again::kept(tokens, None, claims.clone(), now.wall);
            let redeemed = Redeemed { id_token: String::new(), tokens, session: None, method };
            return Ok(VerifiedTokens { claims, userinfo: None, redeemed });
        }
        let id_token = tokens.id_token.clone().ok_or(ProviderError::NoIdToken)?;
        let mut claims = verified(&cache, &known, &id_token, now).await?;
        let userinfo = exchange::userinfo(&known, &tokens.access_token).await?;
        with_all_groups(&known, provider, &tokens.access_token, &mut claims).await?;
        let session = claims.get("sid").and_then(Value::as_str).map(Into::into);
        let tokens = again::kept(tokens, None, claims.clone(), now.wall);
        let redeemed = Redeemed { id_token, tokens, session, method };
        Ok(VerifiedTokens { claims, userinfo, redeemed })
    }
}

/// Adds the groups that found no room in an ID token.
async fn with_all_groups(
    known: &ProviderState,
    provider: &OidcProvider,
    access_token: &str,
    claims: &mut Map<String, Value>,
) -> Result<(), ProviderError> {
    if provider.kind == ProviderKind::Azure {
        entra::add_groups(known, access_token, claims).await?;
    }
    Ok(())
}

/// The claims of an ID token whose signature holds, if need be by keys that are published since.
async fn verified(
    cache: &Cache,
    known: &Arc<ProviderState>,
    token: &str,
    now: Now,
) -> Result<Map<String, Value>, ProviderError> {
    match exchange::verified(known, token) {
        Ok(claims) => Ok(claims),
        Err(exchange::NotVerified::UnknownKey) => {
            let known = cache.with_new_keys(Arc::clone(known), now).await?;
            Ok(exchange::verified(&known, token)?)
        }
        Err(not_verified) => Err(not_verified.into()),
    }
}

/// Parameters that say which sign-in this is; a config can't replace them.
fn is_ours(name: &str) -> bool {
    [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "request",
        "request_uri",
    ]
    .contains(&name)
}

fn client(
    known: &ProviderState,
    provider: &OidcProvider,
    plan: &Plan,
) -> Result<exchange::Client, ProviderError> {
    let secret = provider.client_secret.as_ref();
    let secret =
        secret.and_then(|secret| secret.expose_str()).map(|text| ClientSecret::new(text.into()));
    let id = ClientId::new(provider.client_id.to_string());
    let redirect = RedirectUrl::new(plan.sign_in.callback(provider));
    let redirect = redirect.map_err(|_| ProviderError::Unreadable("our own address"))?;
    let client =
        openidconnect::core::CoreClient::from_provider_metadata(known.metadata.clone(), id, secret);
    Ok(client.set_redirect_uri(redirect))
}

/// Asks a provider for what a sign-in begins with: its discovery document and its keys.
///
/// # Errors
///
/// [`ProviderError`]: nobody could sign in now.
pub(super) async fn try_discovery(
    plan: &Plan,
    provider: &OidcProvider,
    patience: Duration,
    now: Now,
) -> Result<(), ProviderError> {
    let known = Cache::new(patience).of(plan, provider, now).await?;
    if !provider.kind.speaks_openid() {
        // Nothing is published: whatever answers there is reached.
        known.http.get_once(&github::api(&provider.issuer), None).await?;
    }
    Ok(())
}

/// Asks the token endpoint for what no code stands for: one that knows us says so, and one that does
/// not know our secret says that (RFC 6749 §5.2). Nobody is signed in.
///
/// # Errors
///
/// The provider does not take this client.
pub(super) async fn try_client(
    plan: &Plan,
    provider: &OidcProvider,
    patience: Duration,
    now: Now,
) -> Result<(), ProviderError> {
    let known = Cache::new(patience).of(plan, provider, now).await?;
    match exchange::redeem(&known, provider, plan, Grant::Code("usher-check", "usher-check")).await
    {
        Err(error) if error.is_set_up_wrong() => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// How far the provider's clock is from ours, by the `Date` of its answer (RFC 9110 §6.6.1); nothing
/// where it has none.
pub(super) async fn clock_of(
    plan: &Plan,
    provider: &OidcProvider,
    patience: Duration,
    now: Now,
) -> Option<UnixTime> {
    let known = Cache::new(patience).of(plan, provider, now).await.ok()?;
    let url = format!("{}/.well-known/openid-configuration", provider.issuer.trim_end_matches('/'));
    let answer = known.http.get_once(&url, None).await.ok()?;
    let date = answer.headers().get(::http::header::DATE)?.to_str().ok()?;
    let date = httpdate::parse_http_date(date).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(UnixTime::from_seconds(since.as_secs()))
}
