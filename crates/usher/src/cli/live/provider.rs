//! Can people sign in: do the providers answer?

use usher_rules::{plan::Plan, problem::Severity, time::Now};

use super::{PATIENCE, Tried};
use crate::{
    request::record::moment,
    signin::{Reception, reception, try_provider},
};

const ABOUT: &str = "provider";

const GOOD: &str = "discovery and keys are there";

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
                Reception::Good => Tried::good(ABOUT, subject, GOOD),
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
