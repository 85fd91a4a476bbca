use std::sync::Arc;

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::json;
use usher_rules::secret::Secret;

/// Signs assertions (`pomerium-protocols.md` §4.1) and publishes the keys to verify them with.
pub struct Signer {
    key: Key,
    header: Box<str>,
    logout_header: Box<str>,
    jwks: Arc<[u8]>,
}

enum Key {
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<rsa::KeyPair>),
}

/// Why a signing key can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// No private key in the text.
    #[error("`signing_key` holds no private key in PEM form")]
    NoKey,
    /// A key of another kind.
    #[error("`signing_key` is neither a P-256 nor an RSA key")]
    UnknownKind,
    /// The system's randomness failed.
    #[error("no key could be generated")]
    NoRandomness,
}

impl SignerError {
    /// One sentence for the operator.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoKey | Self::UnknownKind => {
                "make one with `openssl ecparam -genkey -name prime256v1 -noout -out signing.pem` \
                 and name it in `signing_key_file`; or leave the key out: usher makes and keeps one"
            }
            Self::NoRandomness => "try again; if it lasts, the machine's random device is broken",
        }
    }
}

impl Signer {
    /// Reads one or more PEM private keys; the first signs, all are published (rotation).
    ///
    /// # Errors
    ///
    /// [`SignerError`], when there is no key that can be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SignerError> {
        let mut keys = Vec::new();
        for der in PrivateKeyDer::pem_slice_iter(pem) {
            keys.push(read_key(&der.map_err(|_| SignerError::NoKey)?)?);
        }
        let mut keys = keys.into_iter();
        let (key, jwk) = keys.next().ok_or(SignerError::NoKey)?;
        let kid = jwk.get("kid").cloned();
        let published: Vec<serde_json::Value> =
            std::iter::once(jwk).chain(keys.map(|(_, jwk)| jwk)).collect();
        let jwks = json!({ "keys": published }).to_string().into_bytes().into();
        let alg = match key {
            Key::Ec(_) => "ES256",
            Key::Rsa(_) => "RS256",
        };
        let header = |typ: &str| {
            let header = json!({ "alg": alg, "kid": kid, "typ": typ }).to_string();
            BASE64_URL_SAFE_NO_PAD.encode(header).into()
        };
        Ok(Self { key, header: header("JWT"), logout_header: header("logout+jwt"), jwks })
    }

    /// A fresh RSA key of 2048 bits, likewise: what every client of OpenID Connect verifies (OIDC Core
    /// §15.1).
    ///
    /// # Errors
    ///
    /// [`SignerError::NoRandomness`].
    pub fn generate_rsa_pem() -> Result<Secret, SignerError> {
        let key = rsa::KeyPair::generate(rsa::KeySize::Rsa2048);
        let key = key.map_err(|_| SignerError::NoRandomness)?;
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).map_err(|_| SignerError::NoRandomness)?;
        Ok(as_pem(der.as_ref()))
    }

    /// A fresh P-256 key, as PKCS#8 PEM, for the store to keep.
    ///
    /// # Errors
    ///
    /// [`SignerError::NoRandomness`].
    pub fn generate_pem() -> Result<Secret, SignerError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| SignerError::NoRandomness)?;
        let der = key.to_pkcs8v1().map_err(|_| SignerError::NoRandomness)?;
        Ok(as_pem(der.as_ref()))
    }

    /// The JSON Web Key Set (RFC 7517) with every public key.
    pub fn jwks(&self) -> Arc<[u8]> {
        Arc::clone(&self.jwks)
    }

    /// The claims of a JWS that one of our keys signed, however old.
    pub fn verified(&self, jws: &str) -> Option<serde_json::Value> {
        let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&self.jwks).ok()?;
        let header = jsonwebtoken::decode_header(jws).ok()?;
        let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(header.kid.as_deref()?)?).ok()?;
        let algorithm = match self.key {
            Key::Ec(_) => jsonwebtoken::Algorithm::ES256,
            Key::Rsa(_) => jsonwebtoken::Algorithm::RS256,
        };
        let mut validation = jsonwebtoken::Validation::new(algorithm);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Some(jsonwebtoken::decode(jws, &key, &validation).ok()?.claims)
    }

    /// A JWS in compact form (RFC 7515 §7.1) over these claims.
    ///
    /// # Errors
    ///
    /// [`SignerError::NoRandomness`], when the signature can't be made.
    pub fn sign(&self, claims: &serde_json::Value) -> Result<String, SignerError> {
        self.sign_under(&self.header, claims)
    }

    /// The same for a logout token, which its header tells from an ID token (Back-Channel Logout 1.0
    /// §2.4).
    ///
    /// # Errors
    ///
    /// [`SignerError::NoRandomness`], when the signature can't be made.
    pub fn sign_logout(&self, claims: &serde_json::Value) -> Result<String, SignerError> {
        self.sign_under(&self.logout_header, claims)
    }

    fn sign_under(&self, header: &str, claims: &serde_json::Value) -> Result<String, SignerError> {
        let mut jws = String::with_capacity(768);
        jws.push_str(header);
        jws.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut jws);
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Ec(key) => key
                .sign(&random, jws.as_bytes())
                .map_err(|_| SignerError::NoRandomness)?
                .as_ref()
                .to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, jws.as_bytes(), &mut signature)
                    .map_err(|_| SignerError::NoRandomness)?;
                signature
            }
        };
        jws.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut jws);
        Ok(jws)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(..)")
    }
}

fn as_pem(der: &[u8]) -> Secret {
    let body = base64::prelude::BASE64_STANDARD.encode(der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    Secret::new(pem.into_bytes())
}

/// A private key and its public half as JWK, with the hex SHA-256 thumbprint as `kid`.
fn read_key(der: &PrivateKeyDer<'_>) -> Result<(Key, serde_json::Value), SignerError> {
    let bytes = der.secret_der();
    let ec = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes)
        .or_else(|_| EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes));
    if let Ok(key) = ec {
        let jwk = ec_jwk(key.public_key().as_ref())?;
        return Ok((Key::Ec(Box::new(key)), jwk));
    }
    let key = RsaKeyPair::from_pkcs8(bytes)
        .or_else(|_| RsaKeyPair::from_der(bytes))
        .map_err(|_| SignerError::UnknownKind)?;
    let jwk = rsa_jwk(key.public_key().as_ref())?;
    Ok((Key::Rsa(Box::new(key)), jwk))
}

fn ec_jwk(point: &[u8]) -> Result<serde_json::Value, SignerError> {
    // Uncompressed point: 0x04, 32 bytes of x, 32 of y (SEC 1 §2.3.3).
    let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
        return Err(SignerError::UnknownKind);
    };
    let (x, y) = (BASE64_URL_SAFE_NO_PAD.encode(x), BASE64_URL_SAFE_NO_PAD.encode(y));
    let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let kid = hex_sha256(&thumbprint);
    Ok(
        json!({ "use": "sig", "kty": "EC", "kid": kid, "crv": "P-256", "alg": "ES256", "x": x, "y": y }),
    )
}

fn rsa_jwk(public: &[u8]) -> Result<serde_json::Value, SignerError> {
    let (modulus, exponent) = two_integers(public).ok_or(SignerError::UnknownKind)?;
    let (n, e) = (BASE64_URL_SAFE_NO_PAD.encode(modulus), BASE64_URL_SAFE_NO_PAD.encode(exponent));
    let kid = hex_sha256(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
    Ok(json!({ "use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256", "n": n, "e": e }))
}

/// The two integers of an `RSAPublicKey` (RFC 8017 §A.1.1), without leading zeros.
fn two_integers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    use x509_parser::{asn1_rs::FromDer as _, public_key::RSAPublicKey};
    let (_, key) = RSAPublicKey::from_der(der).ok()?;
    Some((without_zeros(key.modulus), without_zeros(key.exponent)))
}

fn without_zeros(mut bytes: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// RFC 7638 §3: lower-case hexadecimal, as Pomerium names its keys.
fn hex_sha256(canonical: &str) -> String {
    let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::Signer;

    #[test]
    fn key_ids_are_thumbprints() {
        // The derived key of pomerium-protocols.md §0.3: x and y give this kid.
        let point = [
            &[4][..],
            &base64_url("1uOUuU7VQuyIQZJTQQ85nB_uP8iBgYYDyiS8sUpYnH8"),
            &base64_url("GDkhzIWUOKSwHp2tisJy6FYSUc9tngjTFwNlBADz8JY"),
        ]
        .concat();
        let jwk = super::ec_jwk(&point).unwrap();
        assert_eq!(jwk["kid"], "dfdc30ede8204880a26e86348232fede98474153abe3975b99290fa48522c81b");
    }

    #[test]
    fn a_generated_key_signs_and_verifies() {
        let pem = Signer::generate_pem().unwrap();
        let signer = Signer::from_pem(pem.expose()).unwrap();
        let jws =
            signer.sign(&serde_json::json!({ "sub": "ann", "exp": 4_000_000_000_u64 })).unwrap();
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&signer.jwks()).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(&jwks.keys[0]).unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<serde_json::Value>(&jws, &key, &validation).unwrap();
        assert_eq!(decoded.claims["sub"], "ann");
        assert_eq!(decoded.header.kid.as_deref(), jwks.keys[0].common.key_id.as_deref());
    }

    /// The first key signs; the second is published for who still holds its assertions.
    #[test]
    fn rsa_keys_sign_and_verify_and_two_keys_are_published() {
        let rsa =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
        let (rsa, ec) = (rsa.unwrap().serialize_pem(), Signer::generate_pem().unwrap());
        let signer = Signer::from_pem(&[rsa.as_bytes(), ec.expose()].concat()).unwrap();
        let jws =
            signer.sign(&serde_json::json!({ "sub": "ann", "exp": 4_000_000_000_u64 })).unwrap();
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&signer.jwks()).unwrap();
        assert_eq!(jwks.keys.len(), 2);
        let key = jsonwebtoken::DecodingKey::from_jwk(&jwks.keys[0]).unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<serde_json::Value>(&jws, &key, &validation).unwrap();
        assert_eq!(decoded.claims["sub"], "ann");
        let kid = |index: usize| jwks.keys[index].common.key_id.clone();
        assert_eq!(decoded.header.kid, kid(0));
        assert_ne!(kid(0), kid(1));
    }

    #[test]
    fn integers_have_no_zeros_in_front() {
        for (given, expected) in [(&[0, 0, 1, 0][..], &[1, 0][..]), (&[1], &[1]), (&[0], &[])] {
            assert_eq!(super::without_zeros(given), expected);
        }
    }

    #[test]
    fn what_is_no_key_is_said() {
        for text in
            ["", "garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
        {
            assert!(Signer::from_pem(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    fn base64_url(text: &str) -> Vec<u8> {
        use base64::Engine as _;
        base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }
}
