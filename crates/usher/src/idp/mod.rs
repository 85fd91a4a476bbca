//! The built-in identity provider: people, their groups, and their passwords.
//!
//! ```text
//!  signin ── PasswordCheck ──▶ Directory ─▶ throttle ─▶ People (the store) ─▶ argon2id, bounded
//!  usher people ── add, set-groups … ─┘
//!  signin ── Accounts ──▶ WaysIn ─▶ throttle, the same people, and what is kept of passkeys and links
//!  signin ── PeopleAdmin ─┘
//! ```
//!
//! - A try is counted before anything is looked up, by address *and* source prefix: failures
//!   from elsewhere never lock the owner out.
//! - An unknown address costs one argon2id like a known one and gets the same answer.
//! - What an operator types is judged here, once: addresses, names, groups, passwords.
//!
//! - A passkey says itself whose it is. A link is known by its digest alone.

mod accounts;
mod address;
mod directory;
mod generate;
mod line;
mod passwords;
mod people_admin;
#[cfg(test)]
mod tests;
mod throttle;
mod ways;
mod weak;

pub use accounts::WaysIn;
pub use address::{AddressError, normalised};
pub use directory::{Directory, DirectoryError, NewMember};
pub use generate::{NoRandomness, generated_password};
pub use passwords::{Cost, HashingError, LONGEST_PASSWORD, Passwords, SHORTEST_PASSWORD};
