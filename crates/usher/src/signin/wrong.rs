//! Who brings wrong secrets: those of clients and apps, which are too long to be guessed in a minute,
//! and must not be tried for years. Counted by what is tried *and* by source, so that nobody can lock
//! somebody else out.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use usher_rules::time::Now;

/// So many are remembered.
const MOST: usize = 4096;
/// So often a source may be wrong in a minute before none of its tries is looked at.
const AT_ONCE: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// What is tried, and from where.
type Key = (Box<str>, IpAddr);

/// How often, and until when that counts.
#[derive(Clone, Copy)]
struct Tries {
    wrong: u32,
    until: Instant,
}

/// Counts wrong secrets in bounded memory.
#[derive(Default)]
pub(super) struct WrongSecrets(Mutex<HashMap<Key, Tries>>);

impl WrongSecrets {
    /// For how long no try of that source's at this is looked at; `None` where one is.
    pub(super) fn wait(&self, what: &str, from: IpAddr, now: Now) -> Option<Duration> {
        let tries = self.tries().get(&key(what, from)).copied();
        let left = tries.filter(|tries| tries.wrong >= AT_ONCE)?.until;
        let left = left.saturating_duration_since(now.monotonic);
        (left > Duration::ZERO).then_some(left)
    }

    pub(super) fn was_wrong(&self, what: &str, from: IpAddr, now: Now) {
        let mut tries = self.tries();
        let key = key(what, from);
        if tries.len() >= MOST && !tries.contains_key(&key) {
            make_room(&mut tries, now.monotonic);
        }
        let fresh = Tries { wrong: 0, until: now.monotonic + MINUTE };
        let one = tries.entry(key).or_insert(fresh);
        if one.until <= now.monotonic {
            *one = fresh;
        }
        one.wrong = one.wrong.saturating_add(1);
    }

    fn tries(&self) -> MutexGuard<'_, HashMap<Key, Tries>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flood of new sources pushes out sources with a few tries before one that is held back.
fn make_room(tries: &mut HashMap<Key, Tries>, now: Instant) {
    tries.retain(|_, one| one.until > now);
    if tries.len() >= MOST {
        tries.retain(|_, one| one.wrong >= AT_ONCE);
    }
    if tries.len() >= MOST {
        tries.clear();
    }
}

/// Whoever has an IPv6 address has a /64 of them.
fn key(what: &str, from: IpAddr) -> Key {
    let source = match from.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    };
    (what.into(), source)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::{Duration, Instant},
    };

    use usher_rules::time::{Now, UnixTime};

    use super::{AT_ONCE, MOST, WrongSecrets};

    fn at(start: Instant, seconds: u64) -> Now {
        let wall = UnixTime::from_seconds(1_800_000_000 + seconds);
        Now { wall, wall_millis: 0, monotonic: start + Duration::from_secs(seconds) }
    }

    fn wrong(all: &WrongSecrets, (what, from): (&str, IpAddr), now: Now) {
        (0..AT_ONCE).for_each(|_| all.was_wrong(what, from, now));
    }

    #[test]
    fn who_is_wrong_too_often_is_held_back_for_a_minute_and_nobody_else_is() {
        let (all, start) = (WrongSecrets::default(), Instant::now());
        let [one, near, far]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        (1..AT_ONCE).for_each(|_| all.was_wrong("photos", one, at(start, 0)));
        assert_eq!(all.wait("photos", one, at(start, 0)), None, "once more");
        all.was_wrong("photos", one, at(start, 0));
        assert_eq!(all.wait("photos", near, at(start, 1)), Some(Duration::from_secs(59)));
        assert_eq!(all.wait("photos", far, at(start, 1)), None, "another source");
        assert_eq!(all.wait("phone", one, at(start, 1)), None, "another app behind it");
        assert_eq!(all.wait("photos", one, at(start, 60)), None, "a minute later");
        all.was_wrong("photos", one, at(start, 60));
        assert_eq!(all.wait("photos", one, at(start, 60)), None, "and it counts afresh");
    }

    #[test]
    fn a_flood_of_sources_takes_little_room_and_frees_nobody_who_is_held_back() {
        let (all, start) = (WrongSecrets::default(), Instant::now());
        let held = Ipv4Addr::LOCALHOST.into();
        wrong(&all, ("photos", held), at(start, 0));
        let most = u32::try_from(MOST).unwrap();
        for number in 0..2 * most {
            let from = Ipv4Addr::from_bits(0x0a00_0000 + number).into();
            all.was_wrong("photos", from, at(start, 1));
            assert!(all.tries().len() <= MOST);
        }
        assert!(all.wait("photos", held, at(start, 1)).is_some());
    }
}
