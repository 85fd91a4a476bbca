//! A config text, as `usher check` and `usher run` compile it.

use std::collections::BTreeMap;

use usher_rego::Regorus;
use usher_rules::{
    config::{self, Environment, Files, Input},
    plan::{self, Plan},
    problem::{Place, Problem, Severity},
};

/// Warnings about the names that recorded configs are written with say nothing of the case.
const PLACEHOLDER: &str = "U506";

/// A config that was compiled: a plan, or why there is none.
pub(crate) struct Compiled {
    /// What would be served.
    pub plan: Option<Plan>,
    /// Codes of what was said about it: of errors where there is no plan, else of warnings.
    pub codes: Vec<String>,
    /// The same in words.
    pub said: Vec<String>,
    /// Where they are, as offsets into the text.
    pub at: Vec<usize>,
}

/// Files that exist only here.
#[derive(Default)]
pub(crate) struct Folder(pub BTreeMap<String, Vec<u8>>);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }
}

fn offset(place: &Place) -> Option<usize> {
    match place {
        Place::File(span) => Some(span.start),
        Place::Environment(_) | Place::Whole => None,
    }
}

/// A table of routes without those that are refused, as its operator would take them out. What is
/// wrong with the whole stays refused.
pub(crate) fn without_refused(text: &str) -> Compiled {
    const ROUTE: &str = "\n- from:";
    let mut text = text.to_owned();
    loop {
        let compiled = compile(Some("config.yaml"), &text, &Environment::new(), &Folder::default());
        let starts: Vec<usize> = text.match_indices(ROUTE).map(|(at, _)| at).collect();
        let first = compiled.at.iter().min().copied();
        let begin = first.and_then(|at| starts.iter().rfind(|start| **start < at).copied());
        let (None, Some(begin)) = (&compiled.plan, begin) else { return compiled };
        let end = starts.iter().find(|start| **start > begin).copied().unwrap_or(text.len());
        text.replace_range(begin..end, "");
    }
}

/// Compiles a text under a file's name.
pub(crate) fn compile(
    name: Option<&str>,
    text: &str,
    env: &Environment,
    files: &Folder,
) -> Compiled {
    let (plan, problems) =
        match plan::compile_with(config::read(Input { name, text }, env), files, Some(&Regorus)) {
            Ok((plan, problems)) => (Some(plan), problems),
            Err(problems) => (None, problems),
        };
    let wanted = if plan.is_some() { Severity::Warning } else { Severity::Error };
    let counts = |problem: &&Problem| problem.severity == wanted && problem.code != PLACEHOLDER;
    let said: Vec<&Problem> = problems.iter().filter(counts).collect();
    let words = |problem: &&Problem| format!("{} {}", problem.code, problem.what);
    Compiled {
        plan,
        codes: said.iter().map(|problem| problem.code.to_owned()).collect(),
        said: said.iter().map(words).collect(),
        at: said.iter().filter_map(|problem| offset(&problem.at)).collect(),
    }
}
