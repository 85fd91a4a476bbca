//! What is known of one upstream: whether it answers, how busy it is.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How long one that could not be reached is let alone: doubled with each failure, up to the second.
const ALONE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// Nobody else tries while one does.
const TRIAL: Duration = Duration::from_secs(12);

/// Connections that were made and closed without an answer, one after another, until it counts as
/// down: a port that Docker forwards accepts whether or not somebody is behind it.
const HANG_UPS: u32 = 3;

/// Fresh connections in a second, for requests that must not meet a stale one: closed ones hold a
/// port for a minute, and an address has 28,000.
const FRESH_PER_SECOND: u64 = 400;

/// Shared by all cores, and kept across reloads.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Milliseconds on [`clock`]; 0 when it is well.
    alone_until: AtomicU64,
    failures: AtomicU32,
    hang_ups: AtomicU32,
    active: AtomicUsize,
    /// Second on [`clock`] in the upper half, connections in it in the lower.
    fresh: AtomicU64,
    /// Did a visitor's request ever go there?
    used: AtomicBool,
}

/// May an upstream be asked?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// As far as is known.
    Well,
    /// It was let alone for long enough: somebody should try.
    Due,
    /// Let alone.
    Alone,
}

/// Milliseconds since the first look; never 0.
pub(super) fn clock(now: Instant) -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let since = now.saturating_duration_since(*BEGAN.get_or_init(|| now));
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

impl Health {
    /// May it be asked at `now`?
    pub(crate) fn fitness(&self, now: Instant) -> Fitness {
        match self.alone_until.load(Relaxed) {
            0 => Fitness::Well,
            until if clock(now) >= until => Fitness::Due,
            _ => Fitness::Alone,
        }
    }

    /// Takes the trial of one that is due; `false` when somebody else has it.
    pub(crate) fn claim_trial(&self, now: Instant) -> bool {
        let until = self.alone_until.load(Relaxed);
        let next = clock(now) + millis(TRIAL);
        until != 0
            && clock(now) >= until
            && self.alone_until.compare_exchange(until, next, Relaxed, Relaxed).is_ok()
    }

    /// It could not be reached.
    pub(crate) fn unreachable(&self, now: Instant) {
        let failures = self.failures.fetch_add(1, Relaxed).min(8);
        let alone = ALONE.0.saturating_mul(1 << failures).min(ALONE.1);
        self.alone_until.store(clock(now) + millis(alone), Relaxed);
    }

    /// It took a new connection, and closed it without an answer.
    pub(crate) fn hung_up(&self, now: Instant) {
        if self.hang_ups.fetch_add(1, Relaxed) + 1 >= HANG_UPS {
            self.unreachable(now);
        }
    }

    /// A connection was made: it may be asked, and has still to answer.
    pub(crate) fn reached(&self) {
        if self.alone_until.load(Relaxed) != 0 {
            self.alone_until.store(0, Relaxed);
        }
    }

    /// It answered.
    pub(crate) fn answered(&self) {
        self.reached();
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        if self.hang_ups.load(Relaxed) != 0 {
            self.hang_ups.store(0, Relaxed);
        }
    }

    /// A visitor's request goes there.
    pub(crate) fn use_it(&self) {
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
    }

    /// Did one ever?
    pub(crate) fn was_used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// Requests under way.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Relaxed)
    }

    /// May a connection be made for one request, though kept ones exist? A bound on what that
    /// costs: ports and handshakes.
    pub(crate) fn may_open_fresh(&self, now: Instant) -> bool {
        let second = clock(now) / 1000;
        let before = self.fresh.load(Relaxed);
        let made = if before >> 32 == second { before & 0xffff_ffff } else { 0 };
        if made >= FRESH_PER_SECOND {
            return false;
        }
        self.fresh.store(second << 32 | (made + 1), Relaxed); // a race costs one connection
        true
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Counts a request for as long as it is under way, its answer's body included.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Health>);

impl Busy {
    /// One more.
    pub(crate) fn at(health: &Arc<Health>) -> Self {
        health.active.fetch_add(1, Relaxed);
        Self(Arc::clone(health))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Fitness, HANG_UPS, Health};

    #[test]
    fn a_dead_one_is_let_alone_longer_each_time_and_tried_by_one() {
        let (health, mut now) = (Health::default(), Instant::now());
        for alone in [2, 4, 8, 16, 30, 30] {
            health.unreachable(now);
            let before = now + Duration::from_millis(alone * 1000 - 10);
            assert_eq!(health.fitness(before), Fitness::Alone);
            now += Duration::from_secs(alone);
            assert_eq!(health.fitness(now), Fitness::Due, "{alone} s");
            assert!(health.claim_trial(now) && !health.claim_trial(now), "one tries");
        }
        health.answered();
        assert_eq!(health.fitness(now), Fitness::Well);
        health.unreachable(now);
        assert_eq!(health.fitness(now + Duration::from_secs(2)), Fitness::Due, "anew");
    }

    #[test]
    fn hang_ups_count_when_they_come_one_after_another() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..3 {
            (1..HANG_UPS).for_each(|_| health.hung_up(now));
            assert_eq!(health.fitness(now), Fitness::Well);
            health.answered();
        }
        (0..HANG_UPS).for_each(|_| health.hung_up(now));
        assert_eq!(health.fitness(now), Fitness::Alone);
    }

    #[test]
    fn fresh_connections_are_bounded_per_second() {
        let (health, now) = (Health::default(), Instant::now());
        for second in [0, 1, 7] {
            let now = now + Duration::from_secs(second);
            let opened = (0..2000).filter(|_| health.may_open_fresh(now)).count();
            assert_eq!(opened, 400, "second {second}");
        }
    }
}
