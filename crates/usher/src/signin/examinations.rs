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
    job: Mutex<Job>,
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
    /// What is mended, or could be.
    pub mending: Mending,
    /// Was something mended that can be put back?
    pub can_put_back: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Job {
    /// Everything is examined.
    #[default]
    Examine,
    /// It is looked what mending would change.
    Compare,
    /// What was shown under this number is changed.
    Mend(u64),
    /// What was changed is put back.
    PutBack,
}

/// What became of mending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mending {
    /// Nobody asked.
    #[default]
    Unasked,
    /// This would be changed.
    Offered(Offer),
    /// It was changed as it was shown.
    Mended,
    /// It is as it was.
    PutBack,
    /// Not all of it was done; why.
    Failed(String),
}

/// What would be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its number: what is changed is what was shown.
    pub number: u64,
    /// Each setting.
    pub changes: Vec<Change>,
    /// Servers that restart then.
    pub restarts: Vec<String>,
}

/// One setting of a server, before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The server's address.
    pub server: String,
    /// The setting.
    pub key: String,
    /// As it is.
    pub was: String,
    /// As it would be.
    pub becomes: String,
}

/// Why nothing begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBegun {
    /// An examination has only just ended.
    TooSoon,
    /// It is not what was shown, or there is nothing to do.
    Changed,
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
    ///
    /// # Errors
    ///
    /// [`NotBegun`].
    pub fn begin(&self, job: Job, now: Now) -> Result<(), NotBegun> {
        let mut standing = self.lock();
        match (&*standing, job) {
            (Standing::Runs(_), Job::Examine) => return Ok(()),
            (_, Job::Examine) => {
                let ended = *self.ended.lock().unwrap_or_else(PoisonError::into_inner);
                if ended.is_some_and(|at| now.monotonic.saturating_duration_since(at) < PAUSE) {
                    return Err(NotBegun::TooSoon);
                }
            }
            (Standing::Done(examined), job) if examined.allows(job) => {}
            (_, Job::Compare | Job::Mend(_) | Job::PutBack) => return Err(NotBegun::Changed),
        }
        *standing = Standing::Runs(now.wall);
        *self.job.lock().unwrap_or_else(PoisonError::into_inner) = job;
        self.wanted.notify_one();
        Ok(())
    }

    /// Waits until something is asked for.
    pub async fn next(&self) -> Examination<'_> {
        self.wanted.notified().await;
        let job = *self.job.lock().unwrap_or_else(PoisonError::into_inner);
        Examination { of: self, job }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that runs. Who lets go of it without a result has broken it off.
#[derive(Debug)]
pub struct Examination<'a> {
    of: &'a Examinations,
    job: Job,
}

impl Examined {
    /// Does it follow from this, as it was shown?
    fn allows(&self, job: Job) -> bool {
        match (job, &self.mending) {
            (Job::Examine, _) => true,
            (Job::Compare, _) => self.findings.iter().any(|one| one.is_curable),
            (Job::Mend(number), Mending::Offered(offer)) => offer.number == number,
            (Job::Mend(_), _) => false,
            (Job::PutBack, _) => self.can_put_back,
        }
    }
}

impl Examination<'_> {
    /// What is to be done.
    pub const fn job(&self) -> Job {
        self.job
    }

    /// Everybody sees this from now on; `None`: it is broken off.
    pub fn over(self, examined: Option<Examined>, now: Now) {
        *self.of.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.monotonic);
        let Some(examined) = examined else { return };
        let mut standing = self.of.lock();
        if matches!(*standing, Standing::Runs(_)) {
            *standing = Standing::Done(Arc::new(examined));
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

    use super::{Examinations, Examined, Finding, Job, Mending, NotBegun, Offer, PAUSE, Standing};

    const BEGAN: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn some_moment() -> Now {
        Now { wall: BEGAN, wall_millis: 0, monotonic: Instant::now() }
    }

    fn after(now: Now, passed: Duration) -> Now {
        Now { wall: now.wall.plus(passed), monotonic: now.monotonic + passed, ..now }
    }

    fn examined(at: UnixTime, mending: Mending) -> Examined {
        let finding = Finding {
            severity: None,
            code: "D205",
            title: "",
            means: "",
            about: "",
            subject: String::new(),
            what: String::new(),
            help: String::new(),
            is_curable: true,
        };
        Examined { at, findings: vec![finding], mending, can_put_back: false }
    }

    /// Two who ask get one examination, and one that breaks off keeps nobody waiting.
    #[test]
    fn one_at_a_time_and_none_for_ever() {
        let all = Examinations::default();
        let now = some_moment();
        let later = after(now, Duration::from_secs(9));
        assert!(all.next().now_or_never().is_none(), "nobody asked");
        assert_eq!([all.begin(Job::Examine, now), all.begin(Job::Examine, later)], [Ok(()); 2]);
        assert!(matches!(all.standing(), Standing::Runs(BEGAN)), "the second is the first");
        let first = all.next().now_or_never().unwrap();
        assert!(all.next().now_or_never().is_none(), "one alone");
        drop(first);
        assert!(matches!(all.standing(), Standing::BrokeOff(BEGAN)));
        all.begin(Job::Examine, later).unwrap();
        let done = examined(later.wall, Mending::Unasked);
        all.next().now_or_never().unwrap().over(Some(done), later);
        let Standing::Done(examined) = all.standing() else { panic!("{:?}", all.standing()) };
        assert_eq!(examined.at, later.wall);
    }

    /// However often the button is pressed, servers have rest between two examinations.
    #[test]
    fn one_that_has_only_just_ended_is_followed_by_none() {
        let all = Examinations::default();
        let mut now = some_moment();
        for done in [Some(examined(BEGAN, Mending::Unasked)), None] {
            all.begin(Job::Examine, now).unwrap();
            let ended = after(now, Duration::from_secs(5));
            all.next().now_or_never().unwrap().over(done, ended);
            let soon = after(ended, PAUSE - Duration::from_secs(1));
            assert_eq!(all.begin(Job::Examine, soon), Err(NotBegun::TooSoon));
            assert!(!matches!(all.standing(), Standing::Runs(_)));
            assert!(all.next().now_or_never().is_none());
            now = after(ended, PAUSE);
        }
        all.begin(Job::Examine, now).unwrap();
    }

    /// What is changed is what was shown last, once, and nothing while anything else runs.
    #[test]
    fn what_is_mended_is_what_was_shown() {
        let all = Examinations::default();
        let now = some_moment();
        let offer = |number| Offer { number, changes: Vec::new(), restarts: Vec::new() };
        let refused = Err(NotBegun::Changed);
        for job in [Job::Compare, Job::Mend(1), Job::PutBack] {
            assert_eq!(all.begin(job, now), refused, "nothing was examined: {job:?}");
        }
        all.begin(Job::Examine, now).unwrap();
        assert_eq!(all.begin(Job::Compare, now), refused, "it runs");
        all.next().now_or_never().unwrap().over(Some(examined(BEGAN, Mending::Unasked)), now);
        assert_eq!(all.begin(Job::Mend(1), now), refused, "nobody was shown anything");
        all.begin(Job::Compare, now).unwrap();
        let running = all.next().now_or_never().unwrap();
        assert_eq!(running.job(), Job::Compare);
        running.over(Some(examined(BEGAN, Mending::Offered(offer(7)))), now);
        assert_eq!(all.begin(Job::Mend(6), now), refused, "that was shown before");
        assert_eq!(all.begin(Job::PutBack, now), refused, "nothing was changed");
        all.begin(Job::Mend(7), now).unwrap();
        assert_eq!(all.begin(Job::Mend(7), now), refused, "once");
        let mended = Examined { can_put_back: true, ..examined(BEGAN, Mending::Mended) };
        all.next().now_or_never().unwrap().over(Some(mended), now);
        assert_eq!(all.begin(Job::Mend(7), now), refused);
        all.begin(Job::PutBack, now).unwrap();
    }
}
