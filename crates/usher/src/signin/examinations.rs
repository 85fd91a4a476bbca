//! Examinations of the whole server, which run elsewhere: one at a time, the same for everybody.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use usher_rules::{
    problem::Severity,
    time::{Now, UnixTime},
};

/// How long after one has ended the next may begin: each asks every server that there is.
const PAUSE: Duration = Duration::from_secs(30);

/// What is asked of a doctor, and what it found. Kept in memory: it is true for minutes.
#[derive(Debug, Default)]
pub struct Examinations {
    standing: Mutex<Standing>,
    ended: Mutex<Option<Instant>>,
    wanted: Notify,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
pub enum Standing {
    /// Nobody asked for one.
    #[default]
    Unasked,
    /// It runs.
    Runs(UnixTime),
    /// It ended without a result.
    BrokeOff(UnixTime),
    /// It ended.
    Done(Arc<Examined>),
}

/// What came of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// When it began.
    pub at: UnixTime,
    /// Everything that was tried.
    pub findings: Vec<Finding>,
}

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is; `None` is good.
    pub severity: Option<Severity>,
    /// Its code.
    pub code: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What it means, and for whom.
    pub means: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Which one.
    pub subject: String,
    /// What was seen.
    pub what: String,
    /// What to do.
    pub help: String,
    /// Is there a command that mends it?
    pub is_curable: bool,
}

impl Examinations {
    /// How far it is.
    pub fn standing(&self) -> Standing {
        self.lock().clone()
    }

    /// Asks for one. Where one runs, that is it; `false`: the last one has only just ended.
    pub fn begin(&self, now: Now) -> bool {
        let mut standing = self.lock();
        if matches!(*standing, Standing::Runs(_)) {
            return true;
        }
        let ended = *self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_some_and(|at| now.monotonic.saturating_duration_since(at) < PAUSE) {
            return false;
        }
        *standing = Standing::Runs(now.wall);
        self.wanted.notify_one();
        true
    }

    /// Waits until one is asked for.
    pub async fn next(&self) -> Examination<'_> {
        self.wanted.notified().await;
        Examination { of: self }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that runs. Who lets go of it without a result has broken it off.
#[derive(Debug)]
pub struct Examination<'a> {
    of: &'a Examinations,
}

impl Examination<'_> {
    /// Everybody sees this from now on; `None`: it is broken off.
    pub fn over(self, findings: Option<Vec<Finding>>, now: Now) {
        *self.of.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.monotonic);
        let Some(findings) = findings else { return };
        let mut standing = self.of.lock();
        if let Standing::Runs(at) = *standing {
            *standing = Standing::Done(Arc::new(Examined { at, findings }));
        }
        drop(standing); // before `self`, which looks at it once more
    }
}

impl Drop for Examination<'_> {
    fn drop(&mut self) {
        let mut standing = self.of.lock();
        if let Standing::Runs(at) = *standing {
            *standing = Standing::BrokeOff(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use futures_util::FutureExt as _;
    use usher_rules::time::{Now, UnixTime};

    use super::{Examinations, PAUSE, Standing};

    const BEGAN: UnixTime = UnixTime::from_seconds(1_800_000_000);

    #[expect(clippy::disallowed_methods, reason = "some moment, from which all others are told")]
    fn some_moment() -> Now {
        Now { wall: BEGAN, wall_millis: 0, monotonic: Instant::now() }
    }

    fn after(now: Now, passed: Duration) -> Now {
        Now { wall: now.wall.plus(passed), monotonic: now.monotonic + passed, ..now }
    }

    /// Two who ask get one examination, and one that breaks off keeps nobody waiting.
    #[test]
    fn one_at_a_time_and_none_for_ever() {
        let all = Examinations::default();
        let now = some_moment();
        let later = after(now, Duration::from_secs(9));
        assert!(all.next().now_or_never().is_none(), "nobody asked");
        assert!(all.begin(now) && all.begin(later));
        assert!(matches!(all.standing(), Standing::Runs(BEGAN)), "the second is the first");
        let first = all.next().now_or_never().unwrap();
        assert!(all.next().now_or_never().is_none(), "one alone");
        drop(first);
        assert!(matches!(all.standing(), Standing::BrokeOff(BEGAN)));
        assert!(all.begin(later));
        all.next().now_or_never().unwrap().over(Some(Vec::new()), later);
        let Standing::Done(examined) = all.standing() else { panic!("{:?}", all.standing()) };
        assert_eq!(examined.at, later.wall);
    }

    /// However often the button is pressed, servers have rest between two examinations.
    #[test]
    fn one_that_has_only_just_ended_is_followed_by_none() {
        let all = Examinations::default();
        let now = some_moment();
        for findings in [Some(Vec::new()), None] {
            let began = after(now, PAUSE * 10);
            assert!(all.begin(began));
            let ended = after(began, Duration::from_secs(5));
            all.next().now_or_never().unwrap().over(findings, ended);
            let soon = after(ended, PAUSE - Duration::from_secs(1));
            assert!(!all.begin(soon) && !matches!(all.standing(), Standing::Runs(_)));
            assert!(all.next().now_or_never().is_none());
            assert!(all.begin(after(ended, PAUSE)));
            all.next().now_or_never().unwrap().over(None, now);
        }
    }
}
