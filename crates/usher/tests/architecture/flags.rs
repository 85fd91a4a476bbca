//! A `bool` that is handed to a function says nothing where it is handed over: `serve(true)`. Words
//! do.

use std::collections::BTreeSet;

use super::{code, root, sources};

/// Functions that take a `bool` all the same, each with why it says enough. What is a truth that was
/// worked out just before, under its own name, may be handed on; a literal may not.
const TRUTHS: &[(&str, &str, &str)] = &[
    ("usher", "request/record/json.rs boolean", "it writes a boolean"),
    ("usher", "request/forward/relay.rs poll", "whether bytes moved, worked out before"),
    ("usher", "server/store_watch.rs tell_reserve", "whether the file is there, looked up before"),
    ("usher", "signin/provider/http.rs new", "follows the issuer's scheme; waits for the list"),
    ("usher", "cli/data_dir.rs data_dir", "who runs this, asked of the system"),
    ("usher", "cli/demo.rs folder", "who runs this, asked of the system"),
    ("usher", "cli/check.rs tell", "`--json`, as it was typed"),
    ("usher", "cli/status.rs show_status", "`--json`, as it was typed"),
    ("usher", "cli/status.rs show_root", "`--json`, as it was typed"),
    ("usher", "cli/people.rs by", "`--password-stdin`, as it was typed"),
    ("usher", "doctor/names.rs judged", "whether the plan asks the world, worked out before"),
    ("usher", "certs/acme/client.rs adopt", "whether there is a plain port"),
    ("usher", "certs/acme/dns/rfc2136.rs why", "whether there is a key"),
    ("rules", "mcp.rs visit_bool", "it reads a boolean"),
    ("rules", "config/values.rs word", "a property of the key that is read"),
    ("rules", "policy/rule.rs count", "whether a criterion holds"),
    ("rules", "policy/rule.rs finding", "whether a side holds"),
    ("rules", "plan/compile/autocert.rs managed_names", "what the config says, by its keys"),
    ("rules", "plan/compile/autocert.rs can_be_signed", "what the config says, by its keys"),
    ("rules", "plan/compile/mod.rs no_routes", "whether there is nothing at all"),
    ("rules", "names/reading.rs others", "whether separators stay escaped, worked out before"),
    ("rules", "names/reading.rs canonical", "whether escapes stay, worked out before"),
    ("rules", "signin/address.rs flag", "whether the provider denies it"),
    ("rules", "signin/address.rs keep", "whether the provider denies it"),
    ("rules", "signin/flow.rs answered", "whether the provider names itself, as it published"),
];

/// The functions of a file that take a `bool`.
fn with_flags(text: &str) -> Vec<String> {
    let text = code(text.split("#[cfg(test)]").next().unwrap());
    let functions = text.match_indices("fn ").filter_map(|(at, word)| {
        let before = text[..at].chars().next_back().unwrap_or(' ');
        let rest = &text[at + word.len()..];
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        let open = rest.find('(').filter(|_| before.is_whitespace() && !name.is_empty())?;
        let mut depth = 0;
        let end = rest[open..].find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        })?;
        let takes = rest[open..open + end].split_whitespace().collect::<String>();
        let has_flag = takes.split(":bool").count() > 1;
        has_flag.then(|| name.to_owned())
    });
    functions.collect()
}

#[test]
fn flags_are_seen() {
    assert_eq!(with_flags("fn f(a: u8, b: bool) {}"), ["f"]);
    assert_eq!(with_flags("pub async fn g<T>(\n    b: bool,\n) -> bool {}"), ["g"]);
    assert!(with_flags("fn h(a: u8) -> bool {}\nstruct S { b: bool }").is_empty());
}

#[test]
fn no_function_takes_a_flag() {
    for name in ["usher", "rules", "pages"] {
        let mut found = BTreeSet::new();
        for (file, text) in sources(&root().join(format!("crates/{name}/src"))) {
            if !file.contains("test") {
                let flags = with_flags(&text).into_iter();
                found.extend(flags.map(|function| format!("{file} {function}")));
            }
        }
        let known = TRUTHS.iter().filter(|(of, ..)| *of == name);
        let known: BTreeSet<_> = known.map(|(_, function, _)| (*function).to_owned()).collect();
        assert_eq!(found, known, "functions of crates/{name} that take a `bool`");
    }
}
