//! Rules that every request meets, whoever makes it: they look like limits, and are none.

use super::{
    Policy,
    criterion::Possible,
    rule::{Clause, Effect, Operator, Term},
};
use crate::{
    names::{EscapedSlashes, registered_methods},
    problem::{Place, Problem, Severity},
};

impl Policy {
    /// A warning for each, with its effect, where the config lets these methods in beside the
    /// registered ones.
    pub fn always_met(&self, added: &[Box<str>], slashes: EscapedSlashes) -> Vec<Problem> {
        let methods: Vec<&str> =
            registered_methods().iter().copied().chain(added.iter().map(|name| &**name)).collect();
        let possible = Possible { methods: &methods, slashes };
        let terms = self.terms_to_judge();
        terms.filter_map(|(clause, term)| problem(clause, term, possible)).collect()
    }
}

fn problem(clause: &Clause, term: &Term, possible: Possible<'_>) -> Option<Problem> {
    let at = Place::File(term.span.clone()?);
    let what = term.criterion.asked().always_met(possible)?;
    let (what, help) = (format!("{what}, so {}", effect(clause)), help(clause));
    Some(Problem::new(Severity::Warning, "U552", at, what, help))
}

/// What the rule does, since one of its criteria always holds.
fn effect(clause: &Clause) -> &'static str {
    let is_alone = clause.terms.len() == 1;
    match (clause.effect, clause.operator) {
        (Effect::Allow, Operator::And) if !is_alone => "it narrows nothing",
        (Effect::Allow, Operator::And | Operator::Or) => {
            "this rule lets everybody in, also who is not signed in"
        }
        (Effect::Allow, Operator::Not) => "this rule never lets anybody in",
        (Effect::Allow, Operator::Nor) => "it never lets anybody in",
        (Effect::Deny, Operator::And) if !is_alone => "it narrows nothing",
        (Effect::Deny, Operator::And | Operator::Or) => "this rule keeps everybody out",
        (Effect::Deny, Operator::Not) => "this rule never keeps anybody out",
        (Effect::Deny, Operator::Nor) => "it never keeps anybody out",
    }
}

fn help(clause: &Clause) -> &'static str {
    match (clause.effect, clause.operator) {
        (Effect::Allow, Operator::And | Operator::Or) => {
            "name what is meant, or say it with `accept: true`"
        }
        (Effect::Allow, _) | (Effect::Deny, _) => "name what is meant, or delete it",
    }
}
