mod bounds;
mod share;
mod usage;

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep},
};

pub use self::bounds::{Bounds, Whose};
use self::{
    share::{Leaves, Share, Turn, end_heaviest},
    usage::{MODEST, Usage},
};
use super::limits;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedSoFar {
    /// Connections that were closed as they came: everybody else's were at work.
    pub connections: u64,
    /// Connections that were closed to make room: the least busy of their client's.
    pub ended: u64,
    /// Requests that were answered with 503.
    pub requests: u64,
}

/// Everybody's share, and the budget of the process.
pub struct Shares {
    bounds: Bounds,
    clients: Mutex<HashMap<Whose, Arc<Share>>>,
    sockets: AtomicUsize,
    bytes: AtomicUsize,
    refused_connections: AtomicU64,
    ended: AtomicU64,
    refused_requests: AtomicU64,
    opened: Instant,
    /// When room was last looked for, in milliseconds: a full process is not searched all the time.
    looked_at: AtomicU64,
    /// When clients were last forgotten that have left.
    swept_at: AtomicU64,
}

/// A connection that has come in: its part of its client's share, until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    usage: Arc<Usage>,
    number: u64,
    counted: Counted,
    place: Option<OwnedSemaphorePermit>,
}

/// A socket of a client, whether it has come in or waits.
#[derive(Debug)]
struct Counted {
    shares: Arc<Shares>,
    share: Arc<Share>,
}

/// How often those who stall are looked for at most, in milliseconds.
const LOOK: u64 = 50;
/// How often clients are forgotten that have left, in milliseconds.
const SWEEP: u64 = 1000;
/// How often a connection that waits for a place looks whether one can be had.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl Shares {
    /// For a process with these bounds.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            clients: Mutex::default(),
            sockets: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            refused_connections: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            refused_requests: AtomicU64::new(0),
            opened: Instant::now(),
            looked_at: AtomicU64::new(0),
            swept_at: AtomicU64::new(0),
        })
    }

    /// Counts since the start.
    pub fn refused(&self) -> RefusedSoFar {
        RefusedSoFar {
            connections: self.refused_connections.load(Ordering::Relaxed),
            ended: self.ended.load(Ordering::Relaxed),
            requests: self.refused_requests.load(Ordering::Relaxed),
        }
    }

    /// Bytes that wait for clients, as they are counted here.
    pub fn waiting(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn clock(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Whose, Arc<Share>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection. Where the client's share is full, its least busy connection makes
    /// room, and the newcomer waits in turn until one has; where the process's budget is, it is one
    /// of whoever has most. Where all of them work there is none.
    ///
    /// The wait is what bounds how often a crowd that comes back can push out its neighbours.
    pub async fn admit(self: &Arc<Self>, whose: Whose) -> Option<Admitted> {
        let is_full = self.sockets.load(Ordering::Relaxed) >= self.bounds.sockets;
        let counted = Counted::new(self, whose);
        let place = match is_full && !self.end_one_of_most() {
            true => None,
            false => counted.place().await,
        };
        let Some(place) = place else {
            self.refused_connections.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let usage = Arc::new(Usage::new(self.clock()));
        let number = counted.share.add(Arc::clone(&usage));
        Some(Admitted { usage, number, counted, place: Some(place) })
    }

    /// Ends the least busy connection of whoever has most.
    fn end_one_of_most(&self) -> bool {
        let most = self.clients().values().max_by_key(|share| share.weight()).cloned();
        most.is_some_and(|share| {
            self.end_one(&share, Leaves::Settled) || self.end_one(&share, Leaves::Oldest)
        })
    }

    fn end_one(&self, share: &Share, who: Leaves) -> bool {
        let has_ended = share.end_one(self.clock(), who);
        self.ended.fetch_add(u64::from(has_ended), Ordering::Relaxed);
        has_ended
    }

    /// So much too much waits, or is open, for everybody.
    fn excess(&self) -> usize {
        let sockets = self.sockets.load(Ordering::Relaxed).saturating_sub(self.bounds.sockets);
        let bytes = self.bytes.load(Ordering::Relaxed).saturating_sub(self.bounds.bytes);
        bytes.max(sockets * limits::STREAM_COST)
    }

    /// More waits for a client than before: where that is too much, those make room for which most
    /// waits while they take little. Is all within its bounds?
    fn relieve(&self, share: &Arc<Share>) -> bool {
        let own = match share.whose {
            Whose::Client(_) => {
                share.bytes.load(Ordering::Relaxed).saturating_sub(self.bounds.client_bytes())
            }
            Whose::Proxy => 0,
        };
        if own > 0 {
            if self.is_time(&share.looked_at, LOOK) {
                self.end_heaviest(std::slice::from_ref(share), own);
            }
            return false;
        }
        let all = self.excess();
        if all > 0 && self.is_time(&self.looked_at, LOOK) {
            let clients: Vec<_> = self.clients().values().cloned().collect();
            self.end_heaviest(&clients, all);
        }
        all == 0
    }

    fn is_time(&self, looked_at: &AtomicU64, every: u64) -> bool {
        let (now, last) = (self.clock(), looked_at.load(Ordering::Relaxed));
        let swap = || looked_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        now >= last.saturating_add(every) && swap().is_ok()
    }

    fn end_heaviest(&self, of: &[Arc<Share>], excess: usize) {
        let now = self.clock();
        let stalled = of.iter().flat_map(|share| {
            let of_one = share.stalled(now).into_iter();
            of_one.map(move |(number, usage)| (Arc::clone(share), number, usage))
        });
        let ended = end_heaviest(stalled.collect(), excess, now);
        self.ended.fetch_add(ended, Ordering::Relaxed);
    }
}

impl Counted {
    fn new(shares: &Arc<Shares>, whose: Whose) -> Self {
        let mut clients = shares.clients();
        if shares.is_time(&shares.swept_at, SWEEP) {
            let now = shares.clock();
            clients.retain(|_, share| {
                share.sockets.load(Ordering::Relaxed) > 0 || !share.has_nothing_to_remember(now)
            });
        }
        let share = match clients.entry(whose) {
            Entry::Occupied(share) => Arc::clone(share.get()),
            Entry::Vacant(none) => {
                Arc::clone(none.insert(Share::new(whose, shares.bounds.connections).into()))
            }
        };
        share.sockets.fetch_add(1, Ordering::Relaxed);
        drop(clients);
        shares.sockets.fetch_add(1, Ordering::Relaxed);
        Self { shares: Arc::clone(shares), share }
    }

    /// One of the client's places; `None` where too many wait for one, or it takes too long.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let (shares, share) = (&self.shares, &self.share);
        share.open_places();
        if let Ok(place) = Arc::clone(&share.places).try_acquire_owned() {
            return Some(place);
        }
        let turn = Turn::take(share, shares.bounds.connections)?;
        let mut place = pin!(Arc::clone(&share.places).acquire_owned());
        let began = Instant::now();
        while began.elapsed() < limits::PLACE {
            if share.needs_room() {
                shares.end_one(share, turn.who_leaves(began));
            }
            tokio::select! {
                place = &mut place => return place.ok(),
                () = sleep(LOOK_AGAIN) => share.open_places(),
            }
        }
        None
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shares.sockets.fetch_sub(1, Ordering::Relaxed);
        let mut clients = self.shares.clients();
        let was_last = self.share.sockets.fetch_sub(1, Ordering::Relaxed) == 1;
        if was_last && self.share.has_nothing_to_remember(self.shares.clock()) {
            clients.remove(&self.share.whose);
        }
    }
}

impl Admitted {
    /// Resolves when this connection has to make room.
    pub async fn must_go(&self) {
        self.usage.over.cancelled().await;
    }

    /// Bytes were read or written.
    pub(super) fn moved(&self, bytes: usize) {
        self.usage.moved(bytes, self.counted.shares.clock());
    }

    /// The handshake is done: from here on its requests count.
    pub(super) fn is_ready(&self) {
        self.usage.is_ready(self.counted.shares.clock());
    }

    /// A request was taken back that we had begun to work on. A client that does so without end
    /// loses the connection that it did so on.
    pub(super) fn cancelled(&self) {
        let Counted { shares, share } = &self.counted;
        if share.cancels_too_much(shares.clock()) {
            shares.ended.fetch_add(1, Ordering::Relaxed);
            self.usage.end_for_what_it_took();
        }
    }

    /// A request is under way; `false` where there is no room for it.
    pub(super) fn request(&self) -> bool {
        let Counted { shares, share } = &self.counted;
        self.usage.asked(shares.clock());
        share.requests.fetch_add(1, Ordering::Relaxed);
        shares.sockets.fetch_add(1, Ordering::Relaxed);
        // Somebody's only request is answered however full it is: a connection has its place.
        let is_modest = self.usage.waiting() < MODEST;
        let has_room = self.wait(limits::STREAM_COST) || is_modest;
        shares.refused_requests.fetch_add(u64::from(!has_room), Ordering::Relaxed);
        has_room
    }

    /// A request is over.
    pub(super) fn answered(&self) {
        let Counted { shares, share } = &self.counted;
        self.usage.answered(shares.clock());
        share.requests.fetch_sub(1, Ordering::Relaxed);
        shares.sockets.fetch_sub(1, Ordering::Relaxed);
        self.taken(limits::STREAM_COST);
    }

    /// So many bytes wait for the client; `false` where that is too much.
    pub(super) fn wait(&self, bytes: usize) -> bool {
        let Counted { shares, share } = &self.counted;
        self.usage.bytes.fetch_add(bytes, Ordering::Relaxed);
        share.bytes.fetch_add(bytes, Ordering::Relaxed);
        shares.bytes.fetch_add(bytes, Ordering::Relaxed);
        shares.relieve(share)
    }

    /// They wait no more.
    pub(super) fn taken(&self, bytes: usize) {
        let Counted { shares, share } = &self.counted;
        self.usage.bytes.fetch_sub(bytes, Ordering::Relaxed);
        share.bytes.fetch_sub(bytes, Ordering::Relaxed);
        shares.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that may wait on this connection before its answers take turns. Where half of what
    /// its client or the process has is taken, that is little: answers that nobody reads stop
    /// growing before anybody has to make room for them.
    pub(super) fn may_wait(&self) -> usize {
        let Counted { shares, share } = &self.counted;
        let (own, all) = (share.bytes.load(Ordering::Relaxed), shares.waiting());
        let of_client = matches!(share.whose, Whose::Client(_));
        let is_pressed =
            (of_client && own > shares.bounds.client_bytes() / 2) || all > shares.bounds.bytes / 2;
        if is_pressed { MODEST } else { limits::CONNECTION_WAITING }
    }

    /// Bytes that wait on this connection.
    pub(super) fn waiting(&self) -> usize {
        self.usage.waiting()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.counted.share.has_left(self.number, &self.usage);
        if let Some(place) = self.place.take().filter(|_| self.usage.has_gone_too_far()) {
            self.counted.share.close(place);
        }
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shares").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod pressure_tests;
#[cfg(test)]
mod tests;
