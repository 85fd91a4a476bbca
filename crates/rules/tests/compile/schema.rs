//! What is made from the table of keys beside its page: a JSON Schema for editors, and a config with
//! every option in it. `UPDATE=1` writes both.

use std::{collections::BTreeSet, fs};

use serde_json::{Map, Value, json};
use usher_rules::{
    config::{
        self, Environment, Input,
        keys::{self, AnyCase, Fate, Key, Kind, Table},
    },
    problem::Problem,
};

use crate::{PLACEHOLDER, Shelf, compile, reference::root, values};

/// The file as it would be written now; it must be as it was written.
fn fresh(name: &str, text: &str) {
    let path = root().join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "{name} is stale: run `cargo xtask docs`");
}

#[test]
fn the_schema_of_keys_is_fresh() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    fresh("docs/reference/config.schema.json", &text);
}

fn schema() -> Value {
    let mut top = object(keys::GLOBAL);
    top["patternProperties"] = json!({"^x-": true});
    top["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    top["title"] = json!("usher's config, which is Pomerium Core's");
    top["$defs"] = json!({
        "route": object(keys::ROUTE),
        "duration": {
            "oneOf": [
                {"type": "string", "pattern": "^[-+]?(0|([0-9]*(\\.[0-9]*)?(ns|us|µs|ms|s|m|h))+)$"},
                {"const": 0},
            ],
        },
        "texts": {
            "oneOf": [
                {"type": "array", "items": {"type": ["string", "number"]}},
                {"type": "string"},
            ],
        },
        "rule": {
            "type": "object",
            "properties": {"allow": {"$ref": "#/$defs/logic"}, "deny": {"$ref": "#/$defs/logic"}},
        },
        "logic": {
            "type": "object",
            "properties": (["and", "or", "not", "nor"].map(|name| (name.to_owned(), json!({
                "type": "array",
                "items": {"$ref": "#/$defs/criterion"},
            }))).into_iter().collect::<Map<_, _>>()),
            "additionalProperties": false,
        },
        "criterion": criterion(),
    });
    top
}

/// One criterion with its value. Which there are and what each compares by is asked of the compiler,
/// which names them where something else is written.
fn criterion() -> Value {
    let (mut properties, mut patterns) = (Map::new(), Map::new());
    for name in named_in_help("qqq: 1", "U308") {
        let path = if name == "claim" { "/a" } else { "" };
        let operators = named_in_help(&format!("{name}{path}: {{qqq: 1}}"), "U310");
        let mut value = json!({"description": format!("See docs/reference/policy.md: {name}.")});
        if !operators.is_empty() {
            value["properties"] = operators.into_iter().map(|word| (word, json!({}))).collect();
            value["additionalProperties"] = json!(false);
        }
        match path {
            "" => drop(properties.insert(name, value)),
            _ => drop(patterns.insert(format!("^{name}/"), value)),
        }
    }
    json!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": false,
    })
}

/// What the help with this code names, where this stands in a policy.
fn named_in_help(item: &str, code: &str) -> Vec<String> {
    let text = format!(
        "routes: [{{from: 'https://a.test', to: 'http://b', policy: {{allow: {{or: [{{{item}}}]}}}}}}]"
    );
    let compiled = compile(Some("a.yaml"), &text, &Environment::new(), &Shelf::default());
    let problems = compiled.map_or_else(|problems| problems, |(_, warnings)| warnings);
    let found = problems.into_iter().find(|problem| problem.code == code);
    let help = found.map(|problem| problem.help).unwrap_or_default();
    help.split('`').skip(1).step_by(2).map(Into::into).collect()
}

/// A map with these keys. Others are a mistake, which an editor marks.
fn object(table: Table) -> Value {
    let properties: Map<String, Value> =
        table.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn property(key: &Key) -> Value {
    let mut property = of_kind(key);
    let about = key.about.trim();
    let (about, is_idle) = match key.fate {
        Fate::Supported | Fate::Own => (about.to_owned(), false),
        Fate::Fixed(_, why) => (format!("{about} One value only: {why}.").trim().to_owned(), false),
        Fate::NoEffect(why) => (format!("No effect: {why}."), true),
        Fate::NotYet(why) => (format!("Not yet: {why}."), true),
        Fate::Refused(why) => (format!("Refused: {why}."), true),
        Fate::Removed(why) => (format!("Removed from Pomerium: {why}."), true),
    };
    if !about.is_empty() {
        property["description"] = json!(about);
    }
    if is_idle {
        property["deprecated"] = json!(true);
    }
    if !key.default.is_empty() {
        property["default"] = match key.kind {
            Kind::Bool => json!(key.default == "true"),
            Kind::Int(..) => json!(key.default.parse::<i64>().unwrap()),
            _ => json!(key.default),
        };
    }
    property
}

fn of_kind(key: &Key) -> Value {
    match key.kind {
        Kind::Text | Kind::Secret => json!({"type": "string"}),
        Kind::Bool => json!({"enum": [true, false, "true", "false", 0, 1]}),
        Kind::Duration => json!({"$ref": "#/$defs/duration"}),
        Kind::Int(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::List | Kind::FullList => json!({"$ref": "#/$defs/texts"}),
        Kind::Map => {
            json!({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}})
        }
        Kind::MapOrList => json!({"type": ["object", "array", "string"]}),
        Kind::Word(words, case) => {
            // An editor knows no "in any case": as it is written, `LAX` and `Lax`.
            let mut spelled: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            if case == AnyCase::Yes {
                spelled.extend(words.iter().map(|word| word.to_uppercase()));
                spelled.extend(
                    words
                        .iter()
                        .filter_map(|word| Some(word.get(..1)?.to_uppercase() + word.get(1..)?)),
                );
            }
            let mut seen = BTreeSet::new();
            spelled.retain(|word| !word.is_empty() && seen.insert(word.clone()));
            let number =
                |word: String| word.parse::<u16>().map_or_else(|_| json!(word), |it| json!(it));
            json!({"enum": spelled.into_iter().map(number).collect::<Vec<_>>()})
        }
        Kind::Object(table) => object(table),
        Kind::Objects(table) => json!({"type": "array", "items": object(table)}),
        Kind::Routes => json!({"type": "array", "items": {"$ref": "#/$defs/route"}}),
        Kind::Any => match key.name {
            "to" => json!({"$ref": "#/$defs/texts"}),
            "policy" => json!({
                "oneOf": [
                    {"type": "array", "items": {"$ref": "#/$defs/rule"}},
                    {"$ref": "#/$defs/rule"},
                ],
            }),
            _ => json!({}),
        },
    }
}

/// An editor that goes by the schema marks nothing in what we ship, and marks a typo.
#[test]
fn the_schema_takes_every_example_and_marks_a_typo() {
    let schema = schema();
    let mut seen = 0;
    for folder in ["config", "config/compat"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "yaml") {
                let value = tree(&fs::read_to_string(&path).unwrap());
                assert_eq!(misfit(&schema, &schema, &value), None, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} examples were found");
    for (text, at) in [
        ("adress: ':443'\n", "adress"),
        ("codec_type: http9\n", "codec_type"),
        ("timeout_idle: 30\n", "timeout_idle"),
        ("routes: [{from: x, to: [1], policcy: {}}]\n", "policcy"),
        ("routes: [{from: x, policy: [{alow: 1, allow: {an: []}}]}]\n", "policy"),
    ] {
        let misfit = misfit(&schema, &schema, &tree(text)).unwrap_or_default();
        assert!(misfit.contains(at), "{text}: {misfit}");
    }
}

/// What an editor has nothing against is what usher has nothing against: of every readable case of
/// these tests, and word by word of policies.
#[test]
fn the_schema_takes_every_config_of_the_tests_and_marks_a_typo_in_a_policy() {
    let schema = schema();
    let (mut seen, mut marked) = (0, Vec::new());
    for entry in fs::read_dir(root().join("crates/rules/tests/compile")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let text = text.split("----\n").next().unwrap_or_default();
        let is_yaml = path.extension().is_some_and(|ending| ending == "case")
            && !text.lines().any(|line| line.starts_with('#'));
        if !is_yaml {
            continue;
        }
        let taken = compile(Some("a.yaml"), text, &Environment::new(), &Shelf::default());
        let Ok((_, warnings)) = taken else { continue };
        if warnings.iter().all(|it| it.code == PLACEHOLDER) {
            seen += 1;
            let misfit = misfit(&schema, &schema, &tree(text));
            marked.extend(misfit.map(|at| format!("{}: {at}", path.display())));
        }
    }
    assert!(marked.is_empty(), "{}", marked.join("\n"));
    assert!(seen > 30, "only {seen} cases were taken without a word");
    let policy = |criterion: &str| {
        let text = format!("routes: [{{from: x, policy: {{allow: {{or: [{criterion}]}}}}}}]");
        misfit(&schema, &schema, &tree(&text))
    };
    for good in [
        "{email: ann@example.com}",
        "{email: {is: ann@example.com, not: x}}",
        "{claim/groups: {has: family}}",
        "{source_ip: [192.0.2.1, 10.0.0.0/8]}",
        "{device: {type: any, approved: true}}",
        "{accept: true}",
        "{time_of_day: {after: '8:00', timezone: UTC}}",
        "{client_certificate: {san_dns: {ends_with: .a}, fingerprint: [a]}}",
    ] {
        assert_eq!(policy(good), None, "{good}");
    }
    for bad in [
        "{emial: x}",
        "{email: {iz: x}}",
        "{claim/groups: {hass: x}}",
        "{device: {aproved: true}}",
        "{time_of_day: {from: '8:00'}}",
        "{email: x, domain: y}",
        "email",
    ] {
        assert!(policy(bad).is_some(), "{bad}");
    }
}

fn tree(text: &str) -> Value {
    fn of(node: &usher_rules::yaml::Node) -> Value {
        use usher_rules::yaml::{Kind, Style};
        match &node.kind {
            Kind::Scalar { .. } if node.is_null() => Value::Null,
            Kind::Scalar { text, style: Style::Plain } => {
                serde_json::from_str(text).unwrap_or_else(|_| json!(text))
            }
            Kind::Scalar { text, .. } => json!(text),
            Kind::List(items) => items.iter().map(of).collect(),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.to_string(), of(&entry.value))).collect(),
            ),
        }
    }
    of(&usher_rules::yaml::parse(text).root)
}

/// The first place that a schema does not take, by as much of the standard as the schema uses.
fn misfit(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return misfit(root, root.pointer(pointer).unwrap(), value);
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let misfits: Vec<_> = ways.iter().map(|way| misfit(root, way, value)).collect();
        return if misfits.contains(&None) { None } else { misfits.into_iter().flatten().last() };
    }
    let kind = match value {
        Value::Null => return None,
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = |one: &Value| one == kind || one == "number" && kind == "integer";
    let kinds = &schema["type"];
    let fits = kinds.is_null()
        || is_kind(kinds)
        || kinds.as_array().is_some_and(|all| all.iter().any(is_kind));
    let listed = schema["enum"].as_array();
    let is_listed = listed.is_none_or(|words| words.contains(value));
    let is_const = schema.get("const").is_none_or(|one| one == value);
    if !fits || !is_listed || !is_const {
        return Some(format!("{value}"));
    }
    let items = value.as_array().into_iter().flatten();
    if let Some(found) = items.filter_map(|item| misfit(root, &schema["items"], item)).next() {
        return Some(found);
    }
    let most = schema["maxProperties"].as_u64().and_then(|most| most.try_into().ok());
    if value.as_object().is_some_and(|map| most.is_some_and(|most: usize| map.len() > most)) {
        return Some(format!("{value}"));
    }
    let patterns = |name: &str| {
        let all = schema["patternProperties"].as_object().into_iter().flatten();
        all.map(|(pattern, value)| (pattern.trim_start_matches('^'), value))
            .find(|(begin, _)| name.starts_with(begin))
    };
    value.as_object().into_iter().flatten().find_map(|(name, value)| {
        let found = match schema["properties"].get(name).or(patterns(name).map(|(_, it)| it)) {
            Some(property) => misfit(root, property, value),
            None if schema["additionalProperties"] == false => Some("unknown".to_owned()),
            None => misfit(root, &schema["additionalProperties"], value),
        };
        found.map(|found| format!("{name}: {found}"))
    })
}

const HEAD: &str = "\
# Every option, with what it is for and what holds where it is not set. This file is made from the
# table of keys (`cargo xtask docs`), and it runs as it stands: delete the `#` before what you need.
# What Pomerium has and usher has not is in docs/reference/config.md.
";

#[test]
fn the_config_with_every_option_is_fresh() {
    fresh("config/reference.yaml", &every_option());
}

fn every_option() -> String {
    let mut text = HEAD.to_owned();
    for key in keys::GLOBAL.iter().filter(|key| is_served(key)) {
        if !matches!(key.kind, Kind::Routes) {
            text += &lines("", key, values::GLOBAL);
        }
    }
    text += "\nroutes:\n- from: https://tv.example.com\n  to: http://jellyfin:8096\n  \
             allow_any_authenticated_user: true\n";
    for key in keys::ROUTE.iter().filter(|key| is_served(key)) {
        if !["from", "to", "allow_any_authenticated_user"].contains(&key.name) {
            text += &lines("  ", key, values::ROUTE);
        }
    }
    text
}

fn is_served(key: &Key) -> bool {
    matches!(key.fate, Fate::Supported | Fate::Own)
}

fn lines(indent: &str, key: &Key, rows: &[values::Row]) -> String {
    let default = match key.default {
        "" => String::new(),
        text => format!(" Default: `{text}`."),
    };
    let value = match (key.name, key.default) {
        ("policy", _) => "{allow: {or: [{email: {is: ann@example.com}}]}}",
        (name, "") => rows.iter().find(|row| row.0 == name).map_or("", |row| row.2),
        (_, default) => default,
    };
    let value = match value {
        "CERT" | "KEY" => "BASE64",
        text if text.starts_with([':', '*']) => &format!("'{text}'"),
        text => text,
    };
    format!("\n{indent}# {}{default}\n{indent}# {}: {value}\n", key.about.trim(), key.name)
}

/// It is taken without a word, as are its lines, each alone.
#[test]
fn the_config_with_every_option_loads_and_knows_every_line() {
    let text = every_option();
    let (plan, warnings) =
        compile(Some("reference.yaml"), &text, &Environment::new(), &Shelf::default()).unwrap();
    assert!(warnings.iter().all(|it| it.code == PLACEHOLDER), "{warnings:?}");
    assert_eq!(plan.routes.len(), 1);
    let mut seen = 0;
    for line in text.lines() {
        let Some(option) = line.trim_start().strip_prefix("# ").filter(|it| is_option(it)) else {
            continue;
        };
        let indent = &line[..line.len() - line.trim_start().len()];
        let one = text.replacen(line, &format!("{indent}{option}"), 1);
        let draft =
            config::read(Input { name: Some("reference.yaml"), text: &one }, &Environment::new());
        // that an option which has no example is empty is told where it keeps people out
        let is_wrong = |it: &&Problem| it.code != PLACEHOLDER && it.code != "U480";
        let wrong: Vec<_> = draft.problems.iter().filter(is_wrong).collect();
        assert!(wrong.is_empty(), "{option}: {wrong:?}");
        seen += 1;
    }
    assert!(seen > 100, "only {seen} options");
}

fn is_option(comment: &str) -> bool {
    let name = comment.split_once(": ").map_or("", |(name, _)| name);
    !name.contains(' ')
        && [keys::GLOBAL, keys::ROUTE].iter().any(|table| keys::find(table, name).is_some())
}
