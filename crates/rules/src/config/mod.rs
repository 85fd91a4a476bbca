//! The config file as it was written: keys, types, and every problem with its place.
//!
//! Reading has two steps. Here a text and an environment become a [`Draft`]: each key is known,
//! has the right type, and knows where it stands. `plan::compile` then judges what the values
//! mean together. Both report everything they find, so one run shows every problem.
//!
//! A key is one item of [`keys`], and its value is read once, here; `docs/reference/config.md` is made
//! from the items. Facts: `pomerium-config.md` §1 to §3 as corrected by what was measured.

mod dotenv;
mod draft;
pub mod duration;
pub mod effective;
mod entry;
mod environment;
mod format;
pub mod keys;
mod toml;
pub(crate) mod upgrades;
pub mod values;
pub mod words;

pub(crate) use dotenv::NO_VARIABLE;
pub use draft::{Draft, Given, Section, Source, read};
pub use effective::Effective;

/// Reads the files that a config names (`*_file`, certificates). The pure half has no disk.
pub trait Files {
    /// The whole file.
    ///
    /// # Errors
    ///
    /// Why it can't be read, in the words of the system.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// For a config that names no files, as most texts in tests and benchmarks do.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("{path} is not there: no files belong to this config"))
    }
}

/// A config before anything was understood.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The file's name, whose ending tells the format; `None` for an environment without file.
    pub name: Option<&'a str>,
    /// The file's text.
    pub text: &'a str,
}

/// Environment variables by name: a snapshot that the caller took.
pub type Environment = std::collections::BTreeMap<String, String>;
