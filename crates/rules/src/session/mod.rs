//! Sessions: what is remembered of a sign-in, and the sealed handle that a browser carries.

mod record;

pub use record::{Session, SessionId};
