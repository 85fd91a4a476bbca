//! What is tried with inputs that nobody thought of: one target for each parser and each state
//! machine of the pure half.
//!
//! A target asserts what must hold of *every* input. `smoke` runs each over its seeds and a fixed
//! number of changed seeds, the same on every run; `any` runs one under libFuzzer for as long as
//! somebody wants. Seeds are the corpora that the tests read as well.

mod seeds;
mod targets;

pub use seeds::seeds;

/// One thing to try.
#[derive(Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Tries one input; panics where something does not hold.
    pub run: fn(&[u8]),
    /// Files of seeds, from the root of the repository: `.txt` holds one a line, others are one.
    pub seeds: &'static [&'static str],
}

/// Every target.
pub const TARGETS: &[Target] = targets::ALL;

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
