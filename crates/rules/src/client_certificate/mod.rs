//! What the certificate of a client is worth (RFC 5280 §6): read once, and judged by the
//! authorities that a route trusts, at a moment that is given.
//!
//! | takes | what a client showed in its handshake, and a moment |
//! |---|---|
//! | gives | [`Judged`]: nothing is wrong with it, or what, and until when that holds |
//! | never | asks a clock, or fetches a list of revoked certificates |

mod names;
mod read;
mod revoked;
mod trust;

pub use names::{NameKind, NamePattern};
pub use read::ClientChain;
pub use revoked::RevokedList;
pub use trust::{ClientTrust, Constraints, Judged, TrustError};
