use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{Handle, HandleError, HandleError::*};
use crate::{
    session::{SessionId, keys::tests::keys},
    time::UnixTime,
};

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_100);
const ID: &str = "11111111-2222-3333-4444-555555555555";

/// Signs any header and payload with the shared secret of the tests.
fn signed(header: &str, payload: &str) -> String {
    let shared: Vec<u8> = (0..32).collect();
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let signing_input = format!("{}.{}", encode(header), encode(payload));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &shared), signing_input.as_bytes());
    format!("{signing_input}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac))
}

fn handle() -> Handle {
    Handle {
        session: SessionId::parse(ID).unwrap(),
        subject: "u1".into(),
        idp_id: None,
        issuer: None,
        audience: vec!["a.example.com".into()],
        issued_at: Some(UnixTime::from_seconds(1_700_000_000)),
        depends_on_time: false,
    }
}

#[test]
fn is_pomerium_s_to_the_octet() {
    // the vector of pomerium-protocols.md §0.3
    let token = keys().sign_handle(&handle());
    assert_eq!(token.rsplit('.').next(), Some("ElzBxFzg3zi-DAS1l9boHShpic_GByBLd7pqW086Nds"));
    assert_eq!(keys().verify_handle(&token, NOW), Ok(handle()));
}

#[test]
fn what_pomerium_may_write_is_read() {
    let usual = r#"{"alg":"HS256","typ":"JWT"}"#;
    for (header, payload, why) in [
        (usual, format!(r#"{{"jti":"{ID}"}}"#), "the least"),
        (r#"{"typ":"JWT","alg":"HS256"}"#, format!(r#"{{"jti":"{ID}"}}"#), "order of the header"),
        (usual, format!(r#"{{"jti":"{ID}","aud":"one.example"}}"#), "one audience as text"),
        (
            usual,
            format!(r#"{{"jti":"{ID}","databroker_server_version":"7","x":[1]}}"#),
            "more claims",
        ),
        (usual, format!(r#"{{"jti":"{ID}","iat":1.7e9}}"#), "a NumericDate with a point"),
        (usual, format!(r#"{{"jti":"{ID}","exp":1700000101}}"#), "an expiry that is to come"),
    ] {
        let read = keys().verify_handle(&signed(header, &payload), NOW);
        assert_eq!(read.map(|handle| handle.session), Ok(SessionId::parse(ID).unwrap()), "{why}");
    }
}

/// T6: a generic provider lets people choose an `oid`; it must not make them somebody else.
#[test]
fn t6_oid_does_not_override_sub() {
    let token = signed(
        r#"{"alg":"HS256","typ":"JWT"}"#,
        &format!(r#"{{"jti":"{ID}","sub":"mallory","oid":"ann"}}"#),
    );
    assert_eq!(&*keys().verify_handle(&token, NOW).unwrap().subject, "mallory");
}

/// T5, T21 of the advisories: every other kind of token, and every trick with the header.
#[test]
fn t5_other_tokens_are_no_handles() {
    let usual = r#"{"alg":"HS256","typ":"JWT"}"#;
    let good = format!(r#"{{"jti":"{ID}"}}"#);
    let good_token = signed(usual, &good);
    let (signed_part, signature) = good_token.rsplit_once('.').unwrap();
    let unsigned = signed(r#"{"alg":"none","typ":"JWT"}"#, &good);
    let cases: Vec<(String, HandleError, &str)> = vec![
        (String::new(), Malformed, "nothing"),
        ("a.b".into(), Malformed, "two parts"),
        (format!("{good_token}.x"), BadSignature, "four parts"),
        ("x".repeat(Handle::MAX_OCTETS + 1), TooLong, "an attack on memory"),
        (unsigned.clone(), OtherKind, "alg none with a signature"),
        (format!("{}.", unsigned.rsplit_once('.').unwrap().0), OtherKind, "alg none without"),
        (signed(r#"{"alg":"NONE","typ":"JWT"}"#, &good), OtherKind, "alg none in capitals"),
        (signed(r#"{"alg":"HS512","typ":"JWT"}"#, &good), OtherKind, "another HMAC"),
        (signed(r#"{"alg":"RS256","typ":"JWT"}"#, &good), OtherKind, "an ID token's algorithm"),
        (signed(r#"{"alg":"ES256","typ":"JWT"}"#, &good), OtherKind, "an assertion's algorithm"),
        (signed(r#"{"alg":"HS256"}"#, &good), OtherKind, "no type"),
        (signed(r#"{"alg":"HS256","typ":"at+jwt"}"#, &good), OtherKind, "an access token's type"),
        (signed(r#"{"alg":"HS256","typ":"JWT","kid":"../../dev/null"}"#, &good), OtherKind, "kid"),
        (signed(r#"{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct"}}"#, &good), OtherKind, "jwk"),
        (
            signed(r#"{"alg":"HS256","typ":"JWT","jku":"https://evil.example"}"#, &good),
            OtherKind,
            "jku",
        ),
        (signed(r#"{"alg":"HS256","typ":"JWT","crit":["x"]}"#, &good), OtherKind, "crit"),
        (signed(r#"{"alg":"HS256","alg":"none","typ":"JWT"}"#, &good), OtherKind, "two algorithms"),
        (format!("{signed_part}."), BadSignature, "no signature"),
        (format!("{signed_part}.{}", &signature[..22]), BadSignature, "half a signature"),
        (format!("{signed_part}.{signature}="), BadSignature, "padding"),
        (good_token.replacen(".e", ".f", 1), BadSignature, "a changed payload"),
        (signed(usual, r#"{"exp":1800000000}"#), NoSession, "the databroker's token: only exp"),
        (
            signed(usual, r#"{"jti":"sa-backup","sub":"robot"}"#),
            NoSession,
            "a service account by name",
        ),
        (signed(usual, &format!(r#"{{"jti":"{ID}","exp":1700000100}}"#)), NotInForce, "expired"),
        (signed(usual, &format!(r#"{{"jti":"{ID}","nbf":1700000101}}"#)), NotInForce, "not yet"),
        (signed(usual, "[]"), Malformed, "no claims"),
        (signed(usual, &format!(r#"{{"jti":"{ID}","jti":"{ID}"}}"#)), Malformed, "two ids"),
    ];
    for (token, expected, why) in cases {
        assert_eq!(keys().verify_handle(&token, NOW), Err(expected), "{why}");
    }
}

/// An audience is enforced: a handle for one host is worth nothing on another.
#[test]
fn a_handle_is_for_the_hosts_that_it_names() {
    for (audience, host, domain, is_for, is_for_domain) in [
        (&["tv.example.com"][..], "tv.example.com", "example.com", true, true),
        (&["x.test", "tv.example.com"], "tv.example.com", "example.com", true, true),
        (&["example.com"], "example.com", "example.com", true, true),
        (&["example.com"], "tv.example.com", "example.com", false, true),
        (&["tv.example.com"], "example.com", "tv.example.com", false, true),
        (&["evilexample.com"], "example.com", "example.com", false, false),
        (&["tv.example.com.evil.test"], "tv.example.com", "example.com", false, false),
        (&["com"], "example.com", "example.com", false, false),
        (&[], "tv.example.com", "example.com", false, false),
    ] {
        let audience = audience.iter().map(|host| Box::from(*host)).collect();
        let handle = Handle { audience, ..handle() };
        assert_eq!(handle.is_for(host), is_for, "{handle:?} on {host}");
        assert_eq!(handle.is_for_domain(domain), is_for_domain, "{handle:?} below {domain}");
    }
}

#[test]
fn moments_and_lengths_at_their_edges() {
    let usual = r#"{"alg":"HS256","typ":"JWT"}"#;
    for (claims, depends_on_time, idp_id, why) in [
        ("", false, None, "nothing about time"),
        (r#","nbf":1700000100"#, true, None, "from now on"),
        (r#","exp":1700000101"#, true, None, "a second more"),
        (r#","idp_id":"""#, false, None, "no provider is named"),
        (r#","idp_id":"p1""#, false, Some("p1"), "a provider is named"),
    ] {
        let token = signed(usual, &format!(r#"{{"jti":"{ID}"{claims}}}"#));
        let read = keys().verify_handle(&token, NOW).unwrap();
        assert_eq!(read.depends_on_time, depends_on_time, "{why}");
        assert_eq!(read.idp_id.as_deref(), idp_id, "{why}");
    }
    let of_length = |octets: usize| {
        let fits = |filler: &usize| {
            let subject = "x".repeat(*filler);
            signed(usual, &format!(r#"{{"jti":"{ID}","sub":"{subject}"}}"#)).len() >= octets
        };
        let filler = (2_900..octets).find(fits).unwrap();
        signed(usual, &format!(r#"{{"jti":"{ID}","sub":"{}"}}"#, "x".repeat(filler)))
    };
    let longest = of_length(Handle::MAX_OCTETS);
    assert_eq!(longest.len(), Handle::MAX_OCTETS);
    assert!(keys().verify_handle(&longest, NOW).is_ok());
}

#[test]
fn a_handle_of_an_earlier_key_counts_on() {
    let of = |n| {
        let secret = crate::secret::Secret::new([n; 32]);
        crate::session::Keys::derive(&secret, &secret).unwrap()
    };
    let token = of(1).sign_handle(&handle());
    assert_eq!(of(2).verify_handle(&token, NOW), Err(BadSignature));
    let rotated = of(2).with_previous(vec![of(3), of(1)]);
    assert_eq!(rotated.verify_handle(&token, NOW), Ok(handle()));
    assert_eq!(of(2).verify_handle(&rotated.sign_handle(&handle()), NOW), Ok(handle()));
}
