//! The requests that the real server was asked: which route takes each, and does it ask to sign in.
//!
//! Redirect targets, rewriting and reserved paths belong to the request path and are asked there.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use usher_rules::{
    config::Environment,
    names::{Authority, RequestPath},
    plan::{Action, Plan, Route},
    policy::{Facts, RequestFacts, Verdict},
};

use crate::{Shelf, compile, golden_config::exceptions};

/// Routes that a table must lose before it compiles: each is a hazard of its own.
const HAZARDS: &[(&str, &[&str])] = &[("policy", &["twin-b", "twin-d", "r-b", "empty"])];

/// Tables that are refused as a whole, and rightly so: the real server takes them and then
/// answers 404 to everything.
const REFUSED: &[&str] = &["bad-regex", "bad-look"];

#[test]
fn agreement() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let golden: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("route-cases.json")).unwrap())
            .unwrap();
    let mut exceptions = exceptions(&folder.join("route-exceptions.txt"));
    let mut plans = BTreeMap::new();
    for (name, text) in golden["tables"].as_object().unwrap() {
        let text = without_hazards(name, text.as_str().unwrap());
        let outcome = compile(Some("config.yaml"), &text, &Environment::new(), &Shelf::default());
        if REFUSED.contains(&name.as_str()) {
            assert!(outcome.is_err(), "{name} must be refused");
        } else if name != "tcp" {
            let (plan, _) = outcome.unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
            plans.insert(name.clone(), plan);
        }
    }
    let (mut agreed, mut excepted, mut elsewhere, mut wrong) = (0, 0, 0, Vec::new());
    for case in golden["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let Some(plan) = plans.get(case["table"].as_str().unwrap()) else {
            elsewhere += 1;
            continue;
        };
        match (ask(plan, case), exceptions.remove(id)) {
            (Some(Ok(())), None) => agreed += 1,
            (Some(Ok(())), Some(reason)) => {
                wrong.push(format!("{id} agrees: no exception is needed ({reason})"))
            }
            (Some(Err(_)), Some(_)) => excepted += 1,
            (Some(Err(why)), None) => wrong.push(format!("{id} {}: {why}", case["request"])),
            (None, _) => elsewhere += 1,
        }
    }
    wrong.extend(exceptions.keys().map(|id| format!("{id}: an exception for no case")));
    println!(
        "requests: {agreed} agree with the real server, {excepted} differ on purpose, {elsewhere} are asked elsewhere"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(agreed >= 150, "only {agreed} were compared");
}

fn without_hazards(table: &str, text: &str) -> String {
    let Some((_, names)) = HAZARDS.iter().find(|(name, _)| *name == table) else {
        return text.to_owned();
    };
    let pieces = text.split("\n- from:");
    let kept =
        pieces.filter(|piece| !names.iter().any(|name| piece.contains(&format!("name: {name}\n"))));
    kept.collect::<Vec<_>>().join("\n- from:")
}

/// What becomes of a request: the answer's status where no route is asked, or the route.
enum Outcome<'p> {
    Status(u16),
    Taken(&'p Route, RequestPath),
}

fn choose<'p>(plan: &'p Plan, host: &str, target: &str) -> Outcome<'p> {
    let path = target.split('?').next().unwrap();
    let (Ok(authority), Ok(path)) = (Authority::parse(host), RequestPath::parse(path)) else {
        return Outcome::Status(400);
    };
    let mut candidates =
        plan.hosts.candidates(&authority).iter().map(|index| &*plan.routes[*index]);
    candidates
        .find(|route| route.from.takes(&authority) && route.matches.takes(path.wire()))
        .map_or(Outcome::Status(404), |route| Outcome::Taken(route, path))
}

/// `None` where the recording says nothing about routes.
fn ask(plan: &Plan, case: &Value) -> Option<Result<(), String>> {
    let request = |key: &str| case["request"][key].as_str().unwrap();
    let expect = if case["safe"]["status"].is_number() { &case["safe"] } else { &case["expect"] };
    let either_400 = case["safe"].get("one_of").is_some();
    let status = expect["status"].as_u64().unwrap();
    Some(match choose(plan, request("host"), request("path")) {
        Outcome::Status(400) if either_400 => Ok(()),
        Outcome::Status(ours)
            if expect["matched"].is_null() && expect.get("upstream").is_none() =>
        {
            if u64::from(ours) == status {
                Ok(())
            } else {
                Err(format!("{ours}, and there it is {status}"))
            }
        }
        Outcome::Status(ours) => Err(format!("{ours}, and there a route takes it: {expect}")),
        Outcome::Taken(route, _) if expect.get("matched").is_some() => {
            let Action::Respond { body, .. } = &route.action else { return None };
            match expect["matched"].as_str() {
                Some(theirs) if theirs == &**body => Ok(()),
                theirs => Err(format!("`{body}` takes it, and there it is {theirs:?}")),
            }
        }
        Outcome::Taken(_, _) if request("path").contains("robots.txt") => return None,
        Outcome::Taken(route, path) => {
            let facts = Facts {
                person: None,
                request: RequestFacts {
                    method: request("method"),
                    path: path.decoded(),
                    source: "127.0.0.1".parse().unwrap(),
                    origin: None,
                    access_control_request_method: None,
                },
            };
            let verdict = route.policy.decide(&facts).verdict;
            let theirs = match status {
                200 | 301..=308 if expect.get("upstream").is_some() => Verdict::Allow,
                302 | 401 => Verdict::SignIn,
                403 => Verdict::Deny,
                404 => {
                    return Some(Err(format!("`{}` takes it, and there nothing does", route.name)));
                }
                _ => return None,
            };
            if verdict == theirs {
                Ok(())
            } else {
                Err(format!("{verdict:?}, and there it is {theirs:?}"))
            }
        }
    })
}
