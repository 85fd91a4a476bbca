//! A policy is compiled once, evaluated against borrowed facts, and says why.
//!
//! Semantics: `pomerium-config.md` §4 as corrected by `pomerium-policy-measured.md`; where that
//! page marks a hazard, the safe reading holds.

mod decision;
mod facts;
mod legacy;

pub use decision::{Decision, Finding, Reason, Reasons, Verdict};
pub use facts::{Facts, RequestFacts};
pub use legacy::LegacyAllow;

use crate::{problem::Problem, yaml::Node};

/// What a route lets in. Immutable; if you hold one, it compiled.
#[derive(Clone, Debug)]
pub struct Policy {}

impl Policy {
    /// Compiles a route's allow keys and its `policy` (PPL), and reports every problem in both.
    ///
    /// When anything was an error, what comes back denies everybody.
    pub fn compile(
        _legacy: &LegacyAllow,
        _ppl: Option<&Node>,
        _problems: &mut Vec<Problem>,
    ) -> Self {
        Self::deny_all()
    }

    /// Lets nobody in, signed in or not.
    pub fn deny_all() -> Self {
        Self {}
    }

    /// Decides a request. Total: what could fail failed in [`Policy::compile`].
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
