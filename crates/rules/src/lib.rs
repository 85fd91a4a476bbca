//! The pure half of usher: what is allowed, and what to do next.
//!
//! Nothing here opens a socket, reads a file, a clock or the environment, or rolls a die.
//! Time, randomness and file contents arrive as arguments, so every decision can be replayed.
//!
//! ```text
//! openid ▸ plan ▸ client_certificate ▸ {policy, signin, session, fields, config, accounts} ▸ {people, passkey, totp} ▸ {names, yaml, problem, secret, time}
//! ```

#![cfg_attr(
    test,
    allow(
        unreachable_pub,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod accounts;
pub mod app_passwords;
pub mod capsule;
pub mod client_certificate;
pub mod config;
pub mod enrolment;
pub mod fields;
pub mod jellyfin;
pub mod mcp;
pub mod names;
pub mod openid;
pub mod passkey;
pub mod people;
pub mod people_admin;
pub mod plain_text;
pub mod plan;
pub mod policy;
pub mod problem;
pub mod renewal;
pub mod secret;
pub mod session;
pub mod signin;
pub mod time;
pub mod totp;
pub mod unproven;
pub mod until;
pub mod yaml;
