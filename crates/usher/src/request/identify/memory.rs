//! Sessions for tests that need no disk.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use usher_rules::{
    people::BoxFuture,
    session::{Session, SessionId},
    time::UnixTime,
};

use super::{LiveSession, SessionStore, StoreError};

/// Sessions in memory only.
#[derive(Debug, Default)]
pub struct MemorySessions(Mutex<HashMap<SessionId, Arc<LiveSession>>>, AtomicBool);

impl MemorySessions {
    fn take(&self, is_one: impl Fn(&Session) -> bool) -> Vec<Arc<LiveSession>> {
        let mut sessions = self.0.lock().unwrap();
        sessions.extract_if(|_, live| is_one(live.session())).map(|(_, live)| live).collect()
    }

    /// From now on no session is kept, as when the disk is full.
    pub fn keep_no_more(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    /// Forgets what has expired.
    pub fn forget_expired(&self, now: UnixTime) {
        self.take(|session| session.expires_at().is_expired_at(now, Duration::ZERO));
    }
}

impl SessionStore for MemorySessions {
    fn find(&self, id: &SessionId) -> Option<Arc<LiveSession>> {
        self.0.lock().unwrap().get(id).cloned()
    }

    fn insert(&self, session: Session) -> BoxFuture<'_, Result<Arc<LiveSession>, StoreError>> {
        Box::pin(async move {
            if self.1.load(Ordering::Relaxed) {
                return Err(StoreError("the disk is full".into()));
            }
            let live = Arc::new(LiveSession::new(session));
            let id = live.session().id.clone();
            let before = self.0.lock().unwrap().insert(id, Arc::clone(&live));
            before.inspect(|before| before.end());
            Ok(live)
        })
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.take(|session| session.id == *id).iter().for_each(|live| live.end());
            Ok(())
        })
    }

    fn end_all_of<'a>(&'a self, person_id: &'a str) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            let taken = self.take(|session| *session.person.id == *person_id);
            taken.iter().for_each(|live| live.end());
            Ok(taken.len())
        })
    }

    fn of_person(&self, person_id: &str) -> Vec<Arc<LiveSession>> {
        let sessions = self.0.lock().unwrap();
        sessions.values().filter(|live| *live.session().person.id == *person_id).cloned().collect()
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    super::contract::contract(Arc::new(MemorySessions::default())).await;
}
