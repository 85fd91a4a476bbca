//! A key is supported when it has an effect: each one is compiled with one value and with another
//! (or without it), all else being equal, and what the proxy runs has to differ. And each field of
//! what it runs has to be read by somebody.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use usher_rules::{
    config::{
        self, Environment, Input,
        keys::{self, Fate, Key, Kind},
    },
    plan::{self, Plan},
};

use crate::{
    Shelf,
    idp_values::{LISTED, OF_ROUTES},
    items::ITEMS,
    jellyfin_values::JELLYFIN,
    openid_values::CLIENTS,
    reference::root,
    smtp_values::SMTP,
    stand_in::StandIn,
    values::{GLOBAL, ROUTE, Row, SECRET},
};

#[test]
fn every_supported_key_changes_what_runs() {
    let shelf = shelf();
    let (mut tried, mut wrong) = (BTreeSet::new(), Vec::new());
    for (place, table) in [
        ("", GLOBAL),
        ("routes.", ROUTE),
        ("", ITEMS),
        ("", LISTED),
        ("routes.", OF_ROUTES),
        ("", CLIENTS),
        ("", SMTP),
        ("routes.", JELLYFIN),
    ] {
        for row in table {
            let path = format!("{place}{}", row.0);
            let [one, other] = [row.2, row.3].map(|value| config(place, row, value, &shelf));
            match [&one, &other].map(|text| runs(text, &shelf)) {
                [Ok(a), Ok(b)] if a != b => {}
                [Ok(_), Err(_)] if row.3.is_empty() => {} // what needs it is refused without it
                [Ok(_), Ok(_)] => {
                    wrong.push(format!("`{path}` changes nothing:\n{one}----\n{other}"))
                }
                [a, b] => wrong.extend([a.err(), b.err()].into_iter().flatten()),
            }
            assert!(tried.insert(path.clone()), "`{path}` is tried twice");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let supported = supported();
    let missing: Vec<_> = supported.difference(&tried).collect();
    let surplus: Vec<_> = tried.difference(&supported).collect();
    assert!(missing.is_empty(), "called supported, and its effect is not shown: {missing:?}");
    assert!(surplus.is_empty(), "shown, and not called supported: {surplus:?}");
}

/// A public field of the plan that only the compiler of plans knows is a promise that no code keeps.
#[test]
fn every_field_of_the_plan_is_read() {
    let plan = root().join("crates/rules/src/plan");
    let mut fields = BTreeSet::new();
    for file in
        ["mod.rs", "route.rs", "autocert.rs", "metrics.rs", "health_check.rs", "resilience.rs"]
    {
        let text = fs::read_to_string(plan.join(file)).unwrap();
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("pub "));
        let names = lines.filter_map(|line| line.split_once(": ")).map(|(name, _)| name);
        fields.extend(names.filter(|name| !name.contains(['(', ' '])).map(str::to_owned));
    }
    assert!(fields.len() > 60, "{fields:?}");
    let readers = sources(&["crates/usher/src", "crates/rules/src"]);
    let is_read = |field: &String| {
        let (dotted, taken) = (
            format!(".{field}"),
            [format!("{field},"), format!("{field}:"), format!("{field} }}")],
        );
        let is_word = |text: &str, at: usize, len: usize| {
            let after = text[at + len..].chars().next();
            !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
        };
        let by_dot =
            readers.match_indices(&dotted).any(|(at, _)| is_word(&readers, at, dotted.len()));
        by_dot || taken.iter().any(|pattern| readers.contains(&format!(" {pattern}")))
    };
    let unread: Vec<_> = fields.iter().filter(|field| !is_read(field)).collect();
    assert!(unread.is_empty(), "compiled, and read by nobody: {unread:?}");
}

/// The texts below these folders, without the compiler of plans and without tests.
fn sources(folders: &[&str]) -> String {
    let (mut text, mut open) = (String::new(), Vec::new());
    open.extend(folders.iter().map(|folder| root().join(folder)));
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_str().unwrap();
            if ["/plan/", "/tests", "sketch.rs"].iter().any(|part| name.contains(part)) {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                let whole = fs::read_to_string(&path).unwrap_or_default();
                text += whole.split("mod tests {").next().unwrap_or_default();
            }
        }
    }
    text
}

fn counts(key: &Key) -> bool {
    matches!(key.fate, Fate::Supported | Fate::Own)
}

/// Every key that is called supported, by its path. A map's effect is that of its keys.
fn supported() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (place, table) in [("", keys::GLOBAL), ("routes.", keys::ROUTE)] {
        for key in table.iter().filter(|key| counts(key)) {
            let path = format!("{place}{}", key.name);
            let inner = match key.kind {
                Kind::Object(table) | Kind::Objects(table) => table,
                _ => &[],
            };
            let below =
                inner.iter().filter(|key| counts(key)).map(|key| format!("{path}.{}", key.name));
            all.extend(below);
            if inner.is_empty() || inner.iter().any(|key| counts(key)) {
                all.insert(path);
            }
        }
    }
    all
}

/// Files for the values of the table.
pub fn shelf() -> Shelf {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let case = fs::read_to_string(crate::cases::folder().join("client-pairs.case")).unwrap();
    let mut files = crate::cases::files(&case);
    let case = fs::read_to_string(crate::cases::folder().join("mtls.case")).unwrap();
    files.insert("c.crl".to_owned(), crate::cases::files(&case)["/clients.crl"].clone());
    for (name, text) in
        [("secret", "s3cretS3cretS3cret=="), ("base64", SECRET), ("jellyfin", TOKEN)]
    {
        files.insert(name.to_owned(), text.as_bytes().to_vec());
    }
    // one that is no text in base64 may stand in its file as it is
    files.insert("key64".to_owned(), files["a.key"].clone());
    files.insert("b.pem".to_owned(), files["r.pem"].clone());
    Shelf(files)
}

/// The config of a row, with this value.
pub fn config(place: &str, (path, context, ..): &Row, value: &str, shelf: &Shelf) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let name = path.rsplit('.').next().unwrap();
    let pair = if value.is_empty() { String::new() } else { format!("{name}: {value}") };
    let around = if context.is_empty() { "{}" } else { context };
    let with = around.replacen("{}", &pair, 1).replace(", }", "}");
    let inline = |file: &str| STANDARD.encode(&shelf.0[file]);
    let with = with
        .replace(" OTHER_CERT", &format!(" {}", inline("r.pem")))
        .replace(" CERT", &format!(" {}", inline("a.pem")))
        .replace(" LIST", &format!(" {}", inline("c.crl")))
        .replace(" KEY", &format!(" {}", inline("a.key")));
    match (place, name) {
        ("", "routes" | "policy") => format!("{with}\n"),
        ("", _) => {
            let access = "allow_any_authenticated_user: true";
            format!("routes:\n- from: https://a.test\n  to: http://x\n  {access}\n{with}\n")
        }
        (_, "from") => format!("routes:\n- to: http://x\n  {with}\n"),
        (_, _) => {
            let own = ["to:", "redirect:", "response:"];
            let goes = own.iter().any(|key| with.starts_with(key));
            let to = if goes { "" } else { "  to: http://x\n" };
            let is_tunnel = with.starts_with("to: tcp:");
            let from = if is_tunnel { "tcp+https://a.test:22" } else { "https://a.test" };
            format!("routes:\n- from: {from}\n{to}  {}\n", with.replace("\n{", "\n  {"))
        }
    }
}

/// What the proxy would run, without what only says where it was written.
fn runs(text: &str, shelf: &Shelf) -> Result<BTreeMap<String, usize>, String> {
    let input = Input { name: Some("config.yaml"), text };
    let draft = config::read(input, &Environment::new());
    let compiled = plan::compile_with(draft, shelf, Some(&StandIn));
    let (plan, _): (Plan, _) = compiled.map_err(|problems| {
        let words = problems.iter().map(|one| {
            format!(
                "{} {}
",
                one.code, one.what
            )
        });
        format!("{}{text}", words.collect::<String>())
    })?;
    let plan = Plan { id: "".into(), ..plan };
    let mut lines = BTreeMap::new();
    // tables without an order: the lines count, wherever they stand
    for line in format!("{plan:#?}").lines().map(str::trim) {
        let is_place = ["start:", "end:", "line:"].iter().any(|word| line.starts_with(word));
        if !is_place {
            *lines.entry(line.to_owned()).or_default() += 1;
        }
    }
    Ok(lines)
}
