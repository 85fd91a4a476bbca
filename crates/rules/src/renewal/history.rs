use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{people::UnixTimeSeconds, time::UnixTime};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A life up to which a certificate is short-lived and renewed at half of it.
const SHORT_LIFE: Duration = Duration::from_secs(10 * 24 * 3600);
/// The wait after an authority could not be reached. It doubles: nobody counts these.
const FIRST_WAIT_UNREACHED: Duration = Duration::from_secs(60);
/// The longest wait for an authority that can't be reached.
const LONGEST_WAIT_UNREACHED: Duration = Duration::from_secs(30 * 60);
/// The wait after the first failure. It doubles: authorities count failed validations per name
/// and hour, and five an hour is what the largest bears.
const FIRST_WAIT: Duration = Duration::from_secs(5 * 60);
/// The longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(4 * 3600);
/// The longest `Retry-After` that is believed: authorities count in weeks at most.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(8 * 24 * 3600);
/// The wait after a second certificate within an eighth of a life. It doubles: authorities bear
/// five certificates a week for the same name, and one that has to be replaced at once again has
/// something wrong that another one does not mend: a clock, a window that lies in the past.
const FIRST_WAIT_RUSHED: Duration = Duration::from_secs(12 * 3600);
/// The longest such wait.
const LONGEST_WAIT_RUSHED: Duration = Duration::from_secs(84 * 3600);
/// After so many failures in a row another authority is tried, where there is one.
const TRIES_PER_DIRECTORY: u32 = 3;

/// A span in which an authority wants a certificate to be renewed (RFC 9773 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Not before this second.
    pub start: UnixTimeSeconds,
    /// Not after this one.
    pub end: UnixTimeSeconds,
}

/// A certificate that we hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentCertificate {
    /// `notBefore`.
    pub not_before: UnixTime,
    /// `notAfter`.
    pub not_after: UnixTime,
    /// When its authority wants it renewed (RFC 9773).
    pub window: Option<Window>,
}

/// What became of orders for a name: kept on the disk, and written **before** an order is made, so
/// that a crash counts as a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Orders that an authority took and that failed, since the last one that did not.
    pub failures: u32,
    /// Orders for which no authority could be reached, since the last one that did not fail.
    #[serde(default)]
    pub unreached: u32,
    /// When the last one began, or ended if it has.
    pub tried_at: Option<UnixTimeSeconds>,
    /// Not before this second, says an authority (`Retry-After`), by its directory.
    #[serde(default)]
    pub retry_after: BTreeMap<Box<str>, UnixTimeSeconds>,
    /// When the last certificate came.
    #[serde(default)]
    pub issued_at: Option<UnixTimeSeconds>,
    /// Certificates that came within an eighth of a life of the one before, in a row.
    #[serde(default)]
    pub rushed: u32,
}

impl CurrentCertificate {
    /// When it is renewed: where its authority says, else at about two thirds of its life, at half
    /// of a short one. `seed` spreads names, so that certificates of one day don't meet again.
    pub fn renew_at(&self, seed: u64) -> UnixTime {
        let life = self.not_after.since(self.not_before);
        let last_moment = self.not_after.minus(life / 8);
        let at = match self.window {
            Some(Window { start, end }) if start < end => {
                let (start, end) = (UnixTime::from_seconds(start), UnixTime::from_seconds(end));
                start.plus(share(end.since(start), seed))
            }
            Some(Window { start, .. }) => UnixTime::from_seconds(start),
            None => {
                let whole = if life <= SHORT_LIFE { life / 2 } else { life * 2 / 3 };
                self.not_before.plus(whole).minus(share(life / 16, seed))
            }
        };
        at.min(last_moment)
    }

    /// Does it count at `now`?
    pub fn counts(&self, now: UnixTime) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

impl History {
    /// The first moment of another order, at any of these directories.
    pub fn earliest(&self, directories: &[Box<str>], seed: u64, now: UnixTime) -> UnixTime {
        let by_authority = directories.iter().map(|one| self.retry_after(one, now)).min();
        let after = |at: Option<UnixTimeSeconds>, wait| {
            let at = at.map(UnixTime::from_seconds);
            // One that lies ahead was written by a clock that has been set back since.
            at.filter(|at| *at <= now.plus(MINUTE)).map(|at| at.plus(wait))
        };
        let by_failures = after(self.tried_at, self.wait(seed));
        let rushed = doubled(self.rushed, FIRST_WAIT_RUSHED, LONGEST_WAIT_RUSHED, seed);
        let by_issue = after(self.issued_at, rushed);
        [by_authority.flatten(), by_failures, by_issue].into_iter().flatten().max().unwrap_or(now)
    }

    /// Which of the authorities comes next: the first choice, after three tries in vain the next
    /// one, and none that wants to be left alone while there is another.
    pub fn directory<'a>(&self, directories: &'a [Box<str>], now: UnixTime) -> Option<&'a str> {
        let tries = self.failures.saturating_add(self.unreached);
        let round = usize::try_from(tries / TRIES_PER_DIRECTORY).unwrap_or_default();
        let first = round.checked_rem(directories.len())?;
        let (before, after) = directories.split_at_checked(first)?;
        let in_turn = || after.iter().chain(before);
        let free = in_turn().find(|one| self.retry_after(one, now).is_none());
        free.or_else(|| in_turn().min_by_key(|one| self.retry_after(one, now))).map(|one| &**one)
    }

    /// A certificate came.
    pub(super) fn issued(&self, life: Duration, now: UnixTime) -> Self {
        let last = self.issued_at.map(UnixTime::from_seconds);
        let is_rushed = last.is_some_and(|last| last <= now && now.since(last) < life / 8);
        let rushed = if is_rushed { self.rushed.saturating_add(1) } else { 0 };
        let at = Some(now.seconds());
        Self { tried_at: at, issued_at: at, rushed, ..Self::default() }
    }

    /// Until when an authority wants to be left alone.
    fn retry_after(&self, directory: &str, now: UnixTime) -> Option<UnixTime> {
        let at = self.retry_after.get(directory).copied().map(UnixTime::from_seconds);
        // One that is further away was written by a clock that has been set back since.
        at.filter(|at| *at > now && at.since(now) <= LONGEST_RETRY_AFTER)
    }

    /// The wait after the last order, if it failed.
    fn wait(&self, seed: u64) -> Duration {
        let failed = doubled(self.failures, FIRST_WAIT, LONGEST_WAIT, seed);
        failed.max(doubled(self.unreached, FIRST_WAIT_UNREACHED, LONGEST_WAIT_UNREACHED, seed))
    }
}

/// `first`, and twice that, and so on up to `longest`, and up to a quarter more.
fn doubled(times: u32, first: Duration, longest: Duration, seed: u64) -> Duration {
    let Some(doublings) = times.checked_sub(1) else { return Duration::ZERO };
    let wait = first.saturating_mul(1 << doublings.min(16)).min(longest);
    wait + share(wait / 4, seed.rotate_left(times))
}

/// A part of `span`, by chance once and the same ever after.
fn share(span: Duration, seed: u64) -> Duration {
    let seconds = (u128::from(span.as_secs()) * u128::from(seed)) >> 64;
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// How long to sleep at most: the clock may jump, and files may change.
pub(super) const LONGEST_SLEEP: Duration = HOUR;
