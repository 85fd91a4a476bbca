//! Hostile octets for an app on the path: credentials that are no good, and bodies in odd framings.

use http::Method;
use serde_json::json;
use usher_lab::{browser::NAVIGATION, upstream::field};

use crate::{
    app::{TV, open, pair, upstream},
    test_app::{AT_MOST, DEVICE},
    test_server::{ANN, EVE},
    wire::{say, status},
};

/// A link may hold a credential of the app that is no good, or somebody else's. Signing in takes it
/// out of no address, and whoever reads it goes on to be who they are.
#[tokio::test]
async fn a_credential_of_the_app_that_is_no_good_sends_nobody_in_circles_or_out() {
    let upstream = upstream();
    let server = open(&upstream).await;
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    pair(&mut ann, "anns-tv").await;
    let eve = server.signed_in(&format!("{TV}/"), EVE).await;
    let loads = |token| [NAVIGATION, &[("accept", "text/html"), (DEVICE, token)]].concat();
    for (mut browser, token, why) in [
        (server.browser(), "nobodys", "a stranger"),
        (ann.clone(), "nobodys", "beside a good cookie"),
        (eve.clone(), "anns-tv", "somebody else's"),
        (ann.clone(), "\u{e9}\u{2028}", "no text"),
        (ann.clone(), "", "nothing"),
    ] {
        let heads = upstream.heads().len();
        let before = browser.cookies("tv.test");
        let page = browser.send(Method::GET, &format!("{TV}/json"), &loads(token), "").await;
        assert_eq!(page.status, 401, "{why}: {:?}", page.location());
        assert!(page.field("content-type").starts_with("text/html"), "{why}: {}", page.body);
        assert!(page.field("www-authenticate").contains("invalid_token"), "{why}");
        assert_eq!((browser.cookies("tv.test"), upstream.heads().len()), (before, heads), "{why}");
    }
    assert_eq!(ann.open(&format!("{TV}/json")).await.status, 200, "she is who she was");
    let two = [loads("anns-tv"), vec![(DEVICE, "nobodys")]].concat();
    assert_eq!(ann.send(Method::GET, &format!("{TV}/json"), &two, "").await.status, 401, "two");
}

/// Octets that are framed in odd ways, for a body that an app reads: refused, or read as one body.
#[tokio::test]
async fn no_framing_brings_an_app_another_body_or_another_request() {
    let upstream = upstream();
    let server = open(&upstream).await;
    let ann = server.signed_in(&format!("{TV}/"), ANN).await;
    let cookies = ann.cookies("tv.test").unwrap();
    let chunks = "transfer-encoding: chunked";
    let behind = "GET /behind HTTP/1.1\r\nhost: tv.test\r\n\r\n";
    let ones = "1\r\n \r\n".repeat(AT_MOST - 2) + "2\r\n{}\r\n0\r\n\r\n";
    for (framing, body, expected, why) in [
        (chunks, "2\r\n{}\r\n0\r\n\r\n", 200, "as it should be"),
        (chunks, &ones, 200, "an octet at a time"),
        (chunks, &format!("1\r\n \r\n{ones}"), 413, "and one more"),
        (chunks, "2;a=\"0\"\r\n{}\r\n0\r\nx-pomerium-claim-email: eve\r\n\r\n", 200, "trailers"),
        (
            "trailer: x-sum\r\ntransfer-encoding: chunked",
            "2\r\n{}\r\n0\r\nx-sum: 1\r\n\r\n",
            200,
            "named",
        ),
        (chunks, "zz\r\n{}\r\n0\r\n\r\n", 400, "no length"),
        (chunks, "-2\r\n{}\r\n0\r\n\r\n", 400, "a negative length"),
        (chunks, "10000000000000002\r\n{}\r\n0\r\n\r\n", 400, "a length beyond 64 bits"),
        (chunks, "2\r\n{}x\r\n0\r\n\r\n", 400, "a chunk that is longer than it says"),
        ("transfer-encoding: gzip, chunked", "2\r\n{}\r\n0\r\n\r\n", 501, "coded"),
        ("transfer-encoding: chunked, identity", "2\r\n{}\r\n0\r\n\r\n", 400, "not the last"),
        ("content-length: 2\r\ncontent-length: 3", "{} ", 400, "two lengths"),
        ("content-length: 18446744073709551618", "{}", 400, "a length beyond 64 bits"),
        ("content-length: +2", "{}", 400, "a sign"),
        ("content-encoding: identity, gzip\r\ncontent-length: 2", "{}", 400, "coded in a list"),
        (
            "content-encoding: identity\r\ncontent-encoding: br\r\ncontent-length: 2",
            "{}",
            400,
            "in two lines",
        ),
    ] {
        let heads = upstream.heads().len();
        let request = format!(
            "POST /json HTTP/1.1\r\nhost: tv.test\r\ncookie: {cookies}\r\n\
             content-type: application/json\r\nconnection: close\r\n{framing}\r\n\r\n{body}{behind}"
        );
        let answer = say(&ann, "tv.test", request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{why}: {answer}");
        let sent = &upstream.heads()[heads..];
        assert_eq!(sent.len(), usize::from(expected == 200), "{why}: {sent:?}");
        if let [sent] = sent {
            let octets = json!({ "by": ANN.0 }).to_string().len().to_string();
            assert_eq!(field(sent, "content-length"), Some(octets), "{why}: {sent}");
            for gone in ["transfer-encoding", "trailer", "x-sum", "eve"] {
                assert!(!sent.contains(gone), "{gone}, {why}: {sent}");
            }
        }
    }
}
