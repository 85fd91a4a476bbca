use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use crate::{
    Deviations,
    answer::{Answer, Case, Right},
};

/// How many cases agree, differ on purpose, and differ.
#[derive(Debug, Default)]
pub struct Report {
    agreed: usize,
    deviations: BTreeMap<String, usize>,
    disagreements: BTreeMap<String, usize>,
    opened: usize,
}

impl Report {
    /// Counts the cases of one file, and tells of every one that differs.
    pub fn take(&mut self, file: &str, cases: Vec<Case>, deviations: &Deviations) -> String {
        let mut said = String::new();
        let (all, before) = (cases.len(), self.agreed);
        for case in cases {
            if case.agrees() {
                self.agreed += 1;
            } else if let Some(why) = deviations.why(&case) {
                *self.deviations.entry(why.to_owned()).or_default() += 1;
            } else {
                *self.disagreements.entry(case.kind.clone()).or_default() += 1;
                self.opened += usize::from(case.opens());
                let _infallible = write!(said, "{}", told(&case));
            }
        }
        let _infallible = writeln!(said, "{file}: {} of {all} agree", self.agreed - before);
        said
    }

    /// Counts of all files.
    pub fn summary(&self) -> String {
        let (deviations, differ) = (self.deviations(), self.disagreements());
        let all = self.agreed + deviations + differ;
        let mut said = format!(
            "{} of {all} agree, {deviations} deviate as decided, {differ} disagree; {} of them let in \
             whom the other keeps out\n",
            self.agreed, self.opened
        );
        for (why, count) in &self.deviations {
            let _infallible = writeln!(said, "{count:6} deviate: {why}");
        }
        for (kind, count) in &self.disagreements {
            let _infallible = writeln!(said, "{count:6} disagree: {kind}");
        }
        said
    }

    /// Cases that differ as it was decided.
    pub fn deviations(&self) -> usize {
        self.deviations.values().sum()
    }

    /// Cases that differ, and nobody decided so.
    pub fn disagreements(&self) -> usize {
        self.disagreements.values().sum()
    }

    /// The same, for each kind that has some.
    pub fn open_kinds(&self) -> &BTreeMap<String, usize> {
        &self.disagreements
    }

    /// Those of them in which we let in whom the other keeps out.
    pub fn opened(&self) -> usize {
        self.opened
    }

    /// Does every case agree, or differ as it was decided, those fewer than 3 of 100?
    pub fn is_content(&self) -> bool {
        let all = self.agreed + self.deviations();
        self.disagreements() == 0 && self.deviations() * 100 < all * 3
    }
}

/// A case that differs, in a few lines.
fn told(case: &Case) -> String {
    let mut said = format!("{} ({}): {}\n", case.id, case.kind, case.about);
    if !case.hazard.is_empty() {
        let _infallible = writeln!(said, "    hazard: {}", case.hazard);
    }
    for right in &case.right {
        let _infallible = match right {
            Right::Answer(theirs) => writeln!(said, "    theirs: {}", shown(theirs)),
            Right::WithWarning(theirs) => {
                writeln!(said, "    right with a warning: {}", shown(theirs))
            }
            Right::SlashesAsOne => writeln!(said, "    right: as if two slashes were one"),
        };
    }
    let codes = case.codes.join(" ");
    let _infallible = writeln!(said, "    ours:   {} {codes}", shown(&case.ours));
    said
}

fn shown(answer: &Answer) -> String {
    let part = |(part, value): (&String, &Value)| format!("{part}={value}");
    answer.iter().map(part).collect::<Vec<_>>().join(" ")
}
