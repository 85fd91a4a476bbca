//! A clock that tests turn by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use usher_rules::time::{Clock, Now, UnixTime};

/// Stands still until it is turned. Begins at the machine's time, since TLS clients of the tests
/// judge certificates by that.
#[derive(Debug)]
pub struct TurnedClock {
    begin: Instant,
    wall: u64,
    turned: AtomicU64,
}

impl TurnedClock {
    /// A clock that shows now.
    #[expect(clippy::disallowed_methods, reason = "the certificates' other judge reads it too")]
    pub fn new() -> Arc<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Arc::new(Self { begin: Instant::now(), wall, turned: AtomicU64::new(0) })
    }

    /// Turns it on.
    pub fn turn(&self, by: Duration) {
        self.turned.fetch_add(by.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> Now {
        let turned = self.turned.load(Ordering::Relaxed);
        Now {
            wall: UnixTime::from_seconds(self.wall + turned),
            wall_millis: 0,
            monotonic: self.begin + Duration::from_secs(turned),
        }
    }
}
