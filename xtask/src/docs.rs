//! Generated files: written anew by one chore, found stale by another.

use std::process::Command;

use crate::shell::{Failure, Log, Outcome, cargo, output, read, root, write};

/// Every crate that goes into the `usher` binary as it is shipped, and what brought it in.
const DEPENDENCIES: &str = "docs/reference/dependencies.txt";

/// `cargo xtask docs`: writes the generated files anew.
pub fn renew(log: &mut Log) -> Outcome {
    log.step("generated files", || write(&root().join(DEPENDENCIES), &dependencies()?))?;
    log.command("the page of performance", &mut performance())?;
    // pages, schema and reference of keys: their tests write them
    let mut keys = cargo(["test", "-p", "usher-rules", "--test", "compile", "fresh"]);
    log.command("the keys' page, schema and reference", keys.env("UPDATE", "1"))
}

/// Fails where a generated file is not what it would be if it were written now.
pub fn check(log: &mut Log) -> Outcome {
    log.step("generated files are fresh", || {
        let (kept, fresh) = (read(&root().join(DEPENDENCIES))?, dependencies()?);
        match first_difference(&kept, &fresh) {
            None => Ok(()),
            Some(line) => Err(Failure::new(format!(
                "{DEPENDENCIES} is stale at line {line}: run `cargo xtask docs` and look at the \
                 difference, a new dependency is a decision"
            ))),
        }
    })?;
    log.command("the page of performance is fresh", performance().args(["--", "--check"]))
}

/// Writes `docs/reference/performance.md` from the figures of the last whole comparison.
fn performance() -> Command {
    cargo(["run", "-q", "-p", "xtask", "--example=performance"])
}

/// The tree without folders of this machine, the same wherever it is made.
fn dependencies() -> Result<String, Failure> {
    let tree = output(&mut cargo([
        "tree",
        "--package=usher",
        "--no-default-features",
        "--edges=normal",
        "--target=x86_64-unknown-linux-gnu",
        "--prefix=depth",
        "--format= {p} {f}",
        "--locked",
    ]))?;
    Ok(tree.lines().map(|line| without_folder(line) + "\n").collect())
}

/// `usher v0.1.0 (/where/it/is)` without what stands in the parentheses.
fn without_folder(line: &str) -> String {
    match line.split_once(" (/") {
        Some((before, after)) => {
            let rest = after.split_once(')').map_or("", |(_, rest)| rest);
            format!("{before}{rest}").trim_end().to_owned()
        }
        None => line.trim_end().to_owned(),
    }
}

/// The first line, from 1, in which two texts differ.
fn first_difference(left: &str, right: &str) -> Option<usize> {
    let (mut left, mut right) = (left.lines(), right.lines());
    (1..).find_map(|number| match (left.next(), right.next()) {
        (None, None) => Some(None),
        (one, other) if one == other => None,
        (_, _) => Some(Some(number)),
    })?
}

#[cfg(test)]
mod tests {
    use super::{first_difference, without_folder};

    #[test]
    fn folders_are_left_out() {
        for (given, expected, why) in [
            ("0 usher v0.1.0 (/a/b) ", "0 usher v0.1.0", "our own crates are somewhere"),
            ("1 http v1.5.0 default,std", "1 http v1.5.0 default,std", "features stay"),
            ("1 http v1.5.0 std (*)", "1 http v1.5.0 std (*)", "so does the mark of a repetition"),
            ("1 a v0.1.0 (/a/b) (*)", "1 a v0.1.0 (*)", "both"),
        ] {
            assert_eq!(without_folder(given), expected, "{why}");
        }
    }

    #[test]
    fn differences() {
        for (left, right, expected, why) in [
            ("a\nb\n", "a\nb\n", None, "equal"),
            ("a\nb\n", "a\nc\n", Some(2), "a changed line"),
            ("a\n", "a\nb\n", Some(2), "a line more"),
            ("a\nb\n", "a\n", Some(2), "a line less"),
        ] {
            assert_eq!(first_difference(left, right), expected, "{why}");
        }
    }
}
