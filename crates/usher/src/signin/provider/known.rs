use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use openidconnect::{
    AdditionalProviderMetadata, ProviderMetadata,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
        CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use usher_rules::{
    plan::{OidcProvider, Plan},
    secret::Secret,
    time::Now,
};

use super::{ProviderError, apple, documents, http::Http};

/// How long what a provider publishes is taken as it is.
const FRESH: Duration = Duration::from_secs(24 * 3600);
/// How long to wait after a failed refresh, while what is known goes on being used.
const RETRY: Duration = Duration::from_secs(60);
/// How often an unknown key may make us ask for the keys again.
const KEYS_AGAIN: Duration = Duration::from_secs(30);

/// What discovery says beyond the core.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Extra {
    /// RP-Initiated Logout 1.0 §2.1.
    pub end_session_endpoint: Option<url::Url>,
    /// Where Microsoft Graph is.
    pub msgraph_host: Option<String>,
    /// RFC 9207 §3.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Extra {}

/// OIDC Discovery §3.
pub(super) type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// A provider's documents.
pub(super) struct ProviderState {
    /// Which provider, and which roots it was verified with.
    of: u64,
    /// Discovery, with the keys in it.
    pub metadata: Metadata,
    /// How it is spoken with.
    pub http: Arc<Http>,
    /// What it is told as our secret.
    pub client_secret: Option<Arc<Secret>>,
    fetched_at: Instant,
    failed_at: Mutex<Option<Instant>>,
    by_post: AtomicBool,
}

/// How the client says its secret (OIDC Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientMethod {
    /// `client_secret_basic`: the default.
    Basic,
    /// `client_secret_post`.
    Post,
}

impl ClientMethod {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Basic => Self::Post,
            Self::Post => Self::Basic,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

impl ProviderState {
    /// The way that worked last, else the first of what the provider offers.
    pub(super) fn method(&self) -> ClientMethod {
        if self.by_post.load(Ordering::Relaxed) { ClientMethod::Post } else { ClientMethod::Basic }
    }

    /// This way worked.
    pub(super) fn remember(&self, method: ClientMethod) {
        self.by_post.store(method == ClientMethod::Post, Ordering::Relaxed);
    }
}

/// `client_secret_basic` is the default (OIDC Core §9), and the first choice.
fn starts_by_post(metadata: &Metadata) -> bool {
    let offered = metadata.token_endpoint_auth_methods_supported();
    let offers = |method| offered.is_none_or(|offered| offered.contains(&method));
    !offers(CoreClientAuthMethod::ClientSecretBasic)
        && offers(CoreClientAuthMethod::ClientSecretPost)
}

/// Discovery and keys, remembered. One request at a time asks the provider; the others wait for
/// its answer, or go on with what is known.
pub(super) struct Cache {
    patience: Duration,
    known: ArcSwapOption<ProviderState>,
    /// Held by whoever asks; when keys were last asked for again.
    asking: tokio::sync::Mutex<Option<Instant>>,
}

impl Cache {
    /// Nothing is known yet.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, known: ArcSwapOption::empty(), asking: tokio::sync::Mutex::default() }
    }

    /// The documents of `provider`, asked for if need be.
    pub(super) async fn of(
        &self,
        plan: &Plan,
        provider: &OidcProvider,
        now: Now,
    ) -> Result<Arc<ProviderState>, ProviderError> {
        let of = identify(plan, provider);
        if let Some(known) = self.usable(of, now) {
            return Ok(known);
        }
        let _asking = self.asking.lock().await;
        if let Some(known) = self.usable(of, now) {
            return Ok(known); // somebody else asked meanwhile
        }
        let before = self.known.load_full().filter(|known| known.of == of);
        match self.discover(plan, provider, of, now).await {
            Ok(known) => {
                let known = Arc::new(known);
                self.known.store(Some(Arc::clone(&known)));
                Ok(known)
            }
            Err(error) => {
                let known = before.ok_or(error)?; // stale is better than nobody signs in
                *known.failed_at.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(now.monotonic);
                Ok(known)
            }
        }
    }

    /// The same with the keys as they are published now; at most once in [`KEYS_AGAIN`].
    pub(super) async fn with_new_keys(
        &self,
        known: Arc<ProviderState>,
        now: Now,
    ) -> Result<Arc<ProviderState>, ProviderError> {
        let mut keys_again_at = self.asking.lock().await;
        if let Some(newer) = self.known.load_full()
            && newer.of == known.of
            && newer.metadata.jwks() != known.metadata.jwks()
        {
            return Ok(newer); // somebody else asked meanwhile
        }
        let lately = |at: Instant| now.monotonic.saturating_duration_since(at) < KEYS_AGAIN;
        if keys_again_at.is_some_and(lately) {
            return Ok(known);
        }
        *keys_again_at = Some(now.monotonic);
        let keys = fetch_keys(&known.http, &known.metadata).await?;
        let known = Arc::new(ProviderState {
            of: known.of,
            metadata: known.metadata.clone().set_jwks(keys),
            http: Arc::clone(&known.http),
            client_secret: known.client_secret.clone(),
            fetched_at: known.fetched_at,
            failed_at: Mutex::default(),
            by_post: AtomicBool::new(known.method() == ClientMethod::Post),
        });
        self.known.store(Some(Arc::clone(&known)));
        Ok(known)
    }

    async fn discover(
        &self,
        plan: &Plan,
        provider: &OidcProvider,
        of: u64,
        now: Now,
    ) -> Result<ProviderState, ProviderError> {
        let issuer = &*provider.issuer;
        let http = Http::new(plan, issuer.starts_with("https:"), self.patience)?;
        let metadata = if provider.kind.speaks_openid() {
            published(&http, provider).await?
        } else {
            github_metadata(issuer)?
        };
        let (http, failed_at) = (Arc::new(http), Mutex::default());
        let before = self.known.load_full().filter(|known| known.of == of);
        let by_post = before.map_or_else(
            || starts_by_post(&metadata),
            |before| before.method() == ClientMethod::Post,
        );
        let by_post = AtomicBool::new(by_post);
        let client_secret = apple::client_secret(provider, now.wall)?;
        let fetched_at = now.monotonic;
        Ok(ProviderState { of, metadata, http, client_secret, fetched_at, failed_at, by_post })
    }

    fn usable(&self, of: u64, now: Now) -> Option<Arc<ProviderState>> {
        let known = self.known.load_full().filter(|known| known.of == of)?;
        let age = |at: Instant| now.monotonic.saturating_duration_since(at);
        let failed_at = *known.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = age(known.fetched_at) < FRESH || failed_at.is_some_and(|at| age(at) < RETRY);
        usable.then_some(known)
    }
}

fn identify(plan: &Plan, provider: &OidcProvider) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&provider.id, &provider.issuer, &plan.extra_roots).hash(&mut hasher);
    hasher.finish()
}

/// The discovery document, with the keys that it names.
async fn published(http: &Http, provider: &OidcProvider) -> Result<Metadata, ProviderError> {
    let base = provider.issuer.trim_end_matches('/');
    let url = format!("{base}/.well-known/openid-configuration");
    let document = http.get("the discovery document", &url, None).await?;
    let metadata = documents::metadata(&document)?;
    if !provider.publishes(metadata.issuer().as_str()) {
        return Err(ProviderError::OtherIssuer(metadata.issuer().as_str().into())); // Discovery §4.3
    }
    let keys = fetch_keys(http, &metadata).await?;
    Ok(metadata.set_jwks(keys))
}

async fn fetch_keys(http: &Http, metadata: &Metadata) -> Result<CoreJsonWebKeySet, ProviderError> {
    let url = metadata.jwks_uri().as_str();
    documents::keys(&http.get("the key document (`jwks_uri`)", url, None).await?)
}

/// What discovery would say. There are no keys: nothing is signed.
fn github_metadata(issuer: &str) -> Result<Metadata, ProviderError> {
    let at = |path: &str| format!("{issuer}/login/oauth/{path}");
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("access_token"),
        "jwks_uri": issuer,
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    });
    documents::metadata(document.to_string().as_bytes())
}
