use std::fmt;

use usher_rules::problem::{Problem, Rendered, Severity, Span, Summary};

/// Problems beside the text that they are about, ready to be shown.
#[derive(Debug)]
pub struct Findings {
    /// The file's name as the operator gave it.
    pub file: String,
    pub(super) text: String,
    /// In the order of the file.
    pub(super) problems: Vec<Problem>,
}

impl Findings {
    /// All of them, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// In which line something of this text begins, from 1.
    pub fn line(&self, at: &Span) -> usize {
        let before = self.text.get(..at.start).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    /// How many there are.
    pub fn summary(&self) -> String {
        Summary { file: &self.file, problems: &self.problems }.to_string()
    }

    /// The first error in one line, as a log has it: `config.yaml:11:5 U110 unknown key …`.
    pub fn first_error(&self) -> String {
        let first = self.problems.iter().find(|problem| problem.severity == Severity::Error);
        first.map_or_else(
            || self.summary(),
            |problem| {
                format!("{} {} {}", self.rendered(problem).place(), problem.code, problem.what)
            },
        )
    }

    /// One object for each.
    pub fn to_json(&self) -> impl Iterator<Item = serde_json::Value> {
        self.problems.iter().map(|problem| self.rendered(problem).to_json())
    }

    fn rendered<'a>(&'a self, problem: &'a Problem) -> Rendered<'a> {
        Rendered { problem, file: &self.file, text: &self.text }
    }
}

impl fmt::Display for Findings {
    /// Each with its place and a blank line after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| write!(f, "{}\n\n", self.rendered(problem)))
    }
}
