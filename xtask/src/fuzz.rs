//! Inputs that nobody thought of: `fuzz/`.

use std::process::Command;

use crate::shell::{Failure, Log, Outcome, cargo, found, root, run, target};

/// Every target over its seeds and a fixed number of changed seeds, or one under libFuzzer until
/// it is stopped; what follows its name goes to libFuzzer.
pub fn run_targets(arguments: &[String], log: &mut Log) -> Outcome {
    match arguments.split_first() {
        None => smoke(log),
        Some((name, rest)) => one(name, rest),
    }
}

fn smoke(log: &mut Log) -> Outcome {
    log.command("fuzz targets", smoke_program().arg("--"))
}

/// `fuzz/` is outside the workspace, and shares its folder of what was built.
fn smoke_program() -> Command {
    let mut command = cargo(["run", "--quiet", "--bin", "smoke"]);
    command
        .args(["--manifest-path", "fuzz/Cargo.toml"])
        .env("CARGO_TARGET_DIR", target().join("fuzz"));
    command
}

fn one(name: &str, rest: &[String]) -> Outcome {
    if !found("cargo-fuzz") {
        let hint = "hint: cargo install --locked cargo-fuzz";
        return Err(Failure::new(format!("cargo-fuzz is missing\n{hint}")));
    }
    let corpus = root().join("fuzz/corpus").join(name);
    run(smoke_program().args(["--", "seeds", name]).arg(&corpus))?;
    // Without a sanitizer the stable compiler will do: the pure half has no `unsafe`.
    run(cargo(["fuzz", "run", "--features", "libfuzzer", "--sanitizer", "none", "any"])
        .arg(&corpus)
        .arg("--")
        .args(rest)
        .env("USHER_FUZZ_TARGET", name))
}
