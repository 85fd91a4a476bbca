//! Decisions that are kept: what they hold, that they are made anew as they were made, and what a
//! policy beside the one in force says of them.

use std::sync::Arc;

use http::Method;
use usher::{
    request::{
        inquiry::{Caller, Inquiry, foretell},
        record::KeptDecision,
    },
    store::DecisionFile,
};
use usher_lab::{client_ca::ClientCa, upstream::Upstream};
use usher_rules::{
    plan::Plan,
    time::{Clock as _, Now},
};

use crate::{
    client_certificates::{Folder, mtls},
    metrics::{figures, value},
    sockets,
    test_server::{ANN, EVE, FRIENDS, TestServer, config, eventually, friends, plan, public},
    wire,
};

/// What is kept, in order, when so many are.
async fn kept(server: &TestServer, count: usize) -> Vec<KeptDecision> {
    eventually("the decisions are kept", || {
        server.log(); // everything is written
        let lines = DecisionFile::read(&server.data_dir()).unwrap();
        let kept: Vec<_> = lines.lines().map(|line| KeptDecision::read(line).unwrap()).collect();
        (kept.len() == count).then_some(kept)
    })
    .await
}

/// The verdict and the rule that a plan has for it.
fn again(decision: &KeptDecision, plan: &Arc<Plan>, now: Now) -> (String, String) {
    let head = decision.asked.head().unwrap();
    let now = Now { wall: decision.asked.at(), ..now };
    let source = decision.asked.source;
    let who = decision.who.clone().map_or(Caller::Nobody, Caller::Kept);
    let presented = decision.asked.presented().unwrap();
    let tool = decision.asked.tool.as_deref().map(Into::into);
    let apps = &usher::request::Apps::default();
    let inquiry = Inquiry { plan, head, who, source, presented, tool, now, apps };
    foretell(inquiry, |foretold| (foretold.verdict().word().into(), foretold.rule().into()))
}

/// Rules about every part of a request, so that a part that is lost in the record is noticed.
fn rules() -> String {
    format!(
        "decision_records: all
routes:
- from: https://tv.test
  to: http://TO
  cors_allow_preflight: true
  policy:
  - allow: {{or: [{{claim/groups: {FRIENDS}}}]}}
  - deny:
      or:
      - http_method: DELETE
      - http_path: {{starts_with: /admin}}
      - email: {{contains: eve}}
"
    )
}

/// `usher explain` and `--replay` say what the door did, or they say nothing that is of use.
#[tokio::test]
async fn a_decision_made_anew_from_its_record_is_the_same() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&rules().replace("TO", &upstream.address.to_string())).await;
    let (ann, eve) = (
        server.signed_in("https://tv.test/", ANN).await,
        server.signed_in("https://tv.test/", EVE).await,
    );
    let before = kept_now(&server);
    let heads = [
        "GET / HTTP/1.1",
        "DELETE /x HTTP/1.1",
        "GET /web/../admin HTTP/1.1",
        "GET /web/a;b=c?api_key=canary HTTP/1.1",
        "POST /x?_method=DELETE&token=canary HTTP/1.1",
        "OPTIONS /x HTTP/1.1\r\norigin: https://app.test\r\naccess-control-request-method: PUT",
        "GET /x HTTP/1.1\r\nx-http-method-override: delete\r\nauthorization: Basic canary",
    ];
    for head in heads {
        for browser in [&ann, &eve, &server.browser()] {
            let cookies = browser.cookies("tv.test").unwrap_or_default();
            let head = format!(
                "{head}\r\nhost: tv.test\r\ncookie: {cookies}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            wire::say(browser, "tv.test", head.as_bytes()).await;
        }
    }
    let kept = kept(&server, before + heads.len() * 3).await;
    let plan = server.running().plan();
    let mut verdicts = std::collections::BTreeSet::new();
    for decision in kept.iter().skip(before) {
        let was = (decision.verdict.clone(), decision.rule.clone());
        assert_eq!(again(decision, &plan, server.clock.now()), was, "{decision:?}");
        verdicts.insert(decision.verdict.clone());
    }
    assert_eq!(verdicts.into_iter().collect::<Vec<_>>(), ["allow", "deny", "sign-in"]);
    let text = DecisionFile::read(&server.data_dir()).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let session = ann.jar["tv.test"].values().next().unwrap();
    assert!(!text.contains(session.as_str()), "no cookie: {text}");
}

/// What nobody wrote down would be told as a loss, or hide a gain.
#[tokio::test]
async fn a_record_holds_the_certificate_and_the_tool() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let ca = ClientCa::new("Clients");
    let routes = format!(
        "runtime_flags: {{mcp: true}}\ndecision_records: all\n{}- from: https://tools.test\n  \
         to: http://{}\n  mcp: {{server: {{}}}}\n  policy: {{allow: {{or: [{{mcp_tool: look}}]}}}}\n",
        config(&[public("open.test", upstream.address)]),
        upstream.address,
    );
    let server = TestServer::open(&(mtls(&folder, &ca, "") + &routes)).await;
    let before = kept_now(&server);
    let nobody = server.browser();
    let own = nobody.showing(&ca.issue(1, |_| {}));
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"look"}}"#;
    let fields = [("content-type", "application/json"), ("accept", "application/json")];
    for mut browser in [own, nobody] {
        browser.fetch("https://open.test/").await;
        browser.send(Method::POST, "https://tools.test/", &fields, call.to_owned()).await;
    }
    let kept = kept(&server, before + 4).await;
    let plan = server.running().plan();
    let mut verdicts = Vec::new();
    for decision in kept.iter().skip(before) {
        let was = (decision.verdict.clone(), decision.rule.clone());
        assert_eq!(again(decision, &plan, server.clock.now()), was, "{decision:?}");
        verdicts.push(&*decision.verdict);
    }
    assert_eq!(verdicts, ["allow", "allow", "show-certificate", "show-certificate"]);
}

/// Of whom no certificate was asked nobody knows what they would have shown.
#[tokio::test]
async fn a_record_says_whether_a_certificate_was_asked_for() {
    let (upstream, folder) = (Upstream::echo(), Folder::new());
    let ca = ClientCa::new("Clients");
    let routes =
        "decision_records: all\n".to_owned() + &config(&[public("open.test", upstream.address)]);
    let strict = plan(&(mtls(&folder, &ca, "") + &routes));
    let route = &strict.routes[0];
    for (text, suffices) in [(routes.clone(), false), (mtls(&folder, &ca, "") + &routes, true)] {
        let server = TestServer::open(&text).await;
        let before = kept_now(&server);
        server.browser().fetch("https://open.test/").await;
        let kept = kept(&server, before + 1).await;
        let asked = &kept.last().unwrap().asked;
        assert_eq!(asked.suffices_for(route), suffices, "{asked:?}");
        let open = plan(&routes);
        assert!(asked.suffices_for(&open.routes[0]), "which asks for none: {asked:?}");
    }
}

fn kept_now(server: &TestServer) -> usize {
    server.log();
    DecisionFile::read(&server.data_dir()).unwrap().lines().count()
}

#[tokio::test]
async fn of_decisions_refusals_alone_are_kept_where_nothing_is_said() {
    let upstream = Upstream::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let mut eve = server.signed_in("https://tv.test/", EVE).await;
    let refused = eve.fetch("https://tv.test/secret?api_key=canary").await;
    server.browser().fetch("https://tv.test/").await; // who has yet to sign in is no refusal
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    ann.fetch("https://tv.test/").await;
    let kept = eventually("a refusal is kept", || {
        server.log();
        let lines = DecisionFile::read(&server.data_dir()).unwrap();
        let kept: Vec<_> = lines.lines().filter_map(KeptDecision::read).collect();
        kept.iter().any(|one| one.request_id == refused.field("x-request-id")).then_some(kept)
    })
    .await;
    assert!(kept.iter().all(|one| one.verdict == "deny"), "{kept:?}");
    assert!(
        kept.iter().all(|one| one.who.as_ref().unwrap().person.email.as_ref() == EVE.0),
        "{kept:?}"
    );

    server.reload(&format!("decision_records: none\n{text}")).unwrap();
    let count = kept_now(&server);
    eve.fetch("https://tv.test/").await;
    assert_eq!(kept_now(&server), count, "by the config in force now none is");
}

#[tokio::test]
async fn a_shadow_policy_decides_nothing_and_tells_where_it_would_differ() {
    let upstream = Upstream::echo();
    let shadow = "  shadow_policy: [{allow: {or: [{email: eve@example.com}]}}]\n";
    let route = friends("tv.test", upstream.address) + shadow;
    let text = format!("metrics_address: 127.0.0.1:9090\n{}", config(&[route]));
    let server = TestServer::open(&text).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let mut eve = server.signed_in("https://tv.test/", EVE).await;
    let (let_in, kept_out) =
        (ann.fetch("https://tv.test/").await, eve.fetch("https://tv.test/").await);
    assert_eq!(
        (let_in.status.as_u16(), kept_out.status.as_u16()),
        (200, 403),
        "the real one rules"
    );

    let decision = server.recorded(let_in.field("x-request-id")).await.0;
    assert_eq!(
        (&decision["verdict"], &decision["shadow-verdict"]),
        (&"allow".into(), &"deny".into())
    );
    assert_eq!(decision["shadow-rule"], "nothing-allows");
    let decision = server.recorded(kept_out.field("x-request-id")).await.0;
    assert_eq!(
        (&decision["verdict"], &decision["shadow-verdict"]),
        (&"deny".into(), &"allow".into())
    );
    let nobody = server.browser().fetch("https://tv.test/").await;
    let decision = server.recorded(nobody.field("x-request-id")).await.0;
    assert!(decision.get("shadow-verdict").is_none(), "they agree: {decision}");

    let shown = figures(&server).await;
    let series = |verdict, shadow| {
        format!(
            r#"usher_shadow_disagreements_total{{route="tv",verdict="{verdict}",shadow="{shadow}"}}"#
        )
    };
    assert!(value(&shown, &series("allow", "deny")) >= 1.0, "{shown}");
    assert!(value(&shown, &series("deny", "allow")) >= 1.0, "{shown}");
    assert!(!shown.contains(&series("sign-in", "sign-in")), "{shown}");
    server.reload(&text.replace("tv.test", "music.test")).unwrap();
    let shown = figures(&server).await;
    assert!(!shown.contains(r#"route="tv""#), "a route that is gone is forgotten: {shown}");
}

/// A socket is looked at once a second, so that five are enough (`permits.rs` has every reason).
#[tokio::test]
async fn a_reload_closes_what_it_refuses_within_five_seconds() {
    let upstream = sockets::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let mut socket = sockets::open(&ann, "tv.test").await;
    server.reload(&text.replace(FRIENDS, "family")).unwrap();
    let five = std::time::Duration::from_secs(5);
    tokio::time::timeout(five, sockets::ends(&mut socket)).await.expect("closed in time");
    eventually("the reason is on record", || {
        let lines = server.records("http-request");
        let ended =
            |line: &&serde_json::Value| line["response-code-details"] == "permit_ended_policy";
        lines.iter().find(ended).cloned()
    })
    .await;
}
