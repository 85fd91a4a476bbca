//! What a policy asks of clients' certificates, and the rule that `downstream_mtls` adds.

use super::{
    Policy,
    criterion::{Invalid, RestsOn},
    rule::{Clause, Effect, Operator, Term},
};
use crate::problem::{Place, Problem, Severity};

/// Who vouches for the certificates that a route is shown, where it trusts no authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unvouched {
    /// Nobody is asked for one.
    NotAsked,
    /// Everybody is asked, for the sake of other routes or of a key.
    Asked,
}

impl Policy {
    /// The same, where nobody passes whose certificate does not count: what `enforcement` says for
    /// every route, the public ones too.
    #[must_use]
    pub fn with_certificate_demanded(mut self) -> Self {
        let term = Term { criterion: Invalid.into(), name: "downstream_mtls".into(), span: None };
        let clause = Clause {
            effect: Effect::Deny,
            operator: Operator::Or,
            name: "downstream_mtls".into(),
            terms: [term].into(),
        };
        let clauses = std::mem::take(&mut self.deny.clauses).into_iter().chain([clause]);
        self.deny.clauses = clauses.collect();
        self
    }

    /// Does a rule name a key, so that a certificate is asked for although no authority is trusted?
    pub fn names_a_key(&self) -> bool {
        self.about_certificates().any(|(_, _, rests)| rests == RestsOn::Key)
    }

    /// Does it depend on what a client shows?
    pub fn asks_for_certificates(&self) -> bool {
        self.about_certificates().next().is_some()
    }

    /// Rules that say something else than they seem to, where the route trusts no authority.
    pub fn without_authority(&self, unvouched: Unvouched) -> Vec<Problem> {
        let problem = |(clause, term, rests)| problem(clause, term, rests, unvouched);
        self.about_certificates().filter_map(problem).collect()
    }

    fn about_certificates(&self) -> impl Iterator<Item = (&Clause, &Term, RestsOn)> {
        self.terms_to_judge().filter_map(|(clause, term)| {
            Some((clause, term, term.criterion.asked().of_certificates()?))
        })
    }
}

fn problem(clause: &Clause, term: &Term, rests: RestsOn, unvouched: Unvouched) -> Option<Problem> {
    const AUTHORITY: &str = "name the authority of your clients: `downstream_mtls: {ca_file: …}`";
    let at = Place::File(term.span.clone()?);
    let (severity, code, what) = match (rests, unvouched) {
        // Every certificate counts as valid, so a deny keeps nobody out and `not` lets everybody in
        // (`pomerium-policy-measured.md` 11).
        (RestsOn::Authority, _) if clause.keeps_out() => (
            Severity::Error,
            "U342",
            "without an authority every client counts as valid, so this keeps nobody out",
        ),
        (RestsOn::Authority, _) => (
            Severity::Warning,
            "U343",
            "without an authority no certificate is wrong: it never holds",
        ),
        (RestsOn::Names, Unvouched::Asked) if !clause.keeps_out() => (
            Severity::Error,
            "U342",
            "anybody can make a certificate that says this, and no authority vouches for it here",
        ),
        (RestsOn::Names, Unvouched::Asked) => (
            Severity::Warning,
            "U343",
            "who is kept out by what their certificate says, and by no authority, shows another one",
        ),
        (RestsOn::Names, Unvouched::NotAsked) => (
            Severity::Warning,
            "U343",
            "without an authority nobody is asked for a certificate: it never holds",
        ),
        (RestsOn::Key, Unvouched::Asked) => return None,
        (RestsOn::Key, Unvouched::NotAsked) => {
            let what = "TLS ends before usher, so nobody shows it a certificate: it never holds";
            let help = "let usher end TLS: delete `insecure_server`";
            return Some(Problem::new(Severity::Warning, "U343", at, what, help));
        }
    };
    Some(Problem::new(severity, code, at, what, AUTHORITY))
}
