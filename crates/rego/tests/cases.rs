//! Readable cases: configs with modules, `----`, and what the operator sees; then requests, and what
//! was decided about each. `UPDATE=1` rewrites the answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fmt::Write as _, fs, path::Path};

use http::{HeaderMap, HeaderValue, header::HeaderName};
use usher_rego::Regorus;
use usher_rules::{
    config::{Environment, Input, NoFiles, read},
    people::{Claims, Person},
    plan::{Plan, compile_with},
    policy::{Facts, RequestFacts, WholeRequest},
    problem::Rendered,
    session::{Session, SessionId, SignIn, SignedIn},
    time::UnixTime,
};

/// What every config here begins with.
const HEAD: &str = "\
authenticate_service_url: https://login.a.test
routes:
- from: https://a.a.test
  to: http://127.0.0.1:1
";

fn compiled(text: &str) -> (Option<Plan>, String) {
    let text = format!("{HEAD}{text}");
    let draft = read(Input { name: Some("config.yaml"), text: &text }, &Environment::new());
    let (plan, problems) = match compile_with(draft, &NoFiles, Some(&Regorus)) {
        Ok((plan, problems)) => (Some(plan), problems),
        Err(problems) => (None, problems),
    };
    // names of guides, and a sign-in without people, say nothing about modules
    let told =
        problems.iter().filter(|problem| problem.code.starts_with("U3") || problem.code == "U200");
    let told: Vec<_> = told
        .map(|problem| Rendered { problem, file: "config.yaml", text: &text }.to_string())
        .collect();
    (plan, told.join("\n\n"))
}

/// Ann of the built-in provider, who is in a group.
fn ann() -> SignedIn {
    let member = serde_json::json!({"id": "u1", "email": "ann@a.test", "name": "Ann", "claims": {"team": ["a"]}, "directory_groups": ["family"]});
    let person: Person = serde_json::from_value(member).unwrap();
    let session = Session {
        claims: Claims::from_json(serde_json::json!({"org": {"unit": 7}}).as_object().unwrap()),
        ..session()
    };
    SignedIn { session, person: person.into() }
}

fn session() -> Session {
    let id = SessionId::from_random([7; 16]);
    let text = serde_json::json!({
        "id": id, "idp_id": "local", "issued_at": 1, "expires_at": 2, "id_token": null,
        "sign_in": SignIn::default(),
    });
    serde_json::from_value(text).unwrap()
}

/// `METHOD TARGET [as ann] [NAME=VALUE …]`.
fn answered(plan: &Plan, line: &str) -> String {
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (ann, mut who) = (ann(), None);
    let mut fields = HeaderMap::new();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some((name, value)) => {
                let name: HeaderName = name.parse().unwrap();
                fields.append(name, HeaderValue::from_str(value).unwrap());
            }
            None => who = words.next().map(|_| &ann),
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = RequestFacts {
        method,
        path,
        source: Some("192.0.2.7".parse().unwrap()),
        origin: None,
        access_control_request_method: None,
        tool: None,
    };
    let whole = WholeRequest { authority: "a.a.test:8443", raw_path: path, query, fields: &fields };
    let now = UnixTime::from_seconds(1_800_000_000);
    let facts = Facts::of(who, request).at(now).with_whole(Some(whole));
    let policy = &plan.routes[0].policy;
    let explanation = policy.explain(&facts);
    let decision = &explanation.decision;
    let side = |holds: bool, words: Vec<&str>| format!("{holds} {words:?}");
    let mut out = format!(
        "{line}\n  {} {}, allow {}, deny {}\n",
        decision.verdict.word(),
        decision.rule,
        side(decision.allow.holds, decision.allow_words().collect()),
        side(decision.deny.holds, decision.deny_words().collect()),
    );
    for one in &explanation.criteria {
        writeln!(out, "  {} {}: {}, {}", one.rule, one.holds, one.asks, one.found).unwrap();
    }
    out
}

fn answer(question: &str) -> String {
    let (config, requests) = question.split_once("--\n").unwrap_or((question, ""));
    let (plan, told) = compiled(config);
    let mut out = if told.is_empty() { String::new() } else { told + "\n" };
    let Some(plan) = plan else { return out + "refused\n" };
    requests.lines().for_each(|line| out.push_str(&answered(&plan, line)));
    out
}

#[test]
fn cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modules.case");
    let text = fs::read_to_string(&path).unwrap();
    let mut found = String::new();
    for case in text.split_inclusive("====\n") {
        let case = case.trim_end_matches("====\n");
        let (question, _) = case.split_once("----\n").unwrap_or((case, ""));
        let (title, rest) = question.split_once('\n').unwrap();
        assert!(title.starts_with("# "), "{title}");
        write!(found, "{title}\n{rest}----\n{}====\n", answer(rest)).unwrap();
    }
    if found != text && std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &found).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), found, "UPDATE=1 rewrites it");
}

/// A module that would go on for ever keeps the thread for a moment, and lets nobody in.
#[test]
fn a_module_without_end_is_stopped_and_lets_nobody_in() {
    let text = "  sub_policies:
  - rego:
    - |
      allow if {
        some i in numbers.range(1, 20000)
        some j in numbers.range(1, 20000)
        i * j < 0
      }
  - allowed_users: [ann@a.test]
";
    let (plan, told) = compiled(text);
    assert_eq!(told, "");
    let answer = answered(&plan.unwrap(), "GET / as ann");
    assert!(answer.contains("deny sub_policies[0].rego[0]"), "{answer}");
    assert!(answer.contains("rego-error"), "{answer}");
}

/// No record of a decision has fields or queries: what rests on them is not made anew.
#[test]
fn a_module_that_names_fields_is_not_made_anew() {
    for (module, named) in [
        ("allow := input.http.path == \"/\"", false),
        ("allow := input.http.headers.Origin == \"x\"", true),
        ("allow := input[\"http\"][\"raw_query\"] == \"x\"", true),
    ] {
        let (plan, _) = compiled(&format!("  sub_policies:\n  - rego: ['{module}']\n"));
        assert_eq!(plan.unwrap().routes[0].policy.asks_for_fields(), named, "{module}");
    }
}
