//! Time comes in as a value; only the edge owns a clock.

use std::time::{Duration, Instant};

/// How far a clock may be set back without harm: time servers move it by less.
const LEEWAY: Duration = Duration::from_secs(60);

/// Wall time in whole seconds since 1970: comparable with what other machines wrote down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The latest moment that can be told: everything has expired by then.
    pub const MAX: Self = Self(u64::MAX);

    /// 2026-01-01: a clock that shows an earlier moment is not set, since this program is younger.
    pub const EARLIEST: Self = Self(1_767_225_600);

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// A moment as people write it, `2026-12-24T18:00:00Z` (RFC 3339).
    pub fn parse(text: &str) -> Option<Self> {
        let format = &time::format_description::well_known::Rfc3339;
        let moment = time::OffsetDateTime::parse(text, format).ok()?;
        moment.unix_timestamp().try_into().ok().map(Self)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// This moment and `span` later, in whole seconds; stays at the end of time.
    pub const fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }

    /// This moment and `span` earlier, in whole seconds; stays at 1970.
    pub const fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.as_secs()))
    }

    /// Time from `earlier` to this moment; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// Can this be the present? A machine without a battery for its clock wakes in 1970, and one
    /// whose clock shows less shows that, too.
    pub const fn is_plausible(self) -> bool {
        self.0 >= Self::EARLIEST.0
    }

    /// Is this moment within `span` after `begin`? One before `begin` is not, as it is where a
    /// clock was set back: what is young only because time went backward is old.
    pub const fn is_within(self, span: Duration, begin: Self) -> bool {
        begin.0 <= self.0.saturating_add(LEEWAY.as_secs())
            && self.0.saturating_sub(begin.0) < span.as_secs()
    }

    /// Is this end of something that lives for `life` still to come at `now`, and no further away
    /// than it can be? After a clock was set back it would otherwise live for longer.
    pub const fn is_ahead_of(self, now: Self, life: Duration) -> bool {
        now.0 < self.0 && self.0 - now.0 <= life.as_secs().saturating_add(LEEWAY.as_secs())
    }

    /// This expiry has passed at `now`, allowing for a clock that is up to `leeway` off.
    ///
    /// "on or after which" (RFC 7519 §4.1.4): the second that the expiry names is too late.
    pub const fn is_expired_at(self, now: Self, leeway: Duration) -> bool {
        now.0 >= self.0.saturating_add(leeway.as_secs())
    }
}

/// Both readings of one moment, taken once per request at the door.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For what other machines wrote down: `exp`, `iat`, cookies, records.
    pub wall: UnixTime,
    /// Milliseconds of `wall`'s second, for log lines.
    pub wall_millis: u16,
    /// For durations on this machine. Never jumps, means nothing elsewhere.
    pub monotonic: Instant,
}

/// Tells the time. Implemented once for the machine and once for tests, which turn it by hand.
pub trait Clock: Send + Sync {
    /// Both readings of this moment.
    fn now(&self) -> Now;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::UnixTime;

    #[test]
    fn expiry() {
        let expiry = UnixTime::from_seconds(100);
        for (now, leeway, expired, why) in [
            (99, 0, false, "the last second"),
            (100, 0, true, "the very second is too late"),
            (100, 1, false, "leeway counts"),
            (101, 1, true, "and ends"),
        ] {
            let now = UnixTime::from_seconds(now);
            assert_eq!(expiry.is_expired_at(now, Duration::from_secs(leeway)), expired, "{why}");
        }
        let life = Duration::from_secs(10);
        for (now, ahead, within, why) in [
            (29, false, false, "set back by more than its life and a minute"),
            (30, true, false, "by exactly that"),
            (39, true, false, "more than a minute before"),
            (40, true, true, "a minute, as a time server may set it back"),
            (90, true, true, "ten seconds before its end"),
            (100, false, true, "the very second"),
            (109, false, true, "nine seconds later"),
            (110, false, false, "ten"),
        ] {
            let now = UnixTime::from_seconds(now);
            assert_eq!(expiry.is_ahead_of(now, life), ahead, "{why}");
            assert_eq!(now.is_within(life, expiry), within, "{why}");
        }
        for (text, seconds) in [
            ("1970-01-01T00:01:40Z", Some(100)),
            ("1970-01-01T01:01:40+01:00", Some(100)),
            ("1969-12-31T23:59:59Z", None),
            ("1970-01-01", None),
        ] {
            assert_eq!(UnixTime::parse(text).map(UnixTime::seconds), seconds, "{text}");
        }
        assert!(!UnixTime::from_seconds(0).is_plausible() && UnixTime::EARLIEST.is_plausible());
        assert!(!UnixTime::MAX.is_expired_at(UnixTime::from_seconds(1), Duration::MAX));
    }
}
