//! How often somebody may try. Counted by address *and* source, so that nobody can lock
//! somebody else out; and by source alone, so that one source can't try every address.
//!
//! Each bucket is one moment: when all its tries will have been given back ("GCRA").

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many tries there are at once, and after how long one is given back.
#[derive(Clone, Copy, Debug)]
struct Limit {
    at_once: u32,
    each: Duration,
}

/// One address from one source: ten, then two a minute.
const ACCOUNT: Limit = Limit { at_once: 10, each: Duration::from_secs(30) };
/// One source, whatever the address: a hundred, then a hundred an hour.
const SOURCE: Limit = Limit { at_once: 100, each: Duration::from_secs(36) };
/// An IPv6 /48, which one customer may hold as 65,536 sources: four times as much.
const SITE: Limit = Limit { at_once: 400, each: Duration::from_secs(9) };

/// How many buckets are kept: 24 octets each.
const MOST_BUCKETS: usize = 65_536;

/// Counts tries in bounded memory.
pub(super) struct Throttle {
    buckets: Mutex<HashMap<u64, Instant>>,
    /// Seeded at random: keys can't be made to meet.
    keys: RandomState,
    most: usize,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self { buckets: Mutex::default(), keys: RandomState::new(), most: MOST_BUCKETS }
    }

    /// Takes a try, known to be good or bad only later.
    ///
    /// # Errors
    ///
    /// How long until the next one is looked at. A refused try takes nothing.
    pub(super) fn take(&self, address: &str, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let keys = self.keys_of(address, from);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = keys.iter().flatten().map(|(key, limit)| {
            let full_again = buckets.get(key).copied().unwrap_or(now);
            let slack = limit.each * limit.at_once.saturating_sub(1);
            full_again.saturating_duration_since(now).saturating_sub(slack)
        });
        let wait = wait.max().unwrap_or_default();
        if wait > Duration::ZERO {
            return Err(wait);
        }
        for (key, limit) in keys.into_iter().flatten() {
            if buckets.len() >= self.most && !buckets.contains_key(&key) {
                make_room(&mut buckets, now);
            }
            let full_again = buckets.entry(key).or_insert(now);
            *full_again = (*full_again).max(now) + limit.each;
        }
        Ok(())
    }

    /// The try was good: this address from this source starts afresh, and the source gets the one
    /// try back. No more, or a good password of one's own would buy tries at other people's.
    pub(super) fn give_back(&self, address: &str, from: IpAddr) {
        let [account, source, site] = self.keys_of(address, from);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, _)) = account {
            buckets.remove(&key);
        }
        for (key, limit) in [source, site].into_iter().flatten() {
            if let Some(full_again) = buckets.get_mut(&key) {
                *full_again = full_again.checked_sub(limit.each).unwrap_or(*full_again);
            }
        }
    }

    fn keys_of(&self, address: &str, from: IpAddr) -> [Option<(u64, Limit)>; 3] {
        let source = source_of(from);
        let site = match source {
            Source::V4(_) => None,
            Source::V6(prefix) => Some((self.keys.hash_one(("site", prefix >> 16)), SITE)),
        };
        [
            Some((self.keys.hash_one(("account", address, source)), ACCOUNT)),
            Some((self.keys.hash_one(("source", source)), SOURCE)),
            site,
        ]
    }
}

/// What one customer of a network has: an IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    V4(u32),
    V6(u64),
}

fn source_of(from: IpAddr) -> Source {
    // `::ffff:203.0.113.7` on a dual-stack listener is 203.0.113.7.
    match from.to_canonical() {
        IpAddr::V4(address) => Source::V4(address.to_bits()),
        IpAddr::V6(address) => Source::V6((address.to_bits() >> 64) as u64),
    }
}

/// Drops full buckets, which say nothing; and, if most are not, the half that says least. So a
/// flood of new sources pushes out sources with one try, never the one that is being held back.
fn make_room(buckets: &mut HashMap<u64, Instant>, now: Instant) {
    let before = buckets.len();
    buckets.retain(|_, full_again| *full_again > now);
    if buckets.len() > before / 2 {
        let mut moments: Vec<Instant> = buckets.values().copied().collect();
        let middle = moments.len() / 2;
        let (_, median, _) = moments.select_nth_unstable(middle);
        let median = *median;
        let mut surplus = middle + 1;
        buckets.retain(|_, full_again| {
            let goes = *full_again <= median && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
    }
}
