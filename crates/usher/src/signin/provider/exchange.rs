use std::{
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use openidconnect::{
    AsyncHttpClient, AuthType, ClaimsVerificationError, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, Nonce, OAuth2TokenResponse, RequestTokenError,
    SignatureVerificationError, TokenResponse,
    core::{
        CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdToken,
        CoreJwsSigningAlgorithm, CoreTokenResponse,
    },
};
use serde_json::{Map, Value};
use usher_rules::{
    people::BoxFuture,
    plan::{OidcProvider, Plan},
    signin::{CLOCK_SKEW, Redeeming},
    time::Now,
};

use super::{
    ProviderError, client, code,
    http::Http,
    known::{Known, Metadata},
};

/// A client as discovery makes it: the last two endpoints may be missing.
pub type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What a signature may be made with, whatever a provider offers. Nothing with a shared secret:
/// a public key must never be taken for one.
const ALGORITHMS: &[CoreJwsSigningAlgorithm] = &[
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why an ID token is not taken.
pub enum NotVerified {
    /// Its key is not among those that we know.
    UnknownKey,
    /// Anything else.
    Not(ProviderError),
}

impl From<NotVerified> for ProviderError {
    fn from(not_verified: NotVerified) -> Self {
        match not_verified {
            NotVerified::UnknownKey => {
                Self::IdToken("it is signed with a key that the provider does not publish".into())
            }
            NotVerified::Not(error) => error,
        }
    }
}

/// `client_secret_basic` is the default (OIDC Core §9), and the first choice.
pub fn auth_type(metadata: &Metadata) -> AuthType {
    let offered = metadata.token_endpoint_auth_methods_supported();
    let offers = |method| offered.is_none_or(|offered| offered.contains(&method));
    if !offers(CoreClientAuthMethod::ClientSecretBasic)
        && offers(CoreClientAuthMethod::ClientSecretPost)
    {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}

/// Sends the library's requests, and keeps the status of the answer, which its errors leave out.
struct Sender<'a> {
    http: &'a Http,
    status: AtomicU16,
}

impl<'c> AsyncHttpClient<'c> for Sender<'_> {
    type Error = ProviderError;
    type Future = BoxFuture<'c, Result<HttpResponse, ProviderError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let response = self.http.send(request).await?;
            self.status.store(response.status().as_u16(), Ordering::Relaxed);
            Ok(response)
        })
    }
}

/// Redeems a code at the token endpoint.
pub async fn redeem(
    known: &Known,
    provider: &OidcProvider,
    plan: &Plan,
    redeeming: &Redeeming,
) -> Result<CoreTokenResponse, ProviderError> {
    let client = client(known, provider, plan)?;
    let (code, verifier) = code(redeeming);
    let request = client.exchange_code(code).map_err(|_| ProviderError::NoTokenEndpoint)?;
    let sender = Sender { http: &known.http, status: AtomicU16::new(200) };
    let answer = request.set_pkce_verifier(verifier).request_async(&sender).await;
    let status = sender.status.into_inner();
    answer.map_err(|error| match error {
        RequestTokenError::Request(error) => error,
        _ if status >= 500 => ProviderError::Status(status), // with whatever body
        RequestTokenError::ServerResponse(refusal) => {
            ProviderError::CodeRefused(refusal_word(refusal.error()))
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            ProviderError::Unreadable("the token endpoint's answer")
        }
    })
}

/// The RFC's words only; what else a provider writes may hold anything.
fn refusal_word(error: &CoreErrorResponseType) -> Box<str> {
    match error {
        CoreErrorResponseType::Extension(_) => "another error".into(),
        known @ (CoreErrorResponseType::InvalidClient
        | CoreErrorResponseType::InvalidGrant
        | CoreErrorResponseType::InvalidRequest
        | CoreErrorResponseType::InvalidScope
        | CoreErrorResponseType::UnauthorizedClient
        | CoreErrorResponseType::UnsupportedGrantType) => known.as_ref().into(),
    }
}

/// The ID token in a token endpoint's answer.
pub fn id_token(tokens: &CoreTokenResponse) -> Result<&CoreIdToken, ProviderError> {
    tokens.id_token().ok_or(ProviderError::NoIdToken)
}

/// Checks the ID token's signature, issuer and audience, and gives all of its claims.
pub fn verified(
    known: &Known,
    provider: &OidcProvider,
    plan: &Plan,
    tokens: &CoreTokenResponse,
    redeeming: &Redeeming,
    now: Now,
) -> Result<Map<String, Value>, NotVerified> {
    let client = client(known, provider, plan).map_err(NotVerified::Not)?;
    let id_token = id_token(tokens).map_err(NotVerified::Not)?;
    let offered = known.metadata.id_token_signing_alg_values_supported();
    let allowed = ALGORITHMS.iter().filter(|algorithm| offered.contains(algorithm)).cloned();
    let at = UNIX_EPOCH + Duration::from_secs(now.wall.minus(CLOCK_SKEW).seconds());
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(allowed)
        .set_time_fn(move || at.into())
        // Other audiences are judged by `azp`, in `rules::signin::check_id_token`.
        .set_other_audience_verifier_fn(|_| true);
    let nonce = Nonce::new(redeeming.nonce().into());
    if let Err(error) = id_token.claims(&verifier, &nonce) {
        let unknown_key = matches!(
            error,
            ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey
            )
        );
        return Err(if unknown_key {
            NotVerified::UnknownKey
        } else {
            NotVerified::Not(ProviderError::IdToken(word(&error).into()))
        });
    }
    let token = id_token.to_string();
    let payload = token.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    let claims = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
    claims.ok_or(NotVerified::Not(ProviderError::Unreadable("the ID token")))
}

/// What is wrong, without what a stranger may have written into the token.
const fn word(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(_) => "it has expired",
        ClaimsVerificationError::InvalidAudience(_) => "it is for another client",
        ClaimsVerificationError::InvalidIssuer(_) => "it is from another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "it is for another sign-in",
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::DisallowedAlg(_),
        ) => "it is signed with an algorithm that is not allowed",
        ClaimsVerificationError::SignatureVerification(_) => "its signature does not hold",
        ClaimsVerificationError::InvalidAuthContext(_)
        | ClaimsVerificationError::InvalidAuthTime(_)
        | ClaimsVerificationError::InvalidSubject(_)
        | ClaimsVerificationError::Other(_)
        | ClaimsVerificationError::Unsupported(_)
        | _ => "it is of an unexpected kind",
    }
}

/// What the userinfo endpoint says, where there is one.
pub async fn userinfo(
    known: &Known,
    tokens: &CoreTokenResponse,
) -> Result<Option<Map<String, Value>>, ProviderError> {
    let Some(url) = known.metadata.userinfo_endpoint() else { return Ok(None) };
    let answer = known.http.get(url.as_str(), Some(tokens.access_token().secret())).await?;
    serde_json::from_slice(&answer).map(Some).map_err(|_| ProviderError::Unreadable("userinfo"))
}
