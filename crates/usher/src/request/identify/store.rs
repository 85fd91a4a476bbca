use std::sync::Arc;

use usher_rules::{
    people::BoxFuture,
    session::{Session, SessionId},
};

use super::LiveSession;

/// Why the store of sessions could not do it. Every cause fails closed.
#[derive(Debug, thiserror::Error)]
#[error("the store of sessions failed: {0}")]
pub struct StoreError(pub Box<str>);

/// Sessions that outlive the process and can be ended. Implemented in `store/`.
pub trait SessionStore: Send + Sync {
    /// The session, from memory: this is asked on every request. `None` when it never was or was
    /// ended; an expired one may still be found, its `expires_at` is the caller's to judge.
    fn find(&self, id: &SessionId) -> Option<Arc<LiveSession>>;
    /// Remembers a session. When it resolves, a crash no longer loses it.
    fn insert(&self, session: Session) -> BoxFuture<'_, Result<Arc<LiveSession>, StoreError>>;
    /// Ends a session. Idempotent. When it resolves, `find` answers `None` for good and whatever
    /// runs under it has been told.
    fn end<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Ends every session of a person (by [`usher_rules::people::Person::id`]); how many.
    fn end_all_of<'a>(&'a self, person_id: &'a str) -> BoxFuture<'a, Result<usize, StoreError>>;
    /// Every session of a person that is in memory.
    fn of_person(&self, person_id: &str) -> Vec<Arc<LiveSession>>;
}
