//! The reference lists no key and no criterion that no readable case shows.

use std::{collections::BTreeSet, fs, path::Path};

use usher_rules::config::keys::{self, Fate, Key, nested, route};

/// Keys that are read and that no case shows yet. The list only gets shorter.
const UNSHOWN: &[&str] = &[];

/// Criteria of the policy language, as `docs/reference/policy.md` lists them.
pub fn criteria() -> BTreeSet<String> {
    let page = crate::reference::root().join("docs/reference/policy.md");
    let page = fs::read_to_string(page).unwrap();
    let table = page.split("| criterion | value |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(','));
    names.map(|name| name.trim().trim_matches('`').replace("claim/NAME", "claim")).collect()
}

/// What is asked in the cases of a folder.
fn asked(folder: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let cases = paths.filter(|path| path.extension().is_some_and(|end| end == "case"));
    cases
        .map(|path| fs::read_to_string(path).unwrap().split("----\n").next().unwrap().to_owned())
        .collect()
}

/// Does a text have this key, or its variable?
fn shows(text: &str, key: &str) -> bool {
    let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let is_key = |at: usize| {
        let rest = text[at + key.len()..].trim_start_matches('"');
        begins(at) && (rest.starts_with(':') || rest.starts_with('/'))
    };
    let variable = format!("#env {}=", key.to_uppercase());
    text.match_indices(key).any(|(at, _)| is_key(at)) || text.contains(&variable)
}

#[test]
fn every_key_that_is_read_has_a_case() {
    let text = asked("compile") + &asked("policy");
    let tables = [keys::GLOBAL, keys::ROUTE, route::REDIRECT_KEYS, route::RESPONSE_KEYS]
        .into_iter()
        .chain([nested::HEALTH_CHECK, nested::HTTP_HEALTH_CHECK, nested::TCP_HEALTH_CHECK])
        .chain([
            nested::PAIR,
            nested::POLICY_TEST,
            nested::FALLBACK_CA,
            nested::IDP_LISTED,
            nested::PAYLOAD,
        ])
        .chain([nested::STATUS_RANGE]);
    let is_read = |key: &&&Key| matches!(key.fate, Fate::Supported | Fate::Own);
    let unshown: BTreeSet<&str> = tables
        .flatten()
        .filter(is_read)
        .map(|key| key.name)
        .filter(|name| !shows(&text, name))
        .collect();
    assert_eq!(unshown, UNSHOWN.iter().copied().collect());
}

#[test]
fn every_criterion_has_a_case() {
    let (text, criteria) = (asked("policy"), criteria());
    assert!(criteria.len() >= 12, "{criteria:?}");
    let unshown: Vec<_> = criteria.iter().filter(|name| !shows(&text, name)).collect();
    assert!(unshown.is_empty(), "{unshown:?}");
}
