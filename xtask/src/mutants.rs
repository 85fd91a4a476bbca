//! Breaking the code on purpose: a test that nothing can make fail tests nothing.

use std::{
    ffi::OsString,
    path::{Component, Path},
};

use crate::{
    shell::{Failure, Log, Outcome, cargo},
    tools,
};

/// The crates whose tests are asked, and the folder of each.
///
/// The tests of `crates/usher` go through the front door, so they are asked about both.
const CRATES: &[(&str, &str)] = &[("usher-rules", "crates/rules"), ("usher", "crates/usher")];

/// The code that decides who comes in, and what of it reaches the app.
const DECIDES: &[&str] = &[
    "crates/rules/src/policy/**/*.rs",
    "crates/rules/src/session/**/*.rs",
    "crates/rules/src/signin/**/*.rs",
    "crates/rules/src/names/**/*.rs",
    "crates/rules/src/fields/**/*.rs",
    "crates/rules/src/{secret,unproven,people}.rs",
    "crates/rules/src/people/**/*.rs",
    "crates/rules/src/problem/hidden.rs",
    "crates/usher/src/request/{authorize,identify,route,shape}/**/*.rs",
    "crates/usher/src/request/{answer,back,path,upgrade,workers}.rs",
    "crates/usher/src/request/forward/{tls,trailers,trust,websocket}.rs",
    "crates/usher/src/signin/**/*.rs",
    "crates/usher/src/idp/**/*.rs",
];

/// Mutates the files named, or [`DECIDES`] (`--all`).
pub fn run(arguments: &[String], log: &mut Log) -> Outcome {
    let (options, files): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|argument| argument.starts_with('-'));
    match options.as_slice() {
        [] if files.is_empty() => return Err(Failure::new("name files, or `--all`")),
        [] => {}
        [all] if all.as_str() == "--all" && files.is_empty() => {}
        _ => return Err(Failure::new("`mutants` takes files, or `--all` and nothing else")),
    }
    let chosen = files.iter().map(|file| inside(file)).collect::<Result<Vec<_>, _>>()?;
    log.step("cargo-mutants", tools::cargo_mutants)?;
    // Copied trees build in a folder of their own, and few of our tests like to share two cores.
    let mut command = cargo(["mutants", "--no-shuffle", "--jobs=1", "--colors=never"]);
    for (name, folder) in CRATES {
        if files.is_empty() || files.iter().any(|file| Path::new(file).starts_with(folder)) {
            command.args(["--package", name]);
        }
    }
    for file in chosen {
        command.arg("--file").arg(file);
    }
    if files.is_empty() {
        command.args(DECIDES.iter().flat_map(|glob| ["--file", glob]));
    }
    command.args(["--test-package=usher-rules,usher", "--", "--lib", "--test=*"]);
    log.command("mutants", &mut command)
}

/// A file of the crates whose tests are asked, as cargo-mutants wants it.
fn inside(file: &str) -> Result<OsString, Failure> {
    let path = Path::new(file);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && CRATES.iter().any(|(_, folder)| path.starts_with(folder)) {
        return Ok(path.into());
    }
    let folders = CRATES.iter().map(|(_, folder)| *folder).collect::<Vec<_>>().join(" or ");
    Err(Failure::new(format!(
        "`{file}` is no file below {folders}, from the root of the repository"
    )))
}
