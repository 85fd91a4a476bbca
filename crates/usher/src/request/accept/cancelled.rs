use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::limits;

/// Requests that the client took back (RST_STREAM): so many at once, and so many a second.
///
/// What was reset before we saw it is counted by h2; this counts what we had begun to work on.
#[derive(Debug, Default)]
pub(super) struct Cancelled {
    /// How many were taken back, less what time has forgiven.
    level: AtomicU64,
    /// The connection's clock when `level` was last looked at.
    at: AtomicU64,
    pub(super) too_many: Notify,
}

impl Cancelled {
    pub(super) fn another(&self, now: u64) {
        let passed = now.saturating_sub(self.at.swap(now, Ordering::Relaxed));
        let forgiven = passed.saturating_mul(limits::CANCELS_PER_SECOND) / 1000;
        let level = self.level.load(Ordering::Relaxed).saturating_sub(forgiven) + 1;
        self.level.store(level, Ordering::Relaxed);
        if level > limits::CANCELS {
            self.too_many.notify_one();
        }
    }
}
