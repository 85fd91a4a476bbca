//! Through the front door: a whole server in this process, real sockets, real TLS.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod app;
mod app_hostile;
mod app_models;
mod app_passwords;
mod apps_by_password;
mod apps_let_in;
mod asking;
mod authenticator;
mod back_channel;
mod backups;
mod bearer_tokens;
mod bound_devices;
mod bounded_lines;
mod branding;
mod certificate_worth;
mod client_certificates;
mod clocks;
mod compat;
mod compat_own_service;
mod connections;
mod crossing;
mod decisions;
mod denials;
mod devices;
mod doctor;
mod doubts;
mod durations;
mod elsewhere;
mod endurance;
mod enrolments;
mod enrolments_elsewhere;
mod farewells;
mod films;
mod footguns;
mod forged_ways;
mod fresh_passkeys;
mod guesses;
mod health_checks;
mod held_apps;
mod hosted;
mod hosted_answers;
mod hosted_holes;
mod hosted_replay;
mod hostile;
mod hours;
mod http2_upstreams;
mod invariants;
mod jellyfin;
mod jellyfin_casting;
mod jellyfin_kept;
mod jellyfin_mended;
mod jellyfin_starts;
mod jellyfin_strangers;
mod keys;
mod keys_in_files;
mod languages;
mod links;
mod long_heads;
mod mail;
mod messages;
mod metrics;
mod modules;
mod most_sessions;
mod name_servers;
mod openid;
mod openid_logout;
mod openid_tokens;
mod overdue;
mod own_certificate;
mod own_clients;
mod own_endpoints;
mod pairing_attacks;
mod pairing_floods;
mod panics;
mod passkeys;
mod paths;
mod people;
mod permits;
mod provider_choice;
mod provider_kinds;
mod provider_members;
mod provider_mistakes;
mod providers;
mod proxied;
mod readers;
mod recent;
mod rechecks;
mod refused_words;
mod resilience;
mod rotation;
mod routes;
mod seats;
mod seats_hostile;
mod second_readings;
mod service_accounts;
mod session_list;
mod shares;
mod siblings;
mod siege;
mod sockets;
mod staples;
mod streams;
mod survivors;
mod tabs;
mod tasks;
mod test_app;
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod test_server;
mod tries;
mod trusting;
mod tunnel_clients;
mod tunnels;
mod tunnels_hostile;
mod tunnels_recorded;
mod udp_clients;
mod udp_tunnels;
mod unread;
mod unrecorded;
mod upgrades;
mod upstream_tls;
mod upstreams;
mod visitors;
mod visits;
mod ways_on;
mod wire;
mod workers;
