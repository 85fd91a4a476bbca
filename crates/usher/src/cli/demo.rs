//! `usher demo`: a cinema behind a door, with nothing written beforehand.

pub mod config;
pub mod port;
pub mod residents;
pub mod told;
