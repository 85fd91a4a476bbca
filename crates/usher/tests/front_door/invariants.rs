//! One test per invariant of `ARCHITECTURE.md` that is seen best from outside.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};
use usher_lab::{
    browser::NAVIGATION,
    upstream::{Exchange, Upstream, field},
};

use crate::test_server::{ANN, EVE, TestServer, compiles, config, corpus, friends, public};

/// 1. What a request began with, it ends with.
#[tokio::test]
async fn a_reload_does_not_tear_a_request() {
    let go_on = Arc::new(Notify::new());
    let gate = Arc::clone(&go_on);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        if exchange.target().1 == "/slow" {
            gate.notified().await;
        }
        exchange.reply(200, "", b"film").await
    });
    let text = |plan: &str, extra: &str| {
        let route = public("tv.test", upstream.address);
        config(&[format!("{route}  set_response_headers: {{x-plan: {plan}}}\n{extra}")])
    };
    let server = TestServer::open(&text("old", "")).await;
    let mut browser = server.browser();
    let running = tokio::spawn({
        let mut browser = browser.clone();
        async move { browser.fetch("https://tv.test/slow").await }
    });
    upstream.came(1).await;
    server.reload(&text("new", "  prefix: /\n")).unwrap();
    assert_eq!(browser.fetch("https://tv.test/").await.field("x-plan"), "new");
    go_on.notify_one();
    let seen = running.await.unwrap();
    assert_eq!((seen.status, seen.field("x-plan")), (StatusCode::OK, "old"));
}

/// 3. No failure on the way to a decision lets anybody through.
#[tokio::test]
async fn every_failure_fails_closed() {
    let upstream = Upstream::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let before = upstream.heads().len();
    let handle = ann.jar["tv.test"]["__Host-_pomerium"].clone();

    let cut = &handle[..handle.len() - 2];
    let middle = handle.replacen('.', ".e30", 1);
    let fields: &[(&str, String)] = &[
        ("cookie", format!("__Host-_pomerium={cut}")),
        ("cookie", format!("__Host-_pomerium={middle}")),
        ("cookie", "__Host-_pomerium=".into()),
        ("cookie", "__Host-_pomerium=%00".into()),
        ("authorization", "Bearer Pomerium-".into()),
        ("authorization", format!("Bearer Pomerium-{cut}")),
        ("authorization", "Pomerium e30.e30.e30".into()),
        ("x-pomerium-authorization", "garbage".into()),
    ];
    for (name, value) in fields {
        let mut browser = server.browser();
        let seen = browser.send(Method::GET, "https://tv.test/", &[(name, value)], "").await;
        assert!(
            [StatusCode::UNAUTHORIZED, StatusCode::FOUND].contains(&seen.status),
            "{name}: {value}: {}",
            seen.status
        );
    }

    // The provider changed, and with it who vouches for whom.
    let other = format!(
        "authenticate_service_url: https://auth.test\nidp_provider: oidc\n\
         idp_provider_url: http://127.0.0.1:1\nidp_client_id: a\nidp_client_secret: b\n{text}"
    );
    server.reload(&other).unwrap();
    let mut copy = ann.clone();
    let seen = copy.fetch("https://tv.test/").await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "a session of another provider");
    let mut visitor = server.browser();
    let seen = visitor.open("https://tv.test/").await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "the provider is down");
    server.reload(&text).unwrap();

    // The session ran out.
    server.clock.turn(Duration::from_secs(15 * 3600));
    let mut late = ann.clone();
    assert_eq!(late.fetch("https://tv.test/").await.status, StatusCode::UNAUTHORIZED, "expired");

    assert_eq!(upstream.heads().len(), before, "none of it reached the upstream");
}

/// 4. One rule that can't be read, and there is no plan: nothing runs without it.
#[test]
fn a_broken_rule_refuses_the_config() {
    let with = |policy: &str| {
        format!("routes:\n- {{from: https://tv.test, to: http://127.0.0.1:1, policy: {policy}}}\n")
    };
    assert!(compiles(&with("[{allow: {or: [{email: {is: a@b.test}}]}}]")), "a good one");
    for broken in [
        "[{allow: {or: [{email: {is: a@b.test}}]}}, {deny: {or: [{no_such_thing: x}]}}]",
        "[{allow: {or: [{accept: true}]}}, {deny: {or: [{source_ip: 10.0.0.0/99}]}}]",
        "[{allow: {or: [{accept: true}]}}, {deny: {maybe: [{reject: true}]}}]",
        "[{allow: {or: [{email: {like: a@b.test}}]}}]",
        "[{permit: {or: [{accept: true}]}}]",
    ] {
        assert!(!compiles(&with(broken)), "{broken}");
    }
}

/// 5. Whatever way a path is written, policy and upstream read the same one.
#[tokio::test]
async fn policy_and_upstream_read_the_same_path() {
    let upstream = Upstream::echo();
    let route = format!(
        "- from: https://tv.test
  to: http://{}
  policy:
  - allow: {{and: [accept: true]}}
  - deny: {{or: [{{http_path: {{starts_with: /admin}}}}]}}
",
        upstream.address
    );
    let server = TestServer::open(&config(&[route])).await;
    let browser = server.browser();
    for target in corpus("paths.txt") {
        let mut stream = browser.connect("tv.test").await;
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _cut_short = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        match &*status {
            "400" | "403" => {}
            "200" => {
                let seen = upstream.last();
                let path = seen.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
                let id = field(&answer, "x-request-id").unwrap();
                let (decision, access) = server.recorded(&id).await;
                assert_eq!(decision["path"], path, "{target}: decided on what was sent");
                assert_eq!(access["path"], path, "{target}: recorded too");
                assert!(!path.trim_start_matches('/').starts_with("admin"), "{target}: {path}");
                let dots = |name: &str| name == ".." || name.starts_with("..;");
                assert!(!path.split('/').any(dots), "{target}: {path}");
                for sign in ["//", "/./", "\\", "%2e", "%2f", "%5c", "%00", "#"] {
                    assert!(!path.to_ascii_lowercase().contains(sign), "{target}: {path}");
                }
            }
            other => panic!("{target}: {other:?}: {answer}"),
        }
    }
    let admin = server.browser().fetch("https://tv.test/admin").await;
    assert_eq!(admin.status, StatusCode::FORBIDDEN);
}

/// 6. A bad credential is not the same as none: it is said, and the cookie is taken away.
#[tokio::test]
async fn a_bad_cookie_is_rejected_and_not_anonymous() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut stranger = server.browser();
    let none = stranger.fetch("https://tv.test/").await;
    assert_eq!(none.field("www-authenticate"), "Bearer realm=\"usher\"");
    assert_eq!(none.field("set-cookie"), "");
    let mut forger = server.browser();
    forger
        .jar
        .entry("tv.test".into())
        .or_default()
        .insert("__Host-_pomerium".into(), "a.b.c".into());
    let bad = forger.fetch("https://tv.test/").await;
    assert_eq!(bad.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bad.field("www-authenticate"), "Bearer realm=\"usher\", error=\"invalid_token\"");
    assert!(forger.jar["tv.test"].is_empty(), "{}", bad.field("set-cookie"));
}

/// 7. In no spelling does what a client says about itself reach the app.
#[tokio::test]
async fn what_clients_say_about_themselves_is_replaced() {
    let upstream = Upstream::echo();
    let claims = "jwt_claims_headers: {X-Email: email, X-Team: team}\n";
    let text = format!("{claims}{}", config(&[friends("tv.test", upstream.address)]));
    let server = TestServer::open(&text).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    for http2 in [false, true] {
        for line in corpus("identity_fields.txt") {
            let mut ann = if http2 { ann.over_http2() } else { ann.clone() };
            let name = if http2 { line.to_ascii_lowercase() } else { line.clone() };
            let nominates =
                [(&*name, "forged"), ("connection", "x-pomerium-jwt-assertion, x-email")];
            let fields = if http2 { &nominates[..1] } else { &nominates[..] };
            let seen = ann.send(Method::GET, "https://tv.test/", fields, "").await;
            assert_eq!(seen.status, StatusCode::OK, "{line}");
            // What somebody else asserted goes under the name that says so, by its own names alone.
            let brought = field(&seen.body, "x-pomerium-jwt-assertion-for").is_some();
            let by_name = ["x-pomerium-jwt-assertion", "x-pomerium-jwt-assertion-for"];
            let is_one = by_name.contains(&&*line.to_ascii_lowercase());
            assert_eq!(brought, is_one, "{line}: {}", seen.body);
            let ours = seen.body.replace("x-pomerium-jwt-assertion-for: forged", "");
            assert!(!ours.contains("forged"), "{line}: {}", seen.body);
            assert!(
                field(&seen.body, "x-pomerium-jwt-assertion").is_some(),
                "{line}: ours is there"
            );
            // Whoever is next would take away what is nominated (RFC 9110 §7.6.1).
            let nominated = field(&seen.body, "connection").unwrap_or_default();
            assert!(!nominated.contains("x-"), "{line}: {nominated}");
            assert_eq!(field(&seen.body, "x-email").as_deref(), Some(ANN.0), "{line}");
            assert_eq!(field(&seen.body, "x-team").as_deref(), Some(""), "{line}: absent is empty");
        }
    }
}

/// 8. One decision, two lines, and nothing secret on either.
#[tokio::test]
async fn records_tell_the_decision_and_no_secret() {
    let upstream = Upstream::echo();
    let part = format!("{}  prefix: /app\n", public("part.test", upstream.address));
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address), part])).await;
    let mut ann = server.signed_in("https://tv.test/?canary-query", ANN).await;
    let fields = [
        ("authorization", "Bearer canary-token"),
        ("referer", "https://tv.test/?canary-referer"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    let url = "https://tv.test/Items?api_key=canary-key";
    let seen = ann.send(Method::GET, url, &fields, "").await;
    let (decision, access) = server.recorded(seen.field("x-request-id")).await;
    for line in [&decision, &access] {
        assert_eq!(line["verdict"], "allow", "{line}");
        assert_eq!(line["rule"], "allow[0].or[0] claim/groups", "{line}");
        assert_eq!((&line["email"], &line["route"]), (&ANN.0.into(), &"tv".into()), "{line}");
        assert_eq!(line["path"], "/Items", "{line}");
    }
    assert_eq!((&decision["allow"], &access["response-code"]), (&true.into(), &200.into()));

    let mut eve = server.signed_in("https://tv.test/", EVE).await;
    let seen = eve.fetch("https://tv.test/Items").await;
    let (decision, access) = server.recorded(seen.field("x-request-id")).await;
    for line in [&decision, &access] {
        assert_eq!((&line["verdict"], &line["email"]), (&"deny".into(), &EVE.0.into()), "{line}");
    }
    assert_eq!((&decision["allow"], &access["response-code"]), (&false.into(), &403.into()));

    let nowhere = server.browser().fetch("https://part.test/x?canary").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    let (decision, access) = server.recorded(nowhere.field("x-request-id")).await;
    for line in [&decision, &access] {
        assert_eq!((&line["verdict"], &line["rule"]), (&"deny".into(), &"no-route".into()));
        assert_eq!(line["path"], "/x");
    }
    assert!(!server.log().contains("canary"), "{}", server.log());
}

/// 9. All of a new config, or nothing of it; who is in stays in.
#[tokio::test]
async fn a_reload_changes_everything_or_nothing() {
    let upstream = Upstream::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let refused = server.reload("").unwrap_err();
    assert!(refused.to_string().contains("no routes"), "an emptied file: {refused}");
    assert_eq!(ann.fetch("https://tv.test/").await.status, StatusCode::OK, "the old one serves on");

    let both =
        config(&[friends("tv.test", upstream.address), public("new.test", upstream.address)]);
    server.reload(&both).unwrap();
    assert_eq!(server.browser().fetch("https://new.test/").await.status, StatusCode::OK);
    assert_eq!(ann.fetch("https://tv.test/").await.status, StatusCode::OK, "sessions survive");
    assert_eq!(upstream.connections(), 1, "connections to upstreams too");
}

/// 13. What log lines are made of is relied on by others.
#[tokio::test]
async fn log_fields_are_an_api() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let seen = ann.fetch("https://tv.test/").await;
    let (decision, access) = server.recorded(seen.field("x-request-id")).await;
    let names = |line: &serde_json::Value| {
        let mut names: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(
        names(&decision),
        "allow allow-why-true check-request-id deny deny-why-false email envoy-route-id host ip \
         level message method path request-id route route-id rule server-name service session-id \
         time user verdict"
    );
    assert_eq!(
        names(&access),
        "authority duration email forwarded-for host level message method path received referer \
         request-id response-code response-code-details route rule server-name service size time \
         upstream-cluster user user-agent verdict"
    );
    assert_eq!(decision["allow-why-true"], serde_json::json!(["claim-ok"]));
}

/// 14. No secret on a page, in a line, or readable by others on the disk.
#[tokio::test]
async fn secrets_are_on_no_page_and_in_no_line() {
    let upstream = Upstream::echo();
    let shared = "cGVuZ3VpbnMtYW5kLXdhbHJ1c2VzLWluLWEtYm94ISE=";
    let text =
        format!("shared_secret: {shared}\n{}", config(&[friends("tv.test", upstream.address)]));
    let server = TestServer::open(&text).await;
    let mut ann = server.browser();
    let pages = [
        ann.open("https://tv.test/").await,
        ann.sign_in("https://tv.test/", ANN.0, ANN.1).await,
        ann.open("https://tv.test/.pomerium/").await,
        ann.open("https://tv.test/.pomerium/user").await,
        ann.open("https://tv.test/.pomerium/nothing").await,
        ann.open("https://tv.test/.well-known/pomerium/jwks.json").await,
    ];
    let mut secrets = vec![ANN.1.to_owned(), shared.to_owned(), "penguins".into()];
    secrets.extend(ann.jar["tv.test"].values().cloned());
    assert!(secrets.len() > 3, "there is a cookie");
    let log = server.log();
    for secret in &secrets {
        assert!(!log.contains(secret), "in the log: {secret}");
        for page in &pages {
            assert!(!page.body.contains(secret), "on {}: {secret}", page.url);
        }
    }
    for entry in std::fs::read_dir(server.data_dir()).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} can be read by others", entry.path().display());
        if entry.file_type().unwrap().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            for secret in &secrets {
                assert!(!text.contains(secret.as_str()), "{}: {secret}", entry.path().display());
            }
        }
    }
}

/// The key that signs assertions is the same after every reload, the failed ones too.
#[tokio::test]
async fn a_reload_changes_no_key() {
    let upstream = Upstream::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let keys = async || {
        server.browser().fetch("https://tv.test/.well-known/pomerium/jwks.json").await.body
    };
    let before = keys().await;
    assert!(before.contains("\"kid\""), "there are keys: {before}");
    server.reload(&format!("{text}  prefix: /\n")).unwrap();
    assert!(server.reload("").is_err());
    assert_eq!(keys().await, before);
    assert_eq!(ann.clone().fetch("https://tv.test/").await.status, StatusCode::OK);
}

/// 15. A restart signs nobody out and changes no key.
#[tokio::test]
async fn a_restart_signs_nobody_out() {
    let upstream = Upstream::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let mut server = TestServer::open(&text).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let keys = server.browser().fetch("https://tv.test/.well-known/pomerium/jwks.json").await.body;
    let ca = std::fs::read(server.running().ca_file()).unwrap();
    server.restart(&text).await;
    let mut after = server.browser();
    after.jar = ann.jar;
    assert_eq!(after.fetch("https://tv.test/").await.status, StatusCode::OK);
    let again = server.browser().fetch("https://tv.test/.well-known/pomerium/jwks.json").await.body;
    assert_eq!(again, keys);
    assert!(keys.contains("\"kid\""), "there are keys: {keys}");
    assert_eq!(std::fs::read(server.running().ca_file()).unwrap(), ca);
    let page = after.send(Method::GET, "https://tv.test/web/", NAVIGATION, "").await;
    assert_eq!(page.status, StatusCode::OK);
}

/// A field that may be chosen for a line stands in it, and one that is not chosen does not.
#[tokio::test]
async fn every_log_field_that_is_taken_is_written() {
    use usher_rules::plan::{ACCESS_FIELDS, AUTHORIZE_FIELDS};
    let upstream = usher_lab::upstream::Upstream::echo();
    let (access, authorize) = (ACCESS_FIELDS.join(", "), AUTHORIZE_FIELDS.join(", "));
    let routes =
        crate::test_server::config(&[crate::test_server::friends("tv.test", upstream.address)]);
    let text =
        format!("access_log_fields: [{access}]\nauthorize_log_fields: [{authorize}]\n{routes}");
    let server = crate::test_server::TestServer::open(&text).await;
    let mut ann = server.signed_in("https://tv.test/", crate::test_server::ANN).await;
    let seen = ann.fetch("https://tv.test/a").await;
    let id = seen.fields["x-request-id"].to_str().unwrap().to_owned();
    let (decision, line) = server.recorded(&id).await;
    for (line, fields) in [(&line, ACCESS_FIELDS), (&decision, AUTHORIZE_FIELDS)] {
        for field in fields {
            assert!(line.get(field).is_some(), "`{field}` is taken and not written: {line}");
        }
    }
    server
        .reload(&format!("access_log_fields: [method]\nauthorize_log_fields: [method]\n{routes}"))
        .unwrap();
    let seen = ann.fetch("https://tv.test/b").await;
    let id = seen.fields["x-request-id"].to_str().unwrap();
    is_bare(&server, id).await;
}

/// The line that was asked to be short is.
async fn is_bare(server: &crate::test_server::TestServer, id: &str) {
    let line = crate::test_server::eventually("two lines with their methods alone", || {
        server.records("http-request").into_iter().rev().find(|line| line.get("path").is_none())
    });
    let line = line.await;
    assert_eq!(line["method"], "GET", "{line}");
    assert!(line.get("duration").is_none() && !line.to_string().contains(id), "{line}");
}
