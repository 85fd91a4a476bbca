//! One run tells everything: no mistake hides another one.

use base64::{Engine, engine::general_purpose::STANDARD};
use usher_rules::config::Environment;

use crate::{PLACEHOLDER, Shelf, compile};

/// A mistake that is told by any reader that comes so far.
const OTHERS: &str = "adress: :443\nlog_level: loud\n";

fn codes(name: &str, text: &str, env: &Environment) -> Vec<&'static str> {
    let problems = compile(Some(name), text, env, &Shelf::default()).unwrap_err();
    let codes = problems.iter().map(|problem| problem.code);
    codes.filter(|code| *code != PLACEHOLDER && *code != "U532").collect()
}

#[test]
fn one_mistake_hides_no_other() {
    let route = "routes:\n- from: https://a.test\n  to: b.test\n";
    for (name, mistake, expected, why) in [
        ("config.yaml", "log_level: info\n", "U110 U206 U522 U104", "a key given twice"),
        ("config.yaml", "extra: !secret x\n", "U110 U206 U522 U110 U102", "a foreign tag"),
        ("config.yaml", "x-a: &a [*a]\n", "U110 U206 U522 U102", "a circle"),
        ("config.yaml", "x-a: {? [b] : c}\n", "U110 U206 U522 U102", "a list as a key"),
        ("config.yaml", "<<: text\n", "U110 U206 U522 U102", "a merge of text"),
        ("config.yaml", "---\nb: 1\n", "U110 U206 U522 U103", "a second document"),
        ("config.conf", "", "U110 U206 U522 U105", "an ending that is nobody's"),
        ("config.yaml", "routes: []\n", "U110 U206 U522 U104", "routes given twice"),
        // what is missing behind a place that can't be read, nobody knows: `to` is not judged
        ("config.yaml", "cookie_name: 'a\n", "U110 U206 U101", "a quote that does not end"),
        ("config.yaml", "\tcookie_name: a\n", "U110 U206 U101", "a tab"),
    ] {
        let text = format!("{OTHERS}{route}{mistake}");
        let found = codes(name, &text, &Environment::new()).join(" ");
        let mut expected: Vec<&str> = expected.split(' ').collect();
        let mut sorted: Vec<&str> = found.split(' ').collect();
        expected.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{why}");
    }
}

#[test]
fn json_that_is_none_is_read_as_far_as_it_goes() {
    let text = "{\"adress\": \":443\",\n \"log_level\": \"loud\",\n \"log_level\": \"info\",\n}";
    let found = codes("config.json", text, &Environment::new());
    assert_eq!(found, ["U110", "U206", "U104", "U107"], "a comma too many");
    let text = "{\"adress\": \":443\",\n \"log_level\": \"loud\"\n \"routes\": []}";
    let found = codes("config.json", text, &Environment::new());
    assert_eq!(found, ["U110", "U206", "U107"], "a comma too few, told once");
}

#[test]
fn what_is_wrong_in_a_variable_hides_nothing_of_it() {
    let routes = "- from: https://a.test\n  from: https://b.test\n  to: b.test\n  adress: x\n";
    let env = [("ROUTES".to_owned(), STANDARD.encode(routes))].into();
    assert_eq!(codes("config.yaml", "", &env), ["U109", "U110", "U522"]);
    let twice = r#"{"a": "b", "a": "c"}"#.to_owned();
    let env = [("HEADERS".to_owned(), twice)].into();
    let problems = compile(None, "", &env, &Shelf::default()).unwrap_err();
    assert!(problems[0].what.ends_with("the key `a` is given twice"), "{problems:?}");
}

#[test]
fn each_part_of_a_config_is_judged_by_itself() {
    let text = "idp_provider: oidc\nautocert: true\nautocert_ca: nowhere\nroutes:\n\
                - from: https://a.test\n  to: b.test\n  allow_any_authenticated_user: true\n  \
                health_checks: {http_health_check: {host: '/', expected_statuses: {start: 5, end: 1}}}\n\
                - from: https://b.test\n  to: []\n  allow_any_authenticated_user: true\n  \
                health_checks: {timeout: 1ns, tcp_health_check: {send: {text: x}, receive: {text: y}}}\n";
    let found = codes("config.yaml", text, &Environment::new()).join(" ");
    let count = |code: &str| found.matches(code).count();
    assert_eq!(count("U415") + count("U414"), 2, "{found}: what sign-in lacks");
    assert_eq!(count("U430"), 1, "{found}: and where certificates come from");
    assert_eq!(count("U522"), 1, "{found}");
    assert_eq!(count("U534"), 6, "{found}: host, path and statuses; time, question and answer");
}

/// `groups: [family]` beside a public route's other keys asks nothing.
#[test]
fn each_criterion_is_refused_where_it_stands_beside_the_policy() {
    let route = "routes:\n- from: https://a.test\n  to: http://b.test\n  ";
    let listed = |extra: &str| {
        let text = format!("{route}{extra}");
        compile(None, &text, &Environment::new(), &Shelf::default()).unwrap_err()
    };
    let unknown = listed("policy: [{allow: {or: [{zzzzzz: x}]}}]");
    let help = unknown.iter().find(|problem| problem.code == "U308").unwrap().help.clone();
    let names: Vec<&str> = help.split('`').skip(1).step_by(2).collect();
    assert!(names.len() > 20, "{help}");
    // who writes `cors_preflight` means `cors_allow_preflight`, without which fewer requests pass
    for name in names.into_iter().filter(|name| *name != "cors_preflight") {
        let public = format!("allow_public_unauthenticated_access: true\n  {name}: x");
        assert!(listed(&public).iter().any(|problem| problem.code == "U110"), "{name}");
    }
}
