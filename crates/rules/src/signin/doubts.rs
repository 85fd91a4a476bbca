//! Claims that don't say what they seem to say, or that something else stands in for.

use serde_json::{Map, Value};

use crate::{
    people::{Claims, UNPROVEN},
    unproven::{Unproven, Why},
};

/// What a usher that signs people in for others passes on.
pub(super) fn carried(documents: [Option<&Map<String, Value>>; 2]) -> Unproven {
    let mut all = Unproven::default();
    for value in documents.into_iter().flatten().filter_map(|claims| claims.get(UNPROVEN)) {
        match serde_json::from_value::<Unproven>(value.clone()) {
            Ok(unproven) => {
                for doubted in unproven.iter() {
                    all.add(&doubted.claim, doubted.values.clone(), doubted.why);
                }
            }
            // Somebody says that something is in doubt, and not what: the address may be.
            Err(_) => all.add("email", vec![], Why::Unreadable),
        }
    }
    all
}

/// Userinfo says something else than the signed claim did.
pub(super) fn replaced(unproven: &mut Unproven, name: &str, signed: &Value) {
    if matches!(name, "email" | "mail" | "email_verified") {
        return; // judged by themselves
    }
    let single = Map::from_iter([(name.to_owned(), signed.clone())]);
    for (name, values) in Claims::from_json(&single).iter() {
        if !values.is_empty() {
            unproven.add(name, values.to_vec(), Why::Replaced);
        }
    }
    // What nobody can read in it keeps out as well, as if nothing stood in for it.
    look_for_groups(unproven, "", &single);
}

/// Groups of odd types, and groups that the provider says it left out.
pub(super) fn unreadable(unproven: &mut Unproven, claims: &Map<String, Value>) {
    let is_missing = |name: &str| claims.get(name).is_none_or(Value::is_null);
    if let Some(Value::Object(elsewhere)) = claims.get("_claim_names") {
        for name in elsewhere.keys().filter(|name| is_missing(name)) {
            unproven.add(name, vec![], Why::LeftOut); // OIDC Core §5.6.2; Entra's overage
        }
    }
    let says_yes = |value: &Value| {
        value
            .as_bool()
            .unwrap_or(value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")))
    };
    let parted = claims.keys().any(|name| name.starts_with("groups:src"));
    if is_missing("groups") && (parted || claims.get("hasgroups").is_some_and(says_yes)) {
        unproven.add("groups", vec![], Why::LeftOut);
    }
    look_for_groups(unproven, "", claims);
}

fn look_for_groups(unproven: &mut Unproven, prefix: &str, claims: &Map<String, Value>) {
    for (name, value) in claims {
        let full = format!("{prefix}{name}");
        match value {
            value if is_about_groups(name) => look_at_groups(unproven, &full, value),
            Value::Object(nested) => look_for_groups(unproven, &format!("{full}."), nested),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {}
        }
    }
}

fn is_about_groups(name: &str) -> bool {
    let last = name.rsplit(['/', ':']).next().unwrap_or(name).to_ascii_lowercase();
    matches!(
        last.as_str(),
        "groups"
            | "group"
            | "roles"
            | "role"
            | "memberof"
            | "entitlements"
            | "permissions"
            | "scope"
            | "scopes"
            | "teams"
            | "wids"
    )
}

fn look_at_groups(unproven: &mut Unproven, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => {
            // `kids,family`, `kids family`, `["kids"]`: a list to whoever wrote it
            let apart = |c: char| c.is_whitespace() || c.is_control() || ",;|[]\"'".contains(c);
            let pieces: Vec<Value> = text
                .split(apart)
                .chain(text.split([',', ';', '|']).map(str::trim))
                .filter(|piece| !piece.is_empty() && *piece != text)
                .map(Value::from)
                .collect();
            if !pieces.is_empty() {
                unproven.add(name, pieces, Why::NoList);
            }
        }
        Value::Array(values) => {
            if values.iter().any(|value| value.is_array() || value.is_object()) {
                unproven.add(name, vec![], Why::Unreadable);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            unproven.add(name, vec![], Why::Unreadable);
        }
    }
}

#[cfg(test)]
mod tests;
