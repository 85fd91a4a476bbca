//! A clock that tests turn by hand.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
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
    /// Seconds by which the wall clock alone is off.
    jumped: AtomicI64,
    breaks: Mutex<(String, usize)>,
    /// How often it was asked, by the names of threads.
    asked: Mutex<BTreeMap<String, u64>>,
}

impl TurnedClock {
    /// A clock that shows now.
    #[expect(clippy::disallowed_methods, reason = "the certificates' other judge reads it too")]
    pub fn new() -> Arc<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Arc::new(Self {
            begin: Instant::now(),
            wall,
            turned: AtomicU64::new(0),
            jumped: AtomicI64::new(0),
            breaks: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    /// Turns it on: time passes.
    pub fn turn(&self, by: Duration) {
        self.turned.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    /// Somebody sets the wall clock to another time, or the machine slept: no time passes that a
    /// running process could measure.
    pub fn jump(&self, seconds: i64) {
        self.jumped.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sets the wall clock to this second since 1970; seconds before it show as 0.
    pub fn set(&self, second: i64) {
        let shown = self.now().wall.seconds();
        self.jump(second - i64::try_from(shown).unwrap_or(i64::MAX));
    }

    /// Panics so many times when it is asked on a thread of this name.
    pub fn break_on(&self, thread: &str, times: usize) {
        *self.breaks.lock().unwrap_or_else(PoisonError::into_inner) = (thread.into(), times);
    }

    /// How often it was asked on a thread of this name: whoever looks at the time, looks around.
    pub fn asked_on(&self, thread: &str) -> u64 {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(thread).copied().unwrap_or_default()
    }

    fn count(&self) {
        let thread = std::thread::current();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked.entry(thread.name().unwrap_or_default().to_owned()).or_default() += 1;
    }

    fn may_break(&self) {
        let mut breaks = self.breaks.lock().unwrap_or_else(PoisonError::into_inner);
        if breaks.1 > 0 && std::thread::current().name() == Some(&breaks.0) {
            breaks.1 -= 1;
            drop(breaks);
            panic!("the clock broke");
        }
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> Now {
        self.count();
        self.may_break();
        let turned = self.turned.load(Ordering::Relaxed);
        let wall = (self.wall + turned).saturating_add_signed(self.jumped.load(Ordering::Relaxed));
        Now {
            wall: UnixTime::from_seconds(wall),
            wall_millis: 0,
            monotonic: self.begin + Duration::from_secs(turned),
        }
    }
}
