//! A policy is compiled once, evaluated against borrowed facts, and says why.
//!
//! ```text
//! route's keys, PPL ─ compile ─▶ Policy ─ decide(Facts) ─▶ Decision: verdict, rule, reasons
//!                        │                └ explain(Facts) ─▶ every criterion, in words
//!                        └▶ problems: U301 to U355, each with place and way out
//! ```
//!
//! A policy has two sides, allow and deny. A side is a list of clauses, joined by OR; a clause is
//! one operator over criteria. Semantics: `pomerium-config.md` §4 as corrected by
//! `pomerium-policy-measured.md`; where that page marks a hazard, the safe reading holds:
//!
//! - a criterion about the person never passes without a session;
//! - `http_path` and `http_method` look at their own field, and their `not` negates;
//! - under `deny`, what can't be read differs from everything;
//! - operands that could never match as they were meant (lists, numbers where text is compared) are
//!   refused where more people come in by them, and what is missing is no reason to let in;
//! - `groups` means the groups of our own store. An outside provider's are `claim/groups`.

mod always_met;
mod certificates;
mod compile;
mod criterion;
mod decide;
mod decision;
mod explain;
mod facts;
mod legacy;
mod matcher;
mod never_met;
mod reason;
pub mod rego;
mod report;
mod rule;
mod way_in;

pub use certificates::Unvouched;
pub use criterion::About;
pub use decide::Policy;
pub use decision::{Decision, Finding, OtherReasons, Verdict};
pub use explain::{Explained, Explanation};
pub use facts::{
    Certificate, ClientCertificate, Facts, RequestFacts, WholeRequest, WrongCertificate,
};
pub use legacy::LegacyAllow;
pub use matcher::value_of;
pub use reason::{Reason, Reasons};
pub(crate) use report::nearest;
pub use rule::{Effect, Operator};
pub use way_in::{Need, WayIn};
