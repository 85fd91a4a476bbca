//! What a provider's documents hold that something is decided on. Every other member may be of
//! whatever type: it stops no sign-in (OIDC Core §2, §3.1.3.3).

use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use serde_json::{Map, Value, json};

use super::{ProviderError, exchange::ALGORITHM_NAMES, known::Metadata};

fn object(octets: &[u8], document: &'static str) -> Result<Map<String, Value>, ProviderError> {
    match serde_json::from_slice(octets) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) | Err(_) => Err(ProviderError::Unreadable(document)),
    }
}

fn texts(members: &Map<String, Value>, name: &str, known: &[&str]) -> Vec<Value> {
    let listed = members.get(name).and_then(Value::as_array).into_iter().flatten();
    listed.filter(|one| one.as_str().is_some_and(|one| known.contains(&one))).cloned().collect()
}

/// Discovery §3.
pub(super) fn metadata(octets: &[u8]) -> Result<Metadata, ProviderError> {
    let members = object(octets, "the discovery document")?;
    let mut kept = Map::new();
    for (name, missing) in [
        ("issuer", "`issuer` of the discovery document"),
        ("authorization_endpoint", "`authorization_endpoint` of the discovery document"),
        ("token_endpoint", "`token_endpoint` of the discovery document"),
        ("jwks_uri", "`jwks_uri` of the discovery document"),
    ] {
        let text = members.get(name).and_then(Value::as_str);
        let url = text.filter(|text| url::Url::parse(text).is_ok());
        kept.insert(name.into(), url.ok_or(ProviderError::Unreadable(missing))?.into());
    }
    for name in ["userinfo_endpoint", "end_session_endpoint"] {
        let text = members.get(name).and_then(Value::as_str);
        if let Some(url) = text.filter(|text| url::Url::parse(text).is_ok()) {
            kept.insert(name.into(), url.into());
        }
    }
    let mut algorithms = texts(&members, "id_token_signing_alg_values_supported", ALGORITHM_NAMES);
    if algorithms.is_empty() {
        algorithms = ALGORITHM_NAMES.iter().map(|name| Value::from(*name)).collect();
    }
    kept.insert("id_token_signing_alg_values_supported".into(), algorithms.into());
    let methods = ["client_secret_basic", "client_secret_post"];
    let methods = texts(&members, "token_endpoint_auth_methods_supported", &methods);
    if !methods.is_empty() {
        kept.insert("token_endpoint_auth_methods_supported".into(), methods.into());
    }
    // Entra's: where Microsoft Graph is for these people.
    let graph = members.get("msgraph_host").and_then(Value::as_str);
    kept.extend(graph.map(|host| ("msgraph_host".to_owned(), host.into())));
    let says = members.get("authorization_response_iss_parameter_supported");
    let names_itself = says.is_some_and(|says| *says == true || *says == "true");
    kept.insert("authorization_response_iss_parameter_supported".into(), names_itself.into());
    // The typed reader asks for them; nothing here does.
    kept.insert("response_types_supported".into(), json!(["code"]));
    kept.insert("subject_types_supported".into(), json!(["public"]));
    serde_json::from_value(kept.into())
        .map_err(|_| ProviderError::Unreadable("the discovery document"))
}

/// The keys that can be read (RFC 7517 §5: others are ignored).
pub(super) fn keys(octets: &[u8]) -> Result<CoreJsonWebKeySet, ProviderError> {
    let members = object(octets, "the key document (`jwks_uri`)")?;
    let listed = members.get("keys").and_then(Value::as_array).into_iter().flatten();
    let keys: Vec<CoreJsonWebKey> = listed.filter_map(signing_key).collect();
    if keys.is_empty() { Err(ProviderError::NoKeys) } else { Ok(CoreJsonWebKeySet::new(keys)) }
}

/// A public key for signatures, with all that its kind needs (RFC 7518 §6). A secret is none, and
/// a key that is for encryption would only be tried in vain.
fn signing_key(key: &Value) -> Option<CoreJsonWebKey> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let needed: &[&str] = match text("kty")? {
        "RSA" => &["kty", "n", "e"],
        "EC" => &["kty", "crv", "x", "y"],
        "OKP" => &["kty", "crv", "x"],
        _ => return None,
    };
    if text("use") == Some("enc") {
        return None;
    }
    let mut kept = Map::new();
    for name in needed {
        kept.insert((*name).into(), text(name)?.into());
    }
    if let Some(id) = text("kid") {
        kept.insert("kid".into(), id.into());
    }
    serde_json::from_value(kept.into()).ok()
}

/// The token endpoint's answer: RFC 6749 §5.1, §5.2, OIDC Core §3.1.3.3.
#[derive(Debug)]
pub(super) struct Tokens {
    /// For the userinfo endpoint; empty when there is none.
    pub access_token: String,
    /// The ID token; a refresh need not bring one (OIDC Core §12.2).
    pub id_token: Option<String>,
    /// Asks for new ones.
    pub refresh_token: Option<String>,
    /// How long the access token lasts, in seconds.
    pub expires_in: Option<u64>,
}

/// Reads a 200.
pub(super) fn tokens(octets: &[u8]) -> Result<Tokens, ProviderError> {
    let members = object(octets, "the token endpoint's answer")?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
    if members.contains_key("error") {
        return Err(ProviderError::CodeRefused { word: error_word(&members), method: "" });
    }
    let id_token = match (text("id_token"), members.contains_key("id_token")) {
        (Some(token), _) => Some(token),
        (None, true) => {
            return Err(ProviderError::Unreadable("`id_token` of the token endpoint's answer"));
        }
        (None, false) => None,
    };
    let access_token = text("access_token").unwrap_or_default();
    let refresh_token = text("refresh_token").filter(|token| !token.is_empty());
    let seconds = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let expires_in = members.get("expires_in").and_then(seconds);
    Ok(Tokens { access_token, id_token, refresh_token, expires_in })
}

/// Reads anything else.
pub(super) fn refusal(octets: &[u8]) -> Option<Box<str>> {
    let members = object(octets, "").ok()?;
    members.contains_key("error").then(|| error_word(&members))
}

/// The RFC's words only; what else a provider writes may hold anything.
fn error_word(members: &Map<String, Value>) -> Box<str> {
    let word = match members.get("error").and_then(Value::as_str).unwrap_or_default() {
        "incorrect_client_credentials" => "invalid_client", // GitHub's words
        "bad_verification_code" | "bad_refresh_token" | "redirect_uri_mismatch" => "invalid_grant",
        word => word,
    };
    let known = [
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
        // OIDC Core §3.1.2.6; some providers answer a refresh with them.
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "login_required",
    ];
    if known.contains(&word) { word.into() } else { "another error".into() }
}

/// What userinfo says.
pub(super) fn userinfo(octets: &[u8]) -> Result<Map<String, Value>, ProviderError> {
    object(octets, "userinfo")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{keys, metadata};

    /// RFC 9207 §3: a provider that promises to name itself is held to it, and no other is.
    #[test]
    fn a_promise_to_name_itself_is_true_in_either_spelling() {
        for (says, promised) in [
            (json!(true), true),
            (json!("true"), true),
            (json!(false), false),
            (json!("false"), false),
            (json!(1), false),
            (json!(null), false),
        ] {
            let at = |path: &str| format!("https://id.example/{path}");
            let document = json!({
                "issuer": "https://id.example",
                "authorization_endpoint": at("a"),
                "token_endpoint": at("t"),
                "jwks_uri": at("k"),
                "authorization_response_iss_parameter_supported": says,
            });
            let read = metadata(document.to_string().as_bytes()).unwrap();
            let read = read.additional_metadata().authorization_response_iss_parameter_supported;
            assert_eq!(read, promised, "{says}");
        }
    }

    /// RFC 7518 §6, RFC 8037 §2: public keys for signatures, and nothing else.
    #[test]
    fn keys_that_sign_are_read_and_no_others() {
        for (key, read, why) in [
            (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), true, "RSA"),
            (json!({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}), true, "EC"),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": "AQ"}), true, "Ed25519"),
            (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "sig"}), true, "to sign"),
            (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc"}), false, "to encrypt"),
            (json!({"kty": "oct", "k": "AQAB"}), false, "a secret"),
            (json!({"kty": "RSA", "n": "AQAB"}), false, "half of one"),
        ] {
            let document = json!({ "keys": [key] }).to_string();
            assert_eq!(keys(document.as_bytes()).is_ok(), read, "{why}");
        }
    }
}
