use std::fmt;

use super::{
    Policy,
    criterion::About,
    decision::Decision,
    facts::Facts,
    reason::Reason,
    rego::{Answer, FAILED, RuleResult, Script, Unanswered},
    rule::{Clause, Effect, Operator},
};
use crate::problem::Span;

/// A decision and everything that was asked on the way to it.
#[derive(Clone, Debug)]
pub struct Explanation<'p> {
    /// The decision: [`Policy::decide`]'s own.
    pub decision: Decision,
    /// Every criterion, deny side first, in the order of the config.
    pub criteria: Vec<Explained<'p>>,
}

/// One criterion and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained<'p> {
    /// On which side it stands.
    pub effect: Effect,
    /// Under which operator. `Not` and `Nor` count its opposite.
    pub operator: Operator,
    /// The name of the operator's whole list: `allow[0].or`.
    pub clause: &'p str,
    /// The rule's name, as decisions have it: `allow[0].or[1] email`.
    pub rule: &'p str,
    /// Where it stands in the config text; `None` for a key whose place was not kept.
    pub span: Option<&'p Span>,
    /// What it asks, in words: ``email is `ann@example.com` ``.
    pub asks: String,
    /// What it found, in words: ``email is `eve@example.com` ``.
    pub found: String,
    /// Whether it counts as true, after `not` and `nor` have turned it round.
    pub holds: bool,
    /// Its word in the records.
    pub reason: Reason,
    /// What it asks about.
    pub about: About,
}

impl Explained<'_> {
    /// Was its own answer no, before `not` and `nor` turned it round?
    pub const fn says_no(&self) -> bool {
        self.holds == self.operator.inverts()
    }
}

impl Policy {
    /// Decides as [`Policy::decide`] does, and tells of every criterion what it found.
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation<'_> {
        let clauses = self.deny.clauses.iter().chain(&self.allow.clauses);
        Explanation {
            decision: self.decide(facts),
            criteria: clauses
                .flat_map(|clause| clause.explain(facts))
                .chain(self.scripts.iter().flat_map(|script| script.explain(facts)))
                .collect(),
        }
    }
}

impl Clause {
    fn explain<'p>(&'p self, facts: &Facts<'_>) -> Vec<Explained<'p>> {
        let explained = self.terms.iter().map(|term| {
            let answer = self.ask_term(term, facts);
            Explained {
                effect: self.effect,
                operator: self.operator,
                clause: &self.name,
                rule: &term.name,
                span: term.span.as_ref(),
                asks: term.criterion.asked().in_words(),
                found: term.criterion.asked().found(facts),
                holds: answer.holds,
                reason: answer.reason,
                about: term.criterion.asked().about(),
            }
        });
        explained.collect()
    }
}

/// The word where a module answers: its reasons are its own.
const REGO: Reason = Reason::named("rego");

impl Script {
    /// Its rules as if they were criteria, deny first, and only those that it has.
    fn explain<'p>(&'p self, facts: &Facts<'_>) -> Vec<Explained<'p>> {
        let one = |effect, holds, found| Explained {
            effect,
            operator: Operator::Or,
            clause: &self.name,
            rule: &self.name,
            span: Some(&self.span),
            asks: match effect {
                Effect::Allow => "Rego that allows".into(),
                Effect::Deny => "Rego that denies".into(),
            },
            found,
            holds,
            reason: REGO,
            about: About::Request,
        };
        match self.module.ask(facts) {
            Err(Unanswered(why)) => {
                let failed = one(Effect::Deny, true, format!("it failed: {why}"));
                vec![Explained { reason: FAILED, ..failed }]
            }
            Ok(Answer { allow, deny }) => {
                let sides = [(Effect::Deny, deny), (Effect::Allow, allow)];
                let told = |(effect, RuleResult { holds, returned, .. })| {
                    let returned: serde_json::Value = returned?;
                    Some(one(effect, holds, format!("`{effect}` is `{returned}`")))
                };
                sides.into_iter().filter_map(told).collect()
            }
        }
    }
}

impl fmt::Display for Explanation<'_> {
    /// The verdict and its rule, then a line per criterion, in columns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decision { verdict, rule, .. } = &self.decision;
        write!(f, "{}  {rule}", verdict.word())?;
        let width = self.criteria.iter().map(|c| c.rule.chars().count()).max().unwrap_or(0);
        self.criteria.iter().try_for_each(|criterion| {
            let Explained { effect, operator, rule, asks, found, holds, .. } = criterion;
            let holds = if *holds { "holds" } else { "fails" };
            let opposite = if operator.inverts() { "not: " } else { "" };
            write!(f, "\n  {:<5}  {rule:<width$}  {holds}  {opposite}{asks}", effect.word())?;
            if found == asks { Ok(()) } else { write!(f, "; {found}") }
        })
    }
}
