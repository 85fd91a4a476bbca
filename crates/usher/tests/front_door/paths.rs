//! Paths that servers read in different ways: the table of the reference, row by row.

use http::{Method, StatusCode};
use usher_lab::{browser::FETCH, upstream::Upstream};

use crate::{
    test_server::{FRIENDS, TestServer, config},
    wire::{say, status},
};

const TABLE: &str = include_str!("../../../../docs/reference/paths.md");

fn routes(upstream: &Upstream) -> String {
    let to = upstream.address;
    config(&[format!(
        "- from: https://tv.test
  to: http://{to}
  prefix: /admin
  policy: [{{allow: {{or: [{{claim/groups: {FRIENDS}}}]}}}}]
- from: https://tv.test
  to: http://{to}
  policy:
  - allow: {{and: [accept: true]}}
  - deny: {{or: [{{http_path: {{starts_with: /secret}}}}, {{http_path: {{is: /exact}}}}]}}
"
    )])
}

/// The rows of the first table: path and what becomes of it.
fn rows() -> Vec<(&'static str, &'static str)> {
    let lines = TABLE.split("\n## ").next().unwrap().lines();
    let rows = lines.filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        (cells.next().unwrap().trim_matches('`'), cells.last().unwrap())
    })
    .collect()
}

#[tokio::test]
async fn a_path_is_read_in_one_way_or_refused() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&routes(&upstream)).await;
    let rows = rows();
    assert!(rows.len() > 50, "{}", rows.len());
    for (path, here) in rows {
        let before = upstream.heads().len();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: tv.test\r\naccept: */*\r\nsec-fetch-mode: cors\r\n\
             connection: close\r\n\r\n"
        );
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        let seen: Vec<String> = upstream.heads()[before..]
            .iter()
            .map(|head| head.split(' ').nth(1).unwrap().to_owned())
            .collect();
        let status = status(&answer);
        match here.split([' ', ',']).next().unwrap() {
            "`→" => {
                let target = here.split('`').nth(1).unwrap().trim_start_matches("→ ");
                assert_eq!((status, seen), (200, vec![target.to_owned()]), "{path}");
            }
            "sign" => assert_eq!((status, seen), (401, vec![]), "{path}"),
            code => assert_eq!((status.to_string(), seen), (code.to_owned(), vec![]), "{path}"),
        }
    }
}

#[tokio::test]
async fn path_with_escaped_slashes_action_does_what_it_says() {
    let upstream = Upstream::echo();
    let text =
        |value: &str| format!("path_with_escaped_slashes_action: {value}\n{}", routes(&upstream));
    let server = TestServer::open(&text("reject_request")).await;
    for (value, path, expected, target) in [
        ("reject_request", "/Artists/AC%2fDC", 400, None),
        ("keep_unchanged", "/Artists/AC%2fDC", 200, Some("/Artists/AC%2FDC")),
        ("keep_unchanged", "/Artists/AC%5cDC?q=%2F", 200, Some("/Artists/AC%5CDC?q=%2F")),
        ("keep_unchanged", "/b%2f..%2fadmin", 400, None),
        ("keep_unchanged", "/b/..%2fadmin", 400, None),
        ("keep_unchanged", "/%2fadmin", 400, None),
        ("keep_unchanged", "/%2fsecret", 400, None),
        ("keep_unchanged", "/%5csecret", 400, None),
        ("keep_unchanged", "/secret%2fx", 403, None),
        ("keep_unchanged", "/admin%2fx", 401, None),
        ("unescape_and_forward", "/a%2fb", 200, Some("/a/b")),
        ("unescape_and_forward", "/b%2f..%2fadmin", 401, None),
        ("unescape_and_forward", "/b%5c..%5csecret", 403, None),
        ("unescape_and_redirect", "/a%2fb?c=d", 307, None),
        ("unescape_and_redirect", "/a/b", 200, Some("/a/b")),
    ] {
        server.reload(&text(value)).unwrap();
        let before = upstream.heads().len();
        let mut browser = server.browser();
        let url = format!("https://tv.test{path}");
        let seen = browser.send(Method::GET, &url, FETCH, "").await;
        assert_eq!(seen.status.as_u16(), expected, "{value} {path}");
        let heads = &upstream.heads()[before..];
        let asked = heads.first().map(|head| head.split(' ').nth(1).unwrap());
        assert_eq!(asked, target, "{value} {path}");
        if seen.status == StatusCode::TEMPORARY_REDIRECT {
            assert_eq!(seen.field("location"), "/a/b?c=d");
            // It was no mistake and no client that left: ours answered (invariant 8).
            let (decided, access) = server.recorded(seen.field("x-request-id")).await;
            assert_eq!(
                (&decided["verdict"], &access["verdict"]),
                (&"allow".into(), &"allow".into())
            );
            assert_eq!(
                (&decided["rule"], &access["rule"]),
                (&"own-page".into(), &"own-page".into())
            );
        }
    }
}
