//! `config-cases.json`: whole config files, with environment and files beside them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use usher_rules::plan::Plan;

use crate::{
    answer::{Answer, Case, Right, refused, right},
    compiled::{Compiled, Folder, compile},
    text::text,
    values::{effective, of_route},
};

/// Every case of a file.
pub fn cases(cases: &[Value]) -> Result<Vec<Case>, String> {
    cases.iter().map(ask).collect()
}

fn ask(case: &Value) -> Result<Case, String> {
    let strings = |member: &str| -> BTreeMap<String, String> {
        let map = case[member].as_object().into_iter().flatten();
        map.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect()
    };
    let files = strings("files").into_iter();
    let files = files.map(|(name, text)| (format!("DIR/{name}"), text.into_bytes()));
    let Compiled { plan, codes, said, .. } = compile(
        case["file"].as_str(),
        text(case, "config"),
        &strings("env"),
        &Folder(files.collect()),
    );
    let right = right(case, theirs)?;
    let ours = match &plan {
        Some(plan) => ours(plan, &right),
        None => refused(),
    };
    Ok(Case {
        id: text(case, "id").into(),
        kind: text(case, "kind").into(),
        hazard: text(case, "hazard").into(),
        about: format!("{} {}", text(case, "about"), said.join("; ")),
        right,
        ours,
        codes,
        with_slashes_as_one: None,
    })
}

/// A recorded answer, part by part: each option, and each key of each route.
fn theirs(expect: &Value) -> Answer {
    let fails =
        ["start_error", "proxy_config_error"].iter().any(|error| expect[*error].is_string());
    if expect["accepted"] == false || fails {
        return refused();
    }
    let mut answer = Answer::from([("refused".into(), json!(false))]);
    for (name, value) in expect["values"].as_object().into_iter().flatten() {
        answer.insert(name.clone(), value.clone());
    }
    let Some(routes) = expect["routes"].as_array() else { return answer };
    answer.insert("routes".into(), json!(routes.len()));
    for (number, route) in routes.iter().enumerate() {
        for (key, value) in route.as_object().into_iter().flatten() {
            answer.insert(format!("routes[{number}].{key}"), value.clone());
        }
    }
    answer
}

/// Ours, for the parts that they name.
fn ours(plan: &Plan, right: &[Right]) -> Answer {
    let mut answer = Answer::from([("refused".into(), json!(false))]);
    answer.insert("routes".into(), json!(plan.routes.len()));
    for theirs in right {
        let (Right::Answer(theirs) | Right::WithWarning(theirs)) = theirs else { continue };
        for (part, value) in theirs {
            let ours = match part.strip_prefix("routes[").and_then(|rest| rest.split_once("].")) {
                None => effective(plan, part, value),
                Some((number, key)) => {
                    let route = number.parse().ok().and_then(|at: usize| plan.routes.get(at));
                    route.and_then(|route| of_route(route, key, value))
                }
            };
            if let Some(ours) = ours {
                answer.insert(part.clone(), ours);
            }
        }
    }
    answer
}
