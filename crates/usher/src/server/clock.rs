use std::time::{Instant, SystemTime, UNIX_EPOCH};

use usher_rules::time::{Clock, Now, UnixTime};

/// The machine's clock. The only place where it is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "here, and nowhere else")]
    fn now(&self) -> Now {
        // Before 1970 nothing has expired yet, and nothing was issued: nobody is let in by it.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            wall: UnixTime::from_seconds(wall.as_secs()),
            wall_millis: u16::try_from(wall.subsec_millis()).unwrap_or(999),
            monotonic: Instant::now(),
        }
    }
}
