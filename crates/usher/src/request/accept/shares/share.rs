use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{Whose, limits, usage::Usage};

/// All connections of one client, counted together.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) whose: Whose,
    /// Of its connections, those that wait included; changed under the lock of all clients.
    pub(super) sockets: AtomicUsize,
    /// One for each connection that it may have. Fair: who has waited longest comes in first.
    pub(super) places: Arc<Semaphore>,
    /// Connections that wait for a place.
    waiting: AtomicUsize,
    /// Connections that were told to make room, and have not gone yet.
    leaving: AtomicUsize,
    pub(super) requests: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    connections: Mutex<HashMap<u64, Arc<Usage>>>,
    /// Places that stay empty until then.
    closed: Mutex<VecDeque<(Instant, OwnedSemaphorePermit)>>,
    /// No more than so many of them: the others are for those who come with good intent.
    closed_at_most: usize,
    cancelled: Mutex<Cancelled>,
    number: AtomicU64,
    pub(super) looked_at: AtomicU64,
}

/// Requests that a client took back, less what time has forgiven.
#[derive(Debug, Default)]
struct Cancelled {
    level: u64,
    at: u64,
}

impl Cancelled {
    fn left(&self, now: u64) -> u64 {
        let passed = now.saturating_sub(self.at);
        self.level.saturating_sub(passed.saturating_mul(limits::CLIENT_CANCELS_PER_SECOND) / 1000)
    }

    fn another(&mut self, now: u64) -> bool {
        let level = self.left(now) + 1;
        self.at = now;
        self.level = level.min(limits::CLIENT_CANCELS + 1); // as much is enough
        level > limits::CLIENT_CANCELS
    }
}

/// Who may be asked to make room for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    /// Who has had its turn.
    Settled,
    /// The one that has been here longest.
    Oldest,
}

impl Share {
    pub(super) fn new(whose: Whose, connections: usize) -> Self {
        let places = match whose {
            Whose::Client(_) => connections.min(Semaphore::MAX_PERMITS),
            Whose::Proxy => Semaphore::MAX_PERMITS,
        };
        Self {
            whose,
            sockets: AtomicUsize::new(0),
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            connections: Mutex::default(),
            closed: Mutex::default(),
            closed_at_most: connections / limits::CLOSED_PART,
            cancelled: Mutex::default(),
            number: AtomicU64::new(0),
            looked_at: AtomicU64::new(0),
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Arc<Usage>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another connection, and the number by which it is found.
    pub(super) fn add(&self, usage: Arc<Usage>) -> u64 {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.connections().insert(number, usage);
        number
    }

    pub(super) fn remove(&self, number: u64) {
        self.connections().remove(&number);
    }

    /// A connection has gone.
    pub(super) fn has_left(&self, number: u64, usage: &Usage) {
        self.remove(number);
        if usage.makes_room() {
            self.leaving.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Do more wait for a place than are about to leave theirs? A place that stays empty, or that
    /// somebody else got, would else be missing for ever, and all who come would wait behind.
    pub(super) fn needs_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > self.leaving.load(Ordering::Relaxed)
    }

    /// The place of a connection that took too much: it comes back at once, and each time that
    /// costs a handshake and all that it asks for.
    pub(super) fn close(&self, place: OwnedSemaphorePermit) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if closed.len() < self.closed_at_most {
            closed.push_back((Instant::now() + limits::PLACE_CLOSED, place));
        }
    }

    /// Opens places whose time has come.
    pub(super) fn open_places(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while closed.front().is_some_and(|(until, _)| *until <= now) {
            closed.pop_front();
        }
    }

    /// May it be forgotten when its last connection goes? Else who comes back at once would begin
    /// with a clean slate.
    pub(super) fn has_nothing_to_remember(&self, now: u64) -> bool {
        self.open_places();
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        closed.is_empty() && cancelled.left(now) == 0
    }

    /// A request was taken back that we had begun to work on. Is it one too many?
    pub(super) fn cancels_too_much(&self, now: u64) -> bool {
        let mut cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        let is_too_much = cancelled.another(now);
        is_too_much && matches!(self.whose, Whose::Client(_))
    }

    /// Connections and requests, for the choice of whose turn it is to give something back.
    pub(super) fn weight(&self) -> usize {
        self.connections().len() + self.requests.load(Ordering::Relaxed)
    }

    /// Ends the least busy connection. Is there one?
    pub(super) fn end_one(&self, now: u64, who: Leaves) -> bool {
        let mut connections = self.connections();
        let slow = connections.iter().filter(|(_, usage)| !usage.is_at_work(now));
        let least = match who {
            Leaves::Settled => slow
                .filter(|(_, usage)| !usage.is_new(now))
                .min_by_key(|(_, usage)| usage.idleness()),
            Leaves::Oldest => slow.min_by_key(|(_, usage)| usage.age()),
        };
        let least = least.map(|(number, _)| *number);
        let Some(usage) = least.and_then(|number| connections.remove(&number)) else {
            return false;
        };
        self.leaving.fetch_add(1, Ordering::Relaxed);
        usage.end_for_another();
        true
    }

    /// Connections for which something waits while they take little.
    pub(super) fn stalled(&self, now: u64) -> Vec<(u64, Arc<Usage>)> {
        let connections = self.connections();
        let stalled =
            connections.iter().filter(|(_, one)| one.waiting() > 0 && !one.is_at_work(now));
        stalled.map(|(number, usage)| (*number, Arc::clone(usage))).collect()
    }
}

/// A connection that waits for a place.
pub(super) struct Turn<'a>(&'a Share);

/// After so long, connections that were just answered make room as well: who asks again and again
/// would hold a place for ever.
const PATIENT: Duration = Duration::from_secs(1);

impl<'a> Turn<'a> {
    /// `None` where as many wait as may.
    pub(super) fn take(share: &'a Share, at_most: usize) -> Option<Self> {
        let turn = Self(share); // gives back when it is dropped
        (share.waiting.fetch_add(1, Ordering::Relaxed) < at_most).then_some(turn)
    }

    /// Who makes room for one that has waited since then.
    pub(super) fn who_leaves(&self, began: Instant) -> Leaves {
        if began.elapsed() < PATIENT { Leaves::Settled } else { Leaves::Oldest }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends those for which most waits, until so many bytes come free; tells how many they were.
pub(super) fn end_heaviest(
    mut stalled: Vec<(Arc<Share>, u64, Arc<Usage>)>,
    excess: usize,
    now: u64,
) -> u64 {
    stalled.retain(|(.., usage)| !usage.is_modest());
    stalled.sort_by_cached_key(|(.., usage)| (usage.is_new(now), Reverse(usage.waiting())));
    let (mut freed, mut ended) = (0, 0);
    for (share, number, usage) in stalled {
        if freed >= excess {
            break;
        }
        freed += usage.waiting();
        share.remove(number);
        usage.end_for_what_it_took();
        ended += 1;
    }
    ended
}
