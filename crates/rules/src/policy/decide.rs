use std::sync::Arc;

use super::{
    criterion::{DEVICE_UNAUTHENTICATED, UNAUTHENTICATED},
    decision::{Decision, Verdict},
    facts::Facts,
    rule::{Asked, Side},
};

/// What a route lets in. Immutable; if you hold one, it compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) allow: Side,
    pub(super) deny: Side,
    /// The rule's name where none decided, made once: names are not built on the path.
    pub(super) nothing_allows: Arc<str>,
}

impl Policy {
    /// Lets nobody in, signed in or not.
    pub fn deny_all() -> Self {
        Self {
            allow: Side::default(),
            deny: Side::default(),
            nothing_allows: "nothing-allows".into(),
        }
    }

    /// Decides a request. Total: what could fail failed in [`Policy::compile`].
    ///
    /// The order is Pomerium's (`pomerium-config.md` §4.10): who must sign in is told so before
    /// anything else, even beside a deny that holds, since signing in may change the answer.
    ///
    /// Where a person is refused who would be let in after a new sign-in, they are asked for one.
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        let decision = self.decide_now(facts);
        if decision.verdict != Verdict::Deny {
            return decision;
        }
        let after = facts.after_sign_in().map(|facts| self.decide_now(&facts));
        match after.filter(|after| after.verdict == Verdict::Allow) {
            Some(Decision { rule, .. }) => {
                Decision { verdict: Verdict::SignInAgain, rule, ..decision }
            }
            None => decision,
        }
    }

    fn decide_now(&self, facts: &Facts<'_>) -> Decision {
        let Asked { finding: deny, rule: denied_by } = self.deny.ask(facts);
        let Asked { finding: allow, rule: allowed_by } = self.allow.ask(facts);
        // The allow side's names the device, where both ask for one.
        let waiting = |reason| {
            let sides = [(&self.allow, allow), (&self.deny, deny)];
            let side = sides.into_iter().find(|(_, found)| found.reasons.contains(reason));
            side.map(|(side, _)| side.term_of(reason, facts))
        };
        let mut device = None;
        let (verdict, rule) = match (waiting(UNAUTHENTICATED), waiting(DEVICE_UNAUTHENTICATED)) {
            (Some(term), _) => (Verdict::SignIn, term.map(|term| &term.name)),
            (None, Some(term)) => {
                device = term.and_then(|term| term.criterion.asked().device_kind()).map(Box::from);
                (Verdict::ShowDevice, term.map(|term| &term.name))
            }
            (None, None) => match (denied_by, allowed_by) {
                (Some(rule), _) => (Verdict::Deny, Some(rule)),
                (None, Some(rule)) => (Verdict::Allow, Some(rule)),
                (None, None) => (Verdict::Deny, None),
            },
        };
        let rule = Arc::clone(rule.unwrap_or(&self.nothing_allows));
        Decision { verdict, allow, deny, rule, device }
    }
}
