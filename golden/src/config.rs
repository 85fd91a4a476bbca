//! `config-cases.json`: whole config files, with environment and files beside them.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};
use usher::reload::{Source, load};
use usher_rules::config::{self, Draft, Environment, Input};

use crate::{
    answer::{Answer, Case, Right, refused, right},
    compiled::{Compiled, Folder, compile},
    text::text,
    values::{effective, of_route},
};

/// Every case of a file.
pub(crate) fn cases(cases: &[Value]) -> Result<Vec<Case>, String> {
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
    let files = Folder(files.collect());
    let (name, config, env) = (case["file"].as_str(), text(case, "config"), strings("env"));
    let right = right(case, theirs)?;
    let Compiled { plan, codes, said, .. } = match name {
        Some(name) if case["config"].is_null() => without_file(name, &env),
        _ => compile(name, config, &env, &files),
    };
    let ours = match plan {
        Some(_) => {
            let draft = config::read(Input { name, text: config }, &env);
            ours(&draft, &right, &files)
        }
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

/// A start with the name of a file that is not there.
fn without_file(name: &str, environment: &Environment) -> Compiled {
    let path = Path::new("/nowhere").join(name);
    let (plan, said) = match load(Source::File { path: &path, environment }) {
        Ok(loaded) => (Some(loaded.plan), Vec::new()),
        Err(failure) => (None, vec![failure.to_string()]),
    };
    Compiled { plan, codes: Vec::new(), said, at: Vec::new() }
}

/// Ours, for the parts that they name.
fn ours(draft: &Draft, right: &[Right], files: &Folder) -> Answer {
    let mut answer = Answer::from([("refused".into(), json!(false))]);
    answer.insert("routes".into(), json!(draft.routes.len()));
    for theirs in right {
        let (Right::Answer(theirs) | Right::WithWarning(theirs)) = theirs else { continue };
        for (part, value) in theirs {
            let ours = match part.strip_prefix("routes[").and_then(|rest| rest.split_once("].")) {
                None => effective(draft, part, value),
                Some((number, key)) => {
                    let route = number.parse().ok().and_then(|at: usize| draft.routes.get(at));
                    route.and_then(|route| of_route(route, key, value, files))
                }
            };
            if let Some(ours) = ours {
                answer.insert(part.clone(), ours);
            }
        }
    }
    answer
}
