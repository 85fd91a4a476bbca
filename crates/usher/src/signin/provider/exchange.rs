use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use openidconnect::{
    EndpointMaybeSet, EndpointNotSet, EndpointSet, JsonWebKey,
    core::{CoreClient, CoreJwsSigningAlgorithm as Algorithm},
};
use serde_json::{Map, Value};
use usher_rules::plan::{OidcProvider, Plan};

use super::{
    ProviderError, documents,
    documents::Tokens,
    known::{ClientMethod, ProviderState},
};

/// A client as discovery makes it: the last two endpoints may be missing.
pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What a signature may be made with, whatever a provider offers. Nothing with a shared secret:
/// a public key must never be taken for one.
const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("RS256", Algorithm::RsaSsaPkcs1V15Sha256),
    ("RS384", Algorithm::RsaSsaPkcs1V15Sha384),
    ("RS512", Algorithm::RsaSsaPkcs1V15Sha512),
    ("PS256", Algorithm::RsaSsaPssSha256),
    ("ES256", Algorithm::EcdsaP256Sha256),
    ("ES384", Algorithm::EcdsaP384Sha384),
    ("EdDSA", Algorithm::EdDsa),
];

/// Their names (RFC 7518 §3.1).
pub(super) const ALGORITHM_NAMES: &[&str] =
    &["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"];

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

/// What new tokens are asked for with.
#[derive(Clone, Copy)]
pub(super) enum Grant<'a> {
    /// A code and the verifier that goes with it.
    Code(&'a str, &'a str),
    /// RFC 6749 §6.
    Refresh(&'a str),
}

/// Redeems a grant at the token endpoint. A client that is not known by the way in which it says
/// its secret is tried the other way, once: `invalid_client` spends no code (RFC 6749 §5.2).
pub(super) async fn redeem(
    known: &ProviderState,
    provider: &OidcProvider,
    plan: &Plan,
    grant: Grant<'_>,
) -> Result<(Tokens, ClientMethod), ProviderError> {
    let first = known.method();
    match ask(known, provider, plan, grant, first).await {
        Err(ProviderError::CodeRefused { word, .. }) if &*word == "invalid_client" => {
            let other = first.other();
            let tokens = ask(known, provider, plan, grant, other).await?;
            known.remember(other);
            Ok((tokens, other))
        }
        answer => answer.map(|tokens| (tokens, first)),
    }
}

async fn ask(
    known: &ProviderState,
    provider: &OidcProvider,
    plan: &Plan,
    grant: Grant<'_>,
    method: ClientMethod,
) -> Result<Tokens, ProviderError> {
    let request = token_request(known, provider, plan, grant, method)?;
    let answer = known.http.send(request).await?;
    match answer.status().as_u16() {
        200 => documents::tokens(answer.body()),
        status @ 500.. => Err(ProviderError::Status { document: "the token endpoint", status }),
        status => Err(match documents::refusal(answer.body()) {
            Some(word) => ProviderError::CodeRefused { word, method: method.word() },
            None if (300..400).contains(&status) => {
                ProviderError::Unreadable("the token endpoint's answer, which is a redirect,")
            }
            None => ProviderError::Unreadable("the token endpoint's answer"),
        }),
    }
}

fn token_request(
    known: &ProviderState,
    provider: &OidcProvider,
    plan: &Plan,
    grant: Grant<'_>,
    method: ClientMethod,
) -> Result<http::Request<Vec<u8>>, ProviderError> {
    let endpoint = known.metadata.token_endpoint().ok_or(ProviderError::NoTokenEndpoint)?;
    let secret = known.client_secret.as_ref().and_then(|secret| secret.expose_str());
    let encoded =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    match grant {
        Grant::Code(code, verifier) => {
            let back = plan.sign_in.callback(provider);
            form.append_pair("grant_type", "authorization_code")
                .append_pair("code", code)
                .append_pair("code_verifier", verifier)
                .append_pair("redirect_uri", &back);
        }
        Grant::Refresh(token) => {
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token);
        }
    }
    let mut request = http::Request::post(endpoint.as_str())
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    match (method, secret) {
        (ClientMethod::Basic, Some(secret)) => {
            // RFC 6749 §2.3.1: form-encoded before Base64
            let pair = format!("{}:{}", encoded(&provider.client_id), encoded(secret));
            let value = format!("Basic {}", BASE64_STANDARD.encode(pair));
            request = request.header(http::header::AUTHORIZATION, value);
        }
        (ClientMethod::Post, Some(secret)) => {
            form.append_pair("client_id", &provider.client_id).append_pair("client_secret", secret);
        }
        (ClientMethod::Basic | ClientMethod::Post, None) => {
            form.append_pair("client_id", &provider.client_id);
        }
    }
    request
        .body(form.finish().into_bytes())
        .map_err(|_| ProviderError::Unreadable("`token_endpoint` of the discovery document"))
}

/// Checks the ID token's signature, and gives all of its claims; what they say is judged in
/// `rules::signin::check_id_token`.
pub(super) fn verified(
    known: &ProviderState,
    token: &str,
) -> Result<Map<String, Value>, NotVerified> {
    let not = |why: &str| NotVerified::Not(ProviderError::IdToken(why.into()));
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
    let read = |part: &str| match serde_json::from_slice(&decode(part)?) {
        Ok(Value::Object(members)) => Some(members),
        Ok(_) | Err(_) => None,
    };
    let (signed, signature) = token.rsplit_once('.').ok_or_else(|| not("it is no JWT"))?;
    let (head, payload) = signed.split_once('.').ok_or_else(|| not("it is no JWT"))?;
    let header = read(head).ok_or_else(|| not("its header can't be read"))?;
    if header.contains_key("crit") {
        return Err(not("its `crit` names what is not understood")); // RFC 7515 §4.1.11
    }
    let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    let offered = known.metadata.id_token_signing_alg_values_supported();
    let algorithm = ALGORITHMS
        .iter()
        .find(|(known, algorithm)| *known == name && offered.contains(algorithm))
        .map(|(_, algorithm)| algorithm)
        .ok_or_else(|| not("its `alg` is not allowed"))?;
    let id = header.get("kid").and_then(Value::as_str);
    let keys =
        known.metadata.jwks().keys().iter().filter(|key| {
            id.is_none_or(|id| key.key_id().is_some_and(|known| known.as_str() == id))
        });
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() {
        return Err(NotVerified::UnknownKey);
    }
    let signature = decode(signature).ok_or_else(|| not("its signature can't be read"))?;
    if !keys
        .iter()
        .any(|key| key.verify_signature(algorithm, signed.as_bytes(), &signature).is_ok())
    {
        return Err(not("its signature does not hold"));
    }
    read(payload).ok_or_else(|| not("its claims can't be read"))
}

pub(super) async fn userinfo(
    known: &ProviderState,
    access_token: &str,
) -> Result<Option<Map<String, Value>>, ProviderError> {
    let Some(url) = known.metadata.userinfo_endpoint() else { return Ok(None) };
    if access_token.is_empty() {
        return Err(ProviderError::Unreadable("`access_token` of the token endpoint's answer"));
    }
    let answer = known.http.get("userinfo", url.as_str(), Some(access_token)).await?;
    documents::userinfo(&answer).map(Some)
}
