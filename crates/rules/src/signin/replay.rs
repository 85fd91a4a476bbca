use std::collections::{BTreeMap, BTreeSet};

use crate::time::UnixTime;

/// Remembers what was used once, until it would be too old anyway. Bounded.
#[derive(Debug, Default)]
pub struct Replay {
    used: BTreeMap<[u8; 32], UnixTime>,
    by_end: BTreeSet<(UnixTime, [u8; 32])>,
    /// The last end of what was forgotten. Were the clock set back, something that ends by then
    /// could be used again: it counts as used.
    forgotten: Option<UnixTime>,
}

/// Why something is not used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayRefusal {
    /// It was used before.
    #[error("it was used before")]
    Used,
    /// Nothing more can be remembered, so using it only once can't be promised.
    #[error("too many sign-ins at once")]
    Full,
}

impl Replay {
    /// How many are remembered at once: a few MiB, and 180 sign-ins a second.
    pub const CAPACITY: usize = 65_536;

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Is none remembered?
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// Uses `what`, which is good until `over_at`. Call it after everything else was checked, so
    /// that only what we signed takes up room.
    ///
    /// # Errors
    ///
    /// [`ReplayRefusal`]; it fails closed.
    pub fn once(
        &mut self,
        what: [u8; 32],
        over_at: UnixTime,
        now: UnixTime,
    ) -> Result<(), ReplayRefusal> {
        while let Some((end, old)) = self.by_end.first().copied().filter(|(end, _)| *end < now) {
            self.by_end.pop_first();
            self.used.remove(&old);
            self.forgotten = self.forgotten.max(Some(end));
        }
        if self.forgotten.is_some_and(|forgotten| over_at <= forgotten) {
            return Err(ReplayRefusal::Used);
        }
        if self.used.contains_key(&what) {
            return Err(ReplayRefusal::Used);
        }
        if self.used.len() >= Self::CAPACITY {
            return Err(ReplayRefusal::Full);
        }
        self.used.insert(what, over_at);
        self.by_end.insert((over_at, what));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Replay, ReplayRefusal};
    use crate::time::UnixTime;

    #[test]
    fn once_and_forgotten_when_too_old() {
        let mut replay = Replay::default();
        let at = UnixTime::from_seconds;
        assert_eq!(replay.once([1; 32], at(360), at(0)), Ok(()));
        assert_eq!(
            replay.once([1; 32], at(360), at(360)),
            Err(ReplayRefusal::Used),
            "its last second"
        );
        assert_eq!(replay.once([2; 32], at(700), at(361)), Ok(()));
        assert_eq!(replay.used.len(), 1, "the first one is gone");
        assert_eq!(replay.by_end.len(), 1);
    }

    /// The clock jumps forward past the end of a link, which is forgotten, and is set right again.
    #[test]
    fn no_jump_of_the_clock_brings_a_used_link_back() {
        let mut replay = Replay::default();
        let at = UnixTime::from_seconds;
        assert_eq!(replay.once([1; 32], at(400), at(100)), Ok(()));
        assert_eq!(replay.once([2; 32], at(9_300), at(9_000)), Ok(()), "the clock was ahead");
        assert_eq!(replay.once([1; 32], at(400), at(110)), Err(ReplayRefusal::Used));
        assert_eq!(replay.once([3; 32], at(420), at(120)), Ok(()), "others sign in");
        assert_eq!(replay.once([2; 32], at(9_300), at(9_000)), Err(ReplayRefusal::Used));
    }

    #[test]
    fn full_is_closed() {
        let mut replay = Replay::default();
        let at = UnixTime::from_seconds;
        for i in 0..Replay::CAPACITY as u64 {
            let mut what = [0; 32];
            what[..8].copy_from_slice(&i.to_be_bytes());
            assert_eq!(replay.once(what, at(10), at(0)), Ok(()));
        }
        assert_eq!(replay.once([9; 32], at(10), at(0)), Err(ReplayRefusal::Full));
        assert_eq!(replay.once([9; 32], at(20), at(11)), Ok(()), "and opens again");
    }
}
