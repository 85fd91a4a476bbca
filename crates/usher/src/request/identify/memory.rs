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
    session::{SessionId, SignedIn},
    time::UnixTime,
};

use super::{Found, LiveSession, NotOnce, SessionFacts, SessionStore, StoreError, UsedHere};

/// Sessions in memory only.
#[derive(Debug, Default)]
pub struct MemorySessions {
    sessions: Mutex<HashMap<SessionId, Arc<LiveSession>>>,
    pub(crate) used: UsedHere,
    /// Where they are said to be.
    pub(crate) place: Mutex<Place>,
    full: AtomicBool,
    changed: Mutex<Option<Vec<Arc<SignedIn>>>>,
    /// Those that somebody got who looks at all.
    pub(crate) given: Mutex<Vec<SessionId>>,
}

/// Where sessions are.
#[derive(Debug, Default)]
pub(crate) enum Place {
    #[default]
    Here,
    /// With others, who tell.
    Elsewhere,
    /// With others, who can't.
    Failing(StoreError),
    /// With others, who say nothing.
    Silent,
}

impl MemorySessions {
    fn known(&self, id: &SessionId) -> Option<Arc<LiveSession>> {
        self.sessions.lock().unwrap().get(id).cloned()
    }

    fn take(&self, is_one: impl Fn(&LiveSession) -> bool) -> Vec<Arc<LiveSession>> {
        let mut sessions = self.sessions.lock().unwrap();
        let taken: Vec<_> =
            sessions.extract_if(|_, live| is_one(live)).map(|(_, live)| live).collect();
        taken.iter().for_each(|live| self.note(live));
        taken
    }

    fn note(&self, live: &LiveSession) {
        self.changed.lock().unwrap().iter_mut().for_each(|all| all.push(live.newest()));
    }

    /// From now on no session is kept, as when the disk is full.
    pub fn keep_no_more(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// Forgets what has expired.
    pub fn forget_expired(&self, now: UnixTime) {
        self.take(|live| live.session().expires_at().is_expired_at(now, Duration::ZERO));
    }
}

impl SessionStore for MemorySessions {
    fn find(&self, id: &SessionId) -> Found {
        match *self.place.lock().unwrap() {
            Place::Here => self.known(id).map_or(Found::Ended, Found::Live),
            Place::Elsewhere | Place::Failing(_) | Place::Silent => Found::Elsewhere,
        }
    }

    fn fetch<'a>(
        &'a self,
        id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Arc<LiveSession>>, StoreError>> {
        match &*self.place.lock().unwrap() {
            Place::Here | Place::Elsewhere => Box::pin(async { Ok(self.known(id)) }),
            Place::Failing(error) => Box::pin(std::future::ready(Err(error.clone()))),
            Place::Silent => Box::pin(std::future::pending()),
        }
    }

    fn insert(&self, new: SignedIn) -> BoxFuture<'_, Result<Arc<LiveSession>, StoreError>> {
        Box::pin(async move {
            if self.full.load(Ordering::Relaxed) {
                return Err(StoreError::Full("no space is left".into()));
            }
            let live = Arc::new(LiveSession::new(new));
            let id = live.session().id.clone();
            let before = self.sessions.lock().unwrap().insert(id, Arc::clone(&live));
            before.iter().for_each(|before| self.note(before));
            before.inspect(|before| before.end());
            self.note(&live);
            Ok(live)
        })
    }

    fn renew<'a>(
        &'a self,
        before: &'a Arc<SignedIn>,
        new: SignedIn,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let mut sessions = self.sessions.lock().unwrap();
        let known = sessions.get_mut(&new.session.id).filter(|live| live.is_as(before));
        let renewed = known.map(|live| {
            *live = Arc::new(live.renewed(new));
            self.note(live);
        });
        let is_renewed = renewed.is_some();
        Box::pin(std::future::ready(Ok(is_renewed)))
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.take(|live| live.session().id == *id).iter().for_each(|live| live.end());
            Ok(())
        })
    }

    fn of_person(&self, person_id: &str) -> Vec<Arc<LiveSession>> {
        let sessions = self.sessions.lock().unwrap();
        sessions.values().filter(|live| *live.person().id == *person_id).cloned().collect()
    }

    fn all(&self) -> Vec<Arc<LiveSession>> {
        self.those(&|_| true)
    }

    fn those(&self, wanted: &dyn Fn(&SessionFacts) -> bool) -> Vec<Arc<LiveSession>> {
        let mut all: Vec<_> = self.sessions.lock().unwrap().values().cloned().collect();
        all.retain(|live| wanted(&SessionFacts::of(live.session())));
        let ids = all.iter().map(|live| live.session().id.clone());
        self.given.lock().unwrap().extend(ids);
        all
    }

    fn changed(&self) -> Option<Vec<Arc<SignedIn>>> {
        self.changed.lock().unwrap().replace(Vec::new())
    }

    fn once(
        &self,
        what: [u8; 32],
        over_at: UnixTime,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<(), NotOnce>> {
        self.used.once(what, over_at, now)
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    super::contract::contract(|| ((), Arc::new(MemorySessions::default()))).await;
}
