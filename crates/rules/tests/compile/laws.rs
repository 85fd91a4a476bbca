//! What holds for every config.

use proptest::prelude::*;
use usher_rules::{
    config::{
        Environment,
        keys::{self, Fate, Key, Kind, Rule, Table},
    },
    problem::{Rendered, Severity},
};

use crate::{Shelf, compile};

const ROUTE: &str =
    "routes:\n- from: https://tv.test\n  to: http://app\n  allow_any_authenticated_user: true\n";

/// A value of the key's type that says something.
fn value(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Secret | Kind::List | Kind::FullList | Kind::MapOrList | Kind::Any => {
            "x"
        }
        Kind::Bool => "true",
        Kind::Duration => "5s",
        Kind::Int(..) => "2",
        Kind::Map => "{a: b}",
        Kind::Word(words, _) => words.iter().rev().find(|word| !word.is_empty()).unwrap(),
        Kind::Object(_) | Kind::Objects(_) => "{}",
        Kind::Routes => "[]",
    }
}

/// A value that its key takes.
fn fitting(key: &Key) -> &'static str {
    match key.rule {
        Rule::Url => "https://a.test",
        Rule::Listener => "':9000'",
        Rule::Resolvers => "['udp://192.0.2.1:53']",
        Rule::None | Rule::Millisecond | Rule::Unquoted | Rule::Full | Rule::Filled => {
            value(key.kind)
        }
    }
}

fn found(text: &str) -> (bool, Vec<&'static str>) {
    match compile(Some("config.yaml"), text, &Environment::new(), &Shelf::default()) {
        Ok((_, warnings)) => (true, warnings.iter().map(|problem| problem.code).collect()),
        Err(problems) => (false, problems.iter().map(|problem| problem.code).collect()),
    }
}

/// The rule of compatibility, key by key: nothing that keeps people out is dropped in silence.
#[test]
fn each_key_meets_its_fate() {
    let line = |key: &Key, indent: &str| {
        let object = matches!(key.kind, Kind::Object(_)).then_some("{ca_file: x}");
        format!("{indent}{}: {}\n", key.name, object.unwrap_or_else(|| fitting(key)))
    };
    let globals = keys::GLOBAL.iter().map(|key| (key, format!("{}{ROUTE}", line(key, ""))));
    let routes = keys::ROUTE.iter().map(|key| (key, format!("{ROUTE}{}", line(key, "  "))));
    for (key, text) in globals.chain(routes) {
        let (runs, codes) = found(&text);
        let name = key.name;
        match key.fate {
            Fate::Supported | Fate::Own => {}
            Fate::Refused(_) => assert!(!runs && codes.contains(&"U122"), "{name}: {codes:?}"),
            Fate::Removed(_) => assert!(!runs && codes.contains(&"U111"), "{name}: {codes:?}"),
            Fate::NotYet(_) => assert!(codes.contains(&"U121"), "{name}: {codes:?}"),
            Fate::NoEffect(_) => assert!(runs && codes == ["U120"], "{name}: {codes:?}"),
            Fate::Fixed(..) => {} // by its value: below
        }
    }
}

/// A value that asks for what usher does anyway is silent; any other is told as lost.
#[test]
fn a_value_that_asks_for_something_else_is_told_as_lost() {
    let tables = [(keys::GLOBAL, ""), (keys::ROUTE, "  ")];
    let fixed = |(table, indent): (Table, &'static str)| {
        table.iter().filter_map(move |key| match key.fate {
            Fate::Fixed(ours, _) => Some((key, ours, indent)),
            _ => None,
        })
    };
    let mut lost = 0;
    for (key, ours, indent) in tables.into_iter().flat_map(fixed) {
        let asked = |value: &str| {
            let line = format!("{indent}{}: {value}\n", key.name);
            let is_route = !indent.is_empty();
            found(&if is_route { format!("{ROUTE}{line}") } else { format!("{line}{ROUTE}") })
        };
        for value in ours.iter().filter(|value| !value.is_empty()) {
            assert_eq!(asked(value), (true, vec![]), "{}: {value}", key.name);
        }
        let other = match key.kind {
            Kind::Bool => "false",
            Kind::Duration => "30s",
            Kind::Word(words, _) => words.iter().rev().find(|word| !ours.contains(word)).unwrap(),
            _ => "another",
        };
        let (runs, codes) = asked(other);
        let is_half = key.name == "databroker_storage_type"; // and has no address
        assert!(runs != is_half && codes[0] == "U121", "{}: {other}: {codes:?}", key.name);
        lost += 1;
    }
    assert!(lost >= 6, "{lost}");
    for (line, codes) in [
        ("path_with_escaped_slashes_action: keep_unchanged", &[][..]),
        ("path_with_escaped_slashes_action: reject_request", &[]),
        ("path_with_escaped_slashes_action: unescape", &["U206"]),
        ("headers_with_underscores_action: drop_header", &[]),
        ("merge_slashes: true", &[]),
        ("merge_slashes: false", &["U121"]),
        ("normalize_path: false", &["U121"]),
        ("ssh_rls_enabled: false", &[]),
        ("ssh_rls_enabled: true", &["U121"]),
    ] {
        assert_eq!(found(&format!("{line}\n{ROUTE}")).1, codes, "{line}");
    }
}

#[test]
fn what_says_nothing_is_no_problem() {
    let may_be_lost = |key: &Key| matches!((key.fate, key.kind), (Fate::Fixed(..), Kind::Bool));
    let keys = keys::GLOBAL.iter().filter(|key| !matches!(key.fate, Fate::Supported));
    for key in keys.filter(|key| !may_be_lost(key)) {
        let off = if matches!(key.kind, Kind::Bool) { "false" } else { "null" };
        let (runs, codes) = found(&format!("{}: {off}\n{ROUTE}", key.name));
        assert!(runs && codes.is_empty(), "{}: {off}: {codes:?}", key.name);
    }
}

/// A whole config with many keys, to be spoilt.
const WHOLE: &str = include_str!("guide.case");

proptest! {
    /// However a config is spoilt, compiling ends in a plan or in an error, and every problem can
    /// be shown.
    #[test]
    fn never_panics(cuts in prop::collection::vec((0usize..2000, 0usize..30, "[-:{}\\[\\]&*'\"#, \n<a/0.$\\\\]{0,6}"), 1..6)) {
        let mut text: Vec<char> = WHOLE.split("----").next().unwrap().chars().collect();
        for (at, length, with) in cuts {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, with.chars());
        }
        let text: String = text.into_iter().collect();
        let outcome = compile(Some("config.yaml"), &text, &Environment::new(), &Shelf::default());
        let has_plan = outcome.is_ok();
        let problems = outcome.map_or_else(|problems| problems, |(_, warnings)| warnings);
        let has_errors = problems.iter().any(|problem| problem.severity == Severity::Error);
        prop_assert_eq!(has_plan, !has_errors);
        for problem in &problems {
            let shown = Rendered { problem, file: "config.yaml", text: &text }.to_string();
            prop_assert!(!problem.what.is_empty() && !problem.help.is_empty(), "{}", shown);
        }
    }
}
