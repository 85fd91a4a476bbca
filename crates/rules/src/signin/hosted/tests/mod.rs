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

/// RFC 7748 §6.1: what is sealed to a point of low order can be opened by everybody.
#[test]
fn a_key_that_nobody_has_takes_no_seals() {
    assert!(service().public().takes_seals());
    for octets in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        assert!(!PublicKey::from_octets(&octets).unwrap().takes_seals(), "{octets:?}");
    }
}

#[test]
fn every_message_has_a_name_of_its_own() {
    let sealed = |value: &str, ephemeral: u8| {
        let to = service().public();
        let pairs = vec![("a", value), ("b", "2")];
        SealedForm::seal(pairs, super::Version::V2, &proxy(), &to, [ephemeral; 32]).unwrap()
    };
    let opened = |query: &str| open(query, &service()).unwrap();
    let (one, again, other) = (sealed("1", 7), sealed("1", 7), sealed("x", 8));
    assert_eq!(opened(&one).digest(), opened(&again).digest());
    assert_ne!(opened(&one).digest(), opened(&other).digest());
    assert_eq!(opened(&one).names().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_query_has_a_longest_length() {
    let unseal = |octets: usize| SealedForm::unseal(&"x".repeat(octets), &service()).err();
    assert_ne!(unseal(SealedForm::LONGEST), Some(SealedFault::TooLong));
    assert_eq!(unseal(SealedForm::LONGEST + 1), Some(SealedFault::TooLong));
}

/// Whoever asked for the key a minute ago seals to the one that was rotated since.
#[test]
fn what_is_sealed_to_an_earlier_key_opens() {
    let pairs = vec![("pomerium_issued", "1")];
    let sealed =
        SealedForm::seal(pairs, super::Version::V2, &proxy(), &service().public(), [1; 32]);
    let fresh = || HostedKey::derive(&Secret::new([9; 32]));
    assert!(open(sealed.as_deref().unwrap(), &fresh()).is_err());
    let rotated = fresh().with_previous(vec![service()]);
    assert!(open(sealed.as_deref().unwrap(), &rotated).is_ok());
    assert_eq!(rotated.public(), fresh().public(), "and is told to nobody any more");
}
