//! Laws about what clients show in their handshake.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};
use usher_rules::policy::{Certificate, ClientCertificate, Facts, Verdict, WrongCertificate};

use crate::given::{clause, compile, request, text_matcher};

const NAMES: [&str; 3] = ["a.test", "b.test", "ann@a.test"];

/// As a config would write them.
pub fn criterion() -> impl Strategy<Value = (String, Value)> {
    let matching = |data| ("client_certificate".to_owned(), data);
    prop_oneof![
        Just(("invalid_client_certificate".to_owned(), json!(true))),
        text_matcher(&NAMES).prop_map(move |data| matching(json!({ "san_dns": data }))),
        (select(vec!["a1", "b2"]), text_matcher(&NAMES)).prop_map(move |(octet, data)| {
            matching(json!({ "fingerprint": octet.repeat(32), "san_email": data }))
        }),
    ]
}

/// What somebody shows, by what it is worth.
pub type Shown = (Certificate, u8);

pub fn shown() -> impl Strategy<Value = Shown> {
    let names = || vec(select(NAMES.to_vec()), 0..3);
    let boxed = |names: Vec<&str>| names.into_iter().map(Into::into).collect();
    (select(vec![0xA1, 0xB2]), names(), names(), 0..7_u8).prop_map(
        move |(octet, dns, email, worth)| {
            let certificate = Certificate {
                fingerprint: [octet; 32],
                spki_hash: [octet; 32],
                san_email: boxed(email),
                san_dns: boxed(dns),
                san_uri: [].into(),
                san_ip: [].into(),
                san_upn: [].into(),
                subject: "".into(),
                issuer: "".into(),
            };
            (certificate, worth)
        },
    )
}

pub fn standing((shown, worth): &Shown) -> ClientCertificate<'_> {
    match worth {
        0 => ClientCertificate::Unjudged(None),
        1 => ClientCertificate::Unjudged(Some(shown)),
        2 => ClientCertificate::Absent,
        3 => ClientCertificate::Wrong(Some(shown), WrongCertificate::Untrusted),
        4 => ClientCertificate::Wrong(None, WrongCertificate::Unreadable),
        _ => ClientCertificate::Valid(shown),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// It is told as it is, and whom it alone would let in is not let in.
    #[test]
    fn a_wrong_certificate_never_lets_in(
        clauses in vec(clause(), 0..5),
        request in request(),
        shown in shown(),
    ) {
        let policy = compile(&clauses);
        let with = |certificate| {
            policy.decide(&Facts::of(None, request).with_certificate(certificate)).verdict
        };
        let (certificate, wrong) = (&shown.0, WrongCertificate::Untrusted);
        if with(ClientCertificate::Wrong(Some(certificate), wrong)) == Verdict::Allow {
            prop_assert_eq!(with(ClientCertificate::Distrusted(certificate)), Verdict::Allow);
        }
        let demanding = compile(&clauses).with_certificate_demanded();
        for certificate in [
            ClientCertificate::Absent,
            ClientCertificate::Wrong(Some(certificate), wrong),
            ClientCertificate::Wrong(None, wrong),
        ] {
            let facts = Facts::of(None, request).with_certificate(certificate);
            prop_assert_eq!(demanding.decide(&facts).verdict, Verdict::ShowCertificate);
        }
    }
}
