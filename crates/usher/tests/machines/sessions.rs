//! Sessions of people whom a provider vouches for: begun, used, asked about, renewed, replaced,
//! ended by themselves, by an admin, by a provider, by silence, by idleness and by time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tempfile::TempDir;
use usher::{
    request::identify::{LiveSession, SessionStore as _, Use, end_with_replaced},
    store::{MOST_PER_PERSON, Store},
};
use usher_rules::session::{Answer, Outcome, RecheckPolicy, SessionId, SignedIn};

use crate::{Dice, Time, found, from_seeds, rows, session, store};

const PEOPLE: usize = 5;
const POLICY: RecheckPolicy =
    RecheckPolicy { every: Duration::from_secs(600), grace: Duration::from_secs(3600) };
const IDLE: Duration = Duration::from_secs(4 * 3600);
const LIFE: u64 = 14 * 3600;

struct World {
    dir: TempDir,
    store: Arc<Store>,
    dice: Dice,
    time: Time,
    /// What should be there, and what runs under some of them.
    open: BTreeMap<SessionId, SignedIn>,
    running: Vec<Arc<LiveSession>>,
    /// Questions that a provider has not answered.
    asked: Vec<(Arc<LiveSession>, u64)>,
    over: usize,
    silent: usize,
    idle: usize,
    begun: u64,
    starts: u64,
}

impl World {
    fn new(dice: Dice) -> Self {
        let (dir, store) = store();
        let (open, running, asked) = (BTreeMap::new(), Vec::new(), Vec::new());
        let (over, silent, idle, begun, starts) = (0, 0, 0, 0, 0);
        Self {
            dir,
            store,
            dice,
            time: Time::new(),
            open,
            running,
            asked,
            over,
            silent,
            idle,
            begun,
            starts,
        }
    }

    async fn step(&mut self, step: u64) {
        match self.dice.below(20) {
            0..3 => self.begins().await,
            3..7 => self.is_used().await,
            7..10 => self.is_asked_about(),
            10..13 => self.is_answered().await,
            13 => self.renews().await,
            14 => self.ends().await,
            15 if self.dice.below(20) == 0 => self.ends_all().await,
            15 if self.dice.below(20) == 0 => self.starts_again(),
            16 => self.runs(),
            17 => self.is_looked_at().await,
            _ => self.time.goes_on(&mut self.dice),
        }
        if step.is_multiple_of(64) {
            self.is_swept().await;
        }
    }

    fn any(&mut self) -> Option<SessionId> {
        let at = self.dice.of(self.open.len())?;
        self.open.keys().nth(at).cloned()
    }

    /// Some come in the place of an older one of the same person.
    async fn begins(&mut self) {
        let person = format!("p{}", self.dice.below(PEOPLE));
        let mut new = session(&mut self.dice, &person, (self.time.wall(), LIFE));
        self.begun += 1;
        let before = self.any().filter(|_| self.dice.below(3) == 0);
        new.session.replaces = before.filter(|id| self.open[id].person.id == new.person.id);
        self.store.insert(new.clone()).await.unwrap();
        self.open.insert(new.session.id.clone(), new);
        self.open.retain(|id, _| found(&self.store, id).is_some()); // the surplus
    }

    async fn is_used(&mut self) {
        let Some(id) = self.any() else { return };
        let live = found(&self.store, &id).unwrap();
        if live.is_over(self.time.now()) {
            return;
        }
        if !live.is_used(IDLE, self.time.now()) {
            self.idle += 1;
            assert!(!live.is_used(IDLE, self.time.now()), "nothing revives what was left alone");
            self.is_gone(&id, &live).await;
        }
    }

    fn is_asked_about(&mut self) {
        let Some(id) = self.any() else { return };
        let live = found(&self.store, &id).unwrap();
        if live.asks(POLICY, self.time.now()) {
            let twice = self.asked.iter().any(|(asked, _)| asked.session().id == id);
            assert!(!twice, "a refresh token is spent twice");
            self.asked.push((live, self.time.seconds));
        }
    }

    async fn is_answered(&mut self) {
        let Some(at) = self.dice.of(self.asked.len()) else { return };
        let (live, _since) = self.asked.swap_remove(at);
        let answer = match self.dice.below(20) {
            0 => Answer::Refused,
            1..12 => Answer::Silent,
            _ => Answer::Vouched,
        };
        let outcome = live.answered(answer, POLICY, self.time.now());
        match outcome {
            Outcome::GoesOn => return assert_ne!(answer, Answer::Refused),
            Outcome::Refused => assert_eq!(answer, Answer::Refused),
            Outcome::SilentTooLong => self.silent += 1,
        }
        let id = live.session().id.clone();
        self.is_gone(&id, &live).await;
    }

    /// What a provider says anew revives nothing that has ended.
    async fn renews(&mut self) {
        let Some(id) = self.any() else { return };
        let known = found(&self.store, &id).unwrap().newest();
        let mut new = self.open[&id].clone();
        new.session.vouched_at = self.time.wall().seconds();
        if self.dice.below(4) == 0 {
            let live = found(&self.store, &id).unwrap();
            self.is_gone(&id, &live).await;
        } else {
            self.open.insert(id.clone(), new.clone());
        }
        let is_renewed = self.store.renew(&known, new).await.unwrap();
        assert_eq!(is_renewed, self.open.contains_key(&id));
        assert_eq!(found(&self.store, &id).is_some(), self.open.contains_key(&id));
    }

    /// Ends it, and sees that it has ended for whoever holds it.
    async fn is_gone(&mut self, id: &SessionId, live: &Arc<LiveSession>) {
        self.store.end(id).await.unwrap();
        assert!(live.is_ended() && found(&self.store, id).is_none());
        self.open.remove(id);
        self.over += 1;
    }

    /// Somebody signs out: what was replaced goes with it.
    async fn ends(&mut self) {
        let Some(id) = self.any() else { return };
        let live = found(&self.store, &id).unwrap();
        end_with_replaced(&*self.store, &live).await.unwrap();
        let mut next = Some(id);
        while let Some(id) = next {
            assert!(found(&self.store, &id).is_none(), "what it came after lives on");
            next = self.open.remove(&id).and_then(|known| known.session.replaces);
        }
        assert!(live.is_ended());
        self.over += 1;
    }

    async fn ends_all(&mut self) {
        let person = format!("p{}", self.dice.below(PEOPLE));
        let ended = crate::end_each_of(&self.store, &person).await;
        let before = self.open.len();
        self.open.retain(|_, known| *known.person.id != *person);
        assert_eq!(before - self.open.len(), ended, "all of them, and nobody else's");
        assert!(self.store.of_person(&person).is_empty());
    }

    /// A film begins, or the oldest is over.
    fn runs(&mut self) {
        if let Some(live) = self.any().and_then(|id| found(&self.store, &id)) {
            self.running.push(live);
        }
        if self.running.len() > 8 {
            self.running.remove(0);
        }
    }

    /// Another process goes on: nothing runs, nobody waits for an answer, and nobody has asked about
    /// any session yet.
    fn starts_again(&mut self) {
        self.running.clear();
        self.asked.clear();
        self.starts += 1;
        let (_gone, unused) = crate::store();
        drop(Arc::into_inner(std::mem::replace(&mut self.store, unused)).expect("nobody has it"));
        self.store = Arc::new(Store::open(self.dir.path()).unwrap());
        assert_eq!(self.store.session_count(), self.open.len());
        assert_eq!(rows(&self.dir, "sessions"), self.open.len(), "a start changes nothing");
    }

    /// As every session is now and then: who has left goes, whose film plays stays.
    async fn is_looked_at(&mut self) {
        for live in self.store.all() {
            match live.is_looked_at(IDLE, self.time.now()) {
                Use::Recent | Use::Unwritten(_) => {}
                Use::TooLongAgo => {
                    let id = live.session().id.clone();
                    self.idle += 1;
                    self.is_gone(&id, &live).await;
                }
            }
        }
    }

    async fn is_swept(&mut self) {
        self.asked.retain(|(live, _)| !live.is_ended());
        self.store.sweep(self.time.wall()).await.unwrap();
        let now = self.time.wall();
        let held = |live: &LiveSession| {
            let id = &live.session().id;
            let asked = self.asked.iter().any(|(asked, _)| asked.session().id == *id);
            asked || self.running.iter().any(|held| held.session().id == *id)
        };
        for live in self.store.all() {
            let is_over = live.session().expires_at() <= now;
            assert!(!is_over || held(&live), "it has run out, and nothing runs under it");
            let owner = self.store.of_person(&live.person().id);
            let listed = owner.iter().any(|one| one.session().id == live.session().id);
            assert!(listed, "nobody can see it, and so nobody ends it");
            assert!(!live.is_ended() && self.open.contains_key(&live.session().id));
        }
        self.open.retain(|id, _| found(&self.store, id).is_some());
        let sessions = rows(&self.dir, "sessions");
        assert_eq!(sessions, self.open.len(), "the disk holds what memory does");
        assert!(sessions <= PEOPLE * MOST_PER_PERSON);
    }

    async fn ends_well(self) {
        assert!(self.over > 20 && self.begun > 100, "{} of {} ended", self.over, self.begun);
        assert!(self.starts > 0, "never started again");
        assert!(self.silent > 0 && self.idle > 0, "{} by silence, {} idle", self.silent, self.idle);
        for person in 0..PEOPLE {
            crate::end_each_of(&self.store, &format!("p{person}")).await;
        }
        assert_eq!((self.store.session_count(), rows(&self.dir, "sessions")), (0, 0));
        assert!(self.running.iter().all(|live| live.is_ended()), "what runs has been told");
    }
}

#[test]
fn every_session_ends_and_somebody_can_end_it() {
    from_seeds(8_000, World::new, World::step, World::ends_well);
}
