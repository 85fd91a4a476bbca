//! Readable cases: a config, `----`, and what the operator sees, with the plan when there is one.
//! `UPDATE=1` rewrites the answers.
//!
//! Comments at the start of a config give it more: `#env NAME=value`, `#name config.json`, and
//! `#file NAME base64 TEXT` for a file beside it. Cases are written with names of guides;
//! `#placeholders` shows what is said of those.
//!
//! In `mistakes/` are those that people make who write their first config, each alone; those in
//! `keys/` are made by `every_key.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use usher_rules::{
    config::Environment,
    problem::{Problem, Rendered, Summary},
};

use crate::{PLACEHOLDER, Shelf, compile, show};

#[test]
fn cases() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    let (mut seen, mut codes) = (0, BTreeSet::new());
    let folders = [folder(), folder().join("mistakes"), folder().join("keys")];
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "case") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (config, expected) = text.split_once("----\n").unwrap_or((&text, ""));
        let (found, problems) = answer(config);
        seen += 1;
        codes.extend(problems.iter().map(|problem| problem.code));
        if found != expected && update {
            fs::write(&path, format!("{config}----\n{found}")).unwrap();
        } else if found != expected {
            wrong.push(format!("{}:\n{found}--- expected:\n{expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 60, "only {seen} cases were found");
    assert!(fs::read_dir(folder().join("mistakes")).unwrap().count() >= 20);
    // Policy's codes have cases of their own, what `usher check` finds on the disk and by a clock has
    // its tests there, and U100 is too large for a file.
    let elsewhere = |code: &str| {
        code.starts_with("U3") || ["U100", "U112", "U217", "U219", "U572"].contains(&code)
    };
    let unseen: Vec<String> = crate::reference::codes_in_source()
        .into_iter()
        .filter(|code| !codes.contains(code.as_str()) && !elsewhere(code))
        .collect();
    assert!(
        unseen.is_empty(),
        "no case shows {unseen:?}; policy's are in tests/policy, and U100 is too large for a file"
    );
}

/// The files that a case brings.
pub fn files(case: &str) -> BTreeMap<String, Vec<u8>> {
    let lines = case.lines().filter_map(|line| line.strip_prefix("#file "));
    let pairs = lines.map(|line| line.split_once(" base64 ").unwrap());
    pairs.map(|(name, base64)| (name.to_owned(), STANDARD.decode(base64).unwrap())).collect()
}

pub fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile")
}

/// What a case gives: the file's name, its environment, files beside it, and the config.
pub fn given(text: &str) -> (Option<&str>, Environment, Shelf, String) {
    let mut env = Environment::new();
    let mut files = Shelf::default();
    let mut name = Some("config.yaml");
    let mut config = text;
    while let Some((line, rest)) = config.split_once('\n') {
        if let Some(pair) = line.strip_prefix("#env ") {
            let (name, value) = pair.split_once('=').unwrap();
            env.insert(name.to_owned(), value.to_owned());
        } else if let Some(given) = line.strip_prefix("#name ") {
            name = Some(given);
        } else if let Some(file) = line.strip_prefix("#file ") {
            let (name, base64) = file.split_once(" base64 ").unwrap();
            files.0.insert(name.to_owned(), STANDARD.decode(base64).unwrap());
        } else if line != PLACEHOLDERS {
            break;
        }
        config = rest;
    }
    // what can't stand in a case file as it is: a byte order mark, a line of Windows
    let config = config.replace("<BOM>", "\u{feff}").replace("<CR>", "\r").replace("<TAB>", "\t");
    (name, env, files, config)
}

/// A case with this line is about names of guides.
const PLACEHOLDERS: &str = "#placeholders";

/// What an operator sees, and the problems of it.
pub fn answer(text: &str) -> (String, Vec<Problem>) {
    let is_about_names = text.lines().any(|line| line == PLACEHOLDERS);
    let (name, env, files, config) = given(text);
    let (plan, mut problems) = match compile(name, &config, &env, &files) {
        Ok((plan, warnings)) => (show::plan(&plan), warnings),
        Err(problems) => (String::new(), problems),
    };
    let file = name.unwrap_or_default();
    problems.retain(|problem| is_about_names || problem.code != PLACEHOLDER);
    let mut out = String::new();
    for problem in &problems {
        out += &format!("{}\n\n", Rendered { problem, file, text: &config });
    }
    out += &format!("{}\n{plan}", Summary { file, problems: &problems });
    (out, problems)
}
