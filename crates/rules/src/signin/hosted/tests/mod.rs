//! The real server's vectors and recorded exchanges (`tests/golden/README.md`).

mod callbacks;
mod laws;
mod lives;
mod requests;
mod vectors;

use serde_json::Value;

use super::{HostedKey, Opened, PublicKey, SealedFault, SealedForm, Unsealed};
use crate::secret::Secret;

pub(super) const VECTORS: &str = include_str!("../../../../tests/golden/hosted-vectors.json");
pub(super) const REQUESTS: &str = include_str!("../../../../tests/golden/hosted-requests.json");
pub(super) const CALLBACKS: &str = include_str!("../../../../tests/golden/hosted-callbacks.json");

/// The proxy of the recordings.
pub(super) fn proxy() -> HostedKey {
    HostedKey::derive(&Secret::new((0x00..0x20).collect::<Vec<u8>>()))
}

/// The authenticate service of the recordings.
pub(super) fn service() -> HostedKey {
    HostedKey::derive(&Secret::new((0x40..0x60).collect::<Vec<u8>>()))
}

pub(super) fn party(name: &str) -> HostedKey {
    if name == "P" { proxy() } else { service() }
}

/// Opens a message of somebody who is trusted.
pub(super) fn open(query: &str, receiver: &HostedKey) -> Result<Opened, SealedFault> {
    SealedForm::unseal(query, receiver)?.read(Unsealed::OF_THE_TRUSTED)
}

pub(super) fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

#[test]
fn keys_are_derived_as_the_real_server_does() {
    let vectors = read(VECTORS);
    assert_eq!(list(&vectors["keys"]).len(), 4);
    for key in list(&vectors["keys"]) {
        let derived = HostedKey::derive(&Secret::new(hex(text(key, "shared_secret_hex"))));
        assert_eq!(derived.public().to_string(), text(key, "public"));
        assert_eq!(derived.public().octets().to_vec(), hex(text(key, "public_hex")));
        assert_eq!(PublicKey::parse(text(key, "public")), Some(derived.public()));
        assert!(!format!("{derived:?}").contains("private"), "a key tells nothing of itself");
    }
}
