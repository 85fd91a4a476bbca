//! Examinations of the whole server, which run elsewhere: one at a time, the same for everybody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use usher_rules::{problem::Severity, time::UnixTime};

/// What is asked of a doctor, and what it found. Kept in memory: it is true for minutes.
#[derive(Debug, Default)]
pub struct Examinations {
    standing: Mutex<Standing>,
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

    /// Asks for one. Where one runs, that is it.
    pub fn begin(&self, now: UnixTime) {
        let mut standing = self.lock();
        if !matches!(*standing, Standing::Runs(_)) {
            *standing = Standing::Runs(now);
            self.wanted.notify_one();
        }
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
    /// Everybody sees this from now on.
    pub fn done(self, findings: Vec<Finding>) {
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
    use futures_util::FutureExt as _;
    use usher_rules::time::UnixTime;

    use super::{Examinations, Standing};

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
    const LATER: UnixTime = UnixTime::from_seconds(1_800_000_009);

    /// Two who ask get one examination, and one that breaks off keeps nobody waiting.
    #[test]
    fn one_at_a_time_and_none_for_ever() {
        let all = Examinations::default();
        assert!(all.next().now_or_never().is_none(), "nobody asked");
        all.begin(NOW);
        all.begin(LATER);
        assert!(matches!(all.standing(), Standing::Runs(NOW)), "the second is the first");
        let first = all.next().now_or_never().unwrap();
        assert!(all.next().now_or_never().is_none(), "one alone");
        drop(first);
        assert!(matches!(all.standing(), Standing::BrokeOff(NOW)));
        all.begin(LATER);
        all.next().now_or_never().unwrap().done(Vec::new());
        let Standing::Done(examined) = all.standing() else { panic!("{:?}", all.standing()) };
        assert_eq!(examined.at, LATER);
    }
}
