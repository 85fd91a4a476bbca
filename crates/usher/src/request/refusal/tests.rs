use std::{io, time::Duration};

use http_body_util::BodyExt as _;
use usher_pages::Receipt;
use usher_rules::{
    fields::Preference,
    names::{Authority, RequestPath},
};

use super::{ForwardError, Named, Oversize, Panicked, PermitEnd, Refusal, RouteError, StoreError};
use crate::request::{
    error_page,
    forward::{Http1Error, Unreadable},
};

fn not_forwarded() -> Vec<(u16, ForwardError)> {
    let upstream = || Box::<str>::from("127.0.0.1:1");
    let broke = || Http1Error::Ended.into();
    let (source, after) = (|| io::Error::other("x"), Duration::from_secs(1));
    vec![
        (503, ForwardError::Resolve { upstream: upstream(), source: source() }),
        (503, ForwardError::Connect { upstream: upstream(), source: source() }),
        (503, ForwardError::ConnectTimeout { upstream: upstream(), after }),
        (503, ForwardError::Tls { upstream: upstream(), source: source() }),
        (503, ForwardError::TlsSettings { upstream: upstream(), why: "x".into() }),
        (503, ForwardError::Closed { source: broke() }),
        (503, ForwardError::Refused { source: broke() }),
        (503, ForwardError::Overflow { limit: "max_requests" }),
        (503, ForwardError::NoneWell),
        (502, ForwardError::NoUpstream),
        (502, ForwardError::Protocol { source: broke() }),
        (502, ForwardError::Invalid { why: "x" }),
        (504, ForwardError::HeadTimeout { after }),
        (504, ForwardError::IdleTimeout { after }),
        (408, ForwardError::ClientStalled { after }),
        (400, ForwardError::ClientGone),
        (401, ForwardError::PermitEnded(PermitEnd::SessionEnded)),
        (401, ForwardError::PermitEnded(PermitEnd::SessionExpired)),
        (403, ForwardError::PermitEnded(PermitEnd::PolicyChanged)),
        (495, ForwardError::PermitEnded(PermitEnd::CertificateOver)),
        (404, ForwardError::PermitEnded(PermitEnd::RouteGone)),
        (502, ForwardError::NotWebSocket),
        (502, ForwardError::Unreadable { why: Unreadable::Coded }),
        (502, ForwardError::Unreadable { why: Unreadable::Part }),
        (502, ForwardError::Unreadable { why: Unreadable::TooLarge { at_most: 1 } }),
        (502, ForwardError::Unreadable { why: Unreadable::Malformed("x") }),
        (502, ForwardError::Unreadable { why: Unreadable::Slow }),
        (502, ForwardError::Unreadable { why: Unreadable::Broke(source()) }),
    ]
}

fn misrouted() -> Vec<(u16, RouteError)> {
    vec![
        (400, RouteError::NoAuthority),
        (400, RouteError::BadAuthority(Authority::parse("a b").unwrap_err())),
        (400, RouteError::BadPath(RequestPath::parse("/%2f").unwrap_err())),
        (400, RouteError::TwoReadings),
        (400, RouteError::Method),
        (400, RouteError::Connect),
        (501, RouteError::Trace),
        (400, RouteError::Underscore),
        (400, RouteError::Lengths(usher_rules::fields::DifferentLengths)),
        (501, RouteError::Protocol),
        (431, RouteError::TooManyFields),
        (501, RouteError::TransferCoding),
        (421, RouteError::Misdirected),
    ]
}

/// Every refusal, and its status.
async fn every() -> Vec<(u16, Refusal)> {
    let mut every = vec![
        (404, Refusal::NotFound),
        (431, Refusal::Oversize(Oversize::Cookies)),
        (431, Refusal::Oversize(Oversize::Other)),
        (400, Refusal::Climbs),
        (403, Refusal::NoWebSockets),
        (403, Refusal::ForeignOrigin),
        (413, Refusal::TooLarge),
        (400, Refusal::Malformed("x")),
        (408, Refusal::Slow),
        (500, Refusal::Unsayable),
        (500, Refusal::UnreadableCertificate),
        (503, Refusal::Busy),
        (503, Refusal::Unrecorded),
        (503, Refusal::ClockUnset),
        (503, Refusal::Store(StoreError::Unavailable("x".into()))),
        (503, Refusal::Store(StoreError::Full("x".into()))),
        (500, Refusal::Store(StoreError::Damaged("x".into()))),
        (403, Refusal::Store(StoreError::Refused("x".into()))),
        (500, Refusal::Panicked(Panicked { place: "a.rs:1".into(), words: "x" })),
    ];
    every.extend(not_forwarded().into_iter().map(|(s, e)| (s, Refusal::Forward(e))));
    every.extend(misrouted().into_iter().map(|(s, e)| (s, Refusal::Route(e))));
    every
}

/// Names each variant; who adds one is told here to add it to the list above, too.
fn variant(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Route(error) => match error {
            RouteError::NoAuthority
            | RouteError::BadAuthority(_)
            | RouteError::BadPath(_)
            | RouteError::TwoReadings
            | RouteError::Method
            | RouteError::Trace
            | RouteError::Underscore
            | RouteError::Lengths(_)
            | RouteError::Protocol
            | RouteError::TooManyFields
            | RouteError::TransferCoding
            | RouteError::Connect
            | RouteError::Misdirected => format!("Route {error}"),
        },
        Refusal::Forward(error) => match error {
            ForwardError::Resolve { .. }
            | ForwardError::Connect { .. }
            | ForwardError::ConnectTimeout { .. }
            | ForwardError::Tls { .. }
            | ForwardError::TlsSettings { .. }
            | ForwardError::Closed { .. }
            | ForwardError::Refused { .. }
            | ForwardError::Protocol { .. }
            | ForwardError::Invalid { .. }
            | ForwardError::HeadTimeout { .. }
            | ForwardError::IdleTimeout { .. }
            | ForwardError::ClientStalled { .. }
            | ForwardError::ClientGone
            | ForwardError::PermitEnded(_)
            | ForwardError::NotWebSocket
            | ForwardError::Overflow { .. }
            | ForwardError::NoneWell
            | ForwardError::NoUpstream => format!("Forward {error}"),
            ForwardError::Unreadable { why } => format!("Unreadable {why}"),
        },
        Refusal::NotFound
        | Refusal::Oversize(Oversize::Cookies | Oversize::Other)
        | Refusal::Climbs
        | Refusal::NoWebSockets
        | Refusal::ForeignOrigin
        | Refusal::TooLarge
        | Refusal::Slow
        | Refusal::Unsayable
        | Refusal::UnreadableCertificate
        | Refusal::Busy
        | Refusal::Unrecorded
        | Refusal::ClockUnset
        | Refusal::Store(
            StoreError::Unavailable(_)
            | StoreError::Full(_)
            | StoreError::Damaged(_)
            | StoreError::Refused(_),
        )
        | Refusal::Malformed(_)
        | Refusal::ByApp(_)
        | Refusal::Panicked(_) => format!("{refusal:?}"),
    }
}

/// 403 over a document that says 400 helps nobody.
#[tokio::test]
async fn status_page_and_document_of_every_refusal_agree() {
    let receipt =
        Receipt { request_id: "7f3a", at_seconds: 0, language: usher_pages::Language::English };
    let named = Named {
        host: "tv.test",
        sign_in: "https://tv.test/.pomerium/",
        page: Some("/"),
        contact: None,
        person: Some("ann@example.com"),
        receipt,
    };
    let mut seen = std::collections::HashSet::new();
    for (status, refusal) in every().await {
        assert!(seen.insert(variant(&refusal)), "twice: {refusal:?}");
        let page = refusal.error_response(named).page;
        let of = |wanted| error_page(&*page, wanted, &[]);
        let (html, json, text) = (of(Preference::Html), of(Preference::Json), of(Preference::Text));
        for response in [&html, &json, &text] {
            assert_eq!(response.status().as_u16(), status, "{refusal:?}");
        }
        let body = json.into_body().collect().await.unwrap().to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["status"], status, "{refusal:?}: {document}");
        let body = text.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(format!("{status} ").as_bytes()), "{refusal:?}");
    }
    assert_eq!(seen.len(), 60, "every variant");
}
