//! What holds for every config.

use proptest::prelude::*;
use usher_rules::{
    config::{
        Environment,
        keys::{self, Fate, Key, Kind},
    },
    problem::{Rendered, Severity},
};

use crate::{Shelf, compile};

const ROUTE: &str = "routes:\n- from: https://a.example.com\n  to: http://app\n  allow_any_authenticated_user: true\n";

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
        format!("{indent}{}: {}\n", key.name, object.unwrap_or_else(|| value(key.kind)))
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
        }
    }
}

#[test]
fn what_says_nothing_is_no_problem() {
    for key in keys::GLOBAL.iter().filter(|key| !matches!(key.fate, Fate::Supported)) {
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
