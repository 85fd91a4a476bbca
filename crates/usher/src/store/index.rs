//! The sessions in memory: what every request asks.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use usher_rules::{
    session::{DeviceCredential, SessionId, SignedIn},
    time::UnixTime,
};

use crate::request::identify::LiveSession;

type Shard = HashMap<SessionId, Arc<LiveSession>, foldhash::fast::RandomState>;

/// How many locks share the sessions: enough that two cores seldom meet at one.
const SHARDS: usize = 32;

/// Every session by id, and by person.
///
/// INVARIANT: `order` is locked around every change to a shard, so that both views and `ending`
/// agree; [`Index::find`] takes a shard's lock only.
pub(super) struct Index {
    shards: [RwLock<Shard>; SHARDS],
    hasher: foldhash::fast::RandomState,
    order: Mutex<Order>,
}

#[derive(Default)]
struct Order {
    by_person: HashMap<Box<str>, Vec<SessionId>>,
    /// Ended here, not yet known to be gone from the disk. They must not come back from there.
    ending: HashSet<SessionId>,
    count: usize,
    /// Since somebody asked; `None`: more than is told one by one.
    changed: Option<Vec<Arc<SignedIn>>>,
    /// What counts as a device, by its id. What a session says of one is a copy.
    devices: KnownDevices,
}

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

fn note(changed: &mut Option<Vec<Arc<SignedIn>>>, live: &LiveSession) {
    match changed {
        Some(all) if all.len() < MOST_TOLD => all.push(live.newest()),
        Some(_) | None => *changed = None,
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
        self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.order().count
    }

    /// Takes a session in; the one with the same id that was there before is ended.
    pub(super) fn put(&self, new: SignedIn) -> Arc<LiveSession> {
        let mut order = self.order();
        let mut new = with_known_devices(&order.devices, new);
        let others = order.by_person.get(&new.person.id).into_iter().flatten().rev();
        for other in others.take(ALIKE).filter_map(|id| self.find(id)) {
            share(&mut new, other.signed_in());
        }
        let live = Arc::new(LiveSession::new(new));
        let session = live.session();
        if let Some(before) = self.take_locked(&mut order, &session.id) {
            before.end();
        }
        let ids = order.by_person.entry(live.person().id.clone()).or_default();
        ids.reserve_exact(1); // most people have one, and nobody more than a hundred
        ids.push(session.id.clone());
        order.count += 1;
        note(&mut order.changed, &live);
        self.shard(&session.id)
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session.id.clone(), Arc::clone(&live));
        live
    }

    /// Takes what is new of a session, if it is still there and known as it was `before`.
    pub(super) fn renew(&self, before: &Arc<SignedIn>, new: SignedIn) -> bool {
        let mut order = self.order();
        let mut new = with_known_devices(&order.devices, new);
        share(&mut new, before);
        self.renew_locked(&mut order, before, new)
    }

    fn renew_locked(&self, order: &mut Order, before: &Arc<SignedIn>, new: SignedIn) -> bool {
        let mut shard = self.shard(&new.session.id).write().unwrap_or_else(PoisonError::into_inner);
        let known = shard.get_mut(&new.session.id).filter(|live| live.is_as(before));
        let Some(live) = known else { return false };
        *live = Arc::new(live.renewed(new));
        note(&mut order.changed, live);
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
        for live in self.all() {
            if live.session().devices.is_empty() {
                continue;
            }
            let before = live.newest();
            let new = with_known_devices(&order.devices, SignedIn::clone(&before));
            if new.session.devices != before.session.devices {
                self.renew_locked(&mut order, &before, new); // nobody else renews one meanwhile
            }
        }
    }

    /// Every session.
    pub(super) fn all(&self) -> Vec<Arc<LiveSession>> {
        let read = |shard: &RwLock<Shard>| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.values().cloned().collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(read).collect()
    }

    /// Forgets the sessions, marks them as ending, and then tells what runs under them.
    pub(super) fn end(&self, ids: &[SessionId]) -> usize {
        let mut order = self.order();
        order.ending.extend(ids.iter().cloned());
        let taken: Vec<_> = ids.iter().filter_map(|id| self.take_locked(&mut order, id)).collect();
        drop(order);
        taken.iter().for_each(|live| live.end());
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

    pub(super) fn ids_of(&self, person_id: &str) -> Vec<SessionId> {
        self.order().by_person.get(person_id).cloned().unwrap_or_default()
    }

    pub(super) fn of_person(&self, person_id: &str) -> Vec<Arc<LiveSession>> {
        self.ids_of(person_id).iter().filter_map(|id| self.find(id)).collect()
    }

    /// Forgets the sessions that have expired, except those under which something still runs:
    /// expiry cuts no film, and a revocation must still reach it.
    pub(super) fn forget_expired(&self, now: UnixTime) -> usize {
        let mut order = self.order();
        let expired: Vec<SessionId> = self
            .shards
            .iter()
            .flat_map(|shard| {
                let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
                let is_over =
                    |live: &Arc<LiveSession>| live.session().expires_at() <= now && !live.is_held();
                let over = shard.iter().filter(|(_, live)| is_over(live));
                over.map(|(id, _)| id.clone()).collect::<Vec<_>>()
            })
            .collect();
        expired.iter().filter_map(|id| self.take_unheld(&mut order, id)).count()
    }

    /// What differs from `on_disk`: the ids that are only in memory, and those only on the disk
    /// that are not on their way out.
    pub(super) fn differences(
        &self,
        on_disk: &HashSet<SessionId>,
    ) -> (Vec<SessionId>, Vec<SessionId>) {
        let order = self.order();
        let here: HashSet<&SessionId> = order.by_person.values().flatten().collect();
        let gone = here.iter().filter(|id| !on_disk.contains(**id)).map(|&id| id.clone());
        let new = on_disk.iter().filter(|id| !here.contains(id) && !order.ending.contains(*id));
        (gone.collect(), new.cloned().collect())
    }

    fn take_locked(&self, order: &mut Order, id: &SessionId) -> Option<Arc<LiveSession>> {
        let taken = self.shard(id).write().unwrap_or_else(PoisonError::into_inner).remove(id)?;
        Self::note_taken(order, &taken);
        Some(taken)
    }

    /// Takes a session out unless somebody has got hold of it since it was looked at.
    fn take_unheld(&self, order: &mut Order, id: &SessionId) -> Option<Arc<LiveSession>> {
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        let held = shard.get(id).is_none_or(LiveSession::is_held);
        let taken = if held { None } else { shard.remove(id) }?;
        drop(shard);
        Self::note_taken(order, &taken);
        Some(taken)
    }

    fn note_taken(order: &mut Order, taken: &LiveSession) {
        note(&mut order.changed, taken);
        let (person, id) = (&taken.person().id, &taken.session().id);
        order.count = order.count.saturating_sub(1);
        if let Some(ids) = order.by_person.get_mut(person) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                order.by_person.remove(person);
            }
        }
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is less than the array's length")]
    fn shard(&self, id: &SessionId) -> &RwLock<Shard> {
        // The map inside takes the low bits of another hash; a remainder of this one is enough.
        &self.shards[(self.hasher.hash_one(id) % SHARDS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Index, MOST_TOLD};
    use crate::request::identify::contract::session;

    #[test]
    fn what_changes_is_told_to_whoever_follows() {
        let index = Index::new();
        let told = |n: u8| session(n, "ann").session.id;
        let ids = |index: &Index| {
            let changed = index.changed()?;
            Some(changed.iter().map(|one| one.session.id.clone()).collect::<Vec<_>>())
        };
        let first = index.put(session(1, "ann"));
        assert_eq!(ids(&index), None, "what was before");
        assert_eq!(ids(&index), Some(vec![]), "nothing since");
        index.put(session(2, "ann"));
        assert_eq!(ids(&index), Some(vec![told(2)]), "one begins");
        assert!(index.renew(&first.newest(), session(1, "ann")));
        assert_eq!(ids(&index), Some(vec![told(1)]), "is renewed");
        index.end(&[told(2)]);
        assert_eq!(ids(&index), Some(vec![told(2)]), "ends");
        drop(first);
        index.forget_expired(session(1, "ann").session.expires_at());
        assert_eq!(ids(&index), Some(vec![told(1)]), "is forgotten");
        for _ in 0..MOST_TOLD {
            index.put(session(3, "ann")); // each is told, and so is the one before
        }
        assert_eq!(ids(&index), None, "too much");
        assert_eq!(ids(&index), Some(vec![]), "and from then on one by one");
    }

    #[test]
    fn what_sessions_of_somebody_know_alike_is_in_memory_once() {
        let index = Index::new();
        let [one, two] = [1, 2].map(|n| {
            let mut new = session(n, "ann");
            new.session.claims.set("groups", vec!["family".into()]);
            index.put(new)
        });
        let is_shared = |other: &Arc<_>| Arc::ptr_eq(&one.signed_in().person, other);
        assert!(is_shared(&two.signed_in().person));
        let values = [&one, &two].map(|live| live.session().claims.values("groups").as_ptr());
        assert_eq!(values[0], values[1]);
        let mut moved = session(2, "ann");
        Arc::make_mut(&mut moved.person).directory_groups = Some(Vec::new());
        assert!(index.renew(&two.newest(), moved));
        let renewed = index.find(&two.session().id).unwrap();
        assert_eq!(renewed.person().directory_groups, Some(Vec::new()), "what differs is its own");
        assert!(
            !is_shared(&renewed.signed_in().person)
                && !is_shared(&index.put(session(4, "bob")).signed_in().person)
        );
        assert!(index.renew(&renewed.newest(), session(2, "ann")));
        assert!(is_shared(&index.put(session(5, "ann")).signed_in().person), "as before");
    }

    /// Between the look and the taking a request may have begun: what runs under the session must
    /// be reached by a revocation.
    #[test]
    fn a_session_that_somebody_got_hold_of_is_not_forgotten() {
        let index = Index::new();
        let id = session(1, "ann").session.id;
        let held = index.put(session(1, "ann"));
        assert!(index.take_unheld(&mut index.order(), &id).is_none());
        assert_eq!((index.len(), index.of_person("ann").len()), (1, 1));
        drop(held);
        assert!(index.take_unheld(&mut index.order(), &id).is_some());
        assert!(index.take_unheld(&mut index.order(), &id).is_none(), "nobody's");
        assert_eq!((index.len(), index.of_person("ann").len()), (0, 0));
    }
}
