//! Rules that nothing can meet: methods that no request has, claims that are not kept.

use super::{
    Policy,
    criterion::{About, NeverMet},
    rule::{Clause, Term},
};
use crate::{
    names::registered_methods,
    problem::{Place, Problem, Severity},
};

impl Policy {
    /// Operands that nothing can meet, where the config lets these methods in beside the
    /// registered ones. An error where that lets more people in, else a warning.
    pub fn never_met(&self, added: &[Box<str>]) -> Vec<Problem> {
        let known: Vec<&str> =
            registered_methods().iter().copied().chain(added.iter().map(|name| &**name)).collect();
        let clauses = self.deny.clauses.iter().chain(&self.allow.clauses);
        let terms = clauses.flat_map(|clause| clause.terms.iter().map(move |term| (clause, term)));
        terms.flat_map(|(clause, term)| problems(clause, term, &known)).collect()
    }
}

impl Policy {
    /// The first criterion that is about that: where it stands, and its name.
    pub fn first_about(&self, about: About) -> Option<(Place, &str)> {
        let clauses = self.deny.clauses.iter().chain(&self.allow.clauses);
        let term = clauses
            .flat_map(|clause| &clause.terms)
            .find(|term| term.criterion.asked().about() == about)?;
        let name = term.name.rsplit(' ').next().unwrap_or_default();
        Some((Place::File(term.span.clone()?), name))
    }
}

fn problems(clause: &Clause, term: &Term, known: &[&str]) -> Vec<Problem> {
    let Some(at) = &term.span else { return Vec::new() };
    let problem = |NeverMet { code, negates, what, help }| {
        // What is met by nothing never holds; its negation always does.
        let harmless = negates == clause.keeps_out();
        let severity = if harmless { Severity::Warning } else { Severity::Error };
        Problem::new(severity, code, Place::File(at.clone()), what, help)
    };
    term.criterion.asked().never_met(known).into_iter().map(problem).collect()
}
