//! The talk with an OpenID Connect provider. `openidconnect` builds requests and checks
//! signatures; what a checked answer means is decided in [`usher_rules::signin`].

mod apple;
mod documents;
mod entra;
mod exchange;
mod github;
mod http;
mod known;

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
    plan::{LogoutForm, OidcProvider, Plan, Provider, ProviderKind, Published},
    signin::{OAUTH2_CALLBACK, Pending, Redeeming},
    time::{Now, UnixTime},
};

use self::known::{Cache, ProviderState};

pub(crate) use self::http::{Http, PATIENCE};

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
            | Self::IdToken(_) => false,
        }
    }
}

impl ProviderError {
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
             provider is `…/oauth2/callback`, and both clocks are right (`date -u`)"
        }
        _ => "",
    }
}

/// Somebody whom a provider vouches for, its signature checked.
pub(super) struct VerifiedTokens {
    pub claims: Map<String, Value>,
    pub userinfo: Option<Map<String, Value>>,
    pub redeemed: Redeemed,
}

pub(super) struct Redeemed {
    /// The ID token itself, for the end of the session at the provider; empty where there is none.
    pub id_token: String,
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
        let (tokens, method) =
            exchange::redeem(&known, provider, plan, (&redeeming.code, &redeeming.verifier))
                .await?;
        let method = provider.client_secret.as_ref().map(|_| method.word());
        if !provider.kind.speaks_openid() {
            let claims = github::claims(&known, provider, &tokens.access_token).await?;
            let redeemed = Redeemed { id_token: String::new(), method };
            return Ok(VerifiedTokens { claims, userinfo: None, redeemed });
        }
        let id_token = tokens.id_token.as_deref().ok_or(ProviderError::NoIdToken)?;
        let mut claims = match exchange::verified(&known, id_token) {
            Ok(claims) => claims,
            Err(exchange::NotVerified::UnknownKey) => {
                let known = cache.with_new_keys(Arc::clone(&known), now).await?;
                exchange::verified(&known, id_token)?
            }
            Err(not_verified) => return Err(not_verified.into()),
        };
        let userinfo = exchange::userinfo(&known, &tokens).await?;
        if provider.kind == ProviderKind::Azure {
            entra::add_groups(&known, &tokens.access_token, &mut claims).await?;
        }
        let redeemed = Redeemed { id_token: id_token.to_owned(), method };
        Ok(VerifiedTokens { claims, userinfo, redeemed })
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
    let redirect = RedirectUrl::new(format!("{}{OAUTH2_CALLBACK}", plan.sign_in.authenticate));
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
    match exchange::redeem(&known, provider, plan, ("usher-check", "usher-check")).await {
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
