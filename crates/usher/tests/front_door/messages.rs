//! `mcp_tool`: what a message of MCP asks for is read before it is decided, and goes on as it came.

use http::Method;
use serde_json::{Value, json};
use usher_lab::{
    browser::{Browser, Seen},
    client_ca::ClientCa,
    upstream::{Exchange, Upstream, field},
};

use crate::{
    client_certificates::{Folder, mtls},
    test_server::{TestServer, config},
    wire::{say, status},
};

const TOOLS: &str = "https://tools.test/mcp";
const JSON: &[(&str, &str)] =
    &[("content-type", "application/json"), ("accept", "application/json")];
const DENY_ONE: &str = "{allow: {or: [{accept: true}]}, deny: {or: [{mcp_tool: drop_table}]}}";

/// Answers with the body that it got.
fn upstream() -> Upstream {
    Upstream::start(async |exchange: &mut Exchange| {
        let got = exchange.body().await?;
        exchange.reply(200, "content-type: application/json\r\n", &got).await
    })
}

async fn server(upstream: &Upstream, policy: &str, more: &str) -> TestServer {
    let route = format!(
        "- from: https://tools.test\n  to: http://{}\n  allow_websockets: true\n  \
         mcp: {{server: {{{more}}}}}\n  policy: {policy}\n",
        upstream.address
    );
    let text = format!("runtime_flags: {{mcp: true}}\n{}", config(&[route]));
    TestServer::open(&text).await
}

fn call(tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,  "method":"tools/call","params":{{"name":"{tool}"}}}}"#)
}

async fn post(browser: &mut Browser, body: &str) -> Seen {
    browser.send(Method::POST, TOOLS, JSON, body.to_owned()).await
}

#[tokio::test]
async fn a_tool_is_allowed_or_denied_and_the_same_octets_go_on() {
    let upstream = upstream();
    let server = server(&upstream, "{allow: {or: [{mcp_tool: list_tables}]}}", "").await;
    let mut client = server.browser();
    let passed = post(&mut client, &call("list_tables")).await;
    assert_eq!((passed.status.as_u16(), &*passed.body), (200, &*call("list_tables")));
    assert_eq!(
        field(&upstream.last(), "content-length"),
        Some(call("list_tables").len().to_string())
    );

    let refused = post(&mut client, &call("LIST_TABLES")).await;
    assert_eq!(refused.status, 200, "an error of JSON-RPC is no error of HTTP");
    let error: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!(7), &json!(-32602)));
    let id = error["error"]["data"]["request_id"].as_str().unwrap();
    let (decided, access) = server.recorded(id).await;
    assert_eq!(decided["allow-why-false"], json!(["mcp-tool-no-match"]));
    assert_eq!(access["verdict"], "deny");

    for (body, status) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, 200),
        (r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, 200),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, 401),
        ("{", 401),
    ] {
        let seen = post(&mut client, body).await;
        assert_eq!(seen.status, status, "{body}: {}", seen.body);
    }
    let seen = client.send(Method::GET, TOOLS, &[("accept", "text/html")], "").await;
    assert_eq!(seen.status, 401, "a client of MCP is sent to no sign-in");
    assert_eq!(upstream.heads().len(), 1, "nothing else reached it");
}

/// In Pomerium each of these passes a `deny` of a tool (`pomerium-policy-measured.md` 8).
#[tokio::test]
async fn unreadable_body_passes_deny() {
    let upstream = upstream();
    let server = server(&upstream, DENY_ONE, "max_request_bytes: 200").await;
    let mut client = server.browser();
    let listed = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for (body, why) in [(&*call("x"), "another tool"), (listed, "no tool")] {
        assert_eq!(post(&mut client, body).await.body, body, "{why}");
    }
    let denied = post(&mut client, &call("drop_table")).await;
    assert!(denied.body.contains("access denied"), "{}", denied.body);
    assert_eq!(upstream.heads().len(), 2);

    let drop = call("drop_table");
    let twice = drop.replace("\"method\"", "\"method\":\"tools/list\",\"method\"");
    let long = drop.replace("  ", &" ".repeat(200));
    for (method, fields, body, status, why) in [
        (Method::POST, JSON, &*format!("[{drop}]"), 400, "a batch"),
        (Method::POST, JSON, "{", 400, "no JSON"),
        (Method::POST, JSON, "", 400, "nothing"),
        (Method::POST, JSON, &twice, 400, "a member twice"),
        (Method::POST, JSON, &drop.replace("method", "METHOD"), 400, "other capitals"),
        (Method::POST, JSON, &long, 413, "too long"),
        (Method::POST, &[("content-type", "text/plain")], &drop, 400, "another type"),
        (
            Method::POST,
            &[("content-type", "application/json; charset=utf-7")],
            &drop,
            400,
            "a charset",
        ),
        (Method::POST, &[], &drop, 400, "no type"),
        (
            Method::POST,
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
            &drop,
            400,
            "coded",
        ),
        (Method::PUT, JSON, &drop, 400, "another method"),
        (Method::DELETE, JSON, &drop, 400, "another method"),
    ] {
        let seen = client.send(method, TOOLS, fields, body.to_owned()).await;
        assert_eq!(seen.status, status, "{why}: {}", seen.body);
    }
    assert_eq!(upstream.heads().len(), 2, "none of them reached it");
}

#[tokio::test]
async fn a_message_in_chunks_goes_on_with_its_length_and_one_in_a_socket_goes_nowhere() {
    let upstream = upstream();
    let server = server(&upstream, DENY_ONE, "").await;
    let body = call("x");
    let (one, two) = body.split_at(20);
    let head = "POST /mcp HTTP/1.1\r\nhost: tools.test\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    let said = say(&server.browser(), "tools.test", chunked.as_bytes()).await;
    assert_eq!(status(&said), 200, "{said}");
    assert!(said.ends_with(&body), "{said}");
    assert_eq!(field(&upstream.last(), "content-length"), Some(body.len().to_string()));

    let socket = "GET /mcp HTTP/1.1\r\nhost: tools.test\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
                  sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let said = say(&server.browser(), "tools.test", socket.as_bytes()).await;
    assert_eq!(status(&said), 400, "what a socket carries no rule reads: {said}");
    assert_eq!(upstream.heads().len(), 1);
}

/// Nobody is decided about whose message does not come, and nobody waits for it without end.
#[tokio::test]
async fn a_message_that_stops_coming_is_408_and_reaches_nobody() {
    let upstream = upstream();
    let route = format!(
        "- from: https://tools.test\n  to: http://{}\n  mcp: {{server: {{}}}}\n  policy: {DENY_ONE}\n",
        upstream.address
    );
    let flags = "timeout_read: 200ms\nruntime_flags: {mcp: true}\n";
    let server = TestServer::open(&format!("{flags}{}", config(&[route]))).await;
    let head = "POST /mcp HTTP/1.1\r\nhost: tools.test\r\ncontent-type: application/json\r\n\
                content-length: 99\r\n\r\n{\"jsonrpc\"";
    let said = say(&server.browser(), "tools.test", head.as_bytes()).await;
    assert_eq!(status(&said), 408, "{said}");
    assert!(upstream.heads().is_empty());
}

#[tokio::test]
async fn a_route_without_tool_rules_reads_no_message() {
    let upstream = upstream();
    let server = server(&upstream, "{allow: {or: [{accept: true}]}}", "").await;
    let long = "x".repeat(100_000);
    let seen = post(&mut server.browser(), &long).await;
    assert_eq!((seen.status.as_u16(), seen.body.len()), (200, long.len()));
}

/// A client that is sent for a token brings one, and is sent for one again, for ever.
#[tokio::test]
async fn a_client_of_mcp_without_its_certificate_is_told_so() {
    let (upstream, folder, ca) = (upstream(), Folder::new(), ClientCa::new("Clients"));
    let route = format!(
        "- from: https://tools.test\n  to: http://{}\n  mcp: {{server: {{}}}}\n  \
         policy: {{allow: {{or: [{{mcp_tool: look}}]}}}}\n",
        upstream.address
    );
    let text = format!("runtime_flags: {{mcp: true}}\n{}", config(&[route]));
    let server = TestServer::open(&(mtls(&folder, &ca, "") + &text)).await;
    let refused = post(&mut server.browser(), &call("look")).await;
    assert_eq!((refused.status.as_u16(), refused.field("www-authenticate")), (495, ""));
    assert!(refused.json()["type"].as_str().unwrap().ends_with("client-certificate-required"));
    let mut own = server.browser().showing(&ca.issue(1, |_| {}));
    assert_eq!(post(&mut own, &call("look")).await.status, 200);
}
