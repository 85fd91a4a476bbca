//! The direction of `use` is a test, not a wish: see `ARCHITECTURE.md`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/event_words.rs"]
mod event_words;
#[path = "architecture/flags.rs"]
mod flags;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Ground floor first. Rooms that share a floor are strangers.
const FLOORS: &[&[&str]] = &[
    &["request"],
    &["signin", "idp", "store", "certs", "jellyfin"],
    &["doctor"],
    &["server"],
    &["reload"],
    &["cli"],
];

/// The folders of `request/`, in the order of the path. No step looks ahead.
const STEPS: &[&str] =
    &["accept", "tls", "route", "identify", "authorize", "shape", "forward", "record"];

/// Everything in `request/`, steps and loose files alike: none uses what comes after it. Who adds a
/// file says here whose word it may know: what every step may say, what is known before anybody knows
/// where it belongs, steps, answers, what every request meets, ways out. `mod.rs` is in front of all.
const PATH: &str = "words caught boxed language local accept tls oversize read_once seen route identify authorize shape forward \
                    record tls_words body brand own refusal app door journey upgrade whole workers back message trouble challenge answer by_route by_token inquiry beside \
                    path";

/// What the pure crates must not even be able to name.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "hyper-util",
    "rusqlite",
    "socket2",
    "rustls",
    "tokio-rustls",
    "tempfile",
    "openidconnect",
    "getrandom",
    "rand",
];

/// Longer than this, and a file is two files.
const LINES: usize = 450;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Every `.rs` file below `folder`, as `/`-separated paths relative to it, in order.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The module that a file is: `request/forward/mod.rs` is `request`, `forward`.
fn module(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("mod").trim_end_matches('/');
    path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

/// The text without its comments: prose may name what it likes.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every path into this crate that a file names, `use` trees spelled out.
fn named(file: &str, text: &str) -> Vec<Vec<String>> {
    let text = code(text);
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let before = text[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || "_:$".contains(before) {
                continue; // the middle of a longer path
            }
            let mut here = module(file);
            let mut rest = &text[at..];
            if let Some(after) = rest.strip_prefix("crate::") {
                (here, rest) = (Vec::new(), after);
            }
            while let Some(after) = rest.strip_prefix("super::") {
                here.pop();
                rest = after;
            }
            tree(&here, rest, &mut paths);
        }
    }
    paths
}

/// Spells out `a::{b, c::d}` below `here`, and returns what comes after it.
fn tree<'a>(here: &[String], text: &'a str, paths: &mut Vec<Vec<String>>) -> &'a str {
    let mut here = here.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(mut inside) = rest.strip_prefix('{') {
            loop {
                inside = tree(&here, inside, paths).trim_start();
                match inside.strip_prefix(',') {
                    Some(more) if !more.trim_start().starts_with('}') => inside = more,
                    Some(more) => return more.trim_start().strip_prefix('}').unwrap_or_default(),
                    None => return inside.strip_prefix('}').unwrap_or_default(),
                }
            }
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 {
            here.push(rest[..end].to_owned());
        }
        match rest[end..].strip_prefix("::") {
            Some(more) => rest = more,
            None => {
                paths.push(here);
                let other = rest[end..].trim_start();
                // `a as b` and `*` end a branch too
                return other.find([',', '}', ';']).map_or("", |at| &other[at..]);
            }
        }
    }
}

/// What is wrong with naming `there` from `file`, if anything.
fn offence(file: &str, there: &[String]) -> Option<String> {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let place =
        |name: Option<&String>| PATH.split(' ').position(|part| Some(part) == name.map(|s| &**s));
    let here = module(file);
    let (from, to) = (here.first()?, there.first()?);
    let upward = if from == to {
        from == "request" && place(here.get(1)).is_some_and(|own| place(there.get(1)) > Some(own))
    } else {
        floor(to)? >= floor(from)?
    };
    upward.then(|| format!("{file}: must not use `{}`", there.join("::")))
}

#[test]
fn directions() {
    for (file, line, allowed) in [
        ("signin/callback.rs", "use crate::request::identify::SessionStore;", true),
        ("request/identify/mod.rs", "use crate::signin::cookie;", false),
        ("request/forward/pool.rs", "use crate::request::authorize::Permitted;", true),
        ("request/route/mod.rs", "use crate::request::forward::Pool;", false),
        ("request/route/mod.rs", "use super::forward::Pool;", false),
        ("request/route/choose.rs", "use super::super::{Body, forward::Pool};", false),
        (
            "request/route/mod.rs",
            "use crate::{request::{\n  accept::Tasks,\n  record::Access}};",
            false,
        ),
        ("request/route/mod.rs", "// crate::request::forward comes later", true),
        ("request/mod.rs", "use crate::request::forward;", true), // the front sees all steps
        ("request/seen.rs", "use super::route::Routed;", false),
        ("request/path.rs", "use super::{answer, forward::Sent};", true),
        ("request/shape/mod.rs", "use crate::request::own::OwnPages;", false),
        ("request/shape/mod.rs", "fn f(p: crate::store::People) {}", false),
        ("idp/people.rs", "use crate::{request::Body, certs::Renewal};", false),
        ("server.rs", "use crate::{signin, store as db, certs::*};", true),
        ("certs/mod.rs", "use crate::server::Server;", false),
        ("cli/run.rs", "use crate::server;", true),
        ("server.rs", "use crate::cli;", false),
    ] {
        let offences: Vec<_> =
            named(file, line).iter().filter_map(|there| offence(file, there)).collect();
        assert_eq!(offences.is_empty(), allowed, "{file}: {line}: {offences:?}");
    }
}

#[test]
fn every_file_keeps_the_direction() {
    let sources = sources(&root().join("crates/usher/src"));
    let offences: Vec<_> = sources
        .iter()
        .filter(|(file, _)| !["lib.rs", "main.rs"].contains(&&**file))
        .flat_map(|(file, text)| named(file, text).into_iter().map(move |there| (file, there)))
        .filter_map(|(file, there)| offence(file, &there))
        .collect();
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

/// What was checked is what runs: who has another way to a plan has one that checks less.
#[test]
fn nobody_but_load_compiles() {
    let mut found = Vec::new();
    for (file, text) in sources(&root().join("crates/usher/src")) {
        let text = code(text.split("#[cfg(test)]").next().unwrap_or_default());
        let compiles = ["config::read", "plan::compile", "compile(", "Draft"];
        if !file.contains("tests") && compiles.iter().any(|word| text.contains(word)) {
            found.push(file);
        }
    }
    assert_eq!(found, ["reload/load.rs"]);
}

/// Those of the file beside it.
fn holds_tests_alone(folder: &Path) -> bool {
    let Ok(mut files) = fs::read_dir(folder) else { return false };
    files.all(|file| file.unwrap().file_name() == "tests.rs")
}

/// A room that is not on the list would be outside every rule above.
#[test]
fn every_room_and_every_step_is_listed() {
    let lib = fs::read_to_string(root().join("crates/usher/src/lib.rs")).unwrap();
    let rooms: Vec<_> = code(&lib).lines().filter_map(declared).map(str::to_owned).collect();
    assert!(!rooms.is_empty());
    for room in &rooms {
        assert!(FLOORS.iter().any(|floor| floor.contains(&&**room)), "`{room}` has no floor");
    }
    for folder in fs::read_dir(root().join("crates/usher/src/request")).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let is_step = STEPS.contains(&&*name) || holds_tests_alone(&folder);
        assert!(!folder.is_dir() || is_step, "`request/{name}` is no step");
        let part = name.trim_end_matches(".rs");
        assert!(
            part == "mod" || PATH.split(' ').any(|known| known == part),
            "`request/{name}` has no place on the path"
        );
    }
}

/// The name in `pub mod name;` or `mod name;`.
fn declared(line: &str) -> Option<&str> {
    line.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')
}

/// Each step begins with what it takes, what it gives, and what it never does.
#[test]
fn every_step_has_a_page_at_its_door() {
    for step in STEPS {
        let door = root().join(format!("crates/usher/src/request/{step}/mod.rs"));
        let text = fs::read_to_string(&door).unwrap();
        let page = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(page >= 5, "request/{step}/mod.rs opens with {page} lines of documentation");
    }
}

#[test]
fn the_pure_half_cannot_do_io() {
    for pure in ["rules", "pages"] {
        let manifest = root().join(format!("crates/{pure}/Cargo.toml"));
        let text = fs::read_to_string(manifest).unwrap();
        let normal = text.split("[dependencies]").nth(1).unwrap();
        let normal = normal.split("\n[").next().unwrap();
        for line in normal.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(!IMPURE.contains(&name), "crates/{pure} depends on {name}");
        }
        for (file, text) in sources(&root().join(format!("crates/{pure}/src"))) {
            let text = code(text.split("#[cfg(test)]").next().unwrap_or_default());
            for io in ["std::net::Tcp", "std::net::Udp", "std::fs", "std::env", "std::process"] {
                let tests = file.ends_with("tests.rs");
                assert!(tests || !text.contains(io), "crates/{pure}/src/{file} uses {io}");
            }
        }
    }
}

/// Where something is begun that runs by itself. Whoever adds a place says here what becomes of it
/// when it panics.
const BEGUN: &[(&str, &str)] = &[
    ("request/accept/tasks.rs", "connections and their streams: told, and theirs alone"),
    ("server/supervisor.rs", "chores: told, and started again"),
    ("server/cores.rs", "threads that only run what the supervisor keeps"),
    ("store/writer.rs", "each job is caught"),
    ("request/record/sink.rs", "each write is caught"),
    ("idp/passwords.rs", "a check that panics is a check that failed"),
    ("server/metrics/mod.rs", "a scrape that panics is a 500"),
    ("cli/signals.rs", "waits for a second signal, and ends the process"),
    ("cli/demo.rs", "the demo's own"),
    ("cli/tcp/login.rs", "a laptop's sign-in: each visitor of its port is heard beside the others"),
    ("cli/tcp/mod.rs", "a laptop's tunnels: each is one connection, and its user sees it end"),
    ("doctor/upstreams.rs", "tries of a doctor, which are waited for"),
    ("request/forward/probe.rs", "one try, which is waited for"),
];

/// A task that dies in silence is a certificate that nobody renews.
#[test]
fn what_runs_by_itself_is_kept_running() {
    const BEGINS: &[&str] = &[
        "spawn_chore(",
        "tokio::spawn",
        "task::spawn",
        "thread::spawn",
        "thread::Builder",
        "spawn_local",
        "spawn_blocking",
        "JoinSet",
        "TokioExecutor::new",
    ];
    // One visit's client: what it spawns is one connection, which is not kept.
    const VISITORS: &[&str] = &["request/forward/own_client.rs"];
    let mut found = Vec::new();
    for (file, text) in sources(&root().join("crates/usher/src")) {
        let text = code(text.split("#[cfg(test)]").next().unwrap_or_default());
        let begins = BEGINS.iter().any(|begin| text.contains(begin));
        if begins && !file.contains("tests") && !VISITORS.contains(&&*file) {
            found.push(file);
        }
    }
    let mut named: Vec<_> = BEGUN.iter().map(|(file, _)| (*file).to_owned()).collect();
    named.sort();
    assert_eq!(found, named);
}

/// What reads files, resolves names or starts programs runs on no thread that serves by then.
#[test]
fn no_serving_thread_waits_for_a_disk() {
    const WAITS: &[&str] = &[
        "fs::",
        "File::",
        "OpenOptions",
        "to_socket_addrs",
        "net::TcpStream",
        "net::UdpSocket",
        "block_on",
        "blocking_recv",
        "blocking_send",
        "process::",
        "Command::",
        "rusqlite",
        "load_native_certs",
        "thread::sleep",
        ".exists()",
        ".is_dir()",
        ".is_file()",
        "read_dir",
        "current_dir",
        "canonicalize",
        "stdin",
        "stdout",
        "stderr",
    ];
    const SERVE: &[&str] = &["request/", "signin/", "idp/", "server/"];
    // Each with why it holds nobody up.
    const NAMED: &[(&str, &str)] = &[
        ("request/forward/dial.rs", "the runtime's sockets, which wait for nobody"),
        ("request/forward/trust.rs", "the system's roots, once, at the start"),
        ("request/tls/stream.rs", "the runtime's sockets, which wait for nobody"),
        ("server/cores.rs", "the runtimes themselves"),
        ("server/files.rs", "a limit of the process, at the start"),
        ("server/mod.rs", "`stop`, after the last answer"),
        ("server/sign_in_host.rs", "at the start"),
    ];
    let mut found = Vec::new();
    for (file, text) in sources(&root().join("crates/usher/src")) {
        let text = code(text.split("#[cfg(test)]").next().unwrap_or_default());
        let serves = SERVE.iter().any(|folder| file.starts_with(folder)) && !file.contains("tests");
        let text = text.replace("tokio::net::", "").replace("tokio::fs::", "");
        let waits: Vec<_> = WAITS.iter().filter(|waits| text.contains(**waits)).collect();
        if serves && !waits.is_empty() && !NAMED.iter().any(|(named, _)| *named == file) {
            found.push(format!("{file}: {waits:?}"));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Sessions and people may come to live in another database: whoever asks for them knows traits.
#[test]
fn only_the_store_names_its_database() {
    let names: Vec<_> = sources(&root().join("crates/usher/src"))
        .into_iter()
        .filter(|(file, text)| {
            !file.starts_with("store/") && code(text).to_ascii_lowercase().contains("sqlite")
        })
        .map(|(file, _)| file)
        .collect();
    assert!(names.is_empty(), "{names:?} name the store's database");
}

#[test]
fn no_file_is_two_files() {
    let mut long = Vec::new();
    for folder in ["crates", "xtask", "bench"] {
        for (file, text) in sources(&root().join(folder)) {
            let lines = text.lines().count();
            if lines > LINES {
                long.push(format!("{folder}/{file}: {lines} lines"));
            }
        }
    }
    assert!(long.is_empty(), "more than {LINES} lines\n{}", long.join("\n"));
}

/// The words that say nothing (`style.md`): a file of such a name collects what belongs elsewhere.
#[test]
fn no_file_is_called_after_nothing() {
    for folder in ["crates", "xtask", "bench"] {
        for (file, _) in sources(&root().join(folder)) {
            for part in module(&file) {
                let empty =
                    ["util", "utils", "common", "helper", "helpers", "manager", "handler", "misc"];
                assert!(!empty.contains(&&*part), "{folder}/{file}");
            }
        }
    }
}

/// Where the kinds of providers are told apart. All else goes by what a provider can do, so that
/// another kind is one item there and not a case in twenty places.
const KINDS_OF_PROVIDERS: &[&str] = &[
    "rules/src/plan/compile/provider.rs",
    "rules/src/plan/compile/service.rs",
    "rules/src/plan/provider.rs",
    "usher/src/signin/identity_provider.rs",
];

#[test]
fn kinds_of_providers_are_told_apart_in_one_place() {
    let mut found = Vec::new();
    for (file, text) in ["rules", "usher"].iter().flat_map(|name| {
        let files = sources(&root().join(format!("crates/{name}/src")));
        files.into_iter().map(move |(file, text)| (format!("{name}/src/{file}"), text))
    }) {
        let text = code(text.split("#[cfg(test)]").next().unwrap_or_default());
        let kinds = ["Builtin", "Oidc(", "Hosted("];
        let names = kinds.iter().any(|kind| text.contains(&format!("Provider::{kind}")));
        let tests = file.contains("tests");
        if file == "rules/src/plan/provider.rs" || (names && !tests) {
            found.push(file);
        }
    }
    assert_eq!(found, KINDS_OF_PROVIDERS);
}
