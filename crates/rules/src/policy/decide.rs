use std::sync::Arc;

use super::{
    criterion::{DEVICE_UNAUTHENTICATED, UNAUTHENTICATED, WITHOUT_CERTIFICATE},
    decision::{Decision, Verdict},
    facts::{Facts, SpeltPerson},
    reason::Reasons,
    rego::{self, Heard, Script},
    rule::{Asked, Effect, Side, Term},
};

/// What a route lets in. Immutable; if you hold one, it compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) allow: Side,
    pub(super) deny: Side,
    /// Rules in Rego, each of which speaks for both sides.
    pub(super) scripts: Box<[Script]>,
    /// What could be read of one that is refused. It is asked by nobody: only looked through for
    /// what else is wrong.
    pub(super) refused: Side,
    /// The rule's name where none decided, made once: names are not built on the path.
    pub(super) nothing_allows: Arc<str>,
}

impl Policy {
    /// Lets nobody in, signed in or not.
    pub fn deny_all() -> Self {
        Self {
            allow: Side::default(),
            deny: Side::default(),
            scripts: Box::default(),
            refused: Side::default(),
            nothing_allows: "nothing-allows".into(),
        }
    }

    /// Has it rules in Rego, which may ask for the whole request?
    pub fn asks_modules(&self) -> bool {
        !self.scripts.is_empty()
    }

    /// Does one of them ask for fields or queries, which no record has?
    pub fn asks_for_fields(&self) -> bool {
        self.scripts.iter().any(|script| script.module.asks_for_fields())
    }

    /// Decides a request. Total: what could fail failed in [`Policy::compile`].
    ///
    /// The order is Pomerium's (`pomerium-config.md` §4.10): who must sign in is told so before
    /// anything else, even beside a deny that holds, since signing in may change the answer. Where
    /// it can't, because a deny holds whoever asks, they are refused at once (decision 0063).
    ///
    /// Before that comes who has to show a certificate and did not: signing in changes nothing there.
    ///
    /// Where a person is refused who would be let in after a new sign-in, they are asked for one; or
    /// else for a passkey, where that would let them in.
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        let spelt = SpeltPerson::default();
        let facts = &facts.spelt(&spelt);
        let decision = self.decide_now(facts);
        if decision.verdict != Verdict::Deny || decision.has_failed() {
            return decision;
        }
        let after = [
            (Verdict::SignInAgain, facts.after_sign_in()),
            (Verdict::ShowPasskey, facts.after_passkey()),
        ];
        for (verdict, facts) in after {
            let after = facts.map(|facts| self.decide_now(&facts));
            if let Some(Decision { verdict: Verdict::Allow, rule, .. }) = after {
                return Decision { verdict, rule, ..decision };
            }
        }
        decision
    }

    /// What a wrong certificate says is told as it is (Pomerium compares it without asking whose it
    /// is), and lets nobody in (`pomerium-policy-measured.md` 12).
    fn decide_now(&self, facts: &Facts<'_>) -> Decision {
        let decision = self.decide_by(facts);
        match facts.distrusting() {
            Some(facts) if decision.verdict == Verdict::Allow => self.decide_by(&facts),
            Some(_) | None => decision,
        }
    }

    fn decide_by(&self, facts: &Facts<'_>) -> Decision {
        let heard = match Heard::of(&self.scripts, facts) {
            Ok(heard) => heard,
            Err(failed) => return failed,
        };
        let (deny, deny_words) = heard.join(Effect::Deny, self.deny.ask(facts));
        let (allow, allow_words) = heard.join(Effect::Allow, self.allow.ask(facts));
        let mut decision = self.weigh(facts, &heard, allow, deny);
        decision.other = rego::other_reasons(allow_words, deny_words);
        decision
    }

    fn weigh<'p>(
        &'p self,
        facts: &Facts<'_>,
        heard: &Heard<'p>,
        Asked { finding: allow, rule: allowed_by }: Asked<'p>,
        Asked { finding: deny, rule: denied_by }: Asked<'p>,
    ) -> Decision {
        // The allow side's names the device, where both ask for one.
        let waiting = |reason| {
            let sides = [(&self.allow, allow), (&self.deny, deny)];
            let words = Reasons::only(reason);
            let side = sides.into_iter().find(|(_, found)| found.reasons.contains(reason));
            side.map(|(side, _)| side.term_that_says(words, facts))
        };
        let mut device = None;
        let (verdict, rule) = if deny.reasons.has_any(WITHOUT_CERTIFICATE) {
            (Verdict::ShowCertificate, without_certificate(&self.deny, facts))
        } else if let Some(rule) = self.deny.certain(facts) {
            (Verdict::Deny, Some(rule))
        } else if let Some(term) = waiting(UNAUTHENTICATED) {
            (Verdict::SignIn, name_of(term))
        } else if let Some(term) = waiting(DEVICE_UNAUTHENTICATED) {
            device = term.and_then(|term| term.criterion.asked().device_kind()).map(Box::from);
            (Verdict::ShowDevice, name_of(term))
        } else {
            match (denied_by, allowed_by) {
                (Some(rule), _) => (Verdict::Deny, Some(rule)),
                (None, Some(rule)) => (Verdict::Allow, Some(rule)),
                (None, None) if allow.reasons.has_any(WITHOUT_CERTIFICATE) => {
                    (Verdict::ShowCertificate, without_certificate(&self.allow, facts))
                }
                (None, None) => (Verdict::Deny, None),
            }
        };
        let rule = rule.or_else(|| heard.that_waits([allow, deny]));
        let rule = Arc::clone(rule.unwrap_or(&self.nothing_allows));
        Decision { verdict, allow, deny, rule, device, other: None }
    }
}

fn name_of(term: Option<&Term>) -> Option<&Arc<str>> {
    term.map(|term| &term.name)
}

fn without_certificate<'p>(side: &'p Side, facts: &Facts<'_>) -> Option<&'p Arc<str>> {
    name_of(side.term_that_says(WITHOUT_CERTIFICATE, facts))
}
