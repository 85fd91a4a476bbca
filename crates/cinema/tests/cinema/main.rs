//! The stand-in over real sockets: recorded exchanges of the real server, replayed, and what no
//! single exchange shows.

#![allow(unreachable_pub)] // a test is a program of its own
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod broken;
mod limits;
mod lives;
mod recordings;
mod replay;
mod sockets;
mod versions;
mod wire;
