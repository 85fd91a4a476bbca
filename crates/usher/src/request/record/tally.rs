use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use usher_rules::time::Now;

/// Lines of requests that were taken back, in a minute; more are counted.
const LINES: u64 = 20;

/// Counts what is not told line by line, so that strangers can't fill the log.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The minute in the upper half, lines in it in the lower.
    minute: AtomicU64,
    left_out: AtomicU64,
}

impl Tally {
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
