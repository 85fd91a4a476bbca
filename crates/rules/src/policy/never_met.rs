//! Rules that nothing can meet: methods that no request has, claims that are not kept.

use super::{
    Policy,
    criterion::{AboutPerson, AboutRequest, Criterion},
    report::nearest,
    rule::{Clause, Term},
};
use crate::{
    names::registered_methods,
    problem::{Place, Problem, Severity},
};

impl Policy {
    /// Operands of `http_method` that are no registered method in capitals, and none of those
    /// that the config adds (requests with other methods are refused, so that `delete` in a policy
    /// is met by nothing); and claims that are about the token and never kept. An error where
    /// that lets more in, else a warning.
    pub fn never_met(&self, added: &[Box<str>]) -> Vec<Problem> {
        let known: Vec<&str> =
            registered_methods().iter().copied().chain(added.iter().map(|name| &**name)).collect();
        let clauses = self.deny.clauses.iter().chain(&self.allow.clauses);
        let terms = clauses.flat_map(|clause| clause.terms.iter().map(move |term| (clause, term)));
        terms.flat_map(|(clause, term)| judge(clause, term, &known)).collect()
    }
}

fn judge(clause: &Clause, term: &Term, known: &[&str]) -> Vec<Problem> {
    let Some(at) = &term.span else { return Vec::new() };
    let problem = |code, negates: bool, what: String, help: String| {
        // What is met by nothing never holds; its negation always does.
        let harmless = negates == clause.keeps_out();
        let severity = if harmless { Severity::Warning } else { Severity::Error };
        Problem::new(severity, code, Place::File(at.clone()), what, help)
    };
    match &term.criterion {
        Criterion::Request(AboutRequest::Method(want)) => want
            .met_by_none(known)
            .map(|(word, negates)| {
                let what = format!("no method that is let through meets `{word}`");
                problem("U331", negates, what, help(word, known))
            })
            .collect(),
        Criterion::Person(AboutPerson::Claim(claim)) => claim
            .never_kept()
            .map(|(name, negates)| {
                let what = format!("the claim `{name}` is about the token, and nobody has it here");
                let help = "ask for a claim about the person: `claim/groups`, `claim/acr` …";
                problem("U332", negates, what, help.into())
            })
            .into_iter()
            .collect(),
        Criterion::Accept
        | Criterion::Reject
        | Criterion::Request(
            AboutRequest::Path(_) | AboutRequest::Source(_) | AboutRequest::Preflight,
        )
        | Criterion::Person(
            AboutPerson::SignedIn
            | AboutPerson::Email(_)
            | AboutPerson::Domain(_)
            | AboutPerson::Id(_)
            | AboutPerson::Groups(_),
        ) => Vec::new(),
    }
}

fn help(word: &str, known: &[&str]) -> String {
    let upper = word.trim().to_ascii_uppercase();
    if word != upper && known.iter().any(|name| name.contains(&upper)) {
        return format!("methods have capitals: write `{upper}`");
    }
    let small: Vec<String> = known.iter().map(|name| name.to_ascii_lowercase()).collect();
    let small: Vec<&str> = small.iter().map(String::as_str).collect();
    match nearest(&upper, &small) {
        Some(near) => format!("did you mean `{}`?", near.to_ascii_uppercase()),
        None => format!("write a registered method, or let it in: `additional_methods: [{upper}]`"),
    }
}
