//! The path of a request, in eight rooms, in this order:
//!
//! [`accept`] ▸ [`tls`] ▸ [`route`] ▸ [`identify`] ▸ [`authorize`] ▸ [`shape`] ▸ [`forward`] ▸ [`record`]
//!
//! A step never uses a later step; they meet here.

pub mod accept;
pub mod authorize;
mod body;
pub mod forward;
pub mod identify;
mod own;
pub mod record;
pub mod route;
pub mod shape;
pub mod tls;

pub use body::Body;
pub use own::{Assertions, OwnPages, OwnRequest, SignInJournal, SignInNeeded, SignInNote};
