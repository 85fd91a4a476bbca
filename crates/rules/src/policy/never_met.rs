//! Rules that nothing can meet: methods and paths that no request has, claims that are not kept.

use super::{
    Policy,
    criterion::{About, MetBy, NeverMet, Possible},
    rule::{Clause, Term},
};
use crate::{
    names::{EscapedSlashes, registered_methods},
    problem::{Place, Problem, Severity},
};

impl Policy {
    /// Operands that nothing can meet, where the config lets these methods in beside the
    /// registered ones and does this with escaped slashes. An error where that lets more people
    /// in, else a warning.
    pub fn never_met(&self, added: &[Box<str>], slashes: EscapedSlashes) -> Vec<Problem> {
        let methods: Vec<&str> =
            registered_methods().iter().copied().chain(added.iter().map(|name| &**name)).collect();
        let possible = Possible { methods: &methods, slashes };
        let terms = self.terms_to_judge();
        terms.flat_map(|(clause, term)| problems(clause, term, possible)).collect()
    }

    /// What problems are looked for in: what a refused one says of itself, too.
    pub(super) fn terms_to_judge(&self) -> impl Iterator<Item = (&Clause, &Term)> {
        let sides = [&self.deny, &self.allow, &self.refused];
        let clauses = sides.into_iter().flat_map(|side| &side.clauses);
        clauses.flat_map(|clause| clause.terms.iter().map(move |term| (clause, term)))
    }

    /// The first criterion that is about that: where it stands, and its name.
    pub fn first_about(&self, about: About) -> Option<(Place, &str)> {
        self.first(|term| term.criterion.asked().about() == about)
    }

    /// The first criterion that asks for a passkey: where it stands, and its name.
    pub fn first_of_passkeys(&self) -> Option<(Place, &str)> {
        self.first(|term| term.criterion.is_of_passkey())
    }

    /// The first criterion that asks for a device.
    pub fn first_of_devices(&self) -> Option<(Place, &str)> {
        self.first(|term| term.criterion.asked().device_kind().is_some())
    }

    fn first(&self, is_it: impl Fn(&Term) -> bool) -> Option<(Place, &str)> {
        let term = self.terms_to_judge().map(|(_, term)| term).find(|term| is_it(term))?;
        let name = term.name.rsplit(' ').next().unwrap_or_default();
        Some((Place::File(term.span.clone()?), name))
    }
}

fn problems(clause: &Clause, term: &Term, possible: Possible<'_>) -> Vec<Problem> {
    let Some(at) = &term.span else { return Vec::new() };
    let problem = |NeverMet { code, by, negates, what, help }| {
        // What is met by nothing never holds; its negation always does.
        let harmless = by == MetBy::Little || negates == clause.keeps_out();
        let severity = if harmless { Severity::Warning } else { Severity::Error };
        Problem::new(severity, code, Place::File(at.clone()), what, help)
    };
    term.criterion.asked().never_met(possible).into_iter().map(problem).collect()
}
