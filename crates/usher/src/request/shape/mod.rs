//! Room 6: fields toward the upstream and back.
//!
//! | takes | a permitted head; an upstream's head |
//! |---|---|
//! | gives | the head that the upstream gets; the head that the client gets |
//! | never | passes on what a client says about who it is (invariant 7) |
//!
//! What the client said about itself is removed in every spelling, then what only the proxy may
//! say is added, so that nothing the client nominates can unsay it.

mod apart;
mod assertion;
mod fields;
mod response;
mod signer;
mod target;

pub use apart::{apart, own};
pub use assertion::{Assertions, identity_fields, identity_octets};
pub use fields::{NamedByClient, Upward, toward_upstream};
pub use response::toward_client;
pub use signer::{Signer, SignerError};
pub use target::{UpstreamPath, upstream_path};
