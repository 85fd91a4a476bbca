//! A small stand-in for Jellyfin: what `usher demo` shows and what the tests put behind the door.
//!
//! It is not Jellyfin and says so on its page. It answers the requests that client libraries and a
//! front door depend on as the released servers were seen to answer them, the awkward parts
//! included: media without a credential, bad tokens ignored where no token is needed, sockets on
//! any path, one token per device and person, absolute redirects built from `Host`. A front door
//! that is right against this stand-in has met those habits before it meets the real server.
//!
//! The order of a request, as in the real pipeline: limits, forwarded headers, static files,
//! authentication, routing, authorization, remote-access filter, sockets, start-up message,
//! endpoints ([`pipeline`]).
//!
//! What it leaves out: compression, transcoding (a stream without `static=true` is the same film in
//! chunks, without ranges), localization beyond `Content-Language: en-US`, Live TV, plug-ins.

#![recursion_limit = "256"] // the policy is one long `json!`
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod answer;
mod caller;
mod clock;
mod credential;
mod discovery;
mod endpoints;
mod fault;
mod film;
mod forwarded;
mod media_server;
mod options;
mod pipeline;
mod range;
mod routes;
mod server;
mod socket;
mod target;

pub use clock::Clock;
pub use fault::Fault;
pub use film::{Film, SMALL_FILM};
pub use options::{CinemaOptions, CinemaUser, JellyfinVersion, Readiness};
pub use server::{Cinema, RunningCinema, StartError};
