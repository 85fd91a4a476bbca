use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use usher_rules::time::Now;

use crate::request::accept::Whose;

/// Lines of requests that were taken back, in a minute; more are counted.
const LINES: u64 = 20;

/// Counts what is not told line by line, so that strangers can't fill the log.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The minute in the upper half, lines in it in the lower.
    minute: AtomicU64,
    left_out: AtomicU64,
    two_visitors: AtomicU64,
}

impl Tally {
    /// Another request whose trusted proxies name two visitors.
    pub(super) fn count_two_visitors(&self) {
        self.two_visitors.fetch_add(1, Relaxed);
    }

    /// How many there were, since the start.
    pub(super) fn two_visitors(&self) -> u64 {
        self.two_visitors.load(Relaxed)
    }

    /// Is there a line for another request that was taken back? Else it is counted.
    pub(super) fn has_line(&self, now: Now) -> bool {
        let minute = (now.wall.seconds() / 60) & 0xffff_ffff;
        let before = self.minute.load(Relaxed);
        let written = if before >> 32 == minute { before & 0xffff_ffff } else { 0 };
        if written >= LINES {
            self.left_out.fetch_add(1, Relaxed);
            return false;
        }
        self.minute.store(minute << 32 | (written + 1), Relaxed); // a race costs one line
        true
    }

    /// Requests without lines, since the start.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }
}

/// Lines for one client in a minute; more are counted.
const LINES_OF_ONE: usize = 3;
/// And for all.
const LINES_OF_ALL: usize = 60;

/// Counts what clients said that was no request, beyond a few lines for each of them: one that
/// sends nothing else neither fills the log nor takes the others' lines.
#[derive(Debug, Default)]
pub(super) struct UnreadTally {
    /// The minute, and whose lines were written in it.
    written: Mutex<(u64, Vec<Whose>)>,
    left_out: AtomicU64,
}

impl UnreadTally {
    /// Is there a line for this one? Else it is counted.
    pub(super) fn has_line(&self, whose: Whose, now: Now) -> bool {
        let minute = now.wall.seconds() / 60;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.0 != minute {
            *written = (minute, Vec::new());
        }
        let lines = &mut written.1;
        let own = lines.iter().filter(|one| **one == whose).count();
        if own >= LINES_OF_ONE || lines.len() >= LINES_OF_ALL {
            self.left_out.fetch_add(1, Relaxed);
            return false;
        }
        lines.push(whose);
        true
    }

    /// How many have no lines, since the start.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_OF_ALL, LINES_OF_ONE, UnreadTally, Whose};
    use usher_lab::clock::TurnedClock;
    use usher_rules::time::Clock as _;

    #[test]
    fn one_client_s_noise_takes_nobody_else_s_lines() {
        let (tally, now) = (UnreadTally::default(), TurnedClock::new().now());
        let client = |n: u8| Whose::client([192, 0, 2, n].into());
        let logged = (0..1000).filter(|_| tally.has_line(client(1), now)).count();
        assert_eq!(logged, LINES_OF_ONE);
        assert!(tally.has_line(client(2), now), "who comes once has a line");
        let logged = (3..=250).filter(|n| tally.has_line(client(*n), now)).count();
        assert_eq!(logged, LINES_OF_ALL - LINES_OF_ONE - 1, "and all together have an end");
        let left_out = 1000 - LINES_OF_ONE + (248 - logged);
        assert_eq!(tally.left_out(), u64::try_from(left_out).unwrap());
    }
}
