//! What a rule is about and what an app does, where the two come apart: methods that are asked
//! for beside the method, tunnels, lengths that don't count, escapes without end.

use http::{Method, StatusCode};
use usher_lab::upstream::{Exchange, Upstream};

use crate::{
    test_server::{ANN, TestServer, config, friends, public},
    wire::{say, status},
};

fn no_deletes(upstream: &Upstream) -> String {
    config(&[format!(
        "- from: https://tv.test
  to: http://{}
  policy:
  - allow: {{and: [accept: true]}}
  - deny: {{and: [{{http_method: {{is: DELETE}}}}, {{http_path: {{starts_with: /kept}}}}]}}
",
        upstream.address
    )])
}

/// Rails, Symfony, Laravel, Express and ASP.NET take another method from a field or a parameter.
#[tokio::test]
async fn a_method_asked_for_beside_the_method_walks_around_no_deny() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&no_deletes(&upstream)).await;
    for (method, target, fields, expected, why) in [
        ("DELETE", "/kept/1", "", 403, "the rule"),
        ("POST", "/kept/1", "", 200, "another method"),
        ("POST", "/kept/1", "X-HTTP-Method-Override: DELETE\r\n", 400, "a field"),
        ("POST", "/kept/1", "X_HTTP_Method_Override: delete\r\n", 400, "in CGI's spelling"),
        ("POST", "/kept/1", "X-HTTP-Method: PUT\r\nX-HTTP-Method: DELETE\r\n", 400, "two lines"),
        ("POST", "/kept/1", "X-Method-Override: Delete\r\n", 400, "another field"),
        ("POST", "/kept/1?_method=DELETE", "", 400, "a parameter"),
        ("POST", "/kept/1?a&%5fmethod=%44ELETE", "", 400, "escaped"),
        ("GET", "/kept/1?_method=delete", "", 400, "on GET: some apps look there too"),
        ("POST", "/kept/1?_method=PUT", "", 200, "PUT is let in"),
        ("POST", "/1?_method=DELETE", "X-HTTP-Method-Override: DELETE\r\n", 200, "so is this"),
        ("POST", "/kept;x/1?_method=DELETE", "", 400, "with another reading of the path"),
    ] {
        let before = upstream.heads().len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: tv.test\r\nsec-fetch-mode: cors\r\n{fields}\
             connection: close\r\n\r\n"
        );
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{method} {target} {fields}: {why}");
        let came = upstream.heads().len() - before;
        assert_eq!(came, usize::from(expected == 200), "{method} {target} {fields}");
    }
}

/// With CONNECT an app's 200 has no body and no end: the visitor hangs, and bytes have no rules.
#[tokio::test]
async fn connect_reaches_no_app() {
    let upstream = Upstream::echo();
    let text = config(&[public("tv.test", upstream.address)]);
    let server = TestServer::open(&format!("additional_methods: [CONNECT]\n{text}")).await;
    for (target, host, expected) in [
        ("/x", "tv.test", 400),
        ("/", "tv.test", 400),
        ("tv.test", "tv.test", 400),
        ("https://tv.test/x", "tv.test", 400),
        ("tv.test:443", "tv.test:443", 404),
    ] {
        let request =
            format!("CONNECT {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{target}: no route is for it: {answer}");
    }
    for target in ["ftp://tv.test/x", "ws://tv.test/x", "file://tv.test/x"] {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n");
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        assert_eq!(status(&answer), 400, "{target}: another scheme is another origin");
    }
    assert_eq!(upstream.heads(), Vec::<String>::new());
}

/// RFC 9112 §6.3: `Transfer-Encoding` overrides `Content-Length`. With both sent on, the length
/// was wrong and nothing at all arrived.
#[tokio::test]
async fn an_app_that_says_two_lengths_is_heard() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        let lengths = match exchange.target().1 {
            "/first" => "content-length: 3\r\ntransfer-encoding: chunked",
            _ => "transfer-encoding: Chunked\r\ncontent-length: 3",
        };
        let answer = format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        exchange.send(answer).await
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for target in ["/first", "/last"] {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n");
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        assert_eq!(status(&answer), 200, "{target}: {answer:?}");
        assert!(answer.contains("5\r\nhello\r\n") && !answer.contains("length"), "{answer:?}");
    }
}

/// Who gets the beginning knows that there was one. It was thrown away with the error.
#[tokio::test]
async fn an_answer_that_breaks_off_at_once_has_begun() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        let lengths = match exchange.target().1 {
            "/length" => "content-length: 100\r\n\r\nhalf",
            _ => "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        };
        exchange.send(format!("HTTP/1.1 200 OK\r\n{lengths}")).await?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for target in ["/length", "/chunked"].repeat(5) {
        let request = format!("GET {target} HTTP/1.1\r\nhost: tv.test\r\n\r\n");
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        assert_eq!(status(&answer), 200, "{target}: {answer:?}");
        assert!(!answer.contains("\r\n0\r\n"), "{target}: as if it were whole: {answer:?}");
    }
}

/// Who answers TRACE sends back what it was told: who is asking, and cookies that no script may read.
#[tokio::test]
async fn trace_reaches_no_app() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let before = upstream.heads().len();
    for path in ["/", "/.pomerium/", "/ping"] {
        for mut browser in [ann.clone(), ann.over_http2(), server.browser()] {
            let url = format!("https://tv.test{path}");
            let seen = browser.send(Method::TRACE, &url, &[("x-own", "canary")], "").await;
            assert_eq!(seen.status, StatusCode::NOT_IMPLEMENTED, "{path}: {}", seen.body);
            assert!(!seen.body.contains("canary"), "{}", seen.body);
        }
    }
    assert_eq!(upstream.heads().len(), before);
}

/// What means nothing is not passed on: each client would make something else of it.
#[tokio::test]
async fn an_answer_without_meaning_is_a_bad_gateway() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        let head = match exchange.target().1 {
            "/600" => "600 X\r\ncontent-length: 2\r\n\r\nhi",
            "/999" => "999 X\r\ncontent-length: 2\r\n\r\nhi",
            "/599" => "599 X\r\ncontent-length: 2\r\n\r\nhi",
            "/gzip" => "200 X\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            "/gzip-line" => {
                "200 X\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n\
                 2\r\nhi\r\n0\r\n\r\n"
            }
            "/identity" => "200 X\r\ntransfer-encoding: identity\r\nconnection: close\r\n\r\nhi",
            _ => "200 X\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        };
        exchange.send(format!("HTTP/1.1 {head}")).await?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for (path, status) in [
        ("/600", 502),
        ("/999", 502),
        ("/599", 599),
        ("/gzip", 502),
        ("/gzip-line", 502),
        ("/identity", 200),
        ("/chunked", 200),
    ] {
        for mut browser in [server.browser(), server.browser().over_http2()] {
            let seen = browser.fetch(&format!("https://tv.test{path}")).await;
            assert_eq!(seen.status.as_u16(), status, "{path}: {}", seen.body);
            let (_, access) = server.recorded(seen.field("x-request-id")).await;
            let details = access["response-code-details"].as_str().unwrap();
            assert_eq!(details == "upstream_protocol_error", status == 502, "{path}: {access}");
            assert_eq!(seen.body == "hi", status != 502, "{path}: {}", seen.body);
        }
    }
}

/// An escape of an escape of an escape: each decoding takes the whole path, and there were as many
/// as the path is long. A thread that serves others stood still for seconds.
#[tokio::test]
async fn an_escape_without_end_takes_no_thread() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&no_deletes(&upstream)).await;
    let path = format!("/%{}41", "25".repeat(28_000));
    let request = format!("GET {path} HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n");
    let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
    assert_eq!(status(&answer), 400);
}
