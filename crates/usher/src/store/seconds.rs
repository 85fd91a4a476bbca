//! Moments, as they are written down.

/// Seconds as SQLite keeps them; the end of time stays the end of time.
pub(super) fn stored(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
