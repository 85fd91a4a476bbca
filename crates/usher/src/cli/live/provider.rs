//! Can people sign in: do the providers answer?

use usher_rules::{plan::Plan, problem::Severity, time::Now};

use super::{PATIENCE, Tried};
use crate::signin::try_provider;

const ABOUT: &str = "provider";

/// The providers of the plan; the built-in one needs nobody.
pub(super) async fn tried(plan: &Plan, now: Now) -> Vec<Tried> {
    let mut all = Vec::new();
    for provider in plan.sign_in.providers.iter() {
        let subject = provider.address().unwrap_or_default();
        let tried = try_provider(plan, provider, PATIENCE, now).await;
        all.extend(tried.map(|tried| match tried {
            Ok(()) => Tried::good(ABOUT, subject, "discovery and keys are there"),
            Err(error) => {
                let what = (error.to_string(), error.hint(provider));
                Tried::bad(Severity::Error, ABOUT, subject, what)
            }
        }));
    }
    all
}
