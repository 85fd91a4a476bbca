//! Health checks as the recordings show them: Go's view of protobuf messages.

use std::time::Duration;

use serde_json::{Map, Value, json};
use usher_rules::config::duration;

/// What is asked, of which there is one.
const KINDS: [(&str, &str); 3] = [
    ("http_health_check", "HttpHealthCheck"),
    ("tcp_health_check", "TcpHealthCheck"),
    ("grpc_health_check", "GrpcHealthCheck"),
];

/// `google.protobuf.UInt32Value`.
const WRAPPED: [&str; 5] =
    ["unhealthy_threshold", "healthy_threshold", "alt_port", "response_buffer_size", "append"];

/// All of a route's.
pub(crate) fn shown(checks: &Value) -> Value {
    checks.as_array().into_iter().flatten().map(check).collect()
}

fn check(keys: &Value) -> Value {
    let mut out = Map::from_iter([("HealthChecker".to_owned(), Value::Null)]);
    for (name, value) in keys.as_object().into_iter().flatten() {
        match KINDS.iter().find(|(kind, _)| kind == name) {
            Some((_, kind)) => {
                out.insert("HealthChecker".to_owned(), json!({*kind: message(value)}));
            }
            None => out.extend(field(name, value)),
        }
    }
    Value::Object(out)
}

fn message(value: &Value) -> Value {
    match value {
        Value::Object(keys) => {
            Value::Object(keys.iter().filter_map(|(name, value)| field(name, value)).collect())
        }
        Value::Array(items) => items.iter().map(message).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// `None` where it is as if nothing was said.
fn field(name: &str, value: &Value) -> Option<(String, Value)> {
    let is_nothing = [json!(0), json!(""), json!(false), json!([])].contains(value);
    let value = match (name, value) {
        ("text", text) => return Some(("Payload".to_owned(), json!({"Text": text}))),
        (_, number) if WRAPPED.contains(&name) => {
            if is_nothing {
                json!({})
            } else {
                json!({"value": number})
            }
        }
        (_, Value::String(text)) if is_span_of_time(name) => span_of_time(text)?,
        (_, _) if is_nothing => return None,
        (_, other) => message(other),
    };
    Some((name.to_owned(), value))
}

fn is_span_of_time(name: &str) -> bool {
    name == "timeout" || name.ends_with("interval")
}

/// `google.protobuf.Duration`.
fn span_of_time(text: &str) -> Option<Value> {
    let length: Duration = duration::parse(text).ok()?;
    let parts = [("seconds", length.as_secs()), ("nanos", length.subsec_nanos().into())];
    let said = parts.into_iter().filter(|(_, number)| *number != 0);
    Some(Value::Object(said.map(|(name, number)| (name.to_owned(), json!(number))).collect()))
}
