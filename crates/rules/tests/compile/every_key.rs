//! Every key with every mistake that its value can have: the configs in `keys/` are made from the
//! table of keys, `cases` holds what is said of each, and each has to be told by its key's name.
//! `UPDATE=1` makes them anew.

use std::{collections::BTreeMap, fs};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use usher_rules::config::keys::{self, Fate, Key, Kind, Rule, Table};

use crate::{
    cases,
    effects::{config, shelf},
    items::ITEMS,
    values::{GLOBAL, ROUTE},
};

/// A value as one writes it, and the code of what is said about it.
type Mistake = (String, &'static str);

/// What a value of this kind can't be.
fn of_kind(key: &Key) -> Vec<Mistake> {
    let is_read = matches!(key.fate, Fate::Supported | Fate::Own);
    let texts = [("{a: b}", "U200"), ("0123", "U230"), ("${SOME_NAME}", "U218")];
    let mut mistakes = match key.kind {
        Kind::Text => Vec::from(texts),
        Kind::Secret => [&texts[..], &[("not-shown-by-usher-check", "U233")]].concat(),
        Kind::Bool => Vec::from([("maybe", "U201")]),
        Kind::Duration => Vec::from([("soon", "U202"), ("30", "U203")]),
        Kind::Int(..) => Vec::from([("some", "U205"), ("99999999999999999999", "U205")]),
        Kind::List => Vec::from([("{a: b}", "U200")]),
        Kind::FullList => Vec::from([("{a: b}", "U200"), ("[a, '']", "U207")]),
        Kind::Map => Vec::from([("[a]", "U200"), ("{a: not-shown-by-usher-check}", "U233")]),
        Kind::MapOrList => Vec::from([("{a: [b]}", "U200")]),
        Kind::Word(..) => Vec::from([("no-such-word", "U206")]),
        Kind::Object(_) => Vec::from([("text", "U200")]),
        Kind::Objects(_) => Vec::from([("[text]", "U200")]),
        Kind::Routes | Kind::Any => Vec::new(),
    };
    let is_one = matches!(key.kind, Kind::Text | Kind::Secret);
    if is_one && !key.default.is_empty() && is_read {
        mistakes.push(("''", "U231"));
    }
    mistakes.into_iter().map(|(value, code)| (value.to_owned(), code)).collect()
}

fn of_rule(key: &Key) -> Option<Mistake> {
    let (value, code) = match key.rule {
        Rule::None => return None,
        Rule::Url => ("nowhere", "U410"),
        Rule::Listener => ("nowhere", "U401"),
        Rule::Millisecond => ("1us", "U202"),
        Rule::Unquoted => ("'true'", "U201"),
        Rule::Filled => ("''", "U207"),
        Rule::Full => ("['']", "U207"),
        Rule::Resolvers => ("['udp://a.test:53']", "U410"),
    };
    Some((value.to_owned(), code))
}

/// What is said of a key that does nothing, whatever its value.
fn of_fate(key: &Key) -> Option<Mistake> {
    let code = match key.fate {
        Fate::Supported | Fate::Own => return None,
        Fate::NoEffect(_) => "U120",
        Fate::NotYet(_) | Fate::Fixed(..) => "U121",
        Fate::Refused(_) => "U122",
        Fate::Removed(_) => "U111",
    };
    let asks = |word: &str| match key.fate {
        Fate::Fixed(ours, _) => !ours.contains(&word),
        _ => !word.is_empty(),
    };
    let value = match key.kind {
        Kind::Bool if asks("true") => "true".to_owned(),
        Kind::Bool => "false".to_owned(),
        Kind::Duration => "7s".to_owned(),
        Kind::Int(least, _) => least.max(1).to_string(),
        Kind::Word(words, _) => (*words.iter().find(|word| asks(word)).unwrap()).to_owned(),
        Kind::List if key.rule == Rule::Url => "[https://b.test]".to_owned(),
        Kind::List | Kind::FullList => "[b.test]".to_owned(),
        Kind::Text if key.rule == Rule::Url => "https://b.test".to_owned(),
        Kind::Text if key.rule == Rule::Listener => "127.0.0.1:1".to_owned(),
        Kind::Text | Kind::Secret | Kind::Any | Kind::Routes => "something".to_owned(),
        Kind::Map | Kind::MapOrList | Kind::Object(_) | Kind::Objects(_) => "{a: b}".to_owned(),
    };
    Some((value, code))
}

/// The lines of a map in which each key has its mistake of this number, and what is to be said.
fn lines(
    table: Table,
    number: usize,
    depth: usize,
) -> Vec<(String, Option<(&'static str, String)>)> {
    let mut lines = Vec::new();
    for key in table {
        let mut mistakes = of_kind(key);
        mistakes.extend(of_rule(key));
        mistakes.extend(of_fate(key));
        let blanks = "  ".repeat(depth);
        if let Some((value, code)) = mistakes.get(number) {
            let told = Some((*code, key.name.to_owned()));
            lines.push((format!("{blanks}{}: {value}", key.name), told));
            continue;
        }
        let inner = match key.kind {
            Kind::Object(table) | Kind::Objects(table) if depth < 6 => table,
            _ => continue,
        };
        let below = self::lines(inner, number.saturating_sub(mistakes.len()), depth + 1);
        if !below.is_empty() {
            lines.push((format!("{blanks}{}:", key.name), None));
            lines.extend(below);
        }
    }
    lines
}

/// A config and what has to be said about it: codes with names of keys.
type Given = (String, Vec<(&'static str, String)>);

/// Keys that are a part of every config here.
fn is_frame(line: &str) -> bool {
    ["from: ", "routes: ", "policy: "].iter().any(|key| line.trim_start().starts_with(key))
}

fn tables() -> BTreeMap<String, Given> {
    let mut all = BTreeMap::new();
    for (name, table, depth) in [("global", keys::GLOBAL, 0), ("route", keys::ROUTE, 1)] {
        for number in 0..8 {
            let lines = lines(table, number, depth);
            let lines: Vec<_> = lines.into_iter().filter(|(line, _)| !is_frame(line)).collect();
            let written: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
            let route = "routes:\n- from: https://a.test\n";
            let config = match name {
                "global" => format!("{written}{route}  to: http://x\n"),
                _ => format!("{route}{written}"),
            };
            let told: Vec<_> = lines.into_iter().filter_map(|(_, told)| told).collect();
            if !told.is_empty() {
                all.insert(format!("{name}-{number}"), (config, told));
            }
        }
    }
    all
}

/// Keys that name a file, or hold what would stand in one, each with all that it needs beside it.
fn files() -> BTreeMap<String, Given> {
    let (shelf, mut all) = (shelf(), BTreeMap::new());
    let known: Vec<&str> = shelf.0.keys().map(String::as_str).collect();
    for (place, table) in [("", GLOBAL), ("routes.", ROUTE), ("", ITEMS)] {
        for row in table {
            let path = format!("{place}{}", row.0);
            let name = row.0.rsplit('.').next().unwrap();
            let wrongs: &[(&str, &str, &str)] = match row.2 {
                value if known.contains(&value) => {
                    &[("missing", "no-such-file", "U209"), ("empty", "empty", "U210")]
                }
                // what is no base64 may be PEM as it stands
                "KEY" if name == "signing_key" => &[("none", "bm9uZQ==", "U213")],
                "CERT" | "KEY" | "LIST" => &[("odd", "'%'", "U208"), ("none", "bm9uZQ==", "U213")],
                _ => continue,
            };
            for (word, value, code) in wrongs {
                let mut text = config(place, row, value, &shelf);
                if value == &"empty" {
                    text = format!("#file empty base64 \n{text}");
                }
                for (file, octets) in &shelf.0 {
                    if text.split([' ', '\n', ',', '}']).any(|word| word == file) {
                        text = format!("#file {file} base64 {}\n{text}", STANDARD.encode(octets));
                    }
                }
                let told = Vec::from([(*code, name.to_owned())]);
                all.insert(format!("{}-{word}", path.replace('.', "-")), (text, told));
            }
        }
    }
    all
}

/// Criteria of which the name alone counts, as in Pomerium; `false` is warned about.
const VALUE_IGNORED: [&str; 5] =
    ["accept", "authenticated_user", "cors_preflight", "invalid_client_certificate", "reject"];

/// Each criterion with what none of its kind takes.
fn criteria() -> BTreeMap<String, Given> {
    let mut config = "routes:\n".to_owned();
    let mut told = Vec::new();
    for name in crate::covered::criteria() {
        let name = if name == "claim" { "claim/groups" } else { &name };
        let rule = format!("{{{name}: {{no-such-word: [a]}}}}");
        let host = name.replace(['_', '/'], "-");
        config += &format!(
            "- from: https://{host}.test\n  to: http://x\n  policy: [{{allow: {{or: [{rule}]}}}}]\n"
        );
        if !VALUE_IGNORED.contains(&name) {
            told.push(("U3", name.to_owned()));
        }
    }
    BTreeMap::from([("criteria".to_owned(), (config, told))])
}

#[test]
fn every_key_tells_of_every_mistake_in_its_value() {
    let folder = cases::folder().join("keys");
    let mut all = tables();
    all.extend(files());
    all.extend(criteria());
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for (name, (config, told)) in &all {
        let path = folder.join(format!("{name}.case"));
        let (said, problems) = cases::answer(config);
        if update {
            fs::write(&path, format!("{config}----\n{said}")).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        if written.split("----\n").next() != Some(config) {
            wrong.push(format!("{} is stale: run this test with UPDATE=1", path.display()));
        }
        for (code, key) in told {
            let names = [format!("`{key}`"), format!("`{key}: "), format!("`{key}=")];
            let is_told = problems.iter().any(|problem| {
                problem.code.starts_with(code)
                    && names.iter().any(|name| problem.what.contains(name))
            });
            if !is_told {
                wrong.push(format!("{name}: {code} is not said of `{key}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(fs::read_dir(folder).unwrap().count(), all.len(), "a case of no key");
}
