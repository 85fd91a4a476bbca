//! The half of usher that touches the world: the path of a request, and the rooms around it.
//!
//! ```text
//!  5  cli ─────────────▶ reload, server             knows everything; known by main.rs only
//!  4  reload ──────────▶ server, certs              the one way from a config to a plan
//!  3  server ──────────▶ all rooms, request
//!     doctor ──────────▶ certs, signin             what is wrong with all of it
//!  2  signin  idp  store  certs  jellyfin           strangers to each other
//!           │   implement the traits that request owns
//!  1  request   accept ▸ tls ▸ route ▸ identify ▸ authorize ▸ shape ▸ forward ▸ record
//!  ═════════╪═════════ crate boundary: below it no socket, file, clock, randomness ═════════
//!  0  usher-rules, usher-pages
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

pub mod certs;
pub mod cli;
pub mod doctor;
pub mod idp;
pub mod jellyfin;
pub mod reload;
pub mod request;
pub mod server;
pub mod signin;
pub mod store;
