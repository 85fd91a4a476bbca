//! What people hold in their hands: keys that count, and apps that show codes.

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer as _, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use serde_json::json;
use usher_rules::passkey::{Assertion, NewPasskey};

/// An authenticator with one key of somebody's.
pub struct Authenticator {
    key: EcdsaKeyPair,
    serial: u64,
    owner: String,
    pub counter: u32,
}

impl Authenticator {
    pub fn new(serial: u64, owner: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { key, serial, owner: owner.into(), counter: 0 }
    }

    pub fn id(&self) -> String {
        B64.encode(self.serial.to_be_bytes())
    }

    /// As it is kept once its registration was verified.
    pub fn made(&self) -> NewPasskey {
        let spki: PublicKeyX509Der<'_> = self.key.public_key().as_der().unwrap();
        NewPasskey { id: self.id().into(), public_key: spki.as_ref().into(), counter: 0 }
    }

    /// With the counter as it stands: whoever copied the key says what was said before.
    pub fn signs(&self, challenge: &str) -> Assertion {
        let client = json!({
            "type": "webauthn.get", "challenge": challenge, "origin": "https://auth.test",
        });
        let client = client.to_string();
        let rp_id = digest(&SHA256, b"auth.test");
        let data = [rp_id.as_ref(), &[5], &self.counter.to_be_bytes()].concat();
        let signed = [&data[..], digest(&SHA256, client.as_bytes()).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let text = json!({
            "id": self.id(), "clientDataJSON": B64.encode(client),
            "authenticatorData": B64.encode(data), "signature": B64.encode(signature.as_ref()),
            "userHandle": B64.encode(&self.owner),
        });
        Assertion::parse(&text.to_string()).unwrap()
    }
}

/// What an app shows in that second (RFC 6238, RFC 4226 §5.3).
pub fn code_of(secret: &[u8], seconds: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let mac = hmac::sign(&key, &(seconds / 30).to_be_bytes());
    let at = usize::from(mac.as_ref()[19] & 0xf);
    let four = mac.as_ref()[at..at + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}
