//! Recorded answers with something wrong in them: a comparison that takes one is none.

use serde_json::{Value, json};

use crate::replay::COMPARED;

/// The same answer, wrong in one place each.
pub fn broken(recorded: &Value) -> Vec<(String, Value)> {
    let mut all = vec![("status".to_owned(), json!(recorded["status"].as_u64().unwrap() + 1))];
    all.extend(recorded.get("text").map(|_| ("text".to_owned(), json!("something else"))));
    let place = |(name, value): (String, Value)| {
        let mut other = recorded.clone();
        other[&name] = value;
        (name, other)
    };
    let mut all: Vec<_> = all.into_iter().map(place).collect();
    for part in ["headers", "json"] {
        let Some(whole) = recorded.get(part) else { continue };
        let counts = |name: &str| part == "json" || COMPARED.contains(&&name[1..]);
        for (name, without) in without_each(whole).into_iter().filter(|(name, _)| counts(name)) {
            let mut other = recorded.clone();
            other[part] = without;
            all.push((format!("{part} {name}"), other));
        }
    }
    all
}

/// The same value without one of its keys, for each of them.
fn without_each(value: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, child)| (format!("/{key}"), child)).collect(),
        Value::Array(list) => {
            list.first().map(|first| ("/0".to_owned(), first)).into_iter().collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return all,
    };
    for (pointer, child) in children {
        let mut other = value.clone();
        if let Some(map) = other.as_object_mut() {
            map.remove(&pointer[1..]);
            all.push((pointer.clone(), other));
        }
        for (below, changed) in without_each(child) {
            let mut other = value.clone();
            *other.pointer_mut(&pointer).unwrap() = changed;
            all.push((format!("{pointer}{below}"), other));
        }
    }
    all
}
