//! `usher doctor` beside a stand-in Jellyfin with each thing wrong that can be: named, told, mended,
//! put back.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod base;
mod cures;
mod front;
mod mail;
mod seeds;
mod setup;
mod slow;
