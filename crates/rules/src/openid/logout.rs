use std::time::Duration;

use crate::{
    people::{BoxFuture, PeopleError},
    session::SessionId,
    time::UnixTime,
};

/// How many logouts wait at most, of all clients together.
pub const MOST_LOGOUTS: usize = 10_000;

/// How long is waited after each try that failed: about a day in all.
const PAUSES: [u64; 8] = [10, 60, 300, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600];

/// A client that is to be told that a session ended in which it got a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logout {
    /// Names it in the queue.
    pub id: i64,
    /// Whom to tell.
    pub client: Box<str>,
    /// What ended.
    pub session: SessionId,
    /// Whose.
    pub person: Box<str>,
}

/// What can be told now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutsDue {
    /// Some of each client, the oldest first.
    pub logouts: Vec<Logout>,
    /// Are there so many that no more are taken?
    pub is_full: bool,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutStep {
    /// Nothing more is to be done about this one.
    Over(i64),
    /// It was not taken, and may be later.
    Again(i64),
    /// This client can't be reached: what is due for it waits, all of it.
    Away(Box<str>),
    /// This client wants to be told nothing.
    Unwanted(Box<str>),
}

/// What an answer to a logout token means (Back-Channel Logout 1.0 §2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutAnswer {
    /// It was done.
    Done,
    /// It will not be, however often it is said.
    Refused,
    /// It may be, later.
    NotNow,
}

impl LogoutAnswer {
    /// By its status. An address that is not found may be that of an app that is just replaced.
    pub const fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Done,
            404 | 408 | 425 | 429 | 500.. => Self::NotNow,
            _ => Self::Refused,
        }
    }
}

/// When it is tried again after so many tries that failed; `None`: not at all.
pub fn next_try(failed: u32, now: UnixTime) -> Option<UnixTime> {
    let place = usize::try_from(failed).ok()?.checked_sub(1)?;
    PAUSES.get(place).map(|seconds| now.plus(Duration::from_secs(*seconds)))
}

/// Keeps who is to be told. What belongs there is written in the commit that ends a session.
pub trait Logouts: Send + Sync {
    /// What can be told now.
    fn due(&self, now: UnixTime) -> BoxFuture<'_, Result<LogoutsDue, PeopleError>>;

    /// Keeps what became of a try; how many are given up by it.
    fn settle(&self, step: LogoutStep, now: UnixTime) -> BoxFuture<'_, Result<usize, PeopleError>>;
}

#[cfg(test)]
mod tests {
    use super::{
        LogoutAnswer::{self, Done, NotNow, Refused},
        next_try,
    };
    use crate::time::UnixTime;

    #[test]
    fn what_an_answer_means() {
        for (status, expected) in [
            (200, Done),
            (204, Done),
            (302, Refused),
            (400, Refused),
            (401, Refused),
            (404, NotNow),
            (429, NotNow),
            (501, NotNow),
            (503, NotNow),
            (101, Refused),
        ] {
            assert_eq!(LogoutAnswer::of(status), expected, "{status}");
        }
    }

    #[test]
    fn a_client_that_is_away_is_tried_for_a_day_and_then_given_up() {
        let mut at = UnixTime::from_seconds(0);
        let mut failed = 0;
        while let Some(next) = next_try(failed + 1, at) {
            assert!(next > at);
            (at, failed) = (next, failed + 1);
        }
        assert_eq!((failed, at.seconds()), (8, 81_370));
    }
}
