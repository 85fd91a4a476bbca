use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use usher_rules::{session::Session, time::Now};

/// A clock may be set back by so much without ending the sessions that were just begun.
const LEEWAY: Duration = Duration::from_secs(60);

/// Whether a session has run out, whatever somebody does to the clock.
///
/// | the wall clock | what becomes of it |
/// |---|---|
/// | jumps forward past the end | it is over, and stays so when the clock comes back |
/// | is set back within its life | it ends after the time that was left of it, as it was measured |
/// | is set back before it began | it is not in force until that moment comes again |
/// | goes on while the machine sleeps | it is over when the wall clock says so |
#[derive(Debug, Default)]
pub(super) struct Over {
    seen: AtomicBool,
    /// By the clock that can't be set, from when it was first judged. `None`: too far to be told.
    deadline: OnceLock<Option<Instant>>,
    /// When it was first seen to be over.
    since: OnceLock<Instant>,
}

impl Over {
    pub(super) fn judge(&self, session: &Session, now: Now) -> bool {
        if self.seen.load(Ordering::Relaxed) {
            return true;
        }
        if session.issued_at() > now.wall.plus(LEEWAY) {
            return true; // by this clock it has not begun
        }
        let left = session.expires_at().since(now.wall);
        let deadline = self.deadline.get_or_init(|| now.monotonic.checked_add(left));
        let is_over = session.expires_at().is_expired_at(now.wall, Duration::ZERO)
            || deadline.is_some_and(|deadline| now.monotonic >= deadline);
        if is_over {
            self.since.get_or_init(|| now.monotonic);
            self.seen.store(true, Ordering::Relaxed);
        }
        is_over
    }

    /// Has it been over for so long, by either clock?
    pub(super) fn judge_after(&self, session: &Session, span: Duration, now: Now) -> bool {
        let seen = || self.since.get().map(|since| now.monotonic.saturating_duration_since(*since));
        self.judge(session, now)
            && (session.expires_at().is_expired_at(now.wall, span)
                || seen().is_some_and(|passed| passed >= span))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use usher_rules::{
        session::Session,
        time::{Now, UnixTime},
    };

    use super::Over;
    use crate::request::identify::contract::session;

    const BEGAN: u64 = 1_800_000_000;

    fn hour() -> Session {
        Session { issued_at: BEGAN, expires_at: BEGAN + 3600, ..session(7, "ann").session }
    }

    /// `(wall seconds after the beginning, seconds that have really passed, over, why)`, in order.
    fn told(looks: &[(i64, u64, bool, &str)]) {
        let (over, session, start) = (Over::default(), hour(), Instant::now());
        for (wall, passed, expected, why) in looks {
            let now = Now {
                wall: UnixTime::from_seconds(BEGAN.saturating_add_signed(*wall)),
                wall_millis: 0,
                monotonic: start + Duration::from_secs(*passed),
            };
            assert_eq!(over.judge(&session, now), *expected, "{why}: {looks:?}");
        }
    }

    #[test]
    fn no_setting_of_a_clock_brings_a_session_back_or_makes_it_longer() {
        told(&[
            (0, 0, false, "begins"),
            (3599, 3599, false, "its last second"),
            (3600, 3600, true, "over"),
        ]);
        told(&[
            (0, 0, false, "begins"),
            (3600, 1, true, "jumps past the end"),
            (2, 2, true, "and back"),
        ]);
        told(&[
            (0, 0, false, "begins"),
            (-50, 10, false, "a small step back"),
            (3549, 3599, false, "as long as was measured"),
            (3550, 3600, true, "and no longer"),
        ]);
        told(&[
            (0, 0, false, "begins"),
            (-3000, 5, true, "before it began"),
            (20, 20, false, "mended"),
        ]);
        told(&[
            (1800, 0, false, "taken from the disk"),
            (0, 1799, false, "set back"),
            (1, 1800, true, "half is half"),
        ]);
        told(&[(0, 0, false, "begins"), (3600, 0, true, "the machine slept")]);
    }

    #[test]
    fn a_life_without_end_does_not_overflow() {
        let session = Session { expires_at: u64::MAX, ..hour() };
        let now =
            Now { wall: UnixTime::from_seconds(BEGAN), wall_millis: 0, monotonic: Instant::now() };
        assert!(!Over::default().judge(&session, now));
    }
}
