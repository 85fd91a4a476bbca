//! Devices that people enrol: people of two providers who may have one id, answers that come late or
//! of a copy, approvals, removals, and sessions that were proven on what is gone.

use std::{collections::BTreeMap, sync::Arc};

use tempfile::TempDir;
use usher::{request::identify::SessionStore as _, store::Store};
use usher_rules::{
    enrolment::{ANY_KIND, EnrolledDevice, EnrolledDevices as _, Ids, MOST_DEVICES},
    passkey::NewPasskey,
    session::{SessionId, ShownDevice},
};

use crate::{Dice, Time, found, from_seeds, rows, session, store};

const PROVIDERS: [&str; 2] = ["https://home.example", "https://work.example"];
const PEOPLE: [&str; 2] = ["7", "8"];
const LIFE: u64 = 14 * 3600;
/// Sessions that are looked at, and devices as somebody read them.
const KEPT: usize = 40;

struct World {
    dir: TempDir,
    store: Arc<Store>,
    dice: Dice,
    time: Time,
    /// What should be there.
    devices: BTreeMap<Box<str>, EnrolledDevice>,
    /// As they were read, by who is slow or has a copy.
    read: Vec<EnrolledDevice>,
    /// Proven on which.
    sessions: Vec<(SessionId, Box<str>)>,
    made: u64,
    refused: usize,
    late: usize,
    shown: usize,
}

impl World {
    fn new(dice: Dice) -> Self {
        let (dir, store) = store();
        let (devices, read, sessions) = (BTreeMap::new(), Vec::new(), Vec::new());
        let (made, refused, late, shown) = (0, 0, 0, 0);
        let time = Time::new();
        Self { dir, store, dice, time, devices, read, sessions, made, refused, late, shown }
    }

    async fn step(&mut self, step: u64) {
        match self.dice.below(24) {
            0..6 => self.enrols().await,
            6..11 => self.shows().await,
            11..13 => self.answers_late().await,
            13 => self.approves().await,
            14 => self.removes().await,
            15..20 => self.looks(),
            _ => self.time.goes_on(&mut self.dice),
        }
        if step.is_multiple_of(64) {
            self.is_swept().await;
        }
    }

    fn any(&mut self) -> Option<EnrolledDevice> {
        let at = self.dice.of(self.devices.len())?;
        self.devices.values().nth(at).cloned()
    }

    async fn enrols(&mut self) {
        self.made += 1;
        let known = self.any().filter(|_| self.dice.below(10) == 0);
        let id = known.map_or_else(|| format!("key-{}", self.made).into(), |known| known.key.id);
        let new = EnrolledDevice {
            key: NewPasskey { id, public_key: Box::from(*b"key"), counter: 1 },
            owner: PEOPLE[self.dice.below(2)].into(),
            provider: PROVIDERS[self.dice.below(2)].into(),
            called: "somebody@example.com".into(),
            site: "tv.example".into(),
            label: "laptop".into(),
            added_at: self.time.wall().seconds(),
            used_at: None,
            approved_at: None,
        };
        let is_own =
            |kept: &&EnrolledDevice| (&kept.owner, &kept.provider) == (&new.owner, &new.provider);
        let has = self.devices.values().filter(is_own).count();
        let is_new = !self.devices.contains_key(&new.key.id);
        let taken = self.store.enrol(new.clone(), Ids::MayMeet).await.unwrap();
        assert_eq!(taken, is_new && has < MOST_DEVICES, "{has} of theirs");
        match taken {
            true => drop(self.devices.insert(new.key.id.clone(), new)),
            false => self.refused += 1,
        }
    }

    /// A session is proven on it; one that counts is its owner's, and no other's of that id.
    async fn shows(&mut self) {
        let Some(device) = self.any() else { return };
        if self.dice.below(3) == 0 {
            self.read.push(device.clone());
            let surplus = self.read.len().saturating_sub(KEPT);
            self.read.drain(..surplus);
        }
        self.proves(&device).await;
        let mut new = session(&mut self.dice, &device.owner, (self.time.wall(), LIFE));
        new.session.devices = [device.shown()].into();
        let live = self.store.insert(new).await.unwrap();
        self.sessions.push((live.session().id.clone(), device.key.id));
        let surplus = self.sessions.len().saturating_sub(KEPT);
        for (gone, _) in self.sessions.drain(..surplus).collect::<Vec<_>>() {
            self.store.end(&gone).await.unwrap();
        }
        self.shown += 1;
    }

    async fn proves(&mut self, read: &EnrolledDevice) {
        let (counter, at) = (read.key.counter + 1, self.time.wall().seconds());
        let kept = self.devices.get_mut(&read.key.id);
        let kept = kept.filter(|kept| kept.key.counter == read.key.counter);
        let counts = self.store.proven(read, counter, at).await.unwrap();
        assert_eq!(counts, kept.is_some(), "a copy, or an answer that came late, is none");
        match kept {
            Some(kept) => (kept.key.counter, kept.used_at) = (counter, Some(at)),
            None => self.late += 1,
        }
    }

    async fn answers_late(&mut self) {
        let Some(at) = self.dice.of(self.read.len()) else { return };
        let read = self.read.swap_remove(at);
        self.proves(&read).await;
    }

    async fn approves(&mut self) {
        let Some(EnrolledDevice { key, .. }) = self.any() else { return };
        let now = self.time.wall().seconds();
        assert!(self.store.approve(&key.id, now).await.unwrap());
        self.devices.get_mut(&key.id).unwrap().approved_at.get_or_insert(now);
    }

    async fn removes(&mut self) {
        let Some(EnrolledDevice { key, .. }) = self.any() else { return };
        assert!(self.store.remove_enrolled(&key.id).await.unwrap());
        assert!(!self.store.remove_enrolled(&key.id).await.unwrap(), "it is gone");
        self.devices.remove(&key.id);
    }

    /// What a session says of its device is what is known of it now, whatever was known then.
    fn looks(&mut self) {
        let Some(at) = self.dice.of(self.sessions.len()) else { return };
        let (session, id) = &self.sessions[at];
        let Some(live) = found(&self.store, session) else { return };
        let newest = live.newest();
        let said = newest.session.device(ANY_KIND);
        let known = self.devices.get(id).map(EnrolledDevice::shown);
        let known = known.and_then(|ShownDevice { credential, .. }| credential);
        assert_eq!(said, known.as_ref(), "{id}");
    }

    async fn is_swept(&mut self) {
        self.store.sweep(self.time.wall()).await.unwrap();
        let (devices, sessions) =
            (rows(&self.dir, "enrolled_devices"), rows(&self.dir, "sessions"));
        assert_eq!(devices, self.devices.len(), "those that are somebody's");
        assert!(devices <= PEOPLE.len() * PROVIDERS.len() * MOST_DEVICES);
        assert!(sessions <= self.sessions.len(), "{sessions} sessions");
    }

    async fn ends(mut self) {
        let (refused, late, shown) = (self.refused, self.late, self.shown);
        assert!(refused > 10 && late > 10 && shown > 100, "{refused} {late} {shown}");
        for id in std::mem::take(&mut self.devices).into_keys() {
            assert!(self.store.remove_enrolled(&id).await.unwrap());
        }
        self.sessions.iter().filter_map(|(id, _)| found(&self.store, id)).for_each(|live| {
            assert_eq!(live.newest().session.device(ANY_KIND), None, "nothing counts any more");
        });
        assert_eq!(rows(&self.dir, "enrolled_devices"), 0);
    }
}

#[test]
fn a_session_says_of_a_device_what_is_known_of_it() {
    from_seeds(4_000, World::new, World::step, World::ends);
}
