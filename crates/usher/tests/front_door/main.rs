//! Through the front door: a whole server in this process, real sockets, real TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod app;
mod asking;
mod bounded_lines;
mod clocks;
mod connections;
mod crossing;
mod decisions;
mod denials;
mod doubts;
mod durations;
mod elsewhere;
mod endurance;
mod forged_ways;
mod health_checks;
mod hosted;
mod hosted_answers;
mod hosted_holes;
mod hosted_replay;
mod hostile;
mod http2_upstreams;
mod invariants;
mod keys;
mod links;
mod long_heads;
mod metrics;
mod panics;
mod paths;
mod permits;
mod provider_members;
mod provider_mistakes;
mod providers;
mod readers;
mod recent;
mod refused_words;
mod routes;
mod second_readings;
mod shares;
mod siblings;
mod siege;
mod sockets;
mod staples;
mod streams;
mod survivors;
mod tasks;
mod test_app;
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod test_server;
mod tries;
mod trusting;
mod unread;
mod upgrades;
mod upstream_tls;
mod upstreams;
mod visitors;
mod visits;
mod ways_on;
mod wire;
mod workers;
