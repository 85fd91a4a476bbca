//! Apple takes no lasting secret of a client: it takes a token that the client signs with a key of
//! its team (Apple, "Creating a client secret"), good for half a year at most.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use usher_rules::{
    plan::{OidcProvider, SecretKey},
    secret::Secret,
    time::UnixTime,
};

use super::ProviderError;

/// How long a secret that we sign is good for: longer than what was published may be taken as it is
/// while Apple is away.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the token endpoint is told as the client's secret.
pub(super) fn client_secret(
    provider: &OidcProvider,
    now: UnixTime,
) -> Result<Option<Arc<Secret>>, ProviderError> {
    match (&provider.client_secret, &provider.secret_key) {
        (Some(key), Some(whose)) => {
            let signed = signed(key, whose, provider, now);
            let signed =
                signed.ok_or(ProviderError::Unreadable("the key in `idp_client_secret`"))?;
            Ok(Some(Arc::new(Secret::new(signed.into_bytes()))))
        }
        (secret, _) => Ok(secret.clone()),
    }
}

fn signed(
    key: &Secret,
    whose: &SecretKey,
    provider: &OidcProvider,
    now: UnixTime,
) -> Option<String> {
    let der = PrivateKeyDer::from_pem_slice(key.expose()).ok()?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der()).ok()?;
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "ES256", "kid": whose.id, "typ": "JWT"});
    let claims = json!({
        "iss": whose.team,
        "sub": provider.client_id,
        "aud": provider.issuer,
        "iat": now.seconds(),
        "exp": now.plus(LIFE).seconds(),
    });
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
    Some(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    };
    use base64::{
        Engine as _,
        prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
    };
    use serde_json::{Value, json};
    use usher_rules::{
        plan::{OidcProvider, ProviderKind, SecretKey},
        secret::Secret,
        time::UnixTime,
    };

    use super::client_secret;

    fn provider(secret: &str, secret_key: Option<SecretKey>) -> OidcProvider {
        OidcProvider {
            issuer: "https://appleid.apple.com".into(),
            client_id: "test.tv".into(),
            client_secret: Some(Arc::new(Secret::new(secret.as_bytes()))),
            secret_key,
            scopes: Vec::new(),
            request_params: Vec::new(),
            kind: ProviderKind::Apple,
            subjects: Default::default(),
            domains: Default::default(),
            id: "p".into(),
        }
    }

    #[test]
    fn a_secret_is_signed_with_the_key_that_apple_gave() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        let text = BASE64_STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        let whose = SecretKey { team: "TEAM".into(), id: "KEY".into() };
        let now = UnixTime::from_seconds(1_000);
        let secret = client_secret(&provider(&pem, Some(whose.clone())), now).unwrap().unwrap();
        let (signed, signature) = secret.expose_str().unwrap().rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
        key.verify(signed.as_bytes(), &signature).unwrap();
        let part = |text: &str| -> Value {
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let (head, claims) = signed.split_once('.').unwrap();
        assert_eq!(part(head), json!({"alg": "ES256", "kid": "KEY", "typ": "JWT"}));
        assert_eq!(
            part(claims),
            json!({
                "iss": "TEAM", "sub": "test.tv", "aud": "https://appleid.apple.com",
                "iat": 1_000, "exp": 1_000 + 30 * 24 * 3600,
            }),
        );
        // One that was signed elsewhere goes as it is; a key that is none is told.
        let given = client_secret(&provider("a.b.c", None), now).unwrap().unwrap();
        assert_eq!(given.expose_str(), Some("a.b.c"));
        assert!(client_secret(&provider("-----BEGIN x", Some(whose)), now).is_err());
    }
}
