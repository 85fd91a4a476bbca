//! The smallest change of the facts that would let a request in.

use std::fmt;

use super::{
    criterion::About,
    explain::{Explained, Explanation},
    rule::{Effect, Operator},
};

/// What has to be otherwise for a request to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayIn<'e, 'p> {
    /// All of these; nothing where it is let in as it is.
    Facts(Vec<Need<'e, 'p>>),
    /// No request of anybody passes: the rules have to change.
    Rules(Vec<&'e Explained<'p>>),
}

/// One thing that has to be otherwise, by any of these criteria: what each of them asks has to
/// become true where it was not, and the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need<'e, 'p> {
    /// In the order of the config; never empty.
    pub any_of: Vec<&'e Explained<'p>>,
}

impl<'p> Explanation<'p> {
    /// The least that has to be otherwise. Of several ways in of one length all are told, where
    /// each of them is a single thing.
    pub fn way_in(&self) -> WayIn<'_, 'p> {
        let (mut needs, mut fixed) = (Vec::new(), Vec::new());
        for clause in self.clauses(Effect::Deny).filter(|clause| clause.holds()) {
            match clause.turned() {
                Some(more) => needs.extend(more),
                None => fixed.extend(clause.fixed()),
            }
        }
        let allows: Vec<Clause<'_, 'p>> = self.clauses(Effect::Allow).collect();
        if !allows.iter().any(Clause::holds) {
            let ways: Vec<_> = allows.iter().filter_map(Clause::turned).collect();
            let least = ways.iter().map(Vec::len).min();
            match least {
                None => fixed.extend(allows.iter().flat_map(Clause::fixed)),
                Some(1) => {
                    let single = ways.into_iter().filter(|way| way.len() == 1).flatten();
                    let any_of = single.flat_map(|need| need.any_of).collect();
                    needs.push(Need { any_of });
                }
                Some(least) => needs
                    .extend(ways.into_iter().find(|way| way.len() == least).into_iter().flatten()),
            }
            if allows.is_empty() || !fixed.is_empty() {
                return WayIn::Rules(fixed);
            }
        }
        if fixed.is_empty() { WayIn::Facts(needs) } else { WayIn::Rules(fixed) }
    }

    /// The operators of one side with their criteria: those stand beside each other.
    fn clauses(&self, effect: Effect) -> impl Iterator<Item = Clause<'_, 'p>> {
        self.criteria
            .chunk_by(|one, next| (one.effect, one.clause) == (next.effect, next.clause))
            .filter(move |criteria| criteria.first().is_some_and(|first| first.effect == effect))
            .map(Clause)
    }
}

/// One operator's criteria; there is at least one.
struct Clause<'e, 'p>(&'e [Explained<'p>]);

impl<'e, 'p> Clause<'e, 'p> {
    fn operator(&self) -> Operator {
        self.0.first().map_or(Operator::And, |first| first.operator)
    }

    fn holds(&self) -> bool {
        match self.operator() {
            Operator::And | Operator::Not => self.0.iter().all(|one| one.holds),
            Operator::Or | Operator::Nor => self.0.iter().any(|one| one.holds),
        }
    }

    /// What nothing can turn.
    fn fixed(&self) -> impl Iterator<Item = &'e Explained<'p>> {
        let holds = self.holds();
        self.0.iter().filter(move |one| one.holds == holds && !one.may_turn())
    }

    /// What has to be otherwise for it to hold where it does not, and not to hold where it does;
    /// `None` where nothing can bring that about.
    fn turned(&self) -> Option<Vec<Need<'e, 'p>>> {
        let holds = self.holds();
        let as_now = self.0.iter().filter(|one| one.holds == holds);
        let each = match self.operator() {
            Operator::And | Operator::Not => !holds,
            Operator::Or | Operator::Nor => holds,
        };
        if each {
            let one = |one| Explained::may_turn(one).then(|| Need { any_of: vec![one] });
            return as_now.map(one).collect();
        }
        let any_of: Vec<_> = as_now.filter(|one| one.may_turn()).collect();
        (!any_of.is_empty()).then(|| vec![Need { any_of }])
    }
}

impl Explained<'_> {
    /// Is there a request with the other answer? A preflight is nobody's way in, but need not be one.
    const fn may_turn(&self) -> bool {
        match self.about {
            About::Nothing => false,
            About::Nobody => !self.says_no(),
            About::Request | About::Moment | About::Message | About::Person => true,
        }
    }

    /// What would turn its answer, in words.
    fn turned_in_words(&self) -> String {
        let Self { asks, found, .. } = self;
        let not = if self.says_no() { "" } else { "not " };
        format!("{not}{asks} ({found})")
    }
}

impl fmt::Display for WayIn<'_, '_> {
    /// Each need on a line of its own, its alternatives joined by `or`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Facts(needs) => needs.iter().enumerate().try_for_each(|(at, need)| {
                let break_before = if at > 0 { "\n" } else { "" };
                write!(f, "{break_before}{need}")
            }),
            Self::Rules(rules) => {
                write!(f, "no request gets past these rules; change the policy")?;
                rules.iter().try_for_each(|rule| write!(f, "\n{}: {}", rule.rule, rule.asks))
            }
        }
    }
}

impl fmt::Display for Need<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any_of.iter().enumerate().try_for_each(|(at, one)| {
            let or = if at > 0 { "\n  or " } else { "" };
            write!(f, "{or}{}: {}", one.rule, one.turned_in_words())
        })
    }
}
