//! Hosted sign-in over a browser: the wire is [`usher_rules::signin::hosted`]'s, here it is spoken.
//!
//! | side | what | file |
//! |---|---|---|
//! | proxy | the service's key: fetched, kept, asked for again | `key` |
//! | proxy | the way there, and the login address for programs | `begin` |
//! | proxy | `/.pomerium/callback/`, the way back | `arrive` |
//! | proxy | asks before a program gets in | `program` |
//! | service | what a proxy asks, and the answer | `serve` |
//!
//! A proxy can't refresh such a session: it ends after `cookie_expire`, a minute before the tokens
//! end that came with it, or at sign-out, and then the browser goes the same way again.

mod arrive;
mod begin;
mod key;
mod program;
mod serve;

pub(super) use key::{ServiceKeys, try_service};

/// What `pomerium_version` says: the version of the wire that is spoken, and who speaks. The form
/// is `VERSION OS/ARCH RUNTIME`, with Go's names and the last part empty.
const VERSION: &str = if cfg!(target_arch = "aarch64") {
    concat!("0.32.7+usher-", env!("CARGO_PKG_VERSION"), " linux/arm64 ")
} else {
    concat!("0.32.7+usher-", env!("CARGO_PKG_VERSION"), " linux/amd64 ")
};
