//! Each criterion has readable cases of all that can be said about it: every operator, and every
//! problem. Which there are is asked of the code itself, so that a new one is missed here first.

use std::{collections::BTreeSet, fs, path::Path};

use usher_rules::{
    problem::{Place, Problem, Severity},
    yaml::{self, Kind, Node},
};

use crate::route;

/// Operands that are wrong, odd or doubtful for some criterion.
const OPERANDS: &[&str] = &[
    "5",
    "true",
    "false",
    "~",
    "''",
    "x",
    "[]",
    "[5]",
    "['']",
    "[x]",
    "{}",
    "{nosuch: 1}",
    "{is: 5}",
    "{is: ''}",
    "{is: [a]}",
    "{not: 5}",
    "{in: x}",
    "{in: []}",
    "{in: ['', 5]}",
    "{not_in: []}",
    "{contains: 5}",
    "{contains: ''}",
    "{has: [a]}",
    "{has: ''}",
    "{exclude: [a]}",
    "Ann@Example.com",
    "{is: a b}",
    "delete",
    "10s",
    "{type: 5}",
    "{type: ''}",
    "{approved: [true]}",
    "{approved: yes}",
    "{fingerprint: x}",
    "{fingerprint: 5}",
    "{spki_hash: x}",
    "{spki_hash: [5]}",
    "{san_dns: {}}",
    "{san_dns: {in: x}}",
    "{san_dns: {contains: 5}}",
    "{san_dns: a}",
    "{is: mon, timezone: x}",
    "{timezone: UTC}",
    "{after: x, timezone: UTC}",
    "{after: '8:00'}",
    "{after: '8:00', before: '8:00', timezone: UTC}",
    "{after: 2027-01-01, before: 2026-01-01}",
    "{before: 2027-01-01}",
    "mon",
];

/// A criterion, and a code or an operator of it.
type Pairs = BTreeSet<(String, String)>;

/// Every criterion, as the help for one that does not exist lists them.
fn criteria() -> Vec<String> {
    let config = route::config("policy: {allow: {or: [{qqq: 1}]}}");
    let problems = route::compile(&config).unwrap_err();
    let help = &problems.iter().find(|problem| problem.code == "U308").unwrap().help;
    quoted(help)
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(Into::into).collect()
}

fn problems(config: &str) -> Vec<Problem> {
    route::compile(config).map_or_else(|problems| problems, |(_, warnings)| warnings)
}

/// The criteria of a config, each with its item's place and its value.
fn items(config: &str) -> Vec<(String, Node, Node)> {
    let Ok(node) = yaml::parse(config).clean() else { return Vec::new() };
    let Some(Kind::List(routes)) = node.get("routes").map(|routes| &routes.kind) else {
        return Vec::new();
    };
    let mut items = Vec::new();
    for rule in routes.iter().filter_map(|route| route.get("policy")).flat_map(elements) {
        for list in values(rule).flat_map(values) {
            for item in elements(list) {
                if let Kind::Map(entries) = &item.kind
                    && let [entry] = entries.as_slice()
                {
                    let name = entry.key.split('/').next().unwrap().to_ascii_lowercase();
                    items.push((name, item.clone(), entry.value.clone()));
                }
            }
        }
    }
    items
}

fn elements(node: &Node) -> impl Iterator<Item = &Node> {
    match &node.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Map(_) | Kind::Scalar { .. } => std::slice::from_ref(node),
    }
    .iter()
}

fn values(node: &Node) -> impl Iterator<Item = &Node> {
    let entries = match &node.kind {
        Kind::Map(entries) => entries.as_slice(),
        Kind::List(_) | Kind::Scalar { .. } => &[],
    };
    entries.iter().map(|entry| &entry.value)
}

/// What is said about each criterion of a config.
fn codes(config: &str) -> Pairs {
    let (items, mut pairs) = (items(config), Pairs::new());
    for problem in problems(config) {
        let about = items.iter().find(|(_, item, _)| stands_in(&problem, item));
        pairs.extend(about.map(|(name, ..)| (name.clone(), problem.code.to_owned())));
    }
    pairs
}

fn stands_in(problem: &Problem, item: &Node) -> bool {
    let Place::File(at) = &problem.at else { return false };
    item.span.start <= at.start && at.end <= item.span.end
}

/// What is said about these where they stand together, and then of those without an error: some
/// is said of whole policies alone.
fn codes_of_all(place: &str, written: &[String]) -> Pairs {
    let list = written.join(", ");
    let config = route::config(&format!("policy: {{{place}: [{list}]}}}}"));
    let errors: Vec<Problem> = problems(&config)
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error)
        .collect();
    let items = items(&config);
    let is_good =
        |(_, item, _): &(String, Node, Node)| !errors.iter().any(|error| stands_in(error, item));
    let good: Vec<String> = items
        .iter()
        .filter(|item| is_good(item))
        .map(|(_, item, _)| config[item.span.clone()].to_owned())
        .collect();
    let mut pairs = codes(&config);
    if !good.is_empty() && good.len() < written.len() {
        pairs.extend(codes_of_all(place, &good));
    }
    pairs
}

/// The configs of all cases.
fn cases() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let cases = paths.filter(|path| path.extension().is_some_and(|end| end == "case"));
    let text = |path| fs::read_to_string(path).unwrap();
    cases.map(|path| route::config(text(path).split("----\n").next().unwrap())).collect()
}

#[test]
fn every_problem_of_every_criterion_has_a_case() {
    let shown: Pairs = cases().iter().flat_map(|config| codes(config)).collect();
    let criteria = criteria();
    let mut missing = Pairs::new();
    for name in &criteria {
        let paths = if name == "claim" { &["", "/a", "/nonce"][..] } else { &["", "/x"] };
        let written: Vec<String> = paths
            .iter()
            .flat_map(|path| {
                OPERANDS.iter().map(move |operand| format!("{{{name}{path}: {operand}}}"))
            })
            .collect();
        missing.extend(codes_of_all("allow: {or", &written));
        missing.extend(codes_of_all("deny: {or", &written));
    }
    assert!(missing.len() > criteria.len(), "{missing:?}");
    missing.retain(|pair| !shown.contains(pair));
    assert!(missing.is_empty(), "no case in tests/policy shows {missing:?}");
}

/// Whatever the operands above provoke: what a file of criteria can say about them is shown.
#[test]
fn every_problem_that_a_file_of_criteria_names_has_a_case() {
    let shown: BTreeSet<String> =
        cases().iter().flat_map(|config| codes(config)).map(|(_, code)| code).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy");
    let mut unshown = BTreeSet::new();
    for below in ["criterion", "matcher"] {
        for entry in fs::read_dir(folder.join(below)).unwrap() {
            let source = fs::read_to_string(entry.unwrap().path()).unwrap();
            let named =
                source.match_indices("\"U3").map(|(at, _)| source[at + 1..at + 5].to_owned());
            unshown.extend(named.filter(|code| !shown.contains(code)));
        }
    }
    assert!(unshown.is_empty(), "no case in tests/policy shows {unshown:?}");
}

#[test]
fn every_operator_of_every_criterion_has_a_case() {
    let mut shown = Pairs::new();
    for (name, _, value) in cases().iter().flat_map(|config| items(config)) {
        if let Kind::Map(entries) = &value.kind {
            shown.extend(entries.iter().map(|e| (name.clone(), e.key.to_string())));
        }
        shown.insert((name, String::new()));
    }
    let mut missing = Pairs::new();
    for name in criteria() {
        let path = if name == "claim" { "/a" } else { "" };
        let item = format!("policy: {{allow: {{or: [{{{name}{path}: {{qqq: 1}}}}]}}}}");
        let unknown = problems(&route::config(&item)).into_iter().find(|one| one.code == "U310");
        let known = unknown.map(|one| quoted(&one.help)).unwrap_or_default();
        missing.extend(known.into_iter().map(|operator| (name.clone(), operator)));
        missing.insert((name, String::new()));
    }
    assert!(missing.len() > 60, "{missing:?}");
    missing.retain(|pair| !shown.contains(pair));
    assert!(missing.is_empty(), "no case in tests/policy shows {missing:?}");
}
