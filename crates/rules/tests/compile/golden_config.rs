//! The config files that the real server was given: accepted or refused, and effective values.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};
use usher_rules::{
    config::{self, Input, duration, keys::route::FROM},
    plan::{self, HostPattern, Plan, SameSite},
    problem::Problem,
};

use crate::{PLACEHOLDER, Shelf};

/// Hazards for which only the safe answer is right; for the others either is fine.
const ONLY_SAFE: &[&str] =
    &["twin-routes", "restriction-dropped", "empty-secret-file", "number-out-of-range"];

#[test]
fn agreement() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cases: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("config-cases.json")).unwrap())
            .unwrap();
    let mut exceptions = exceptions(&folder.join("config-exceptions.txt"));
    let (mut agreed, mut wrong, mut excepted) = (0, Vec::new(), 0);
    let mut compared = 0;
    for case in cases["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let verdict = ask(case, &mut compared);
        match (verdict, exceptions.remove(id)) {
            (Ok(()), None) => agreed += 1,
            (Ok(()), Some(reason)) => {
                wrong.push(format!("{id} agrees: its exception is not needed any more ({reason})"))
            }
            (Err(_), Some(_)) => excepted += 1,
            (Err(why), None) => {
                wrong.push(format!("{id} {}: {why}", case["about"].as_str().unwrap_or_default()))
            }
        }
    }
    wrong.extend(exceptions.keys().map(|id| format!("{id}: an exception for no case")));
    println!(
        "config files: {agreed} agree with the real server, {excepted} differ on purpose; {compared} values compared"
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

pub fn exceptions(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (id, reason) =
                line.split_once(' ').unwrap_or_else(|| panic!("{line}: a reason is needed"));
            (id.to_owned(), reason.trim().to_owned())
        })
        .collect()
}

fn ask(case: &Value, compared: &mut usize) -> Result<(), String> {
    let text = case["config"].as_str().unwrap_or_default();
    let strings = |key: &str| -> BTreeMap<String, String> {
        let map = case[key].as_object().into_iter().flatten();
        map.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect()
    };
    let files = strings("files")
        .into_iter()
        .map(|(name, text)| (format!("DIR/{name}"), text.into_bytes()))
        .collect();
    let draft = || config::read(Input { name: case["file"].as_str(), text }, &strings("env"));
    let outcome = plan::compile(draft(), &Shelf(files));
    let refused = case["refused"] == true;
    let hazard = case["hazard"].as_str();
    let only_safe =
        hazard.is_some_and(|hazard| ONLY_SAFE.contains(&hazard)) && case["safe"] == "refused";
    match outcome {
        Err(_) if refused || hazard.is_some() => Ok(()),
        Err(problems) => Err(format!("refused: {}", words(&problems))),
        Ok(_) if only_safe => Err("accepted, and only a refusal is safe".to_owned()),
        Ok((_, warnings))
            if hazard.is_some() && warnings.iter().all(|it| it.code == PLACEHOLDER) =>
        {
            Err("accepted without a warning".to_owned())
        }
        Ok(_) if hazard.is_some() => Ok(()),
        Ok(_) if refused => Err("accepted, and the real server refuses it".to_owned()),
        Ok((plan, _)) => {
            values(case, &plan, compared)?;
            let written: Vec<String> =
                draft().routes.iter().map(|route| route.value(&FROM).to_owned()).collect();
            routes(case, &plan, &written, compared)
        }
    }
}

fn words(problems: &[Problem]) -> String {
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("{} {}", problem.code, problem.what)).collect();
    lines.join("; ")
}

fn same(name: &str, ours: &Value, theirs: &Value, compared: &mut usize) -> Result<(), String> {
    *compared += 1;
    if ours == theirs { Ok(()) } else { Err(format!("{name} is {ours}, and there it is {theirs}")) }
}

fn values(case: &Value, plan: &Plan, compared: &mut usize) -> Result<(), String> {
    for (name, theirs) in case["values"].as_object().into_iter().flatten() {
        if let Some(ours) = effective(plan, name, theirs) {
            same(name, &ours, theirs, compared)?;
        }
    }
    if let Some(theirs) = case["derived"]["set_response_headers"].as_object() {
        let lower: serde_json::Map<String, Value> = theirs
            .iter()
            .map(|(name, value)| {
                (name.to_ascii_lowercase(), json!(value.as_str().unwrap_or_default().trim()))
            })
            .collect();
        let ours: serde_json::Map<String, Value> = plan
            .response_fields
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
            .collect();
        same("response fields", &ours.into(), &lower.into(), compared)?;
    }
    Ok(())
}

/// The plan's value for an option, in the recording's form; `None` where the plan has none.
fn effective(plan: &Plan, name: &str, theirs: &Value) -> Option<Value> {
    let span =
        |limit: Option<std::time::Duration>| json!(duration::show(limit.unwrap_or_default()));
    Some(match name {
        "timeout_idle" => span(plan.timeouts.idle),
        "timeout_read" => span(plan.timeouts.read),
        "insecure_server" => json!(plan.listen.insecure),
        "cookie_name" => json!(plan.cookie.name),
        "cookie_http_only" => json!(plan.cookie.http_only),
        "cookie_expire" => json!(duration::show(plan.cookie.expire)),
        "cookie_same_site" => json!(plan.cookie.same_site.map(|site| {
            match (site, theirs.as_str().unwrap_or_default()) {
                (SameSite::None, "NONE") => "NONE",
                (SameSite::None, _) => "none",
                (SameSite::Lax, _) => "lax",
                (SameSite::Strict, _) => "strict",
            }
        })),
        "xff_num_trusted_hops" => json!(plan.xff_num_trusted_hops),
        "access_log_fields" => json!(plan.log.access.clone()?),
        "authorize_log_fields" => json!(plan.log.authorize.clone()?),
        "jwt_claims_headers" => {
            let theirs = theirs.as_object()?;
            let mut ours = serde_json::Map::new();
            for (field, claim) in &plan.claim_fields {
                let spelled = theirs.keys().find(|name| name.eq_ignore_ascii_case(field.as_str()));
                ours.insert(spelled.map_or_else(|| field.to_string(), Clone::clone), json!(claim));
            }
            ours.into()
        }
        "authenticate_service_url" => {
            let slash =
                if theirs.as_str().is_some_and(|url| url.ends_with('/')) { "/" } else { "" };
            json!(format!("{}{slash}", plan.sign_in.authenticate))
        }
        "idp_scopes" => json!(plan.sign_in.providers.first().oidc()?.scopes),
        _ => return None,
    })
}

fn routes(
    case: &Value,
    plan: &Plan,
    written: &[String],
    compared: &mut usize,
) -> Result<(), String> {
    let Some(theirs) = case["routes"].as_array() else { return Ok(()) };
    same("number of routes", &json!(plan.routes.len()), &json!(theirs.len()), compared)?;
    for ((ours, from), theirs) in plan.routes.iter().zip(written).zip(theirs) {
        same("from", &json!(from), &theirs["from"], compared)?;
        if let HostPattern::Exact { host, .. } = &ours.from {
            assert!(!host.as_str().is_empty());
        }
        for (name, value) in [
            (
                "timeout",
                theirs
                    .get("timeout")
                    .map(|_| json!(duration::show(ours.timeout.unwrap_or_default()))),
            ),
            (
                "idle_timeout",
                theirs
                    .get("idle_timeout")
                    .map(|_| json!(duration::show(ours.idle_timeout.unwrap_or_default()))),
            ),
            (
                "remove_request_headers",
                theirs.get("remove_request_headers").map(|_| {
                    json!(ours.remove_request.iter().map(ToString::to_string).collect::<Vec<_>>())
                }),
            ),
        ] {
            let Some(value) = value else { continue };
            let theirs = match &theirs[name] {
                Value::Array(items) => json!(
                    items
                        .iter()
                        .map(|i| i.as_str().unwrap_or_default().to_ascii_lowercase())
                        .collect::<Vec<_>>()
                ),
                other => other.clone(),
            };
            same(name, &value, &theirs, compared)?;
        }
    }
    Ok(())
}
