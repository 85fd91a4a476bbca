//! What the documentation says is true: files are there, links lead somewhere, examples compile.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use usher::request::{Chore, Details, EventField, EventName, Part, PathRule};
use usher_rules::{
    config::{self, Environment, Files, Input},
    plan,
    policy::{Reason, Verdict},
};

/// Folders that are not ours, or not kept.
const NOT_OURS: &[&str] = &[".git", "node_modules", ".venv", "out"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Every text file of the repository, relative to its root, in order.
fn texts() -> Vec<(PathBuf, String)> {
    let (mut found, mut open) = (Vec::new(), vec![root()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let targets = ["target", "fuzz/target"]; // a room may be called target too
            let built = targets.iter().any(|target| path == root().join(target));
            if built || NOT_OURS.contains(&&*name) || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// Every page of documentation.
fn pages() -> Vec<(PathBuf, String)> {
    texts().into_iter().filter(|(file, _)| file.extension().is_some_and(|it| it == "md")).collect()
}

/// What stands between `open` and `close`, every time.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| Some(rest.split_once(close)?.0))
}

/// What stands in backticks on a line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|span| !span.is_empty())
}

/// Fenced blocks of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(&open) {
        let (block, behind) = after.split_once("```").unwrap();
        found.push(block);
        rest = behind;
    }
    found
}

/// What a heading is called in a link to it.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let mut broken = Vec::new();
    for (page, text) in pages() {
        for link in between(&text, "](", ")") {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = root().join(&page).parent().unwrap().to_owned();
            let target = if file.is_empty() { root().join(&page) } else { folder.join(file) };
            let there = target.exists()
                && (anchor.is_empty()
                    || fs::read_to_string(&target).unwrap().lines().any(|line| {
                        line.starts_with('#') && slug(line.trim_start_matches('#')) == anchor
                    }));
            if !there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_decision_says_when_it_was_taken_and_whether_it_stands() {
    let folder = root().join("docs/decisions");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name == "README.md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let status = text.lines().nth(2).unwrap_or_default();
        let date = status.strip_prefix("Accepted on ").or_else(|| {
            let replaced = status.strip_prefix("Replaced by ")?;
            replaced.split_once(" on ").map(|(_by, date)| date)
        });
        let date = date.and_then(|rest| rest.get(..10)).unwrap_or_default();
        let mut parts = date.splitn(3, '-').map(|part| part.parse::<u16>().ok());
        let is_date = matches!(
            (parts.next(), parts.next(), parts.next()),
            (Some(Some(2025..)), Some(Some(1..=12)), Some(Some(1..=31)))
        );
        assert!(is_date, "{}: its third line is `Accepted on 2026-11-27.`", path.display());
        seen += 1;
    }
    assert!(seen > 30, "{seen} decisions");
}

#[test]
fn every_path_that_the_map_names_exists() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named: BTreeSet<_> = map
        .lines()
        .flat_map(spans)
        .filter(|span| span.starts_with("crates/") || ["bench", "e2e", "xtask"].contains(span))
        .collect();
    assert!(named.len() > 20, "the map names {}", named.len());
    for path in named {
        assert!(root().join(path).exists(), "ARCHITECTURE.md names `{path}`");
    }
}

/// An invariant without a test is a wish.
#[test]
fn every_invariant_names_a_test_that_exists() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section =
        map.split("## What must stay true").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(rows.len(), 15, "invariants");
    rows_name_tests_that_exist(rows);
}

/// The same for every way in which others have failed.
#[test]
fn every_bug_class_names_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/reference/bug-classes.md")).unwrap();
    let is_row =
        |line: &&str| line.starts_with("| ") && line.contains('`') && !line.ends_with("|---|");
    let rows: Vec<_> = page.lines().filter(is_row).collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    rows_name_tests_that_exist(rows);
}

/// All that surprises in Pomerium, by the numbers of the list that it was found in.
#[test]
fn every_surprise_has_a_row() {
    let page = fs::read_to_string(root().join("docs/reference/bug-classes.md")).unwrap();
    let table = page.split("| n | what surprises | tests |").nth(1).unwrap();
    let first = |line: &str| line.split('|').nth(1)?.trim().parse::<usize>().ok();
    let numbers: Vec<usize> = table.lines().filter_map(first).collect();
    assert_eq!(numbers, (1..=67).collect::<Vec<_>>());
}

/// The last column of each row is names of tests.
fn rows_name_tests_that_exist(rows: Vec<&str>) {
    let sources: Vec<_> = texts()
        .into_iter()
        .filter(|(file, _)| file.extension().is_some_and(|it| it == "rs"))
        .map(|(_, text)| text)
        .collect();
    for row in rows {
        let tests: Vec<_> = spans(row.rsplit('|').nth(1).unwrap()).collect();
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            let declared = format!("fn {}(", test.rsplit("::").next().unwrap());
            assert!(sources.iter().any(|text| text.contains(&declared)), "no `{declared}`: {row}");
        }
        let words = row.rsplit('|').nth(1).unwrap().split([' ', '(', ')', ',']);
        for case in words.filter(|word| word.ends_with(".case")) {
            let folders = [
                "crates/rules/tests/compile",
                "crates/rules/tests/policy",
                "crates/usher/tests/explain",
            ]
            .map(|it| root().join(it));
            assert!(folders.iter().any(|folder| folder.join(case).exists()), "no {case}: {row}");
        }
    }
}

/// The words behind `usher` on a line that a page shows.
fn typed(line: &str) -> Option<&str> {
    let line = line.trim_start_matches("$ ").trim_start_matches("sudo ");
    let line = line.trim_start_matches("-u usher ").trim_start_matches("target/shipped/");
    let line = line.trim_start_matches("docker compose exec usher /");
    let words = line.strip_prefix("usher ").or_else(|| line.split(" -- ").nth(1))?;
    Some(words.split(" #").next().unwrap().trim())
}

fn help_of(command: &[&str]) -> String {
    let usher = Command::new(env!("CARGO_BIN_EXE_usher")).arg("help").args(command).output();
    String::from_utf8(usher.unwrap().stdout).unwrap()
}

/// What a page tells people to type is what the binary offers: commands, theirs, and options.
#[test]
fn every_command_that_a_page_shows_is_in_the_help() {
    let mut shown: BTreeSet<(String, PathBuf)> = BTreeSet::new();
    for (page, text) in pages() {
        let lines = blocks(&text, "console").into_iter().flat_map(str::lines);
        shown.extend(lines.filter_map(typed).map(|words| (words.to_owned(), page.clone())));
    }
    let operate = |(_, page): &&(String, PathBuf)| page.ends_with("guides/operate.md");
    assert!(shown.iter().filter(operate).count() >= 7, "{shown:#?}");
    let begins = |word: &str| shown.iter().any(|(words, _)| words.starts_with(word));
    assert!(begins("demo") && begins("run") && begins("people"));
    for (typed, page) in shown {
        let words: Vec<_> = typed.split(' ').collect();
        let deeper = ["people", "certs", "service-account", "app-password", "enrolments"];
        let depth = if deeper.contains(&words[0]) { 2 } else { 1 };
        let options = words.iter().filter(|word| word.starts_with("--"));
        let command = &words[..depth.min(words.len())];
        let help = help_of(command);
        let known = help.contains(&format!("Usage: usher {}", command.join(" ")));
        assert!(known, "{}: `usher {typed}`: no such command", page.display());
        for option in options {
            let offered = help.split_whitespace().any(|word| word == *option);
            assert!(offered, "{}: `usher {typed}`: no `{option}` in:\n{help}", page.display());
        }
    }
}

#[test]
fn every_chore_that_a_page_shows_is_in_its_usage() {
    let usage = fs::read_to_string(root().join("xtask/src/chores.rs")).unwrap();
    for (page, text) in pages() {
        for chore in between(&text, "cargo xtask ", "\n") {
            let chore = chore.split([' ', '`', ')', ',', ':']).next().unwrap();
            let name = format!("name: \"{chore}\"");
            assert!(usage.contains(&name), "{}: `cargo xtask {chore}`", page.display());
        }
    }
}

/// Where somebody built it is nobody's business.
#[test]
fn no_path_of_a_machine_stands_in_the_project() {
    let homes = [["/ro", "ot/"].concat(), ["/fa", "rm/"].concat()];
    let mut found = Vec::new();
    for (file, text) in texts() {
        for (number, line) in (1..).zip(text.lines()) {
            for home in &homes {
                let before =
                    line.split_once(home.as_str()).map(|(before, _)| before.chars().next_back());
                let begins = |c: char| !(c.is_alphanumeric() || "_.-".contains(c));
                if before.is_some_and(|last| last.is_none_or(begins)) {
                    found.push(format!("{}:{number}: {line}", file.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Files that an example names are on the reader's machine, not here.
struct Anything;

impl Files for Anything {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Ok(match path {
            "/run/secrets/jellyfin" => b"0123456789abcdef0123456789abcdef".to_vec(),
            _ => b"-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----".to_vec(),
        })
    }
}

/// Every example is a config, whole or to be added to the one before it.
#[test]
fn every_example_config_is_accepted() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let guide = fs::read_to_string(root().join("docs/guides/jellyfin.md")).unwrap();
    let programs = fs::read_to_string(root().join("docs/guides/programs.md")).unwrap();
    let [account, tokens] = blocks(&programs, "yaml")[..] else { panic!("it shows two") };
    let compose = fs::read_to_string(root().join("deploy/usher/config.yaml")).unwrap();
    let [whole, provider] = blocks(&readme, "yaml")[..] else { panic!("README.md shows two") };
    let provider_page = root().join("docs/guides/openid-provider.md");
    let provider_page = fs::read_to_string(provider_page).unwrap();
    let [openid, told] = blocks(&provider_page, "yaml")[..] else { panic!("it shows two") };
    let one_by_one = fs::read_to_string(root().join("docs/guides/apps.md")).unwrap();
    let [held] = blocks(&one_by_one, "yaml")[..] else { panic!("it shows one") };
    let [jellyfin, seats, apps] = blocks(&guide, "yaml")[..] else { panic!("it shows three") };
    for (name, text) in [
        ("README.md", whole.to_owned()),
        ("README.md with a provider", format!("{whole}{provider}")),
        ("docs/guides/jellyfin.md", jellyfin.to_owned()),
        ("docs/guides/jellyfin.md, no second sign-in", format!("{jellyfin}{seats}")),
        ("docs/guides/jellyfin.md, apps", apps.to_owned()),
        ("docs/guides/apps.md", format!("{jellyfin}{held}")),
        ("docs/guides/openid-provider.md", openid.to_owned()),
        ("docs/guides/openid-provider.md, told of the end", told.to_owned()),
        ("docs/guides/programs.md", account.to_owned()),
        ("docs/guides/programs.md, tokens", tokens.to_owned()),
        ("deploy/usher/config.yaml", compose),
    ] {
        let input = Input { name: Some("config.yaml"), text: &text };
        let draft = config::read(input, &Environment::new());
        let (_, warnings) = plan::compile(draft, &Anything).unwrap_or_else(|problems| {
            panic!("{name}: {problems:#?}");
        });
        // the reader's own names can't stand here
        let others: Vec<_> = warnings.iter().filter(|warning| warning.code != "U506").collect();
        assert!(others.is_empty(), "{name}: {others:#?}");
    }
}

/// Every word that can stand in a field of a log line is written down, and no other.
#[test]
fn every_word_of_a_log_line_is_documented_and_no_other() {
    let page = fs::read_to_string(root().join("docs/reference/logs.md")).unwrap();
    let section = |heading: &str| -> Vec<String> {
        let start = format!("\n## {heading}");
        let text = page.split(&start).nth(1).unwrap_or_else(|| panic!("no {heading}"));
        let text = text.split("\n## ").next().unwrap();
        let row = |line: &str| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned());
        text.lines().filter_map(row).collect()
    };
    let details: Vec<_> = Details::ALL.iter().map(|it| it.word().to_owned()).collect();
    assert_eq!(section("`response-code-details`"), details);
    let rules: Vec<_> = PathRule::ALL.iter().map(|it| it.word().to_owned()).collect();
    assert_eq!(section("`rule`"), rules);
    let tasks: Vec<_> = Chore::ALL.iter().map(|it| it.word().to_owned()).collect();
    assert_eq!(section("`task`"), tasks);
    let parts: Vec<_> = Part::ALL.iter().map(|it| it.word().to_owned()).collect();
    assert_eq!(section("`part`"), parts);
    let events = EventName::ALL.iter().map(|it| it.word());
    let fields = EventField::ALL.iter().map(|it| it.word());
    assert_eq!(section("Events"), events.chain(fields).collect::<Vec<_>>());
    let verdicts = Verdict::ALL.map(Verdict::word);
    assert_eq!(section("`verdict`"), verdicts);
    let reasons: Vec<_> = Reason::all().map(|it| it.word().to_owned()).collect();
    assert_eq!(section("`allow-why-true`"), reasons);
}
