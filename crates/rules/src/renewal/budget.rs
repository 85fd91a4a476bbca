use std::{collections::VecDeque, time::Duration};

use crate::time::UnixTime;

/// Orders per hour, over all names. The largest authority bears 100; a hundred new hosts are
/// served after two hours and until then by the local authority.
pub(super) const ORDERS_PER_HOUR: usize = 50;
const HOUR: Duration = Duration::from_secs(3600);

/// Counts orders, so that no mistake anywhere becomes a storm.
#[derive(Clone, Debug, Default)]
pub struct Budget(VecDeque<UnixTime>);

impl Budget {
    /// The first moment of another order.
    pub(super) fn earliest(&mut self, now: UnixTime) -> UnixTime {
        // What lies ahead was counted by a clock that has been set back since: it counts as now.
        for at in &mut self.0 {
            *at = (*at).min(now);
        }
        while self.0.front().is_some_and(|at| now.since(*at) >= HOUR) {
            self.0.pop_front();
        }
        match self.0.front() {
            Some(oldest) if self.0.len() >= ORDERS_PER_HOUR => oldest.plus(HOUR),
            Some(_) | None => now,
        }
    }

    /// An order is made.
    pub(super) fn spend(&mut self, now: UnixTime) {
        self.0.push_back(now);
    }
}
