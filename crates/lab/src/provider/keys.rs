use std::sync::OnceLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::Algorithm;

/// One RSA key for the whole process (making one takes a while), and EC keys that change.
pub(super) struct Keys {
    generation: u32,
    ec: EcdsaKeyPair,
    stranger: EcdsaKeyPair,
}

static RSA: OnceLock<RsaKeyPair> = OnceLock::new();

fn rsa() -> &'static RsaKeyPair {
    RSA.get_or_init(|| {
        let key =
            aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap_or_else(|_| unreachable());
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap_or_else(|_| unreachable());
        RsaKeyPair::from_pkcs8(der.as_ref()).unwrap_or_else(|_| unreachable())
    })
}

fn unreachable<T>() -> T {
    panic!("no key could be made")
}

fn ec() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap_or_else(|_| unreachable())
}

pub(super) fn encode(octets: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { generation: 1, ec: ec(), stranger: ec() }
    }

    pub(super) fn rotate(&mut self) {
        self.generation += 1;
        self.ec = ec();
    }

    fn kid(&self, algorithm: Algorithm) -> String {
        match algorithm {
            Algorithm::Rs256 => format!("rsa-{}", self.generation),
            Algorithm::Es256 => format!("ec-{}", self.generation),
        }
    }

    /// The JWK set.
    pub(super) fn published(&self) -> Value {
        let public = rsa().public_key();
        let point = self.ec.public_key().as_ref();
        let (x, y) =
            point.get(1..).and_then(|point| point.split_at_checked(32)).unwrap_or_default();
        json!({"keys": [
            {
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid(Algorithm::Rs256),
                "n": encode(public.modulus().big_endian_without_leading_zero()),
                "e": encode(public.exponent().big_endian_without_leading_zero()),
            },
            {
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
                "kid": self.kid(Algorithm::Es256), "x": encode(x), "y": encode(y),
            },
            {"kty": "future", "kid": "a kind that nobody knows yet"},
        ]})
    }

    /// A token as it should be.
    pub(super) fn sign(&self, algorithm: Algorithm, claims: &Value) -> String {
        let (name, kid) = match algorithm {
            Algorithm::Rs256 => ("RS256", self.kid(algorithm)),
            Algorithm::Es256 => ("ES256", self.kid(algorithm)),
        };
        signed(&json!({"alg": name, "kid": kid, "typ": "JWT"}), claims, |input| match algorithm {
            Algorithm::Rs256 => {
                let mut signature = vec![0; rsa().public_modulus_len()];
                let made =
                    rsa().sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature);
                made.map(|()| signature).unwrap_or_default()
            }
            Algorithm::Es256 => sign_ec(&self.ec, input),
        })
    }

    /// Signed with a key that is not published; under the id of one that is, or its own.
    pub(super) fn sign_as_stranger(&self, under_known_id: bool, claims: &Value) -> String {
        let kid = if under_known_id { self.kid(Algorithm::Es256) } else { "stranger".into() };
        let header = json!({"alg": "ES256", "kid": kid, "typ": "JWT"});
        signed(&header, claims, |input| sign_ec(&self.stranger, input))
    }

    /// HS256 with the published RSA key in PEM's octets as the secret: algorithm confusion.
    pub(super) fn sign_with_public_key(&self, claims: &Value) -> String {
        let header = json!({"alg": "HS256", "kid": self.kid(Algorithm::Rs256), "typ": "JWT"});
        signed(&header, claims, |input| mac(rsa().public_key().as_ref(), input))
    }
}

/// HS256.
pub(super) fn sign_with_secret(secret: &str, claims: &Value) -> String {
    signed(&json!({"alg": "HS256", "typ": "JWT"}), claims, |input| mac(secret.as_bytes(), input))
}

/// `alg: none`.
pub(super) fn unsigned(claims: &Value) -> String {
    signed(&json!({"alg": "none", "typ": "JWT"}), claims, |_| Vec::new())
}

fn mac(key: &[u8], input: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), input).as_ref().to_vec()
}

fn sign_ec(key: &EcdsaKeyPair, input: &[u8]) -> Vec<u8> {
    key.sign(&SystemRandom::new(), input)
        .map(|signature| signature.as_ref().to_vec())
        .unwrap_or_default()
}

fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = encode(sign(input.as_bytes()));
    format!("{input}.{signature}")
}
