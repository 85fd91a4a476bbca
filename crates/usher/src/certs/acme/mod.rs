//! Certificates by ACME (RFC 8555): ordered, proved, kept and renewed without anybody's hand.
//!
//! | takes | a plan's `autocert`, what is on the disk |
//! |---|---|
//! | gives | certificates for names, answers to challenges |
//! | never | holds up a start, a reload or a handshake |
//!
//! *When* something is ordered is [`usher_rules::renewal`]'s to say; here it is done, one order at
//! a time, on the thread for chores. What is on the disk, and why a crash at any moment is
//! harmless, stands in [`certificate_store`].

mod account;
mod certificate_store;
mod challenge_responses;
mod client;
pub mod dns;
mod error;
mod leaf;
mod operator;
mod order;
mod provisioned;
mod renewal_info;
mod transport;
mod web;

pub use certificate_store::{BeforeWrite, CertificateStore, State};
pub use challenge_responses::ChallengeResponses;
pub use client::{AcmeClient, AcmeEvents, Coverage};
pub use error::AcmeError;
pub use leaf::SignedCertificate;
pub use operator::{revoke, rotate_account_key};
pub use provisioned::{Issued, Provisioned};

/// Time that the talk with an authority may take. Tests take less.
#[derive(Clone, Copy, Debug)]
pub struct AcmeTimeouts {
    /// How often it is looked whether something is to be done.
    pub look: std::time::Duration,
    /// How long one answer of an authority may take.
    pub answer: std::time::Duration,
    /// How long an authority may take to look at our answer to its challenge, and to sign.
    pub validation: std::time::Duration,
    /// The first wait before an order is looked at again; it doubles.
    pub first_poll: std::time::Duration,
}

impl AcmeTimeouts {
    /// For authorities on the internet.
    pub const USUAL: Self = Self {
        look: std::time::Duration::from_secs(5),
        answer: std::time::Duration::from_secs(30),
        validation: std::time::Duration::from_secs(120),
        first_poll: std::time::Duration::from_millis(500),
    };
}
