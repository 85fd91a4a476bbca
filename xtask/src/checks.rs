//! What must hold before a change goes in: tests, and everything that is not a test.

use crate::{
    docs,
    shell::{Log, Outcome, cargo},
    tools,
};

/// Builds the workspace once and runs every test in it, doctests included.
///
/// `arguments` go to `cargo test`, to choose among the tests.
pub fn test(arguments: &[String], log: &mut Log) -> Outcome {
    needed()?;
    // A failing test crate must not hide what the next one has to say.
    let everything = ["test", "--workspace", "--no-fail-fast"];
    if arguments.is_empty() {
        log.command("build", &mut cargo(["test", "--workspace", "--no-run"]))?;
    }
    log.command("tests", cargo(everything).args(arguments))
}

/// Real parts that tests start: `(program, Debian package)`.
const PARTS: &[(&str, &str)] = &[
    ("pebble", "pebble"),
    ("/usr/sbin/knotd", "knot"),
    ("certutil", "libnss3-tools"),
    ("openssl", "openssl"),
    ("curl", "curl"),
];

/// Makes sure that what the tests start is there.
pub fn needed() -> Outcome {
    tools::debian(PARTS)
}

/// `cargo xtask cases`: asks usher what Pomerium was asked. Files of the same shape may be given.
pub fn cases(files: &[String], log: &mut Log) -> Outcome {
    let mut command = cargo(["run", "-q", "-p", "usher-golden", "--"]);
    log.command("golden cases", command.args(files))
}

/// What a million steps need: our own code optimised. What it stands on is taken as tests have built
/// it, and neither takes the place of the other's.
const OPTIMISED: [&str; 4] = [
    "--config",
    "profile.dev.package.usher.opt-level=2",
    "--config",
    "profile.dev.package.usher-rules.opt-level=2",
];

/// A million steps of each state machine of sign-in, in simulated time, one machine after another; or
/// of those whose name has one of these words in it.
pub fn machines(names: &[String], log: &mut Log) -> Outcome {
    let steps = |which: &[&str], names: &[String], log: &mut Log| {
        let mut command = cargo(["test", "-p", "usher"]);
        command.args(OPTIMISED).args(which).args(["--", "--test-threads=1"]).args(names);
        log.command("machines", command.env("USHER_STEPS", "1000000"))
    };
    steps(&["--test", "machines"], names, log)?;
    if !names.is_empty() {
        return Ok(());
    }
    steps(&["--lib"], &["signin::tests::machine".to_owned()], log)
}

/// Lists the longest functions, and fails where one is too long.
pub fn lines(log: &mut Log) -> Outcome {
    log.command("length of functions", &mut cargo(["run", "-q", "-p", "xtask", "--example=lines"]))
}

/// Formatting, lints, documentation, generated files and dependencies.
pub fn check(log: &mut Log) -> Outcome {
    log.command("formatting", &mut cargo(["fmt", "--all", "--check"]))?;
    log.command(
        "lints",
        &mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    )?;
    log.command(
        "lints, as shipped",
        &mut cargo(["clippy", "--package=usher", "--no-default-features", "--", "-D", "warnings"]),
    )?;
    log.command(
        "lints, with rules in Rego",
        &mut cargo(["clippy", "--package=usher", "--features=rego", "--", "-D", "warnings"]),
    )?;
    log.command(
        "documentation",
        cargo(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"])
            // our readers see private items too: a link to one leads somewhere
            .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"),
    )?;
    lines(log)?;
    docs::check(log)?;
    let deny = log.step("cargo-deny", tools::cargo_deny)?;
    log.command(
        "bans, licences, sources",
        std::process::Command::new(deny)
            .args(["--all-features", "check", "bans", "licenses", "sources"])
            .current_dir(crate::shell::root()),
    )
}
