//! The suites with real components, which live in `e2e/` and run on Node.

use std::process::Command;

use crate::shell::{Failure, Log, Outcome, cargo, found, root, target};

/// Builds what the suites start, then hands over to `e2e/run.mjs` with whatever was asked for.
pub fn run(arguments: &[String], log: &mut Log) -> Outcome {
    if !found("node") {
        return Err(Failure::new(
            "the suites need Node 20 or newer\nhint: apt-get install nodejs npm",
        ));
    }
    // With examples, so that features are those of `cargo test` and nothing is built twice.
    log.command("build", &mut cargo(["build", "--workspace", "--bins", "--examples"]))?;
    let built = target().join("debug");
    log.command(
        "end to end",
        Command::new("node")
            .arg("e2e/run.mjs")
            .args(arguments)
            .current_dir(root())
            .env("USHER_BIN", built.join("usher"))
            .env("CINEMA_BIN", built.join("examples/cinema")),
    )
}
