//! What would be decided if somebody else had asked the same.

use usher_rules::{
    plan::Plan,
    policy::{Policy, Verdict},
    session::SignedIn,
};

use super::{Permitted, Standing};

impl<R> Permitted<R> {
    /// What the permit rests on.
    pub(in crate::request) fn standing(&self) -> &Standing {
        &self.standing
    }
}

impl Standing {
    /// Would the route let them in, as they are known here, with this very request? An app asks it
    /// that finds out only by the body who somebody is.
    pub fn would_let_in(&self, plan: &Plan, who: &SignedIn) -> bool {
        let Self { route, asked, also, .. } = self;
        let (providers, by) = (&plan.sign_in.providers, route.sign_in_by.as_ref());
        let also: Option<&Policy> = also.as_deref();
        providers.counts_on(by, &who.session.idp_id)
            && asked.decide_both((route, also), Some(who), asked.at).0.verdict == Verdict::Allow
    }
}
