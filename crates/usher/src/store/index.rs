//! The sessions in memory: what every request asks.
//!
//! One that was read from the disk lies here packed until somebody asks about it: most people who are
//! signed in ask nothing for days.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use usher_rules::{
    session::{DeviceCredential, SessionId, SignedIn},
    time::UnixTime,
};

use super::{
    dormant::Dormant,
    slot::{Key, Slot, Theirs},
};
use crate::request::identify::{LiveSession, SessionFacts};

type Shard = HashMap<Key, Slot, foldhash::fast::RandomState>;

/// How many locks share the sessions: enough that two cores seldom meet at one.
const SHARDS: usize = 32;

/// Every session by id, and by person.
///
/// INVARIANT: `order` is locked around every change to a shard, so that both views and `ending`
/// agree; [`Index::find`] takes a shard's lock only where somebody has asked about the session before.
pub(super) struct Index {
    shards: [RwLock<Shard>; SHARDS],
    hasher: foldhash::fast::RandomState,
    order: Mutex<Order>,
}

#[derive(Default)]
struct Order {
    by_person: HashMap<Box<str>, Theirs>,
    /// Ended here, not yet known to be gone from the disk. They must not come back from there.
    ending: HashSet<SessionId>,
    count: usize,
    /// Since somebody asked; `None`: more than is told one by one.
    changed: Option<Vec<Arc<SignedIn>>>,
    /// What counts as a device, by its id. What a session says of one is a copy.
    devices: KnownDevices,
}

/// So many that have expired are forgotten before somebody else has a turn.
const AT_ONCE: usize = 64;
/// So many changes are told one by one.
const MOST_TOLD: usize = 1024;
/// So many sessions of somebody's are looked at for what a new one has in common with them.
const ALIKE: usize = 8;

/// How far the enrolment of each device came.
pub(super) type KnownDevices = HashMap<Box<str>, DeviceCredential>;

/// A session, with what is known of its devices now.
fn with_known_devices(known: &KnownDevices, mut signed_in: SignedIn) -> SignedIn {
    for shown in &mut signed_in.session.devices {
        shown.credential = shown.credential.take().and_then(|one| known.get(&one.id).cloned());
    }
    signed_in
}

/// What they know alike is there once.
fn share(new: &mut SignedIn, other: &SignedIn) {
    if new.person == other.person {
        new.person = Arc::clone(&other.person);
    }
    new.session.claims.share(&other.session.claims);
}

/// Takes note of a session that changes; `known` is called where that is told.
fn note(changed: &mut Option<Vec<Arc<SignedIn>>>, known: impl FnOnce() -> Option<Arc<SignedIn>>) {
    let room = changed.as_mut().filter(|all| all.len() < MOST_TOLD);
    let told = room.and_then(|all| known().map(|known| all.push(known)));
    if told.is_none() {
        *changed = None;
    }
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            hasher: foldhash::fast::RandomState::default(),
            order: Mutex::default(),
        }
    }

    pub(super) fn find(&self, id: &SessionId) -> Option<Arc<LiveSession>> {
        let key = Key::from(id);
        if let Slot::Live(live) = self.read(key).get(&key)? {
            return Some(Arc::clone(live));
        }
        self.wake(&mut self.order(), key)
    }

    /// Is it here? Nobody asks about it by that.
    pub(super) fn has(&self, id: &SessionId) -> bool {
        let key = Key::from(id);
        self.read(key).contains_key(&key)
    }

    /// The session as it is asked about from now on; all that ask get the same one.
    fn wake(&self, order: &mut Order, key: Key) -> Option<Arc<LiveSession>> {
        let awake = match self.read(key).get(&key)? {
            Slot::Live(live) => return Some(Arc::clone(live)),
            Slot::Dormant(dormant) => dormant.wake(),
        };
        let Some(mut awake) = awake else {
            self.take_locked(order, key); // as if it had ended
            return None;
        };
        self.share_locked(order, &mut awake);
        let live = Arc::new(LiveSession::new(awake));
        self.write(key).insert(key, Slot::Live(Arc::clone(&live)));
        Some(live)
    }

    /// What a session has in common with others of its person that somebody asks about is there once.
    fn share_locked(&self, order: &Order, new: &mut SignedIn) {
        let others = order.by_person.get(&new.person.id).into_iter().flat_map(Theirs::all).rev();
        for key in others.take(ALIKE) {
            let other = match self.read(*key).get(key) {
                Some(Slot::Live(other)) => other.newest(),
                Some(Slot::Dormant(_)) | None => continue,
            };
            share(new, &other);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order().count
    }

    /// Takes a session in; the one with the same id that was there before is ended.
    pub(super) fn put(&self, new: SignedIn) -> Arc<LiveSession> {
        let mut order = self.order();
        let mut new = with_known_devices(&order.devices, new);
        self.share_locked(&order, &mut new);
        let live = Arc::new(LiveSession::new(new));
        self.put_locked(&mut order, &live.newest(), Slot::Live(Arc::clone(&live)));
        live
    }

    /// Takes a session in as it was read from the disk, where its JSON is `text`: nobody asks about it
    /// yet.
    pub(super) fn put_read(&self, read: SignedIn, text: &str) {
        let mut order = self.order();
        if read.session.devices.is_empty() {
            let dormant = Dormant::read(&read.session, text);
            self.put_locked(&mut order, &Arc::new(read), Slot::Dormant(dormant));
            return;
        }
        let known = with_known_devices(&order.devices, read);
        match Dormant::of(&known) {
            Some(dormant) => self.put_locked(&mut order, &Arc::new(known), Slot::Dormant(dormant)),
            None => {
                drop(order);
                self.put(known);
            }
        }
    }

    fn put_locked(&self, order: &mut Order, known: &Arc<SignedIn>, slot: Slot) {
        let key = Key::from(&known.session.id);
        if let Some(before) = self.take_locked(order, key) {
            before.end();
        }
        let theirs = order.by_person.get_mut(&known.person.id);
        match theirs {
            Some(theirs) => theirs.push(key),
            None => {
                order.by_person.insert(known.person.id.clone(), Theirs::One(key));
            }
        }
        order.count += 1;
        note(&mut order.changed, || Some(Arc::clone(known)));
        self.write(key).insert(key, slot);
    }

    /// Takes what is new of a session, if it is still there and known as it was `before`.
    pub(super) fn renew(&self, before: &Arc<SignedIn>, new: SignedIn) -> bool {
        let mut order = self.order();
        let mut new = with_known_devices(&order.devices, new);
        share(&mut new, before);
        self.renew_locked(&mut order, before, new)
    }

    fn renew_locked(&self, order: &mut Order, before: &Arc<SignedIn>, new: SignedIn) -> bool {
        let key = Key::from(&new.session.id);
        let mut shard = self.write(key);
        // Nobody knows anything of one that nobody has asked about.
        let Some(Slot::Live(live)) = shard.get_mut(&key) else { return false };
        if !live.is_as(before) {
            return false;
        }
        *live = Arc::new(live.renewed(new));
        note(&mut order.changed, || Some(live.newest()));
        true
    }

    /// What was taken in, renewed or taken out since this was asked last, as far as that can be told.
    pub(super) fn changed(&self) -> Option<Vec<Arc<SignedIn>>> {
        self.order().changed.replace(Vec::new())
    }

    /// These devices count from now on, and no others: for whatever runs under a session that was
    /// proven on one, too.
    pub(super) fn know_devices(&self, devices: KnownDevices) {
        let mut order = self.order();
        order.devices = devices;
        for key in self.keys(|facts| facts.has_devices) {
            let (known, is_live) = match self.read(key).get(&key) {
                Some(slot) => (slot.known(), matches!(slot, Slot::Live(_))),
                None => continue,
            };
            let Some(before) = known else { continue };
            let new = with_known_devices(&order.devices, SignedIn::clone(&before));
            if new.session.devices == before.session.devices {
                continue;
            }
            if is_live {
                self.renew_locked(&mut order, &before, new); // nobody else renews one meanwhile
                continue;
            }
            let slot = match Dormant::of(&new) {
                Some(dormant) => Slot::Dormant(dormant),
                None => Slot::Live(Arc::new(LiveSession::new(new.clone()))),
            };
            self.write(key).insert(key, slot);
            note(&mut order.changed, || Some(Arc::new(new)));
        }
    }

    fn keys(&self, wanted: impl Fn(&SessionFacts) -> bool) -> Vec<Key> {
        let of = |shard: &RwLock<Shard>| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let meant = shard.iter().filter(|(_, slot)| wanted(&slot.facts()));
            meant.map(|(key, _)| *key).collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(of).collect()
    }

    /// Is there one of which that is so?
    pub(super) fn any(&self, is_so: impl Fn(&SessionFacts) -> bool) -> bool {
        self.shards.iter().any(|shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.values().any(|slot| is_so(&slot.facts()))
        })
    }

    /// Every session of which `wanted` says so; nobody asks about the others by that.
    pub(super) fn those(&self, wanted: impl Fn(&SessionFacts) -> bool) -> Vec<Arc<LiveSession>> {
        let (mut found, mut dormant) = (Vec::new(), Vec::new());
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            for (key, slot) in shard.iter().filter(|(_, slot)| wanted(&slot.facts())) {
                match slot {
                    Slot::Live(live) => found.push(Arc::clone(live)),
                    Slot::Dormant(_) => dormant.push(*key),
                }
            }
        }
        if !dormant.is_empty() {
            let mut order = self.order();
            found.extend(dormant.into_iter().filter_map(|key| self.wake(&mut order, key)));
        }
        found
    }

    /// Every session.
    pub(super) fn all(&self) -> Vec<Arc<LiveSession>> {
        self.those(|_| true)
    }

    /// Packs again what was only looked at: nobody has asked anything of it, and nobody holds it.
    pub(super) fn rest(&self) {
        for shard in &self.shards {
            let resting: Vec<Key> = {
                let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
                let resting = shard.iter().filter(|(_, slot)| match slot {
                    Slot::Live(live) => live.rests(),
                    Slot::Dormant(_) => false,
                });
                resting.map(|(key, _)| *key).collect()
            };
            for key in resting {
                self.rest_one(key);
            }
        }
    }

    /// Packs one again, if nobody has asked anything of it and nobody holds it.
    fn rest_one(&self, key: Key) {
        let _order = self.order();
        let mut shard = self.write(key);
        if let Some(slot) = shard.get_mut(&key)
            && let Slot::Live(live) = slot
            && live.rests()
            && let Some(dormant) = Dormant::of(live.signed_in())
        {
            *slot = Slot::Dormant(dormant);
        }
    }

    /// Those of which `wanted` says so and then `is_meant`, which is shown one after the other: nobody
    /// asks about the others by that.
    pub(super) fn meant(
        &self,
        wanted: impl Fn(&SessionFacts) -> bool,
        is_meant: impl Fn(&SignedIn) -> bool,
    ) -> Vec<Arc<LiveSession>> {
        let mut keys = self.keys(wanted);
        keys.retain(|key| {
            let shown = self.read(*key).get(key).and_then(Slot::known);
            shown.is_some_and(|known| is_meant(&known))
        });
        let mut order = self.order();
        keys.into_iter().filter_map(|key| self.wake(&mut order, key)).collect()
    }

    /// Forgets the sessions, marks them as ending, and then tells what runs under them.
    pub(super) fn end(&self, ids: &[SessionId]) -> usize {
        let mut order = self.order();
        order.ending.extend(ids.iter().cloned());
        let take = |id: &SessionId| self.take_locked(&mut order, id.into());
        let taken: Vec<Slot> = ids.iter().filter_map(take).collect();
        drop(order);
        taken.iter().for_each(Slot::end);
        taken.len()
    }

    /// The end of these sessions is durable.
    pub(super) fn ended(&self, ids: &[SessionId]) {
        let mut order = self.order();
        for id in ids {
            order.ending.remove(id);
        }
    }

    /// Sessions that were ended here and may still be on the disk.
    pub(super) fn ending(&self) -> Vec<SessionId> {
        self.order().ending.iter().cloned().collect()
    }

    pub(super) fn of_person(&self, person_id: &str) -> Vec<Arc<LiveSession>> {
        let mut order = self.order();
        let theirs = order.by_person.get(person_id).map(|theirs| theirs.all().to_vec());
        let theirs = theirs.unwrap_or_default();
        theirs.into_iter().filter_map(|key| self.wake(&mut order, key)).collect()
    }

    /// Forgets the sessions that have expired, except those under which something still runs:
    /// expiry cuts no film, and a revocation must still reach it.
    pub(super) fn forget_expired(&self, now: UnixTime) -> usize {
        let is_expired = |facts: &SessionFacts| facts.expires_at <= now;
        let still_is =
            |key: &Key| self.read(*key).get(key).is_some_and(|slot| is_expired(&slot.facts()));
        let forget = |some: &[Key]| {
            let mut order = self.order();
            let expired = some.iter().filter(|key| still_is(key));
            expired.filter_map(|key| self.take_unheld(&mut order, *key)).count()
        };
        // Ten thousand that began together end together; whoever comes meanwhile has a turn.
        self.keys(is_expired).chunks(AT_ONCE).map(forget).sum()
    }

    /// What differs from `on_disk`: the ids that are only in memory, and those only on the disk
    /// that are not on their way out.
    pub(super) fn differences(
        &self,
        on_disk: &HashSet<SessionId>,
    ) -> (Vec<SessionId>, Vec<SessionId>) {
        let order = self.order();
        let here: HashSet<Key> = order.by_person.values().flat_map(Theirs::all).copied().collect();
        let there: HashSet<Key> = on_disk.iter().map(Key::from).collect();
        let gone = here.iter().filter(|key| !there.contains(key)).map(|key| (*key).into());
        let new = on_disk
            .iter()
            .filter(|id| !here.contains(&(*id).into()) && !order.ending.contains(*id));
        (gone.collect(), new.cloned().collect())
    }

    fn take_locked(&self, order: &mut Order, key: Key) -> Option<Slot> {
        let taken = self.write(key).remove(&key)?;
        Self::note_taken(order, key, &taken);
        Some(taken)
    }

    /// Takes a session out unless somebody has got hold of it since it was looked at.
    fn take_unheld(&self, order: &mut Order, key: Key) -> Option<Slot> {
        let mut shard = self.write(key);
        let held = shard.get(&key).is_none_or(Slot::is_held);
        let taken = if held { None } else { shard.remove(&key) }?;
        drop(shard);
        Self::note_taken(order, key, &taken);
        Some(taken)
    }

    fn note_taken(order: &mut Order, key: Key, taken: &Slot) {
        let known = taken.known();
        note(&mut order.changed, || known.clone());
        order.count = order.count.saturating_sub(1);
        let Some(known) = known else {
            order.by_person.retain(|_, theirs| theirs.remove(key)); // nobody can say whose it was
            return;
        };
        if let Some(theirs) = order.by_person.get_mut(&known.person.id)
            && !theirs.remove(key)
        {
            order.by_person.remove(&known.person.id);
        }
    }

    /// How many there are that nobody has asked about.
    #[cfg(test)]
    pub(super) fn dormant(&self) -> usize {
        let of = |shard: &RwLock<Shard>| {
            shard.read().unwrap().values().filter(|slot| matches!(slot, Slot::Dormant(_))).count()
        };
        self.shards.iter().map(of).sum()
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, key: Key) -> RwLockReadGuard<'_, Shard> {
        self.shard(key).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, key: Key) -> RwLockWriteGuard<'_, Shard> {
        self.shard(key).write().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is less than the array's length")]
    fn shard(&self, key: Key) -> &RwLock<Shard> {
        // The map inside takes the low bits of another hash; a remainder of this one is enough.
        &self.shards[(self.hasher.hash_one(key) % SHARDS as u64) as usize]
    }
}

#[cfg(test)]
mod tests;
