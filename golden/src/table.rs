//! `route-cases.json`: tables of routes, and requests octet for octet.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use usher_rules::config::Environment;

use crate::{
    answer::{Answer, Case, refused, right},
    compiled::{Folder, compile, without_refused},
    frame::{Asked, Frame},
    hall::{Hall, Reply},
    text::text,
    upstream,
};

/// Where the recorded routes lead, and from where they were asked.
const UPSTREAM: &str = "127.0.0.1:22490";
const PEER: &str = "127.0.0.1:50000";

/// Every case of a file.
pub(crate) fn cases(file: &Value, cases: &[Value]) -> Result<Vec<Case>, String> {
    let frame = Frame::new()?;
    let mut halls = BTreeMap::new();
    for (name, table) in file["tables"].as_object().into_iter().flatten() {
        let config = text(table, "config").replace(UPSTREAM, &frame.upstream.to_string());
        let whole = compile(Some("config.yaml"), &config, &Environment::new(), &Folder::default());
        let is_refused = whole.plan.is_none();
        let plan = whole.plan.or_else(|| without_refused(&config).plan);
        let hall = plan.map(|plan| frame.open(plan)).transpose()?;
        halls.insert(name.as_str(), (hall, is_refused, whole.codes, whole.said));
    }
    let asked = cases.iter().map(|case| {
        let table = text(case, "table");
        let (hall, is_refused, codes, said) =
            halls.get(table).ok_or_else(|| format!("{}: no table `{table}`", text(case, "id")))?;
        let request = &case["request"];
        let target = text(request, "path");
        let ours = |target: &str| -> Result<Answer, String> {
            match hall {
                Some(hall) => {
                    let mut answer = ask(&frame, hall, request, target)?;
                    if *is_refused {
                        answer.append(&mut refused()); // and what the others in the table answer
                    }
                    Ok(answer)
                }
                None => Ok(refused()),
            }
        };
        let said = if *is_refused { said.join("; ") } else { String::new() };
        Ok(Case {
            id: text(case, "id").into(),
            kind: table.into(),
            hazard: text(case, "hazard").into(),
            about: format!("{request} {said}"),
            right: right(case, theirs)?,
            ours: ours(target)?,
            codes: codes.clone(),
            with_slashes_as_one: Some(ours(&target.replace("//", "/"))?),
        })
    });
    asked.collect()
}

fn ask(frame: &Frame, hall: &Hall, request: &Value, target: &str) -> Result<Answer, String> {
    let peer = PEER.parse().map_err(|error| format!("{PEER}: {error}"))?;
    let asked = Asked {
        method: text(request, "method"),
        target,
        host: text(request, "host"),
        fields: &request["headers"],
        cookie: "",
        body: "",
        shown: "",
    };
    let reply = frame.ask(hall, peer, &asked)?;
    Ok(ours(&reply, &frame.upstream.to_string()))
}

/// A recorded answer, part by part: what decides is which route it was, or where it leads.
fn theirs(expect: &Value) -> Answer {
    if expect["load_error"].is_string() || expect["refused"] == true {
        return refused();
    }
    let mut answer = Answer::new();
    for member in ["status", "matched", "upstream", "location"] {
        if let Some(value) = expect.get(member) {
            answer.insert(member.into(), value.clone());
        }
    }
    if let Some(location) = answer.get_mut("location") {
        *location = json!(without_query_of_ours(location.as_str().unwrap_or_default()));
    }
    answer
}

/// Ours, in the same parts.
fn ours(reply: &Reply, upstream: &str) -> Answer {
    let mut answer = Answer::from([("status".into(), json!(reply.status))]);
    if reply.field(upstream::FIELD).is_some() {
        let told: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let host = text(&told, "host").replace(upstream, UPSTREAM);
        answer.insert("upstream".into(), json!(format!("{} host={host}", text(&told, "target"))));
        answer.insert("forward".into(), json!(true));
        return answer;
    }
    answer.insert("forward".into(), json!(false));
    if let Some(location) = reply.field("location") {
        answer.insert("location".into(), json!(without_query_of_ours(location)));
    }
    let matched = match (reply.status, reply.field("content-type")) {
        (200, Some(kind)) if kind.starts_with("text/plain") && !is_our_own(reply) => {
            json!(reply.body)
        }
        _ => Value::Null,
    };
    answer.insert("matched".into(), matched);
    answer
}

/// A page of ours answers with no route's text.
fn is_our_own(reply: &Reply) -> bool {
    reply.body.trim() == "OK" || reply.body.starts_with("User-agent")
}

/// What a sign-in is told stands in a query, which differs each time.
fn without_query_of_ours(location: &str) -> &str {
    let (place, query) = location.split_once('?').unwrap_or((location, ""));
    if query.contains("pomerium_") || query == "…" { place } else { location }
}
