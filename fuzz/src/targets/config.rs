//! Configs: every text is read to its end, and whatever is wrong closes and is told.

use std::net::IpAddr;

use usher_rules::{
    config::{self, Environment, Files, Input},
    plan,
    policy::{Facts, LegacyAllow, Policy, RequestFacts, Verdict},
    problem::Severity,
    yaml::{self, Extent},
};

use super::text;

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("no such file".to_owned())
    }
}

pub fn yaml(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let parsed = yaml::parse(given);
    assert!(parsed.extent == Extent::Whole || !parsed.problems.is_empty(), "{given}");
}

pub fn config(input: &[u8]) {
    let Some(given) = text(input) else { return };
    for name in ["config.yaml", "config.json", "config.toml", "config.env"] {
        let draft = config::read(Input { name: Some(name), text: given }, &Environment::new());
        let problems = match plan::compile(draft, &NoFiles) {
            Ok((_, warnings)) => warnings,
            Err(problems) => {
                assert!(problems.iter().any(|problem| problem.severity == Severity::Error));
                problems
            }
        };
        for problem in problems {
            assert!(problem.code.starts_with('U') && !problem.help.is_empty(), "{problem:?}");
        }
    }
}

pub fn policy(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let case = given.split("\n----").next().unwrap_or_default();
    let Ok(root) = yaml::parse(case).clean() else { return };
    let mut problems = Vec::new();
    let rules = root.get("policy").unwrap_or(&root);
    let policy = Policy::compile(&LegacyAllow::default(), Some(rules), &mut problems);
    let request = RequestFacts {
        method: "GET",
        path: "/web/",
        source: Some(IpAddr::from([192, 0, 2, 1])),
        origin: None,
        access_control_request_method: None,
        tool: None,
    };
    let verdict = policy.decide(&Facts::of(None, request)).verdict;
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        assert_eq!(verdict, Verdict::Deny, "a broken policy denies: {case}");
    }
}

pub fn duration(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let _ = config::duration::parse(given);
}
