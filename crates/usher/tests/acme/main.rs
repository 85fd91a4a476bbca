//! Certificates by ACME, from a real Pebble, for a whole server in this process.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod acme_server;
mod authority;
mod crash;
mod dice;
mod dns;
mod endure;
mod kill;
mod mistakes;
mod orders;
#[path = "../front_door/test_server.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod test_server;
