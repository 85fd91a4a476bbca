//! For usher's tests: a fake provider that can lie.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "part of the tests: what is wrong here should end one loudly"
)]

pub mod provider;
