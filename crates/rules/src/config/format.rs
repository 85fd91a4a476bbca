//! What a file is written in, told by its ending.

use std::path::Path;

use crate::{
    problem::{Place, Problem, Severity},
    yaml::{self, Extent, Parsed},
};

/// What a file is written in.
pub(super) enum Format {
    Yaml,
    Json,
    Toml,
    /// `NAME=value` lines.
    Variables,
}

/// The format is told by the file's ending, as Pomerium does it.
pub(super) fn of(name: Option<&str>) -> Result<Format, Problem> {
    let Some(name) = name else { return Ok(Format::Yaml) };
    match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml") => Ok(Format::Yaml),
        Some("json") => Ok(Format::Json),
        Some("toml") => Ok(Format::Toml),
        Some("env" | "dotenv") => Ok(Format::Variables),
        other => {
            let ending = other.unwrap_or_default();
            let what = format!(
                "a config file ends in `.yaml`, `.yml`, `.json`, `.toml` or `.env`, not in `{ending}`"
            );
            Err(Problem::new(Severity::Error, "U105", Place::Whole, what, "rename it"))
        }
    }
}

/// JSON is YAML, and has fewer mistakes in it.
pub(super) fn json(text: &str) -> Parsed {
    let mut parsed = yaml::parse(text);
    if let Some(problem) = not_json(text) {
        parsed.problems.retain(|other| other.code != "U101"); // the same in other words
        parsed.problems.push(problem);
        parsed.extent = Extent::Beginning;
    }
    parsed
}

/// Why a text is not JSON.
fn not_json(text: &str) -> Option<Problem> {
    if text.trim().is_empty() {
        return None;
    }
    let read = serde_json::from_str::<serde::de::IgnoredAny>(text.trim_start_matches('\u{feff}'));
    let error = read.err()?;
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut at = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let words = error.to_string();
    let words = words.split(" at line").next().unwrap_or_default();
    Some(Problem::error(
        "U107",
        at..at,
        format!("this is not JSON: {words}"),
        "correct it, or rename the file to `.yaml`",
    ))
}
