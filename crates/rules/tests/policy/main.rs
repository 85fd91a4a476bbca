//! Policies as a whole: readable cases, and laws.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::wildcard_enum_match_arm)] // over serde_json's values, not over our own enums

mod cases;
mod laws;
mod naive;
mod never_met;
mod route;
