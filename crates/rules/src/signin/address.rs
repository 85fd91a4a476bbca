//! Which of the addresses that a provider says counts for somebody.

use serde_json::{Map, Value};

use crate::{
    names::{folded, is_mailbox},
    unproven::{Unproven, Why},
};

/// What counts, and what was said about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counting<'a> {
    /// The address; `None` when none counts.
    pub text: Option<&'a str>,
    /// `email_verified`, over both documents.
    pub verified: Option<bool>,
}

/// Ping and some directories say `mail`.
const NAMES: [&str; 2] = ["email", "mail"];

/// The address of userinfo if that has one, else of the ID token; every other one is kept as
/// unproven. The flag of one document says nothing *for* the other's address, and counts against
/// it when it says no.
pub(super) fn counting<'a>(
    id_token: &'a Map<String, Value>,
    userinfo: Option<&'a Map<String, Value>>,
    unproven: &mut Unproven,
) -> Counting<'a> {
    let documents = || userinfo.into_iter().chain([id_token]);
    let said = || documents().flat_map(said_in);
    let flags = || documents().filter_map(verified);
    let verified = flags().min(); // one `false` makes it false
    let chosen = documents().find_map(|claims| {
        said_in(claims).find_map(Value::as_str).map(|address| (address, self::verified(claims)))
    });
    let denied = chosen.is_some_and(|(address, own)| {
        own == Some(false)
            || documents().any(|claims| {
                let same = said_in(claims)
                    .filter_map(Value::as_str)
                    .any(|other| folded(other) == folded(address));
                self::verified(claims) == Some(false) && (same || own.is_none())
            })
    });
    let counts = chosen.map(|(address, _)| address).filter(|text| is_mailbox(text) && !denied);
    for value in said().filter(|value| value.as_str().is_none_or(|text| Some(text) != counts)) {
        keep(value, denied || verified == Some(false), unproven);
    }
    Counting { text: counts, verified: flag(chosen, denied, verified) }
}

/// The flag of the document that the address is from; without one, whatever was said.
fn flag(chosen: Option<(&str, Option<bool>)>, denied: bool, said: Option<bool>) -> Option<bool> {
    match chosen {
        _ if denied => Some(false),
        Some((_, own)) => own,
        None => said,
    }
}

fn said_in(claims: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let values = NAMES.into_iter().filter_map(|name| claims.get(name));
    values.filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// `email_verified` as a boolean, as text (Cognito) or as a number; what can't be read says no.
fn verified(claims: &Map<String, Value>) -> Option<bool> {
    Some(match claims.get("email_verified")? {
        Value::Bool(verified) => *verified,
        Value::String(text) => text.eq_ignore_ascii_case("true") || text == "1",
        Value::Number(number) => number.as_f64() == Some(1.0),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    })
}

fn keep(value: &Value, denied: bool, unproven: &mut Unproven) {
    match value {
        Value::String(text) if is_mailbox(text) => {
            let why = if denied { Why::NotVerified } else { Why::Replaced };
            unproven.add("email", vec![value.clone()], why);
        }
        Value::String(_) => unproven.add("email", vec![value.clone()], Why::NoAddress),
        Value::Array(several) => unproven.add("email", several.clone(), Why::NoAddress),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            unproven.add("email", vec![], Why::Unreadable);
        }
    }
}
