//! Rules in Rego: a module sees the whole request, decides beside the policy language, and lets
//! nobody in where it fails.

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};
use usher::reload::{LoadFailure, Source, load};
use usher_lab::{browser::Browser, upstream::Upstream};

use crate::{
    permits, sockets,
    test_server::{ANN, EVE, TestServer, config},
};

/// Lets Ann in, by her record, and sends nobody to sign in; a field or a query keeps her out.
const ANN_ALONE: &str = r#"
import rego.v1
user := get_databroker_record("type.googleapis.com/user.User", input.session.user_id)
allow := [false, {"user-unauthenticated"}] if input.session.id == ""
else := [user.email == "ann@example.com", {"of-ours"}]
deny := [true, {"not-by-this"}] if input.http.headers["X-Own"] == "bad"
else := [true, {"not-that"}] if input.http.raw_query == "that""#;

fn text(to: SocketAddr, module: &str) -> String {
    let module = module.trim_start().replace('\n', "\n      ");
    let route = format!(
        "- from: https://tv.test\n  to: http://{}\n  allow_websockets: true\n  sub_policies:\n  \
         - rego:\n    - |\n      {module}\n",
        to
    );
    config(&[route])
}

async fn ask(browser: &mut Browser, url: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let seen = browser.send(Method::GET, url, fields, "").await;
    let id = seen.fields["x-request-id"].to_str().unwrap().to_owned();
    (seen.status.as_u16(), id)
}

#[tokio::test]
async fn a_module_sees_the_whole_request_and_its_reasons_are_on_record() {
    let upstream = sockets::echo();
    let server = TestServer::open(&text(upstream.address, ANN_ALONE)).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    for (url, fields, status, deny) in [
        ("https://tv.test/", &[][..], 200, Value::Null),
        ("https://tv.test/?that", &[][..], 403, json!(["not-that"])),
        ("https://tv.test/", &[("x-own", "bad")][..], 403, json!(["not-by-this"])),
    ] {
        let (seen, id) = ask(&mut ann, url, fields).await;
        assert_eq!(seen, status, "{url} {fields:?}");
        let (decided, _) = server.recorded(&id).await;
        assert_eq!(decided["allow-why-true"], json!(["of-ours"]), "{decided}");
        assert_eq!(decided["deny-why-true"], deny, "{decided}");
        assert_eq!(decided["rule"], "sub_policies[0].rego[0]");
    }
    let mut eve = server.signed_in("https://tv.test/", EVE).await;
    assert_eq!(ask(&mut eve, "https://tv.test/", &[]).await.0, 403);
}

/// Pomerium answers 500 to a request whose module fails, and so does usher: nobody knows whether it
/// would have denied.
#[tokio::test]
async fn a_module_that_fails_lets_nobody_in() {
    let upstream = sockets::echo();
    let twice = "allow := x { x := true }\nallow := x { x := input.http.path != \"/\" }";
    let server = TestServer::open(&text(upstream.address, twice)).await;
    let mut visitor = server.browser();
    assert_eq!(ask(&mut visitor, "https://tv.test/fine", &[]).await.0, 200);
    let (status, id) = ask(&mut visitor, "https://tv.test/", &[]).await;
    assert_eq!(status, 500);
    let (decided, access) = server.recorded(&id).await;
    assert_eq!(decided["deny-why-true"], json!(["rego-error"]));
    assert_eq!((&access["verdict"], &access["rule"]), (&json!("deny"), &decided["rule"]));
    assert_eq!(upstream.heads().len(), 1, "the other did not get there");
}

/// What runs is decided again after a reload, by the request as it came.
#[tokio::test]
async fn a_socket_goes_on_by_its_fields_and_ends_by_a_stricter_module() {
    let upstream = sockets::echo();
    let by_origin = "allow := input.http.headers.Origin == \"https://tv.test\"";
    let server = TestServer::open(&text(upstream.address, by_origin)).await;
    let browser = server.browser();
    let mut socket = sockets::open(&browser, "tv.test").await;
    let same = format!("{by_origin}\ndeny := input.http.path == \"/other\"");
    server.reload(&text(upstream.address, &same)).unwrap();
    let mut between = sockets::open(&browser, "tv.test").await;
    server.reload(&text(upstream.address, &format!("{same}\n"))).unwrap();
    sockets::says_back(&mut between, "open").await;
    sockets::says_back(&mut socket, "left alone").await;
    let strict = format!("{by_origin}\ndeny := input.http.path == \"/socket\"");
    server.reload(&text(upstream.address, &strict)).unwrap();
    sockets::ends(&mut socket).await;
    sockets::ends(&mut between).await;
    permits::ended(&server, "/socket", "permit_ended_policy", 2).await;
}

/// A module asks for fields that nobody kept when there was none: what runs ends.
#[tokio::test]
async fn a_socket_from_before_there_were_modules_ends() {
    let upstream = sockets::echo();
    let open = format!(
        "- from: https://tv.test\n  to: http://{}\n  allow_websockets: true\n  \
         allow_public_unauthenticated_access: true\n",
        upstream.address
    );
    let server = TestServer::open(&config(&[open])).await;
    let mut socket = sockets::open(&server.browser(), "tv.test").await;
    server.reload(&text(upstream.address, "allow := true")).unwrap();
    sockets::ends(&mut socket).await;
    permits::ended(&server, "/socket", "permit_ended_policy", 1).await;
}

/// What loads configs for `usher run` compiles modules where it was built with what does, and refuses
/// them elsewhere: what they deny would be let in.
#[test]
fn a_build_without_rego_refuses_its_rules() {
    let text = text(Upstream::nobody(), "deny := true");
    let codes = match load(Source::Text { name: "config.yaml", text: &text }) {
        Ok(_) => Vec::new(),
        Err(LoadFailure::Refused(findings)) => {
            findings.problems().iter().map(|problem| problem.code).collect()
        }
        Err(other) => panic!("{other}"),
    };
    assert_eq!(codes.contains(&"U122"), !cfg!(feature = "rego"), "{codes:?}");
}
