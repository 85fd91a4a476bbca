use std::time::Duration;

use proptest::prelude::*;

use super::{Params, ParamsError, UrlRefusal, sign_url, verify_url};
use crate::{session::test_keys, time::UnixTime};

const BASE: &str = "https://auth.example/.pomerium/sign_in";
const NOW: u64 = 1_700_000_000;

fn signed() -> String {
    let params =
        [("pomerium_redirect_uri", "https://tv.example/a b?c=%2f&d;e"), ("pomerium_idp_id", "x")];
    sign_url(&test_keys(), BASE, &params, UnixTime::from_seconds(NOW))
}

fn query() -> String {
    signed().split_once('?').unwrap().1.to_owned()
}

fn verdict(base: &str, query: &str, now: u64) -> &'static str {
    match verify_url(&test_keys(), base, query, UnixTime::from_seconds(now), Duration::ZERO) {
        Ok(url) => {
            let target = url.params.text("pomerium_redirect_uri");
            assert_eq!(target, Some("https://tv.example/a b?c=%2f&d;e"), "octet for octet");
            "good"
        }
        Err(UrlRefusal::Params(ParamsError::Duplicate)) => "duplicate",
        Err(UrlRefusal::Params(ParamsError::BadEncoding)) => "encoding",
        Err(UrlRefusal::Unsigned) => "unsigned",
        Err(UrlRefusal::BadSignature) => "bad",
        Err(UrlRefusal::Expired(_)) => "expired",
        Err(UrlRefusal::TooEarly) => "early",
    }
}

/// T2: what a signature covers.
#[test]
fn t2_signature_coverage() {
    let good = query();
    let reversed: Vec<_> = good.split('&').rev().collect();
    let value = |name: &str| {
        good.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap().to_owned()
    };
    let (signature, expiry) = (value("pomerium_signature"), value("pomerium_expiry"));
    for (given, expected, why) in [
        (good.clone(), "good", "as it was signed"),
        (reversed.join("&"), "good", "order does not count"),
        (format!("&&{good}&"), "good", "empty pairs say nothing"),
        (good.replace("pomerium_", "%70omerium_"), "good", "another spelling of the same"),
        (good.replace("a+b", "a%20b"), "good", "another spelling of a blank"),
        (format!("{good}&extra=1"), "bad", "added"),
        (good.replace("pomerium_idp_id=x&", ""), "bad", "taken away"),
        (good.replace("idp_id=x", "idp_id=y"), "bad", "changed"),
        (good.replace("idp_id=x", "idp_id=%2578"), "bad", "encoded twice"),
        (format!("{good}&pomerium_idp_id=x"), "duplicate", "given twice"),
        (format!("{good}&pomerium_signature={signature}"), "duplicate", "signed twice"),
        (good.replace(&signature, ""), "bad", "an empty signature"),
        (
            good.replace(&signature, signature.trim_end_matches("%3D")),
            "bad",
            "padding is part of it",
        ),
        (
            good.replace(&format!("pomerium_signature={signature}"), "x=1"),
            "unsigned",
            "no signature",
        ),
        (good.replace(&format!("pomerium_expiry={expiry}&"), ""), "unsigned", "no expiry"),
        (good.replace(&expiry, &format!("{expiry}000")), "bad", "milliseconds"),
        (good.replace(&expiry, &format!("%2B{expiry}")), "bad", "a sign"),
        (good.replace("a+b", "a%2"), "encoding", "half an escape"),
        (good.replace("a+b", "%ff"), "encoding", "not UTF-8"),
        (String::new(), "unsigned", "nothing"),
    ] {
        assert_eq!(verdict(BASE, &given, NOW), expected, "{why}: {given}");
    }
}

#[test]
fn a_signature_is_for_one_address() {
    for base in [
        "https://other.example/.pomerium/sign_in",
        "https://auth.example/.pomerium/sign_out",
        "https://auth.example:8443/.pomerium/sign_in",
        "http://auth.example/.pomerium/sign_in",
    ] {
        assert_eq!(verdict(base, &query(), NOW), "bad", "{base}");
    }
}

#[test]
fn times_with_a_minute_of_leeway() {
    for (now, expected) in [
        (NOW - 61, "early"),
        (NOW - 60, "good"),
        (NOW + 300, "good"),
        (NOW + 360, "good"),
        (NOW + 361, "expired"),
        (u64::MAX, "expired"),
    ] {
        assert_eq!(verdict(BASE, &query(), now), expected, "{now}");
    }
    let late = UnixTime::from_seconds(NOW + 3600);
    let grace = Duration::from_secs(3600);
    assert!(verify_url(&test_keys(), BASE, &query(), late, grace).is_ok(), "a form left open");
}

#[test]
fn a_url_that_an_earlier_key_signed_is_followed() {
    let of = |n| {
        let secret = crate::secret::Secret::new([n; 32]);
        crate::session::Keys::derive(&secret, &secret).unwrap()
    };
    let now = UnixTime::from_seconds(NOW);
    let url = sign_url(&of(1), BASE, &[("a", "b")], now);
    let query = url.split_once('?').unwrap().1;
    let verify =
        |keys: &crate::session::Keys| verify_url(keys, BASE, query, now, Duration::ZERO).is_ok();
    assert!(verify(&of(2).with_previous(vec![of(1)])) && !verify(&of(2)));
}

proptest! {
    #[test]
    fn what_was_encoded_is_read(pairs in proptest::collection::btree_map(".{0,12}", ".{0,40}", 0..6)) {
        let params = Params(pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect());
        // a pair without name and value leaves no trace
        let expected = Params(params.0.iter().filter(|(n, v)| !(n.is_empty() && v.is_empty())).cloned().collect());
        let got = Params::parse(&params.encode()).unwrap();
        prop_assert_eq!(got.0.len() >= expected.0.len(), true);
        for (name, value) in &expected.0 {
            prop_assert_eq!(got.text(name), Some(&**value));
        }
    }

    #[test]
    fn never_panics(query in ".{0,200}") {
        let _ = Params::parse(&query);
    }
}
