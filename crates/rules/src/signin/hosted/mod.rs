//! The wire protocol between proxies and a hosted authenticate service, both halves of it
//! (`pomerium-protocols.md` §0.2, §1a; measured in `pomerium-hosted-measured.md`).
//!
//! Proxy and service share no secret. Each has an X25519 key, and every message is sealed with
//! HPKE in auth mode (RFC 9180 §5.1.3): whoever opens it knows who sealed it. A proxy asks by a
//! [`Request`], the service answers with an [`Answer`] to the key that asked.
//!
//! | takes | queries of URLs, the time, random bytes |
//! |---|---|
//! | gives | queries, and what they say once they have been opened |
//! | never | reads a parameter beside the sealed ones: anybody can add those |

mod answer;
mod form;
mod keys;
mod mark;
mod message;
mod profile;
mod request;
mod sealed;
mod stamps;
#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerFault, Arrived};
pub use keys::{HostedKey, PublicKey};
pub use mark::{mark, unmark};
pub use profile::{Profile, ProfileFault, tokens_end};
pub use request::{Program, Request, RequestFault};
pub use sealed::{Opened, SealedFault, SealedForm, Unsealed, Version};
pub use stamps::{StampFault, Stamps};

/// Where a service publishes its key.
pub const PUBLIC_KEY: &str = "/.well-known/pomerium/hpke-public-key";
