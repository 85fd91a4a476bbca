//! Every recorded question whose keys and criteria are supported gets the recorded answer.
//!
//! `golden/README.md` says where the recordings come from. Where one has a `safe` answer because
//! the recorded one is a hazard, the safe answer is the right one.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::Value;
use usher_rules::{
    people::Person,
    policy::{Decision, Facts, Finding, Policy, RequestFacts, Verdict},
    problem::Problem,
    yaml::{self, Kind, Node},
};

use crate::{
    route::{compile, config, errors},
    world::World,
};

const CASES: &str = include_str!("../golden/policy-cases.json");
const ERRORS: &str = include_str!("../golden/policy-errors.json");

/// Not supported yet. A case that uses one is counted as skipped, and nothing else is skipped
/// for what it says in its policy.
const CRITERIA_LATER: [&str; 9] = [
    "client_certificate",
    "device",
    "invalid_client_certificate",
    "mcp_tool",
    "ssh_ca",
    "ssh_publickey",
    "ssh_username",
    "ssh_username_matches_claim",
    "ssh_username_matches_email",
];
/// Recorded as refused, evaluated here: they can't be built there, and mean what they say.
const BUILT_HERE: [&str; 2] = ["http_method: {not_in:", "http_path: {not_in:"];
const ROUTE_KEYS_LATER: [&str; 3] = ["mcp", "sub_policies", "tls_downstream_client_ca"];
const GLOBAL_KEYS_LATER: [&str; 1] = ["downstream_mtls"];
/// Not a policy's business: internal paths and unknown routes never reach one, an address that is
/// none can't be in `Facts`, and twins are refused with the whole config.
const OUTSIDE: [&str; 4] = ["internal", "no_route", "ip_empty", "more_routes"];
/// Recorded as evaluated, refused here by design: which code, how many, and why.
const REFUSED_BY_DESIGN: [(&str, usize, &str); 4] = [
    ("U309", 11, "an operand that is no text is never equal, and `not` of it lets everybody in"),
    ("U312", 1, "a list is compared as one value: `has` never holds, `exclude` always does"),
    ("U313", 63, "what is compared with nothing holds by what is missing (decision 0034)"),
    ("U315", 1, "a claim without a name is nobody's, so `exclude` lets everybody in"),
];
/// Recorded as let in, kept out here by this rule and for this reason (decision 0032).
const KEPT_OUT_BY_DESIGN: [(&str, &str, &str); 8] = [
    ("claim-0148", "nothing-allows", "`team` is a map, and what is in it is not known to differ"),
    ("domain-0012", "nothing-allows", "`@example.com` is no address and has no domain"),
    ("domain-0033", "nothing-allows", "`hal@example.com.` is no address"),
    ("domain-0044", "nothing-allows", "`Example.COM` does not differ from `example.com`"),
    ("domain-0047", "nothing-allows", "of two domains neither lets in by differing"),
    ("domain-0048", "nothing-allows", "no domain lets in by differing"),
    ("domain-0077", "nothing-allows", "of two domains neither is none of the list"),
    ("email-0152", "deny[0].or[0] email", "`Bob@Example.COM` is denied in small letters"),
];

/// A route's policy, or what is wrong with it.
type Compiled = Result<Policy, Vec<Problem>>;

#[derive(Default)]
struct Score {
    /// Many cases ask the same route.
    routes: BTreeMap<String, Compiled>,
    agreed: usize,
    by_design: BTreeMap<&'static str, Vec<String>>,
    kept_out: Vec<String>,
    skipped: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Score {
    fn compile(&mut self, case: &Value) -> Compiled {
        let route = case["route"].as_str().unwrap();
        let fresh = || compile(&config(route)).map(|(policy, _)| policy);
        self.routes.entry(route.to_owned()).or_insert_with(fresh).clone()
    }

    fn skip(&mut self, why: impl Into<String>) {
        *self.skipped.entry(why.into()).or_default() += 1;
    }

    #[expect(clippy::print_stdout, reason = "the count is what a run is read for")]
    fn finish(self, what: &str, at_least: usize) {
        let Self { routes: _, agreed, by_design: _, kept_out, skipped, wrong } = &self;
        let designed: usize = self.by_design.values().map(Vec::len).sum();
        let all = agreed + designed + kept_out.len() + wrong.len();
        println!("{what}: {agreed} of {all} agree");
        for (code, ids) in &self.by_design {
            println!("  {} refused by design ({code}): {}", ids.len(), ids.join(" "));
        }
        println!("  {} kept out by design: {}", kept_out.len(), kept_out.join(" "));
        for (why, count) in skipped {
            println!("  {count} skipped: {why}");
        }
        assert!(wrong.is_empty(), "{} disagree:\n{}", wrong.len(), wrong.join("\n"));
        assert!(*agreed >= at_least, "only {agreed} cases of {what} agree");
    }
}

#[test]
fn recorded_answers() {
    let file: Value = serde_json::from_str(CASES).unwrap();
    let world = World::new(&file["records"]);
    let mut score = Score::default();
    for case in file["cases"].as_array().unwrap() {
        if let Some(why) = out_of_reach(case) {
            score.skip(why);
            continue;
        }
        let request = Request::of(&file["default_request"], &case["request"]);
        let Some(source) = request.source() else {
            score.skip("an address that is none");
            continue;
        };
        let path = request.decoded_path();
        let person = world.person(request.text("session"));
        judge(case, &request.facts(&path, source, person.as_ref()), &mut score);
    }
    for (code, count, why) in REFUSED_BY_DESIGN {
        let refused = score.by_design.get(code).map_or(0, Vec::len);
        assert_eq!(refused, count, "{code}: {why}");
    }
    let kept_out = KEPT_OUT_BY_DESIGN.map(|(id, _, _)| id);
    assert!(kept_out.iter().all(|id| score.kept_out.iter().any(|kept| kept == id)));
    score.finish("policy-cases", 960);
}

/// Compares the answer with the one that is right, and files it.
fn judge(case: &Value, facts: &Facts<'_>, score: &mut Score) {
    let id = case["id"].as_str().unwrap();
    let (expect, safe) = (&case["expect"], &case["safe"]);
    let policy = match score.compile(case) {
        Ok(policy) => policy,
        Err(problems) => {
            let expected = if safe.is_null() { expect } else { safe };
            let allowed = may_refuse(expected) || expected["refused"] == true;
            match (allowed, by_design(&problems)) {
                (true, _) => score.agreed += 1,
                (false, Some(code)) => score.by_design.entry(code).or_default().push(id.into()),
                (false, None) => score.wrong.push(format!("{id}: refused: {problems:?}")),
            }
            return;
        }
    };
    let decision = policy.decide(facts);
    assert_eq!(policy.explain(facts).decision, decision, "{id}: explain and decide differ");
    let right = if safe["one_of"].is_array() {
        let denied = decision.deny.holds && decision.verdict == Verdict::Deny;
        same(&decision, expect) || denied && mentions(safe, "denied with 403")
    } else if safe.is_null() {
        same(&decision, expect)
    } else {
        same(&decision, safe)
    };
    if right {
        score.agreed += 1;
    } else if kept_out_by_design(id, &decision) {
        score.kept_out.push(id.into());
    } else {
        let expected = if safe.is_null() { expect } else { safe };
        score.wrong.push(format!("{id}: {decision:?}, expected {expected}"));
    }
}

fn kept_out_by_design(id: &str, decision: &Decision) -> bool {
    decision.verdict == Verdict::Deny
        && KEPT_OUT_BY_DESIGN
            .iter()
            .any(|(known, rule, _)| *known == id && &*decision.rule == *rule)
}

fn built_here(case: &Value) -> bool {
    let route = case["route"].as_str().unwrap();
    BUILT_HERE.iter().any(|policy| route.contains(policy))
}

fn may_refuse(expected: &Value) -> bool {
    mentions(expected, "config refused") || mentions(expected, "refused")
}

fn mentions(expected: &Value, answer: &str) -> bool {
    expected["one_of"].as_array().is_some_and(|answers| answers.iter().any(|a| a == answer))
}

fn by_design(problems: &[Problem]) -> Option<&'static str> {
    let codes = errors(problems);
    let designed = |code: &str| REFUSED_BY_DESIGN.iter().any(|(known, _, _)| *known == code);
    codes.first().copied().filter(|first| designed(first) && codes.iter().all(|c| c == first))
}

/// Both sides with their reasons, and what becomes of the request.
fn same(decision: &Decision, expected: &Value) -> bool {
    let side = |finding: Finding, expected: &Value| {
        let reasons: Vec<&str> = finding.reasons.iter().map(|reason| reason.word()).collect();
        expected["value"] == finding.holds && expected["reasons"] == Value::from(reasons)
    };
    let http = &expected["http"];
    let verdict = match (http["forward"] == true, http["status"].as_u64()) {
        (true, _) => Some(Verdict::Allow),
        (false, Some(302 | 401)) => Some(Verdict::SignIn),
        (false, Some(403)) => Some(Verdict::Deny),
        (false, _) => None, // robots.txt, and status pages for Kubernetes' own client
    };
    side(decision.allow, &expected["allow"])
        && side(decision.deny, &expected["deny"])
        && verdict.is_none_or(|verdict| verdict == decision.verdict)
}

fn out_of_reach(case: &Value) -> Option<String> {
    let given = |key: &&&str| case["request"][**key] == true || case[**key] == true;
    if let Some(key) = OUTSIDE.iter().find(given) {
        return Some(format!("not a policy's business: {key}"));
    }
    let empty = Vec::new();
    let globals = case["global_keys"].as_array().unwrap_or(&empty);
    if let Some(key) = GLOBAL_KEYS_LATER.iter().find(|key| globals.iter().any(|g| g == **key)) {
        return Some(format!("later: {key}"));
    }
    let route = yaml::parse(case["route"].as_str().unwrap()).ok()?;
    if let Some(key) = ROUTE_KEYS_LATER.iter().find(|key| route.get(key).is_some()) {
        return Some(format!("later: {key}"));
    }
    let used = route.get("policy").and_then(|policy| {
        CRITERIA_LATER.iter().find(|name| names_of(policy).iter().any(|used| used == *name))
    });
    used.map(|name| format!("later: {name}"))
}

/// Every key in a policy, without what follows a `/`.
fn names_of(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Scalar { .. } => Vec::new(),
        Kind::List(items) => items.iter().flat_map(names_of).collect(),
        Kind::Map(entries) => entries
            .iter()
            .flat_map(|entry| {
                let name = entry.key.split('/').next().unwrap_or_default().to_ascii_lowercase();
                let mut names = names_of(&entry.value);
                names.push(name);
                names
            })
            .collect(),
    }
}

/// A recorded request: what differs from the usual one, and the usual one.
struct Request<'a> {
    usual: &'a Value,
    given: &'a Value,
}

impl<'a> Request<'a> {
    fn of(usual: &'a Value, given: &'a Value) -> Self {
        Self { usual, given }
    }

    fn text(&self, key: &str) -> &'a str {
        self.given[key].as_str().or_else(|| self.usual[key].as_str()).unwrap_or_default()
    }

    /// What the authorizer was shown: here the request had not been normalised before, and an
    /// escape that can't be read leaves nothing.
    fn decoded_path(&self) -> String {
        let path = self.text("path").split('?').next().unwrap_or_default();
        let readable = path.match_indices('%').all(|(at, _)| {
            path.get(at + 1..at + 3).is_some_and(|hex| u8::from_str_radix(hex, 16).is_ok())
        });
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
        if readable { decoded.into_owned() } else { String::new() }
    }

    fn source(&self) -> Option<IpAddr> {
        self.text("ip").parse().ok()
    }

    fn facts(&self, path: &'a str, source: IpAddr, person: Option<&'a Person>) -> Facts<'a> {
        let field = |name: &str| self.given["headers"][name].as_str();
        Facts {
            person,
            request: RequestFacts {
                method: self.text("method"),
                path,
                source,
                origin: field("origin"),
                access_control_request_method: field("access-control-request-method"),
            },
        }
    }
}

#[test]
fn recorded_mistakes() {
    let file: Value = serde_json::from_str(ERRORS).unwrap();
    let file_of_cases: Value = serde_json::from_str(CASES).unwrap();
    let mut score = Score::default();
    for case in file["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        if let Some(why) = out_of_reach(case) {
            score.skip(why);
            continue;
        }
        let expected = if case["safe"].is_null() { &case["expect"] } else { &case["safe"] };
        match score.compile(case) {
            Err(_) if expected["refused"] == true || may_refuse(expected) => score.agreed += 1,
            Err(problems) => match by_design(&problems) {
                Some(code) => score.by_design.entry(code).or_default().push(id.into()),
                None => score.wrong.push(format!("{id}: {problems:?}, accepted there")),
            },
            Ok(_) if built_here(case) => score.agreed += 1,
            Ok(_) if expected["refused"] == true => {
                score.wrong.push(format!("{id}: accepted, refused there: {}", case["route"]));
            }
            Ok(_) => {
                let request = Request::of(&file_of_cases["default_request"], &Value::Null);
                let source = request.source().unwrap();
                judge(case, &request.facts("/", source, None), &mut score);
            }
        }
    }
    score.finish("policy-errors", 90);
}
