use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{VECTORS, hex, list, open, party, proxy, read, service, text};
use crate::{
    secret::Secret,
    session::Keys,
    signin::{
        hosted::{HostedKey, SealedFault, SealedForm, Unsealed, Version, form::Form, message},
        verify_url,
    },
    time::UnixTime,
};

#[test]
fn every_sealed_vector_opens() {
    let vectors = read(VECTORS);
    assert_eq!(list(&vectors["sealed"]).len(), 16);
    for case in list(&vectors["sealed"]) {
        let receiver = party(text(case, "receiver"));
        let opened = open(text(case, "query"), &receiver).unwrap();
        let name = text(case, "name");
        assert_eq!(opened.sender, party(text(case, "sender")).public(), "{name}");
        let version = if case["version"] == 1 { Version::V1 } else { Version::V2 };
        assert_eq!(opened.version, version, "{name}");
        let plaintext = text(case, "plaintext_form_encoded");
        assert_eq!(opened.form, Form::parse(plaintext).unwrap(), "{name}");
        assert_eq!(Form::encode(opened.form.pairs().collect()), plaintext, "{name}: written back");
    }
}

#[test]
fn every_deterministic_vector_is_made_octet_for_octet() {
    let vectors = read(VECTORS);
    assert_eq!(list(&vectors["deterministic"]).len(), 3);
    for case in list(&vectors["deterministic"]) {
        let sender = party(text(case, "sender"));
        let receiver = party(text(case, "receiver"));
        let ephemeral = hex(text(case, "ikmE_hex")).try_into().unwrap();
        let message = hex(text(case, "message_hex"));
        let sealed = message::seal(&sender, &receiver.public(), &message, ephemeral).unwrap();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(&sealed), text(case, "sealed"));
        assert_eq!(message::open(&receiver, &sender.public(), &sealed), Some(message));
    }
}

/// The limits are those of 0.33: a frame of 32 MiB from a kilobyte is a bomb.
#[test]
fn frames_are_taken_as_the_newer_server_takes_them() {
    let vectors = read(VECTORS);
    assert_eq!(list(&vectors["zstd_accepted_by"]).len(), 21);
    let (from, to) = (proxy(), service());
    for case in list(&vectors["zstd_accepted_by"]) {
        let expected = text(case, "0.33.1").starts_with("ok");
        let query = match case["query"].as_str() {
            Some(query) => query.to_owned(),
            None => sealed_bomb(&from, &to), // named in the recording, and made here
        };
        let opened = open(&query, &to);
        assert_eq!(opened.is_ok(), expected, "{}: {opened:?}", text(case, "frame"));
        if !expected {
            assert_eq!(opened.unwrap_err(), SealedFault::Compression, "{}", text(case, "frame"));
        }
    }
}

#[test]
fn odd_outer_queries_are_refused_each_with_its_reason() {
    let ours = [
        ("q with = padding", SealedFault::Encoding),
        ("q in standard base64 alphabet", SealedFault::Encoding),
        ("q with a line feed inside", SealedFault::Encoding), // the real one takes it
        ("q with a space inside", SealedFault::Encoding),
        ("last character of q changed in its unused bits", SealedFault::Encoding), // and this
        ("k with = padding", SealedFault::Sender),
        ("k of 31 bytes", SealedFault::Sender),
        ("k all zero (low-order point)", SealedFault::NotForUs),
        ("k of another key", SealedFault::NotForUs),
        ("k repeated, good one last", SealedFault::NotForUs),
        ("V1 names, V2 message", SealedFault::Form), // and this: parameters named by garbage
        ("V2 names, V1 message", SealedFault::Compression),
        ("both pairs present: V1 garbage, V2 good", SealedFault::Sender),
        ("q empty", SealedFault::NotForUs),
        ("q of 31 bytes", SealedFault::NotForUs),
        ("q of 32 bytes", SealedFault::NotForUs),
        ("q one bit changed", SealedFault::NotForUs),
    ];
    let vectors = read(VECTORS);
    let cases = list(&vectors["outer_query"]);
    assert_eq!(cases.len(), 22);
    let mut refused = 0;
    for case in cases {
        let name = text(case, "case");
        let opened = open(text(case, "query"), &service());
        match ours.iter().find(|(case, _)| *case == name) {
            Some((_, fault)) => {
                assert_eq!(opened, Err(*fault), "{name}");
                refused += 1;
            }
            None => {
                let opened = opened.unwrap_or_else(|fault| panic!("{name}: {fault}"));
                assert_eq!(opened.sender, proxy().public(), "{name}");
                // What stands beside the sealed parameters is not there for us.
                let sealed = ["pomerium_idp_id", "pomerium_redirect_uri"];
                let names: Vec<_> = opened.form.pairs().map(|(name, _)| name).collect();
                assert_eq!(names, sealed, "{name}");
                assert_eq!(
                    opened.form.text("pomerium_redirect_uri"),
                    Some("https://app.example.com/"),
                    "{name}"
                );
            }
        }
    }
    assert_eq!(refused, ours.len(), "each reason was met");
}

#[test]
fn what_we_seal_needs_no_window_and_can_be_opened() {
    let (from, to) = (proxy(), service());
    for version in [Version::V1, Version::V2] {
        let long = "x".repeat(100_000);
        let query = SealedForm::seal(
            vec![("b", "2 + 2"), ("a", &long)],
            version,
            &from,
            &to.public(),
            [7; 32],
        )
        .unwrap();
        if version == Version::V1 {
            assert_eq!(open(&query, &to), Err(SealedFault::TooLong));
            continue;
        }
        let opened = open(&query, &to).unwrap();
        assert_eq!(opened.form.pairs().collect::<Vec<_>>(), [("a", &*long), ("b", "2 + 2")]);
        assert_eq!(open(&query, &from), Err(SealedFault::NotForUs), "not for the sender");
    }
}

/// A message of half a kilobyte from anybody never becomes megabytes, nor a million pairs.
#[test]
fn what_strangers_seal_stays_small() {
    let (stranger, to) = (proxy(), service());
    let sealed = |text: &[u8]| {
        let frame = zstd::bulk::compress(text, 3).unwrap();
        let sealed = message::seal(&stranger, &to.public(), &frame, [5; 32]).unwrap();
        format!("k={}&q={}", stranger.public(), BASE64_URL_SAFE_NO_PAD.encode(sealed))
    };
    let read = |query: &str, longest| SealedForm::unseal(query, &to).unwrap().read(longest);
    let pairs = sealed(&b"a&".repeat(2_000_000));
    assert!(pairs.len() < 1000, "{}", pairs.len());
    assert_eq!(read(&pairs, Unsealed::OF_ANYBODY), Err(SealedFault::Compression));
    assert_eq!(read(&pairs, Unsealed::OF_THE_TRUSTED), Err(SealedFault::Form), "too many pairs");
    let few = sealed(&b"a&".repeat(257));
    assert_eq!(read(&few, Unsealed::OF_ANYBODY), Err(SealedFault::Form));
    let fits = sealed(&b"a&".repeat(256));
    assert!(read(&fits, Unsealed::OF_ANYBODY).is_ok());
}

/// 32 MiB of one letter in about a kilobyte.
fn sealed_bomb(from: &HostedKey, to: &HostedKey) -> String {
    let frame = zstd::bulk::compress(&vec![b'a'; 32 << 20], 3).unwrap();
    assert!(frame.len() < 4096, "{}", frame.len());
    let sealed = message::seal(from, &to.public(), &frame, [5; 32]).unwrap();
    format!("k={}&q={}", from.public(), BASE64_URL_SAFE_NO_PAD.encode(sealed))
}

/// What the real proxy and service sign with their shared secrets, and ours with the same.
#[test]
fn handles_and_links_are_signed_as_the_real_ones_are() {
    let vectors = read(VECTORS);
    let keys = |name: &str| {
        let first: u8 = if name.ends_with('P') { 0x00 } else { 0x40 };
        let shared = Secret::new((first..first + 32).collect::<Vec<u8>>());
        Keys::derive(&shared, &Secret::new([1; 32])).unwrap()
    };
    for section in ["handle_jwt", "authenticate_handle_jwt"] {
        let case = &vectors[section];
        let (token, now) = (text(case, "jwt"), UnixTime::from_seconds(1_795_576_010));
        let handle = keys(text(case, "key")).verify_handle(token, now).unwrap();
        let payload: serde_json::Value = serde_json::from_str(text(case, "payload_json")).unwrap();
        assert_eq!(handle.session.as_str(), text(&payload, "jti"), "{section}");
        assert_eq!(&*handle.subject, "alice");
        let other = keys(if text(case, "key").ends_with('P') { "A" } else { "P" });
        assert!(other.verify_handle(token, now).is_err(), "{section}");
    }
    assert_eq!(list(&vectors["signed_url"]).len(), 2);
    for case in list(&vectors["signed_url"]) {
        let (base, query) = text(case, "url").split_once('?').unwrap();
        let (issued, keys) = (UnixTime::from_seconds(1_795_576_151), keys(text(case, "key")));
        let verified = verify_url(&keys, base, query, issued, Duration::ZERO).unwrap();
        let mac = base64::prelude::BASE64_URL_SAFE.decode(text(case, "mac")).unwrap();
        assert_eq!(verified.signature.to_vec(), mac);
    }
}
