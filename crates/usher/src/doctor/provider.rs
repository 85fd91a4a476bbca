//! Can people sign in: do the providers answer?

use usher_rules::{plan::Plan, problem::Severity, time::Now};

use super::{Code, PATIENCE, Tried, code};
use crate::{
    request::record::moment,
    signin::{Reception, reception, try_provider},
};

const ABOUT: &Code = code::PROVIDER;

/// Of one that publishes something.
const GOOD: &str = "discovery and keys are there";
/// Of one that does not.
const ANSWERS: &str = "it answers, and knows our client";

/// The providers of the plan; the built-in one needs nobody.
pub(super) async fn tried(plan: &Plan, now: Now) -> Vec<Tried> {
    let mut all = Vec::new();
    for provider in plan.sign_in.providers.iter() {
        let subject = provider.address().unwrap_or_default();
        let bad = |what: String, help| Tried::bad(Severity::Error, ABOUT, subject, (what, help));
        all.extend(match try_provider(plan, provider, PATIENCE, now).await {
            None => None,
            Some(Err(error)) => Some(bad(error.to_string(), error.hint(provider))),
            Some(Ok(())) => Some(match reception(plan, provider, PATIENCE, now).await {
                Reception::Good => {
                    let publishes = provider.oidc().is_some_and(|one| one.kind.speaks_openid());
                    let good = if publishes { GOOD } else { ANSWERS };
                    let back = provider.oidc().map(|one| plan.sign_in.callback(one));
                    let back = back.map(|back| format!("; its redirect address is {back}"));
                    Tried::good(ABOUT, subject, format!("{good}{}", back.unwrap_or_default()))
                }
                Reception::Stranger(error) => bad(error.to_string(), "then check again"),
                Reception::OtherClock(theirs) => bad(
                    format!(
                        "its clock says {}, this machine's {}: nobody can sign in",
                        moment(theirs),
                        moment(now.wall)
                    ),
                    "set the wrong one: `timedatectl set-ntp true`",
                ),
            }),
        });
    }
    all
}
