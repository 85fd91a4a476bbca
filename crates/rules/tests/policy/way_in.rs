//! The least that would let a request in, beside all that could.

use proptest::{collection::vec, prelude::*};
use usher_rules::policy::{About, Effect, Explained, Explanation, Facts, Operator, Verdict, WayIn};

use crate::given::{clause, compile, person, request, signed_in};

/// So many criteria are tried in every combination.
const MOST: usize = 10;

/// Is it let in, where of the criteria these count as true?
fn lets_in(criteria: &[Explained<'_>], counts: impl Fn(usize) -> bool) -> bool {
    let mut sides = [false, false];
    let mut at = 0;
    for clause in criteria.chunk_by(|a, b| (a.effect, a.clause) == (b.effect, b.clause)) {
        let mut terms = clause.iter().enumerate().map(|(index, _)| counts(at + index));
        let holds = match clause[0].operator {
            Operator::And | Operator::Not => terms.all(|holds| holds),
            Operator::Or | Operator::Nor => terms.any(|holds| holds),
        };
        at += clause.len();
        sides[usize::from(clause[0].effect == Effect::Deny)] |= holds;
    }
    sides == [true, false]
}

fn may_turn(one: &Explained<'_>) -> bool {
    matches!(one.about, About::Request | About::Moment | About::Message | About::Person)
        || one.about == About::Nobody && !one.says_no()
}

/// The least number of criteria that have to turn, of all combinations; `None` where none does it.
fn least(explanation: &Explanation<'_>) -> Option<u32> {
    let criteria = &explanation.criteria;
    let turns = 0..1_u32 << criteria.len();
    let possible = turns.filter(|turned| {
        let turns = |index: usize| turned >> index & 1 == 1;
        criteria.iter().enumerate().all(|(index, one)| !turns(index) || may_turn(one))
            && lets_in(criteria, |index| criteria[index].holds != turns(index))
    });
    possible.map(u32::count_ones).min()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_way_in_is_one_and_there_is_no_shorter(
        clauses in vec(clause(), 0..5),
        person in person(),
        request in request(),
    ) {
        let (policy, who) = (compile(&clauses), signed_in(&person));
        let explanation = policy.explain(&Facts::of(Some(&who), request));
        let criteria = &explanation.criteria;
        let verdict = explanation.decision.verdict;
        prop_assume!(criteria.len() <= MOST && verdict != Verdict::ShowDevice);
        let is_in = verdict == Verdict::Allow;
        prop_assert_eq!(lets_in(criteria, |index| criteria[index].holds), is_in);
        match explanation.way_in() {
            WayIn::Facts(needs) => {
                prop_assert_eq!(needs.is_empty(), is_in);
                #[expect(clippy::disallowed_methods, reason = "both are of the one list above")]
                let first = |one: &Explained<'_>| needs.iter().any(|need| std::ptr::eq(need.any_of[0], one));
                prop_assert!(lets_in(criteria, |index| criteria[index].holds != first(&criteria[index])));
                prop_assert_eq!(least(&explanation), u32::try_from(needs.len()).ok());
            }
            WayIn::Rules(_) => prop_assert_eq!(least(&explanation), None),
        }
    }
}
