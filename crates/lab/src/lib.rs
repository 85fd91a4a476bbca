//! For usher's tests: a browser with a cookie jar, a fake provider that can lie, an upstream that
//! does what it is told, a clock that is turned by hand, an authenticate service with moods, a log
//! to read, and the patience to wait for all of it.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "part of the tests: what is wrong here should end one loudly"
)]

pub mod acme_server;
pub mod browser;
pub mod client_ca;
pub mod clock;
pub mod dns_server;
pub mod lines;
pub mod mail_server;
pub mod no_accounts;
pub mod no_grants;
pub mod patience;
pub mod pebble;
pub mod ports;
pub mod provider;
pub mod recorded;
pub mod service;
pub mod upstream;
