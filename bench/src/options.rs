//! What was asked for on the command line.

use std::path::PathBuf;

use crate::failure::Failure;

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
        };
        while let Some(word) = words.next() {
            match &*word {
                "--short" | "--quick" => options.short = true,
                "--renew" => options.renew = true,
                "--usher" => options.usher = words.next().map(PathBuf::from),
                "--before" => options.before = words.next().map(PathBuf::from),
                "--peers-only" => options.usher = None,
                "--kind" => options.kind = words.next(),
                "--profile" => options.profile = words.next().unwrap_or_default(),
                other => return Err(Failure::Usage(format!("`{other}` is no option here"))),
            }
        }
        Ok(options)
    }
}
