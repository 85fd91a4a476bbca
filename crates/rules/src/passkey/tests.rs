use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};

use super::{Assertion, Expected, NewPasskey, PasskeyFault, Registration};
use crate::names::Origin;

const OWNER: &str = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";

fn origin(text: &str) -> Origin {
    Origin::parse(text).unwrap()
}

fn client_data(kind: &str, challenge: &str, origin: &str) -> Value {
    json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
}

/// `flags`: 1 present, 4 verified, 64 with a credential.
fn authenticator_data(rp_id: &str, flags: u8, counter: u32) -> Vec<u8> {
    let mut data = digest(&SHA256, rp_id.as_bytes()).as_ref().to_vec();
    data.push(flags);
    data.extend(counter.to_be_bytes());
    if flags & 64 != 0 {
        data.extend([7; 16]);
        data.extend([0, 3, b'k', b'e', b'y', 0xa5]); // the id, and where the key would begin
    }
    data
}

struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        der.as_ref().to_vec()
    }

    fn kept(&self, counter: u32) -> NewPasskey {
        NewPasskey { id: B64.encode("key").into(), public_key: self.spki().into(), counter }
    }

    fn registers(&self, client: &Value, data: &[u8]) -> Registration {
        let text = json!({
            "clientDataJSON": B64.encode(client.to_string()),
            "authenticatorData": B64.encode(data), "publicKey": B64.encode(self.spki()),
        });
        Registration::parse(&text.to_string()).unwrap()
    }

    fn signs(&self, client: &Value, data: &[u8], handle: &str) -> Assertion {
        let client = client.to_string();
        let signed = [data, digest(&SHA256, client.as_bytes()).as_ref()].concat();
        let signature = self.0.sign(&SystemRandom::new(), &signed).unwrap();
        let text = json!({
            "id": B64.encode("key"), "clientDataJSON": B64.encode(client),
            "authenticatorData": B64.encode(data), "signature": B64.encode(signature.as_ref()),
            "userHandle": B64.encode(handle),
        });
        Assertion::parse(&text.to_string()).unwrap()
    }
}

/// T23: origin, RP id, kind, challenge, and who touched it.
#[test]
fn t23_a_registration_counts_where_all_of_it_is_ours() {
    use PasskeyFault::{Ceremony, Challenge, Origin, RelyingParty, Unreadable, Unverified};
    let key = Key::new();
    let here = "https://auth.test:8443";
    for (kind, challenge, from, rp_id, flags, expected, why) in [
        ("webauthn.create", "abc", here, "auth.test", 69, None, "as it has to be"),
        ("webauthn.get", "abc", here, "auth.test", 69, Some(Ceremony), "a sign-in's answer"),
        ("webauthn.create", "abd", here, "auth.test", 69, Some(Challenge), "another challenge"),
        ("webauthn.create", "abc", "https://auth.test", "auth.test", 69, Some(Origin), "a port"),
        (
            "webauthn.create",
            "abc",
            "https://tv.auth.test:8443",
            "auth.test",
            69,
            Some(Origin),
            "a sub-domain",
        ),
        ("webauthn.create", "abc", here, "test", 69, Some(RelyingParty), "a parent domain"),
        ("webauthn.create", "abc", here, "auth.test", 65, Some(Unverified), "touched by anybody"),
        ("webauthn.create", "abc", here, "auth.test", 68, Some(Unverified), "not touched"),
        ("webauthn.create", "abc", here, "auth.test", 5, Some(Unreadable), "without a credential"),
    ] {
        let origin = origin(here);
        let data = authenticator_data(rp_id, flags, 9);
        let made = key.registers(&client_data(kind, challenge, from), &data);
        let seen = made.verify(Expected { origin: &origin, challenge: "abc" });
        assert_eq!(seen.as_ref().err().copied(), expected, "{why}");
        if let Ok(seen) = seen {
            assert_eq!(seen, key.kept(9));
        }
    }
}

#[test]
fn t23_a_page_within_another_site_s_frame_registers_nothing() {
    let (key, here) = (Key::new(), origin("https://auth.test"));
    for (name, value) in [("crossOrigin", json!(true)), ("topOrigin", json!("https://evil.test"))] {
        let mut client = client_data("webauthn.create", "abc", "https://auth.test");
        client[name] = value;
        let made = key.registers(&client, &authenticator_data("auth.test", 69, 0));
        let seen = made.verify(Expected { origin: &here, challenge: "abc" });
        assert_eq!(seen, Err(PasskeyFault::Origin), "{name}");
    }
}

/// T23: another person's key, a key that is copied, a signature over something else.
#[test]
fn t23_an_assertion_counts_for_its_owner_once_and_forwards() {
    use PasskeyFault::{Counter, Owner, Signature, Unverified};
    let (key, other, here) = (Key::new(), Key::new(), origin("https://auth.test"));
    let client = client_data("webauthn.get", "abc", "https://auth.test");
    for (flags, was, now, handle, signer, expected, why) in [
        (5, 3, 4, OWNER, &key, Ok(4), "as it has to be"),
        (5, 0, 0, OWNER, &key, Ok(0), "no counter: synchronised passkeys"),
        (5, 0, 1, OWNER, &key, Ok(1), "it begins to count"),
        (5, 3, 3, OWNER, &key, Err(Counter), "stands still"),
        (5, 3, 2, OWNER, &key, Err(Counter), "went back"),
        (5, 3, 0, OWNER, &key, Err(Counter), "counts no more"),
        (1, 3, 4, OWNER, &key, Err(Unverified), "no PIN, no finger"),
        (4, 3, 4, OWNER, &key, Err(Unverified), "nobody there"),
        (5, 3, 4, "somebody-else", &key, Err(Owner), "another person's"),
        (5, 3, 4, "", &key, Err(Owner), "nobody's"),
        (5, 3, 4, OWNER, &other, Err(Signature), "another key"),
    ] {
        let data = authenticator_data("auth.test", flags, now);
        let shown = signer.signs(&client, &data, handle);
        let expected_of = Expected { origin: &here, challenge: "abc" };
        assert_eq!(shown.verify(expected_of, &key.kept(was), OWNER), expected, "{why}");
    }
    let mut shown = key.signs(&client, &authenticator_data("auth.test", 5, 4), OWNER);
    shown.authenticator_data = B64.encode(authenticator_data("auth.test", 5, 5)).into();
    let expected = Expected { origin: &here, challenge: "abc" };
    assert_eq!(shown.verify(expected, &key.kept(3), OWNER), Err(Signature), "changed on the way");
}

#[test]
fn keys_of_every_kind_that_counts_are_read_and_no_other() {
    let ed = Ed25519KeyPair::generate().unwrap();
    let spki: PublicKeyX509Der<'_> = ed.public_key().as_der().unwrap();
    let key = super::PublicKey::parse(spki.as_ref()).unwrap();
    assert_eq!(key.verify(b"film", ed.sign(b"film").as_ref()), Ok(()));
    assert_eq!(key.verify(b"song", ed.sign(b"film").as_ref()), Err(PasskeyFault::Signature));
    let mut longer = spki.as_ref().to_vec();
    longer.push(0);
    for odd in [&longer[..], b"", b"\x30\x00", &spki.as_ref()[..20]] {
        assert!(super::PublicKey::parse(odd).is_err(), "{odd:?}");
    }
}

/// Two spellings of one id would be two rows in a store.
#[test]
fn what_is_no_answer_is_unreadable() {
    let fields = |id: &str| json!({"id": id, "clientDataJSON": "", "authenticatorData": "", "signature": ""});
    assert!(Assertion::parse(&fields("a2V5").to_string()).is_ok());
    for odd in ["a2V5=", "a2V", "a+/5", "\u{e9}"] {
        assert!(Assertion::parse(&fields(odd).to_string()).is_err(), "{odd}");
    }
    for odd in ["", "[]", "{}", "null", "{\"id\": 7}"] {
        assert!(Assertion::parse(odd).is_err() && Registration::parse(odd).is_err(), "{odd}");
    }
    for length in 0..60 {
        let cut = &authenticator_data("auth.test", 69, 1)[..length];
        assert!(super::AuthenticatorData::parse(cut).is_err() || length >= 58, "{length}");
    }
}
