//! Policies as a whole: what the real server was seen to do, readable cases, and laws.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::wildcard_enum_match_arm)] // over serde_json's values, not over our own enums

mod cases;
mod golden;
mod laws;
mod naive;
mod never_met;
mod route;
mod world;
