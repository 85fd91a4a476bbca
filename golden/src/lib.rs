//! Golden cases: what Pomerium Core answered to inputs that were written for the purpose, and what
//! usher answers to the same.
//!
//! A file holds one of four shapes, told apart by its members: policies with requests, mistakes in
//! policies, whole config files, tables of routes. Each case becomes a [`Case`]: what they answered
//! (or what is right where their answer is a hazard), and what we answer, part by part.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]
#![allow(clippy::indexing_slicing, reason = "a member that a JSON value has not is null")]

mod answer;
mod checks;
mod compiled;
mod config;
mod deviations;
mod failure;
mod frame;
mod hall;
mod policy;
mod records;
mod report;
mod shown;
mod table;
mod text;
mod upstream;
mod values;
mod world;

pub use self::{
    answer::{Answer, Case, Right},
    deviations::Deviations,
    failure::Failure,
    report::Report,
};
use serde_json::Value;

/// Asks usher every case of a file.
///
/// # Errors
///
/// [`Failure`]: the text is no file of golden cases, or has something that is not known here.
pub fn ask(name: &str, text: &str) -> Result<Vec<Case>, Failure> {
    let unclear = |what: String| Failure::Unclear { name: name.into(), what };
    let file: Value = serde_json::from_str(text).map_err(|error| unclear(error.to_string()))?;
    let cases = file["cases"].as_array().ok_or_else(|| unclear("no `cases`".into()))?;
    let has = |member: &str| file.get(member).is_some();
    let asked = match () {
        () if has("world") => policy::cases(&file, cases),
        () if has("base_config") => policy::mistakes(&file, cases),
        () if has("tables") => table::cases(&file, cases),
        () => config::cases(cases),
    };
    asked.map_err(unclear)
}
