//! An app on the path: whom it knows, what it opens, what it answers, what it changes.

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{
    browser::{Browser, FETCH, Seen},
    patience::{PATIENCE, within},
    upstream::{Exchange, Upstream, field},
};

use crate::{
    sockets,
    test_app::{AT_MOST, DEVICE, apps},
    test_server::{ANN, EVE, TestServer, config, eventually, friends},
    wire::{say, status},
};

const JSON: (&str, &str) = ("content-type", "application/json");
pub const TV: &str = "https://tv.test";

/// What a path names, and else the JSON that it got.
pub fn upstream() -> Upstream {
    Upstream::start(async |exchange: &mut Exchange| {
        let got = exchange.body().await?;
        let json = "content-type: application/json\r\n";
        let chunked = format!("HTTP/1.1 200 X\r\n{json}transfer-encoding: chunked\r\n\r\n");
        match exchange.target().1 {
            "/coded" | "/forgets/coded" => {
                let fields = format!("{json}content-encoding: gzip\r\n");
                exchange.reply(200, &fields, b"\x1f\x8b").await
            }
            "/part" | "/forgets/part" => {
                let fields = format!("{json}content-range: bytes 0-1/9\r\n");
                exchange.reply(206, &fields, b"{}").await
            }
            "/long" => exchange.reply(200, json, &[b' '; AT_MOST + 1]).await,
            "/just" => exchange.reply(200, json, &just(AT_MOST)).await,
            "/endless" => {
                exchange.send(chunked).await?;
                loop {
                    exchange.send("3\r\n   \r\n").await?;
                }
            }
            "/broken" => {
                exchange
                    .send(format!("HTTP/1.1 200 X\r\n{json}content-length: 9\r\n\r\n{{}}"))
                    .await?;
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            "/no-json" => exchange.reply(200, json, b"{").await,
            "/trailers" => {
                exchange.send(format!("{chunked}2\r\n{{}}\r\n0\r\nx-sum: 1\r\n\r\n")).await
            }
            "/emptied" => exchange.send(format!("HTTP/1.1 205 X\r\n{json}\r\n")).await,
            "/unchanged" => exchange.send(format!("HTTP/1.1 304 X\r\n{json}\r\n")).await,
            "/events/open" => {
                let kind = "content-type: text/event-stream\r\n";
                exchange.send(format!("HTTP/1.1 200 X\r\n{kind}\r\ndata: 1\n\n")).await?;
                exchange.hung_up().await;
                Ok(())
            }
            "/film" => exchange.reply(206, "etag: \"f\"\r\n", b"film").await,
            _ => {
                let fields = format!(
                    "{json}etag: \"1\"\r\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                     accept-ranges: bytes\r\ncontent-digest: sha-256=:AA==:\r\n"
                );
                let body = if got.is_empty() { b"{}".to_vec() } else { got };
                exchange.reply(200, &fields, &body).await
            }
        }
    })
}

/// An object of that many octets.
fn just(octets: usize) -> Vec<u8> {
    let empty = json!({ "x": "" }).to_string().len();
    json!({ "x": "x".repeat(octets - empty) }).to_string().into_bytes()
}

/// A server whose route for `tv.test` is the test's app.
pub async fn open(to: &Upstream) -> TestServer {
    let deny =
        "[{deny: {or: [{http_path: {is: /denied}}]}}, {allow: {or: [{claim/groups: friends}]}}]";
    let route =
        friends("tv.test", to.address).replace("[{allow: {or: [{claim/groups: friends}]}}]", deny);
    let mut server = TestServer::closed(1).await;
    server.apps = apps("tv.test");
    server.restart(&config(&[route, friends("films.test", to.address)])).await;
    server
}

/// The same browser over both protocols.
fn both(browser: &Browser) -> [Browser; 2] {
    [browser.clone(), browser.over_http2()]
}

/// Binds a token to whoever is signed in.
pub async fn pair(browser: &mut Browser, token: &str) {
    let answer = browser.send(Method::POST, &format!("{TV}/pair"), FETCH, token.to_owned()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

async fn with_token(browser: &mut Browser, path: &str, token: &str) -> Seen {
    let fields = [FETCH, &[(DEVICE, token)]].concat();
    browser.send(Method::GET, &format!("{TV}{path}"), &fields, "").await
}

#[tokio::test]
async fn a_credential_that_only_the_app_knows_is_an_identity() {
    let upstream = upstream();
    let server = open(&upstream).await;
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    pair(&mut ann, "anns-tv").await;
    for mut device in both(&server.browser()) {
        let answer = with_token(&mut device, "/json", "anns-tv").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let (decided, access) = server.recorded(answer.field("x-request-id")).await;
        assert_eq!((&decided["email"], &access["email"]), (&json!(ANN.0), &json!(ANN.0)));
        // A token that the app does not know is refused, beside a good cookie as well, which stays.
        assert_eq!(with_token(&mut device, "/json", "nobodys").await.status, 401);
        assert_eq!(with_token(&mut device, "/info", "nobodys").await.status, 200, "as without");
    }
    let heads = upstream.heads().len();
    let refused = with_token(&mut ann, "/json", "nobodys").await;
    assert_eq!((refused.status.as_u16(), upstream.heads().len()), (401, heads));
    assert_eq!(ann.fetch(&format!("{TV}/json")).await.status, 200, "the cookie is as good as ever");
    // Elsewhere nobody knows it.
    let mut device = server.browser();
    let fields = [FETCH, &[(DEVICE, "anns-tv")]].concat();
    let elsewhere = device.send(Method::GET, "https://films.test/json", &fields, "").await;
    assert_eq!(elsewhere.status, 401);
    // Two credentials of two people are neither's.
    let mut eve = server.signed_in(&format!("{TV}/"), EVE).await;
    assert_eq!(with_token(&mut eve, "/json", "anns-tv").await.status, 401);
    // It ends with the session that it stands for.
    let people = server.directory();
    people.remove(ANN.0).await.unwrap();
    let began = std::time::Instant::now();
    while with_token(&mut device, "/json", "anns-tv").await.status != 401 {
        assert!(began.elapsed() < PATIENCE, "the device of somebody who was removed goes on");
    }
}

#[tokio::test]
async fn strangers_may_ask_what_the_app_opens_and_nothing_else() {
    let upstream = upstream();
    let server = open(&upstream).await;
    for mut stranger in both(&server.browser()) {
        let answer = stranger.fetch(&format!("{TV}/info")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let (decided, access) = server.recorded(answer.field("x-request-id")).await;
        assert_eq!(decided["verdict"], "allow");
        assert_eq!(decided["allow-why-true"], json!(["unbound"]));
        assert_eq!(
            (&decided["rule"], &access["rule"]),
            (&json!("server-info"), &json!("server-info"))
        );
        let heads = upstream.heads().len();
        for (path, expected, why) in [
            ("/json", 401, "it is not open"),
            ("/denied", 403, "the app opens it, and a rule denies it to whoever asks"),
            ("/info/", 401, "another path"),
            ("/link", 401, "a page of the app is for those whom the policy lets in"),
            ("/info?_method=DELETE", 401, "some apps would read another method"),
            ("/%E2%93%98nfo", 401, "another spelling"),
        ] {
            let answer = stranger.fetch(&format!("{TV}{path}")).await;
            assert_eq!(answer.status, expected, "{path}: {why}");
        }
        assert_eq!(upstream.heads().len(), heads, "nothing of it reached the app");
        assert_eq!(stranger.fetch("https://films.test/info").await.status, 401, "another route");
    }
    // Who is somebody is judged by the policy: being signed in closes what is open to all.
    let mut eve = server.signed_in(&format!("{TV}/"), EVE).await;
    assert_eq!(eve.fetch(&format!("{TV}/info")).await.status, 403);
    assert_eq!(eve.fetch(&format!("{TV}/link")).await.status, 403, "a page of the app as well");
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    assert_eq!(ann.fetch(&format!("{TV}/denied")).await.status, 403);
    for mut ann in both(&ann) {
        let page = ann.fetch(&format!("{TV}/link")).await;
        assert_eq!((page.status.as_u16(), &*page.body), (201, "a page for ann@example.com"));
        let (decided, access) = server.recorded(page.field("x-request-id")).await;
        assert_eq!(decided["verdict"], "allow");
        assert_eq!(access["response-code-details"], "direct_response");
    }
}

#[tokio::test]
async fn a_body_is_rewritten_both_ways_and_its_fields_are_true() {
    let upstream = upstream();
    let server = open(&upstream).await;
    let ann = server.signed_in(&format!("{TV}/"), ANN).await;
    for mut ann in both(&ann) {
        let fields = [
            FETCH,
            &[
                JSON,
                ("accept-encoding", "gzip, br"),
                ("range", "bytes=0-1"),
                ("if-range", "\"1\""),
                ("if-none-match", "\"1\""),
            ],
        ]
        .concat();
        let url = format!("{TV}/json");
        let body = json!({ "film": "Ran" }).to_string();
        let answer = ann.send(Method::PUT, &url, &fields, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let whole = json!({ "film": "Ran", "by": ANN.0, "seen": true });
        assert_eq!(answer.json(), whole);
        assert_eq!(answer.field("content-length"), answer.body.len().to_string());
        for gone in ["etag", "last-modified", "accept-ranges", "content-digest"] {
            assert_eq!(answer.field(gone), "", "{gone}");
        }
        assert_eq!(answer.field("x-app"), "answers");
        let sent = upstream.last();
        let octets = json!({ "film": "Ran", "by": ANN.0 }).to_string().len();
        assert_eq!(field(&sent, "content-length"), Some(octets.to_string()));
        assert_eq!(field(&sent, "accept-encoding").as_deref(), Some("identity"));
        assert_eq!(field(&sent, "x-app").as_deref(), Some("asks"));
        assert_eq!(field(&sent, "if-none-match").as_deref(), Some("\"1\""), "of a PUT it stays");
        assert!(!sent.contains("range"), "{sent}");
        assert!(is_ours_alone(&sent), "what we say about the visitor wins: {sent}");
        assert!(field(&sent, "x-pomerium-jwt-assertion").is_some(), "{sent}");

        let read = ann.send(Method::GET, &url, &fields, "").await;
        assert_eq!(read.status, 400, "nothing is no JSON");
        let read = ann.send(Method::GET, &url, &fields[1..], "{}").await;
        assert_eq!(read.json(), json!({ "by": ANN.0, "seen": true }));
        assert_eq!(field(&upstream.last(), "if-none-match"), None, "of a GET it goes");

        let head = ann.send(Method::HEAD, &url, FETCH, "").await;
        assert_eq!(head.status, 200);
        for gone in ["etag", "content-length"] {
            assert_eq!(head.field(gone), "", "{gone}");
        }
        let trailers = ann.fetch(&format!("{TV}/trailers")).await;
        assert_eq!((trailers.json(), trailers.trailers), (json!({ "seen": true }), None));
        assert_eq!(ann.fetch(&format!("{TV}/unchanged")).await.status, 304);
        assert_eq!(ann.fetch(&format!("{TV}/emptied")).await.status, 205, "nothing to read");
        let just = ann.fetch(&format!("{TV}/just")).await;
        assert_eq!(just.json()["seen"], true, "just as long as it may be");
        // What the app does not read goes as it is, in both directions.
        let film = [FETCH, &[("range", "bytes=0-3"), ("accept-encoding", "br")]].concat();
        let film = ann.send(Method::GET, &format!("{TV}/film"), &film, "").await;
        assert_eq!((film.status.as_u16(), film.field("etag"), &*film.body), (206, "\"f\"", "film"));
        let sent = upstream.last();
        assert_eq!(field(&sent, "range").as_deref(), Some("bytes=0-3"));
        assert_eq!(field(&sent, "accept-encoding").as_deref(), Some("br"));
    }
}

#[tokio::test]
async fn a_body_that_has_to_be_read_is_bounded_and_readable_or_refused() {
    let upstream = upstream();
    let server = open(&upstream).await;
    let ann = server.signed_in(&format!("{TV}/"), ANN).await;
    for mut ann in both(&ann) {
        let url = format!("{TV}/json");
        let heads = upstream.heads().len();
        let fields = [FETCH, &[JSON]].concat();
        let coded = [FETCH, &[JSON, ("content-encoding", "gzip")]].concat();
        for (fields, body, expected) in [
            (&fields, just(AT_MOST + 1), 413),
            (&fields, b"{".to_vec(), 400),
            (&coded, b"{}".to_vec(), 400),
        ] {
            let answer = ann.send(Method::POST, &url, fields, body).await;
            assert_eq!(answer.status, expected, "{}", answer.body);
        }
        let pair = ann.send(Method::POST, &format!("{TV}/pair"), FETCH, vec![b'x'; 65]).await;
        assert_eq!(pair.status, 413);
        assert_eq!(upstream.heads().len(), heads, "nothing of it was sent on");
        for path in [
            "/coded",
            "/part",
            "/forgets/coded",
            "/forgets/part",
            "/long",
            "/endless",
            "/broken",
            "/no-json",
        ] {
            let answer = ann.fetch(&format!("{TV}{path}")).await;
            assert_eq!(answer.status, 502, "{path}: {}", answer.body);
            let (_, access) = server.recorded(answer.field("x-request-id")).await;
            assert_eq!(access["response-code-details"], "upstream_answer_unreadable", "{path}");
        }
        assert_eq!(ann.fetch(&url).await.status, 200, "and it goes on");
    }
    // Without a length it is found out on the way.
    let cookies = ann.cookies("tv.test").unwrap();
    let chunk = "x".repeat(AT_MOST + 1);
    let request = format!(
        "POST /json HTTP/1.1\r\nhost: tv.test\r\ncookie: {cookies}\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n",
        chunk.len()
    );
    assert_eq!(status(&say(&ann, "tv.test", request.as_bytes()).await), 413);
    let causes = eventually("the log says why", || {
        let told = server.records("upstream");
        (told.len() >= 16).then_some(told)
    });
    let causes: Vec<_> = causes.await.iter().map(|told| told["cause"].to_string()).collect();
    for why in ["coded", "a part", "more than 1024 octets", "broke off", "no JSON"] {
        assert!(causes.iter().any(|cause| cause.contains(why)), "{why}: {causes:?}");
    }
}

#[tokio::test]
async fn a_panic_in_an_app_is_the_500_of_one_request() {
    let upstream = upstream();
    let server = open(&upstream).await;
    let ann = server.signed_in(&format!("{TV}/"), ANN).await;
    for mut ann in both(&ann) {
        for place in
            ["credential", "answers", "answer", "toward_upstream", "rewrite", "toward_client"]
        {
            let fields = [FETCH, &[JSON]].concat();
            let url = format!("{TV}/panic/{place}");
            let answer = ann.send(Method::POST, &url, &fields, "{}").await;
            assert_eq!(answer.status, 500, "{place}: {}", answer.body);
            let (_, access) = server.recorded(answer.field("x-request-id")).await;
            assert_eq!(access["response-code-details"], "internal_panic", "{place}");
            assert_eq!(ann.fetch(&format!("{TV}/json")).await.status, 200, "after {place}");
        }
    }
    let mut stranger = server.browser();
    assert_eq!(stranger.fetch(&format!("{TV}/panic/unbound")).await.status, 500);
    assert_eq!(stranger.fetch(&format!("{TV}/json")).await.status, 401);
}

#[tokio::test]
async fn streams_without_end_and_sockets_of_an_app_s_route_go_as_they_are() {
    let upstream = upstream();
    let server = open(&upstream).await;
    let request = "GET /events/open HTTP/1.1\r\nhost: tv.test\r\n\r\n";
    let mut stream = server.browser().connect("tv.test").await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !heard.windows(7).any(|part| part == b"data: 1") {
        let mut piece = [0; 1024];
        let n = stream.read(&mut piece).await.unwrap();
        assert!(n > 0, "it ended: {}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&piece[..n]);
    }
    let echo = sockets::echo();
    let server = open(&echo).await;
    let ann = server.signed_in(&format!("{TV}/"), ANN).await;
    let mut socket = sockets::open(&ann, "tv.test").await;
    sockets::says_back(&mut socket, "as it is").await;
    assert!(is_ours_alone(&echo.last()), "{}", echo.last());
}

/// A stream that a stranger was let have goes on under a plan that lets strangers have it, and ends
/// where the route is not that app's any longer.
#[tokio::test]
async fn what_an_app_opened_ends_with_the_rule_that_denies_it() {
    let upstream = upstream();
    let server = open(&upstream).await;
    let request = "GET /events/open HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n";
    let mut stream = server.browser().connect("tv.test").await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut piece = [0; 4096];
    assert!(stream.read(&mut piece).await.unwrap() > 0);
    let same = friends("tv.test", upstream.address);
    server.reload(&config(std::slice::from_ref(&same))).unwrap();
    let look_again = std::time::Duration::from_secs(3); // a silent stream is looked at each 2 s
    let more = async |stream: &mut usher_lab::browser::Tls| {
        let mut rest = Vec::new();
        tokio::time::timeout(look_again, stream.read_to_end(&mut rest)).await.is_ok()
    };
    assert!(!more(&mut stream).await, "the app still opens it");
    let denied =
        same.replace("[{allow:", "[{deny: {or: [{http_path: {starts_with: /events}}]}}, {allow:");
    server.reload(&config(&[denied])).unwrap();
    let mut rest = Vec::new();
    let _may_be_cut = within("a rule that denies it ends it", stream.read_to_end(&mut rest)).await;
}

/// Does a head say nothing about the visitor but what we say? What was brought stands under the
/// name of what was brought.
fn is_ours_alone(head: &str) -> bool {
    !head.replace("x-pomerium-jwt-assertion-for: mallory", "").contains("mallory")
}
