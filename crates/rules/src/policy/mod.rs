//! A policy is compiled once, evaluated against borrowed facts, and says why.
//!
//! Semantics: `pomerium-config.md` §4 as corrected by `pomerium-policy-measured.md`; where that
//! page marks a hazard, the safe reading holds.

mod decision;
mod facts;

pub use decision::{Decision, Finding, Reason, Verdict};
pub use facts::{Facts, RequestFacts};

/// What a route lets in. Immutable; if you hold one, it compiled.
#[derive(Clone, Debug)]
pub struct Policy {}

impl Policy {
    /// Decides a request. Total: what could fail failed in `compile`.
    pub fn decide(&self, _facts: &Facts<'_>) -> Decision {
        // replaced by the real thing; denies until then
        Decision {
            verdict: Verdict::Deny,
            allow: Finding::default(),
            deny: Finding::default(),
            rule: "nothing-allows".into(),
        }
    }
}
