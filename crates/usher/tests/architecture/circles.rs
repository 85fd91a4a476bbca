//! No file needs itself by way of others: such files are one file in pieces, and can't be read one
//! after the other.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, module, named, root, sources, tree};

/// Crates in which there are none. The lab and the cinema are parts of tests, which know everything.
const FOLDERS: &[&str] =
    &["crates/usher", "crates/rules", "crates/pages", "crates/rego", "bench", "golden", "xtask"];

/// Circles that are left, each with what stands in the way. The list gets shorter, never longer.
const LEFT: &[(&str, &[&str], &str)] = &[
    (
        "crates/usher",
        &[
            "request/forward/again.rs",
            "request/forward/body.rs",
            "request/forward/checking.rs",
            "request/forward/choose/mod.rs",
            "request/forward/exchange.rs",
            "request/forward/attempt.rs",
        ],
        "an exchange, its carrier and what is tried again know each other's types",
    ),
    (
        "crates/usher",
        &[
            "signin/provider/documents.rs",
            "signin/provider/exchange.rs",
            "signin/provider/known.rs",
        ],
        "what a provider publishes and how it is asked share their lists",
    ),
    (
        "crates/rules",
        &[
            "config/draft.rs",
            "config/entry.rs",
            "config/environment.rs",
            "config/keys/form.rs",
            "config/keys/global.rs",
            "config/keys/guard.rs",
            "config/keys/jellyfin.rs",
            "config/keys/nested.rs",
            "config/keys/route.rs",
            "config/keys/smtp.rs",
        ],
        "a draft checks itself as it is read, by keys whose values are parts of a draft; a misspelt \
         one is held against all tables",
    ),
    (
        "crates/rules",
        &["policy/criterion/mod.rs", "policy/reason.rs"],
        "reasons are numbered by what criteria declare, and criteria answer with reasons",
    ),
];

/// Files of one crate, and what each of them needs.
struct Files {
    /// Module to file.
    of: BTreeMap<Vec<String>, String>,
    /// File to the names that it brings into its scope, each with where it comes from.
    names: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Files {
    fn read(sources: &[(String, String)]) -> Self {
        let of: BTreeMap<_, _> =
            sources.iter().map(|(file, _)| (module(file), file.clone())).collect();
        let mut names = BTreeMap::new();
        for (file, text) in sources {
            let brought = named(file, text).into_iter().chain(children(&of, file, text));
            let brought = brought.filter_map(|path| Some((path.last()?.clone(), path)));
            names.insert(file.clone(), brought.collect());
        }
        Self { of, names }
    }

    /// The file that a path leads to, through what fronts pass on.
    fn file(&self, path: &[String]) -> Option<&str> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let depth = (0..=path.len()).rev().find(|n| self.of.contains_key(&path[..*n]))?;
            let file = &self.of[&path[..depth]];
            let next = path.get(depth).and_then(|name| self.names[file].get(name));
            match next {
                Some(next) if *next != path => {
                    path = next.iter().chain(&path[depth + 1..]).cloned().collect();
                }
                Some(_) | None => return Some(file),
            }
        }
        None
    }

    /// A file that names what its folder's front says is a part of that: the front gives the words,
    /// its parts use them. Everything else that a file names, it needs.
    fn needs(&self, file: &str, text: &str) -> BTreeSet<&str> {
        let own = module(file);
        let is_front = |other: &&str| own.starts_with(&module(other)) && *other != file;
        let needed = named(file, text).into_iter().filter_map(|path| self.file(&path));
        needed.filter(|other| *other != file && !is_front(other)).collect()
    }
}

/// What a front brings in from its own parts: `use part::Name;`.
fn children(of: &BTreeMap<Vec<String>, String>, file: &str, text: &str) -> Vec<Vec<String>> {
    let (here, text, mut paths) = (module(file), code(text), Vec::new());
    for (at, word) in text.match_indices("use ") {
        let rest = &text[at + word.len()..];
        let first = rest.split("::").next().unwrap_or_default().trim();
        let child: Vec<_> = here.iter().cloned().chain([first.to_owned()]).collect();
        if of.contains_key(&child) {
            tree(&here, rest, &mut paths);
        }
    }
    paths
}

/// The files that are left when those are taken away that need none, or that none needs.
fn in_circles(needs: &BTreeMap<&str, BTreeSet<&str>>) -> BTreeSet<String> {
    let mut left: BTreeSet<&str> = needs.keys().copied().collect();
    loop {
        let is_needed = |file: &str| left.iter().any(|other| needs[other].contains(file));
        let needs_one = |file: &str| needs[file].iter().any(|other| left.contains(other));
        let still: BTreeSet<_> =
            left.iter().copied().filter(|file| is_needed(file) && needs_one(file)).collect();
        if still.len() == left.len() {
            return left.into_iter().map(str::to_owned).collect();
        }
        left = still;
    }
}

/// The sources in a crate's folder without their tests, which may know everything.
fn without_tests(folder: &str) -> Vec<(String, String)> {
    const FOR_TESTS: &[&str] = &["request/identify/contract.rs", "request/identify/memory.rs"];
    let sources = sources(&root().join(folder).join("src")).into_iter();
    let sources = sources.filter(|(file, _)| {
        !file.contains("test") && !FOR_TESTS.contains(&&**file) && file != "main.rs"
    });
    let cut = |text: String| text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
    sources.map(|(file, text)| (file, cut(text))).collect()
}

fn circles(sources: &[(String, String)]) -> BTreeSet<String> {
    let files = Files::read(sources);
    let needs = sources.iter().map(|(file, text)| (&**file, files.needs(file, text)));
    in_circles(&needs.collect())
}

#[test]
fn circles_are_seen() {
    let given = |files: &[(&str, &str)]| {
        let files: Vec<_> =
            files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        circles(&files).into_iter().collect::<Vec<_>>()
    };
    let one_way = [("a.rs", "use crate::b::B;"), ("b.rs", "struct B;")];
    assert!(given(&one_way).is_empty());
    let circle = [("a.rs", "use crate::b::B;"), ("b.rs", "use super::a::A;"), ("c.rs", "")];
    assert_eq!(given(&circle), ["a.rs", "b.rs"]);
    let by_the_front = [
        ("r/mod.rs", "pub use one::One;\npub use two::Two;"),
        ("r/one.rs", "use super::Two;"),
        ("r/two.rs", "use super::One;"),
    ];
    assert_eq!(given(&by_the_front), ["r/one.rs", "r/two.rs"]);
    let words_of_the_front =
        [("r/mod.rs", "use self::one::f;\npub struct Word;"), ("r/one.rs", "use super::Word;")];
    assert!(given(&words_of_the_front).is_empty());
}

#[test]
fn no_file_needs_itself() {
    for folder in FOLDERS {
        let known = LEFT.iter().filter(|(of, ..)| of == folder).flat_map(|(_, files, _)| *files);
        let known: BTreeSet<_> = known.map(|file| (*file).to_owned()).collect();
        assert_eq!(circles(&without_tests(folder)), known, "circles of files in {folder}");
    }
}
