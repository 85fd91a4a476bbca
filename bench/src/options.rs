//! What was asked for on the command line.

use std::path::PathBuf;

use crate::{compare::Programs, failure::Failure};

/// What was asked for.
#[derive(Debug)]
pub struct Options {
    /// The usher to measure; without one only its peers are.
    pub usher: Option<PathBuf>,
    /// An usher of an earlier day that is compared with it.
    pub before: Option<PathBuf>,
    /// The profile that it was built with, for the heading.
    pub profile: String,
    /// Whether to leave out what takes minutes.
    pub short: bool,
    /// Whether what is counted is to be what is known from now on.
    pub renew: bool,
    /// Of a siege, only the kinds whose name has this in it; of tunnels, `crowd` or `speed`.
    pub kind: Option<String>,
    /// Of a comparison, only these take part; all where none is named.
    pub contenders: Vec<String>,
    /// Of a comparison, only these tests; all where none is named.
    pub tests: Vec<String>,
    /// How often everything is measured.
    pub repetitions: Option<usize>,
    /// Where what was found is written.
    pub json: Option<PathBuf>,
    /// Where peers lie that no package brings.
    pub programs: Programs,
}

impl Options {
    /// Reads the words after the name of the measurement.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self {
            usher: None,
            before: None,
            profile: "release".into(),
            short: false,
            renew: false,
            kind: None,
            contenders: Vec::new(),
            tests: Vec::new(),
            repetitions: None,
            json: None,
            programs: Programs::default(),
        };
        while let Some(word) = words.next() {
            match &*word {
                "--short" | "--quick" => options.short = true,
                "--renew" => options.renew = true,
                "--usher" => options.usher = words.next().map(PathBuf::from),
                "--before" => options.before = words.next().map(PathBuf::from),
                "--peers-only" => options.usher = None,
                "--kind" => options.kind = words.next(),
                "--contenders" => options.contenders = list(words.next()),
                "--tests" => options.tests = list(words.next()),
                "--reps" => options.repetitions = Some(repetitions(words.next())?),
                "--json" => options.json = words.next().map(PathBuf::from),
                "--envoy" => options.programs.envoy = words.next().map(PathBuf::from),
                "--caddy" => options.programs.caddy = words.next().map(PathBuf::from),
                "--profile" => options.profile = words.next().unwrap_or_default(),
                other => return Err(Failure::Usage(format!("`{other}` is no option here"))),
            }
        }
        Ok(options)
    }
}

/// What stands between commas.
fn list(word: Option<String>) -> Vec<String> {
    let word = word.unwrap_or_default();
    word.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

fn repetitions(word: Option<String>) -> Result<usize, Failure> {
    let word = word.unwrap_or_default();
    let count = word.parse().ok().filter(|count| (1..=99).contains(count));
    count.ok_or_else(|| Failure::Usage(format!("--reps `{word}`: a number from 1 to 99")))
}
