//! How often somebody may try. Counted by address *and* source, so that nobody can lock
//! somebody else out; and by source alone, so that one source can't try every address.
//! Neighbours can share a source (one router, a provider's NAT): a browser that has signed
//! somebody in before is counted by itself, at that address, and by nothing else.
//!
//! Each bucket is one moment: when all its tries will have been given back ("GCRA").

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::line::Tried;

/// How many tries there are at once, and after how long one is given back.
#[derive(Clone, Copy, Debug)]
struct Limit {
    at_once: u32,
    each: Duration,
}

impl Limit {
    /// The thousandths of its tries that are used up, when all are given back in `full_again`.
    fn used(self, full_again: Duration) -> u32 {
        let whole = self.each * self.at_once;
        let used = full_again.as_millis().saturating_mul(1_000) / whole.as_millis().max(1);
        u32::try_from(used).unwrap_or(u32::MAX)
    }
}

/// One address from one source: ten, then two a minute.
const ACCOUNT: Limit = Limit { at_once: 10, each: Duration::from_secs(30) };
/// One source, whatever the address: a hundred, then a hundred an hour.
const SOURCE: Limit = Limit { at_once: 100, each: Duration::from_secs(36) };
/// An IPv6 /48, which one customer may hold as 65,536 sources: four times as much.
const SITE: Limit = Limit { at_once: 400, each: Duration::from_secs(9) };

/// How many buckets are kept: 24 octets each.
const MOST_BUCKETS: usize = 65_536;

/// A try that was taken. Only one that was good is given back, once.
#[must_use]
pub(super) struct Try {
    /// What was used up before it.
    pub(super) tried: Tried,
    account: u64,
    source: Option<u64>,
    site: Option<u64>,
}

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Somebody at this address of a network.
    Stranger(IpAddr),
    /// A browser that has signed in to the account before.
    Device([u8; 16]),
}

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
    pub(super) fn take(&self, address: &str, by: By, now: Instant) -> Result<Try, Duration> {
        let mut one = match by {
            By::Device(id) => Try {
                tried: Tried::Device(0),
                account: self.keys.hash_one(("device", address, id)),
                source: None,
                site: None,
            },
            By::Stranger(from) => {
                let source = source_of(from);
                Try {
                    tried: Tried::Stranger(0),
                    account: self.keys.hash_one(("account", address, source)),
                    source: Some(self.keys.hash_one(("source", source))),
                    site: match source {
                        Source::V4(_) => None,
                        Source::V6(prefix) => Some(self.keys.hash_one(("site", prefix >> 16))),
                    },
                }
            }
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = one.limits().map(|(key, limit)| {
            let full_again = buckets.get(&key).copied().unwrap_or(now);
            let slack = limit.each * limit.at_once.saturating_sub(1);
            full_again.saturating_duration_since(now).saturating_sub(slack)
        });
        let wait = wait.max().unwrap_or_default();
        if wait > Duration::ZERO {
            return Err(wait);
        }
        let used = one.limits().map(|(key, limit)| {
            let full_again = buckets.get(&key).copied().unwrap_or(now);
            limit.used(full_again.saturating_duration_since(now))
        });
        let used = used.max().unwrap_or_default();
        for (key, limit) in one.limits() {
            if buckets.len() >= self.most && !buckets.contains_key(&key) {
                make_room(&mut buckets, now);
            }
            let full_again = buckets.entry(key).or_insert(now);
            *full_again = (*full_again).max(now) + limit.each;
        }
        drop(buckets);
        one.tried = match one.tried {
            Tried::Device(_) => Tried::Device(used),
            Tried::Stranger(_) => Tried::Stranger(used),
        };
        Ok(one)
    }

    /// The try was good: this address from this source starts afresh, and the source gets the one
    /// try back. No more, or a good password of one's own would buy tries at other people's.
    pub(super) fn give_back(&self, good: Try) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.remove(&good.account);
        for (key, limit) in good.limits() {
            if let Some(full_again) = buckets.get_mut(&key) {
                *full_again = full_again.checked_sub(limit.each).unwrap_or(*full_again);
            }
        }
    }
}

impl Try {
    fn limits(&self) -> impl Iterator<Item = (u64, Limit)> {
        let source = self.source.map(|key| (key, SOURCE));
        let site = self.site.map(|key| (key, SITE));
        [Some((self.account, ACCOUNT)), source, site].into_iter().flatten()
    }
}

/// One customer of a network: an IPv4 address, or an IPv6 /64.
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

#[cfg(test)]
mod tests {
    use super::{By::Stranger as At, *};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn one_customer_is_one_source() {
        for (one, other, same, why) in [
            ("203.0.113.7", "203.0.113.8", false, "IPv4 by address"),
            ("203.0.113.7", "::ffff:203.0.113.7", true, "v4-mapped is IPv4"),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true, "a /64 is one customer"),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false, "another /64"),
        ] {
            assert_eq!(source_of(ip(one)) == source_of(ip(other)), same, "{why}");
        }
    }

    /// `(address, from, at which second, tries, of which are refused)`, in order.
    #[test]
    fn tries_over_time() {
        let throttle = Throttle::new();
        let start = start();
        for (address, from, second, tries, refused, why) in [
            ("ann", "203.0.113.7", 0, 12, 2, "ten at once"),
            ("ann", "203.0.113.7", 29, 1, 1, "not yet"),
            ("ann", "203.0.113.7", 30, 2, 1, "one each 30 s; refused ones took nothing"),
            ("ann", "203.0.113.8", 30, 10, 0, "from elsewhere"),
            ("bob", "203.0.113.7", 30, 10, 0, "somebody else from there"),
            ("ann", "203.0.113.7", 30 + 300, 12, 2, "after five minutes all are back"),
        ] {
            let now = start + Duration::from_secs(second);
            let took = (0..tries).filter(|_| throttle.take(address, At(ip(from)), now).is_err());
            assert_eq!(took.count(), refused, "{why}");
        }
    }

    #[test]
    fn one_source_can_not_try_every_address() {
        let throttle = Throttle::new();
        let start = start();
        let spray = |from: &str, tries: u32, second| {
            let now = start + Duration::from_secs(second);
            let name = |n| format!("{from}-{second}-{n}");
            (0..tries).filter(|n| throttle.take(&name(*n), At(ip(from)), now).is_ok()).count()
        };
        assert_eq!(spray("203.0.113.7", 300, 0), 100);
        assert_eq!(spray("203.0.113.7", 300, 3_600), 100, "a hundred an hour");
        assert_eq!(spray("203.0.113.8", 1, 0), 1, "the neighbour does not notice");
        let wait = throttle.take("x", At(ip("203.0.113.7")), start + Duration::from_secs(3_600));
        assert_eq!(wait.err(), Some(Duration::from_secs(36)));

        let rotated: usize = (0..20).map(|n| spray(&format!("2001:db8:1:{n:x}::1"), 100, 0)).sum();
        assert_eq!(rotated, 400, "a /48 is one site, however many /64 it has");
        assert_eq!(spray("2001:db8:2::1", 1, 0), 1, "another site does not notice");
    }

    /// One's own password, typed again and again, buys no tries at other people's.
    #[test]
    fn a_good_try_gives_back_itself_only() {
        let throttle = Throttle::new();
        let (now, from) = (start(), ip("203.0.113.7"));
        let mut guesses = 0;
        for n in 0..1_000 {
            if let Ok(good) = throttle.take("own", At(from), now) {
                throttle.give_back(good);
            }
            guesses += usize::from(throttle.take(&format!("other-{n}"), At(from), now).is_ok());
        }
        assert!((99..=101).contains(&guesses), "{guesses} guesses");
    }

    #[test]
    fn a_flood_of_sources_is_bounded_and_frees_nobody() {
        let throttle = Throttle { most: 1_000, ..Throttle::new() };
        let (now, held) = (start(), ip("203.0.113.7"));
        while throttle.take("ann", At(held), now).is_ok() {}
        for n in 0..20_000_u32 {
            let from = IpAddr::V4(n.into());
            assert!(throttle.take("ann", At(from), now).is_ok());
            assert!(throttle.buckets.lock().unwrap().len() <= 1_000);
        }
        assert!(throttle.take("ann", At(held), now).is_err(), "still held back");
        let later = now + Duration::from_secs(30);
        assert!(throttle.take("ann", At(held), later).is_ok(), "as long as it would have been");
    }

    /// `(when the buckets are full again, how many are left, the least of them)`, in seconds.
    #[test]
    fn what_says_least_makes_room() {
        let now = start();
        let at = |second: u64| now + Duration::from_secs(second);
        let distinct: Vec<u64> = (1..=100).collect();
        let equal = vec![7; 100];
        let mostly_full = [vec![0; 90], (1..=10).collect()].concat();
        let half_full = [vec![0; 50], (1..=50).collect()].concat();
        let full = vec![0; 100];
        for (given, left, least, why) in [
            (&distinct, 49, 52, "the half that says least goes"),
            (&equal, 49, 7, "of equal ones no more than half"),
            (&mostly_full, 10, 1, "full ones are enough"),
            (&half_full, 50, 1, "half of them too"),
            (&full, 0, 0, "full now is full"),
        ] {
            let mut buckets: HashMap<u64, Instant> =
                (0..).zip(given.iter().map(|second| at(*second))).collect();
            make_room(&mut buckets, now);
            assert_eq!(buckets.len(), left, "{why}");
            assert_eq!(buckets.values().min(), (left > 0).then(|| at(least)).as_ref(), "{why}");
        }
    }

    /// Whoever shares an address with somebody, or tries from everywhere, uses up nothing of theirs.
    #[test]
    fn a_known_device_has_tries_of_its_own() {
        let throttle = Throttle::new();
        let (now, home) = (start(), ip("203.0.113.7"));
        for n in 0..300 {
            let _refused_in_the_end = throttle.take("ann", At(home), now);
            let _by_source_too = throttle.take(&format!("other-{n}"), At(home), now);
        }
        assert!(throttle.take("ann", At(home), now).is_err());
        let tries = |id, now| {
            let took = |_: &u32| throttle.take("ann", By::Device([id; 16]), now).is_ok();
            (0..12).filter(took).count()
        };
        assert_eq!(tries(1, now), 10, "from the same address, as many as anybody");
        assert_eq!(tries(1, now), 0, "a stolen browser guesses no faster");
        assert_eq!(tries(2, now), 10, "another one of hers");
        let later = now + Duration::from_secs(30);
        let own = throttle.take("ann", By::Device([1; 16]), later).unwrap();
        throttle.give_back(own);
        assert_eq!(tries(1, later), 10, "a good one gives all back");
    }
}
