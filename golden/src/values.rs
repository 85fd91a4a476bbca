//! What a config says, as it was read, in the form of the recordings.

use serde_json::{Map, Value, json};
use url::Url;
use usher_rules::{
    config::{
        Draft, Section, duration,
        keys::{self, Kind, Table, nested::RUNTIME_FLAGS},
        values,
    },
    names::Upstream,
    yaml,
};

use crate::{checks, compiled::Folder};

/// Our value for an option; `None` where it says nothing.
pub(crate) fn effective(draft: &Draft, name: &str, theirs: &Value) -> Option<Value> {
    match name {
        "runtime_flags" => flags(&draft.globals, theirs),
        "circuit_breaker_thresholds" => {
            let (given, table) = (value(&draft.globals, keys::GLOBAL, name)?, theirs.as_object()?);
            let all = table.keys().map(|name| (name.clone(), given[name].clone()));
            Some(Value::Object(all.collect()))
        }
        "downstream_mtls" => {
            let given = value(&draft.globals, keys::GLOBAL, name)?;
            let of = |name: &String, theirs: &Value| match given.get(snake(name)) {
                None if theirs.is_string() => json!(""),
                None => Value::Null,
                // one that stands for a list of one
                Some(ours) if theirs.is_array() && ours.is_object() => json!([ours]),
                Some(ours) => ours.clone(),
            };
            let all = theirs.as_object()?.iter().map(|(name, one)| (name.clone(), of(name, one)));
            Some(Value::Object(all.collect()))
        }
        "jwt_claims_headers" => {
            Some(in_their_spelling(claims(value(&draft.globals, keys::GLOBAL, name)?), theirs))
        }
        _ => value(&draft.globals, keys::GLOBAL, name),
    }
}

/// A route's value for a key; `None` where the route says nothing.
pub(crate) fn of_route(
    route: &Section,
    key: &str,
    theirs: &Value,
    files: &Folder,
) -> Option<Value> {
    let own = || value(route, keys::ROUTE, key);
    match key {
        "to" => to(route, theirs),
        "depends_on" => hosts(&own()?),
        "health_checks" => Some(checks::shown(&own()?)),
        "load_balancing_policy" => {
            const NUMBERS: [&str; 5] =
                ["round_robin", "maglev", "random", "ring_hash", "least_request"];
            let own = own()?;
            let word = own.as_str()?;
            NUMBERS.iter().position(|it| it.eq_ignore_ascii_case(word)).map(|at| json!(at + 1))
        }
        "redirect" => {
            let mut own = own()?;
            if let Some(code) = own.get_mut("response_code") {
                *code = json!(code.as_str()?.parse::<u16>().ok()?);
            }
            Some(own)
        }
        // a file wins, and is read
        "tls_custom_ca" | "tls_downstream_client_ca" => {
            use base64::{Engine, engine::general_purpose::STANDARD};
            let file = value(route, keys::ROUTE, &format!("{key}_file"));
            let text = file.as_ref().and_then(Value::as_str).and_then(|name| files.0.get(name));
            text.map(|text| json!(STANDARD.encode(text))).or_else(own)
        }
        "set_request_headers" | "set_response_headers" => Some(in_their_spelling(own()?, theirs)),
        _ => own(),
    }
}

/// A key's value, as its reader gets it.
fn value(section: &Section, table: Table, name: &str) -> Option<Value> {
    let key = keys::find(table, name)?;
    if section.blank.iter().any(|blank| blank.is(key)) {
        let is_list = matches!(key.kind, Kind::List | Kind::FullList);
        let is_bool = matches!(key.kind, Kind::Bool);
        return Some(if is_bool {
            json!(false)
        } else if is_list {
            json!([])
        } else {
            json!("")
        });
    }
    let given = section.given(key)?;
    Some(shown(given.value.as_ref()?, &given.node))
}

fn shown(value: &keys::Value, node: &yaml::Node) -> Value {
    let texts = |texts: &[values::Text]| texts.iter().map(|it| json!(it.text)).collect::<Value>();
    match value {
        keys::Value::Text(text) => json!(text),
        // as it was written: a table of words may know no case
        keys::Value::Word(word, _) => json!(node.text().unwrap_or(word)),
        keys::Value::Bool(on) => json!(on),
        keys::Value::Duration(length) => json!(duration::show(*length)),
        keys::Value::Int(number) => json!(number),
        keys::Value::List(items) => texts(items),
        keys::Value::Map(pairs) => {
            let pairs =
                pairs.iter().map(|(name, value)| (name.text.to_string(), json!(value.text)));
            Value::Object(pairs.collect())
        }
        keys::Value::Object(section) => of_section(section),
        keys::Value::Objects(sections) => sections.iter().map(of_section).collect(),
        keys::Value::Any => tree(node),
    }
}

fn of_section(section: &Section) -> Value {
    let given = section.given.iter();
    let pairs = given.filter_map(|given| {
        Some((given.key.name.to_owned(), shown(given.value.as_ref()?, &given.node)))
    });
    Value::Object(pairs.collect())
}

fn tree(node: &yaml::Node) -> Value {
    match &node.kind {
        yaml::Kind::Scalar { text, style: yaml::Style::Plain } => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        yaml::Kind::Scalar { text, style: yaml::Style::Quoted } => json!(text),
        yaml::Kind::List(items) => items.iter().map(tree).collect(),
        yaml::Kind::Map(entries) => Value::Object(
            entries.iter().map(|entry| (entry.key.to_string(), tree(&entry.value))).collect(),
        ),
    }
}

/// Flags over their defaults. One that neither side knows means nothing to both.
fn flags(globals: &Section, theirs: &Value) -> Option<Value> {
    let given = value(globals, keys::GLOBAL, "runtime_flags")?;
    let of = |name: &str, theirs: &Value| match keys::find(RUNTIME_FLAGS, name) {
        None => theirs.clone(),
        Some(key) => given.get(name).cloned().unwrap_or_else(|| json!(key.default == "true")),
    };
    let all = theirs.as_object()?.iter().map(|(name, value)| (name.clone(), of(name, value)));
    Some(Value::Object(all.collect()))
}

/// `MaxVerifyDepth` as keys are written.
fn snake(name: &str) -> &str {
    match name {
        "CA" => "ca",
        "CAFile" => "ca_file",
        "CRL" => "crl",
        "CRLFile" => "crl_file",
        "Enforcement" => "enforcement",
        "MatchSubjectAltNames" => "match_subject_alt_names",
        "MaxVerifyDepth" => "max_verify_depth",
        other => other,
    }
}

/// A list of claims is a map of the fields that are named after them.
fn claims(given: Value) -> Value {
    let Value::Array(claims) = given else { return given };
    let claims = claims.iter().filter_map(Value::as_str).flat_map(str::split_whitespace);
    let pairs = claims.map(|claim| (format!("x-pomerium-claim-{claim}"), json!(claim)));
    Value::Object(pairs.collect())
}

/// Of addresses the host counts.
fn hosts(written: &Value) -> Option<Value> {
    let host = |item: &Value| {
        let text = item.as_str()?;
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        Some(json!(rest.split(['/', '?', '#']).next()?))
    };
    written.as_array()?.iter().map(host).collect()
}

/// Names of fields know no case: ours are spelled as theirs are.
fn in_their_spelling(ours: Value, theirs: &Value) -> Value {
    let (Value::Object(ours), Some(theirs)) = (&ours, theirs.as_object()) else { return ours };
    let spelled = |ours: &String| {
        let theirs = theirs.keys().find(|theirs| theirs.eq_ignore_ascii_case(ours));
        theirs.unwrap_or(ours).clone()
    };
    Value::Object(
        ours.iter().map(|(name, value)| (spelled(name), value.clone())).collect::<Map<_, _>>(),
    )
}

/// Where a route leads; in their spelling where it means the same.
fn to(route: &Section, theirs: &Value) -> Option<Value> {
    let Some(given) = route.given(&keys::route::TO) else { return Some(Value::Null) };
    let mut written = Vec::new();
    texts(&given.node, &mut written);
    let theirs: Vec<&Value> = theirs.as_array().into_iter().flatten().collect();
    let one = |(at, text): (usize, &String)| {
        let (url, weight) = text.split_once(',').map_or((&**text, None), |(u, w)| (u, Some(w)));
        let their_url = theirs.get(at).map(|one| one.get("url").unwrap_or(one));
        let url = match their_url.and_then(Value::as_str) {
            Some(their_url) if is_same(url, their_url) => their_url,
            _ => url,
        };
        match weight.map(str::parse::<u32>) {
            Some(Ok(weight)) => json!({"url": url, "weight": weight}),
            _ => json!(url),
        }
    };
    Some(written.iter().enumerate().map(one).collect())
}

fn texts(node: &yaml::Node, out: &mut Vec<String>) {
    match &node.kind {
        yaml::Kind::Scalar { text, .. } => out.push(text.to_string()),
        yaml::Kind::List(items) => items.iter().for_each(|item| texts(item, out)),
        yaml::Kind::Map(entries) => entries.iter().for_each(|entry| texts(&entry.value, out)),
    }
}

fn is_same(ours: &str, theirs: &str) -> bool {
    let read = |url: &str| Upstream::parse(url).ok();
    let theirs = Url::parse(theirs).ok().and_then(|url| read(url.as_str()));
    theirs.is_some_and(|theirs| {
        read(ours).is_some_and(|ours| {
            (ours.scheme, &ours.host, ours.port) == (theirs.scheme, &theirs.host, theirs.port)
        })
    })
}
