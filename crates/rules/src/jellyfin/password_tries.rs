//! How often apps may try names and passwords. An app password is too long to be guessed: what is
//! bounded is what tries cost, and for how long somebody may go on.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::pairing::Network;

/// So many tries a minute from one network, good ones too.
const MOST_TRIES: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// So many wrong ones for one name from one network, within that time.
const MOST_WRONG: usize = 5;
const WRONG_FOR: Duration = Duration::from_secs(15 * 60);

/// So many networks, and names from them, are remembered.
const MOST_KEPT: usize = 4096;
/// The longest name that is told from others, in octets: of those beyond all are one.
const LONGEST_NAME: usize = 320;

/// Who tried lately. Counted by network, and so that nobody can lock somebody else out.
#[derive(Debug, Default)]
pub struct PasswordTries {
    tried: BTreeMap<Network, Vec<Instant>>,
    wrong: BTreeMap<(Network, Box<str>), Vec<Instant>>,
}

/// Whether a try is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It is.
    LookedAt,
    /// It is not, and it is the first one that is not: somebody should hear of it.
    HeldBack,
    /// It is not, as those before it.
    StillHeldBack,
}

impl PasswordTries {
    /// Takes a try for that name.
    pub fn take(&mut self, name: &str, from: Network, now: Instant) -> Tried {
        self.sweep(now);
        let wrong = self.wrong.get_mut(&(from, folded(name)));
        if let Some(wrong) = wrong.filter(|wrong| wrong.len() >= MOST_WRONG) {
            return told(wrong, MOST_WRONG, now);
        }
        make_room(&mut self.tried, &from, MOST_TRIES);
        let tried = self.tried.entry(from).or_default();
        if tried.len() >= MOST_TRIES {
            return told(tried, MOST_TRIES, now);
        }
        tried.push(now);
        Tried::LookedAt
    }

    /// The one that was taken was no good.
    pub fn was_wrong(&mut self, name: &str, from: Network, now: Instant) {
        let key = (from, folded(name));
        make_room(&mut self.wrong, &key, MOST_WRONG);
        self.wrong.entry(key).or_default().push(now);
    }

    /// What counts no more is forgotten.
    fn sweep(&mut self, now: Instant) {
        self.tried.retain(|_, tries| is_kept(tries, MINUTE, now));
        self.wrong.retain(|_, tries| is_kept(tries, WRONG_FOR, now));
    }
}

fn is_kept(tries: &mut Vec<Instant>, counts_for: Duration, now: Instant) -> bool {
    let counts = |at: &Instant| now.saturating_duration_since(*at) < counts_for;
    tries.retain(counts);
    !tries.is_empty()
}

/// One beyond the limit marks that somebody was told.
fn told(tries: &mut Vec<Instant>, limit: usize, now: Instant) -> Tried {
    let is_first = tries.len() == limit;
    if is_first {
        // As old as the newest that counts: it runs out with it.
        tries.push(tries.last().copied().unwrap_or(now));
        return Tried::HeldBack;
    }
    Tried::StillHeldBack
}

/// A flood of new ones pushes out those with a few tries before one that is held back.
fn make_room<K: Ord>(all: &mut BTreeMap<K, Vec<Instant>>, new: &K, limit: usize) {
    if all.len() >= MOST_KEPT && !all.contains_key(new) {
        all.retain(|_, tries| tries.len() >= limit);
    }
    if all.len() >= MOST_KEPT && !all.contains_key(new) {
        all.clear();
    }
}

fn folded(name: &str) -> Box<str> {
    let name = name.trim();
    match name.len() <= LONGEST_NAME {
        true => name.to_lowercase().into(),
        false => Box::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::{Duration, Instant},
    };

    use super::{
        MOST_KEPT, MOST_TRIES, MOST_WRONG, PasswordTries,
        Tried::{HeldBack, LookedAt, StillHeldBack},
    };
    use crate::jellyfin::pairing::Network;

    #[expect(clippy::disallowed_methods, reason = "some moment, from which all others are told")]
    fn some_moment() -> Instant {
        Instant::now()
    }

    fn network(n: u32) -> Network {
        Network::of(IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n)))
    }

    #[test]
    fn a_network_has_ten_tries_a_minute_whatever_their_names() {
        let (mut all, start) = (PasswordTries::default(), some_moment());
        for n in 0..MOST_TRIES {
            assert_eq!(all.take(&format!("name {n}"), network(1), start), LookedAt);
        }
        assert_eq!(all.take("ann", network(1), start), HeldBack);
        assert_eq!(all.take("bob", network(1), start), StillHeldBack);
        assert_eq!(all.take("ann", network(2), start), LookedAt, "another network");
        let later = start + Duration::from_secs(60);
        assert_eq!(all.take("ann", network(1), later), LookedAt);
    }

    #[test]
    fn a_name_has_five_wrong_ones_from_a_network_and_nobody_locks_another_out() {
        let (mut all, start) = (PasswordTries::default(), some_moment());
        for _ in 0..MOST_WRONG {
            assert_eq!(all.take("Ann@example.com", network(1), start), LookedAt);
            all.was_wrong("Ann@example.com", network(1), start);
        }
        assert_eq!(all.take(" ann@EXAMPLE.com", network(1), start), HeldBack, "no case");
        assert_eq!(all.take("ann@example.com", network(1), start), StillHeldBack);
        assert_eq!(all.take("eve@example.com", network(1), start), LookedAt, "another name");
        assert_eq!(all.take("ann@example.com", network(2), start), LookedAt, "she is at home");
        let almost = start + Duration::from_secs(899);
        assert_eq!(all.take("ann@example.com", network(1), almost), StillHeldBack);
        let later = start + Duration::from_secs(900);
        assert_eq!(all.take("ann@example.com", network(1), later), LookedAt);
    }

    #[test]
    fn a_flood_takes_little_room_and_frees_nobody_who_is_held_back() {
        let (mut all, start) = (PasswordTries::default(), some_moment());
        for _ in 0..MOST_WRONG {
            all.was_wrong("ann", network(0), start);
        }
        let flood = u32::try_from(MOST_KEPT).unwrap() + 10;
        for n in 1..flood {
            all.was_wrong("ann", network(n), start);
            all.take(&"x".repeat(4000), network(n), start);
            assert!(all.tried.len() <= MOST_KEPT && all.wrong.len() <= MOST_KEPT);
        }
        assert_ne!(all.take("ann", network(0), start), LookedAt);
    }
}
