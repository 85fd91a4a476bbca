//! What a policy is compiled to: two sides, each of clauses, each of terms.

use std::{fmt, sync::Arc};

use super::{
    criterion::{Answer, Criterion, Doubt, WAITING},
    decision::Finding,
    facts::Facts,
    reason::Reasons,
};
use crate::problem::Span;

/// What a rule does when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It lets in.
    Allow,
    /// It keeps out, whatever allows.
    Deny,
}

/// How a rule joins its criteria (`pomerium-config.md` §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Every one is true.
    And,
    /// At least one is true.
    Or,
    /// None is true.
    Not,
    /// At least one is false: NAND, despite its name.
    Nor,
}

/// All clauses that allow, or all that deny. It holds when one of them does.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    pub(super) clauses: Box<[Clause]>,
}

/// One operator over its criteria: the smallest thing that can hold by itself.
///
/// A rule with several operators is several clauses, because Pomerium joins them by OR.
/// INVARIANT: there is at least one term; an operator over an empty list is no clause.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) effect: Effect,
    pub(super) operator: Operator,
    /// `allow[0].and`.
    pub(super) name: Arc<str>,
    pub(super) terms: Box<[Term]>,
}

/// A criterion at its place.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) criterion: Criterion,
    /// `allow[0].or[1] email`.
    pub(super) name: Arc<str>,
    /// Where it stands; `None` for a key whose place was not kept.
    pub(super) span: Option<Span>,
}

/// Reasons of what held and of what did not, kept apart until it is known which of them count.
///
/// An answer always has a reason, so an empty set means that there was none.
#[derive(Clone, Copy, Default)]
struct Tally {
    held: Reasons,
    failed: Reasons,
}

impl Tally {
    fn count(&mut self, holds: bool, reasons: Reasons) {
        let tally = if holds { &mut self.held } else { &mut self.failed };
        *tally = tally.with(reasons);
    }

    fn finding(self, holds: bool) -> Finding {
        Finding { holds, reasons: if holds { self.held } else { self.failed } }
    }

    /// One has held: its reasons count; else everybody's.
    fn any(self) -> Finding {
        self.finding(!self.held.is_empty())
    }

    /// None has failed: everybody's reasons count; else those of the failed.
    fn all(self) -> Finding {
        self.finding(self.failed.is_empty())
    }
}

/// A finding and, where it holds, the name of the rule that made it hold.
pub(super) struct Asked<'p> {
    pub(super) finding: Finding,
    pub(super) rule: Option<&'p Arc<str>>,
}

impl Side {
    /// Asks every clause: reasons tell all that held, so none may be skipped.
    pub(super) fn ask(&self, facts: &Facts<'_>) -> Asked<'_> {
        let (mut tally, mut first) = (Tally::default(), None);
        for clause in &self.clauses {
            let Asked { finding, rule } = clause.ask(facts);
            tally.count(finding.holds, finding.reasons);
            first = first.or(rule);
        }
        Asked { finding: tally.any(), rule: first }
    }

    /// The rule by which it holds whoever asks, on whichever device: an answer that waits for
    /// either is neither yes nor no.
    pub(super) fn certain(&self, facts: &Facts<'_>) -> Option<&Arc<str>> {
        self.clauses.iter().find_map(|clause| clause.certain(facts))
    }

    /// The first criterion that counts and whose answer is one of these words.
    pub(super) fn term_that_says(&self, words: Reasons, facts: &Facts<'_>) -> Option<&Term> {
        let holds = self.ask(facts).finding.holds;
        let counted = |clause: &&Clause| clause.ask(facts).finding.holds == holds;
        self.clauses.iter().filter(counted).find_map(|clause| {
            let says = |term: &&Term| words.contains(clause.ask_term(term, facts).reason);
            clause.terms.iter().find(says)
        })
    }
}

impl Clause {
    fn ask(&self, facts: &Facts<'_>) -> Asked<'_> {
        let (mut tally, mut first) = (Tally::default(), None);
        for term in &self.terms {
            let Answer { holds, reason } = self.ask_term(term, facts);
            tally.count(holds, Reasons::only(reason));
            if holds && first.is_none() {
                first = Some(&term.name);
            }
        }
        match self.operator {
            Operator::And | Operator::Not => {
                let finding = tally.all();
                Asked { finding, rule: finding.holds.then_some(&self.name) }
            }
            Operator::Or | Operator::Nor => Asked { finding: tally.any(), rule: first },
        }
    }

    fn certain(&self, facts: &Facts<'_>) -> Option<&Arc<str>> {
        let holds = |term: &&Term| {
            let Answer { holds, reason } = self.ask_term(term, facts);
            holds && !WAITING.contains(reason)
        };
        match self.operator {
            Operator::And | Operator::Not => {
                self.terms.iter().all(|term| holds(&term)).then_some(&self.name)
            }
            Operator::Or | Operator::Nor => self.terms.iter().find(holds).map(|term| &term.name),
        }
    }

    /// One term's answer as this clause counts it. Reasons survive the inversion.
    pub(super) fn ask_term(&self, term: &Term, facts: &Facts<'_>) -> Answer {
        let answer = term.criterion.ask(facts, self.doubt());
        if self.operator.inverts() { answer.inverted() } else { answer }
    }

    /// Doubt never lets anybody in: where a criterion that holds keeps out (a deny, or the opposite
    /// of an allow) it counts, and nowhere else.
    const fn doubt(&self) -> Doubt {
        if self.keeps_out() { Doubt::Differs } else { Doubt::Fails }
    }

    /// Does a criterion that holds keep people out here?
    pub(super) const fn keeps_out(&self) -> bool {
        self.effect.keeps_out(self.operator)
    }
}

impl Operator {
    /// Every operator.
    pub(super) const ALL: [Self; 4] = [Self::And, Self::Or, Self::Not, Self::Nor];

    /// Whether its criteria count as their opposites.
    pub const fn inverts(self) -> bool {
        matches!(self, Self::Not | Self::Nor)
    }

    /// The word in a policy.
    pub const fn word(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
            Self::Not => "not",
            Self::Nor => "nor",
        }
    }
}

impl Effect {
    /// Does a criterion that holds keep people out under this operator?
    pub(super) const fn keeps_out(self, operator: Operator) -> bool {
        match self {
            Self::Deny => !operator.inverts(),
            Self::Allow => operator.inverts(),
        }
    }

    /// The word in a policy.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
