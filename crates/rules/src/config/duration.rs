//! Durations in Go's syntax, which Pomerium's configs are written in.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing, or something that does not begin with a number.
    #[error("it is not a number with a unit")]
    NotANumber,
    /// A number without unit, other than zero.
    #[error("its unit is missing")]
    NoUnit,
    /// A unit that Go does not have, such as days.
    #[error("its unit is none of ns, us, ms, s, m, h")]
    UnknownUnit,
    /// It is below zero.
    #[error("it is negative")]
    Negative,
    /// Over 292 years.
    #[error("it is longer than 292 years")]
    TooLong,
}

/// Reads `1h30m`, `1.5s`, `300ms`, `0`.
///
/// # Errors
///
/// [`DurationError`], one variant per rule.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(DurationError::NotANumber);
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (piece, after) = piece(rest)?;
        nanos = nanos.checked_add(piece).ok_or(DurationError::TooLong)?;
        rest = after;
    }
    if nanos > i64::MAX as u128 {
        return Err(DurationError::TooLong);
    }
    match (negative, u64::try_from(nanos)) {
        (true, Ok(1..)) => Err(DurationError::Negative),
        (_, Ok(nanos)) => Ok(Duration::from_nanos(nanos)),
        (_, Err(_)) => Err(DurationError::TooLong),
    }
}

/// One number with its unit, in nanoseconds, and what follows.
fn piece(text: &str) -> Result<(u128, &str), DurationError> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(number_end).ok_or(DurationError::NotANumber)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::NotANumber);
    }
    let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, after) = rest.split_at_checked(unit_end).ok_or(DurationError::NoUnit)?;
    let scale: u128 = match unit {
        "" => return Err(DurationError::NoUnit),
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(DurationError::UnknownUnit),
    };
    let whole: u64 =
        if whole.is_empty() { 0 } else { whole.parse().map_err(|_| DurationError::TooLong)? };
    let mut nanos = u128::from(whole) * scale;
    let mut place = scale;
    for digit in fraction.bytes() {
        place /= 10;
        nanos += u128::from(digit - b'0') * place;
    }
    Ok((nanos, after))
}

/// As Go writes it: `1h30m0s`, `1.5s`, `300ms`, `0s`.
pub fn show(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let decimal = |scale: u128, unit: &str| {
        let fraction = format!("{:0width$}", nanos % scale, width = scale.to_string().len() - 1);
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        format!("{}{dot}{fraction}{unit}", nanos / scale)
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimal(1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(1_000_000, "ms"),
        _ => {
            let seconds = duration.as_secs();
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = Duration::from_secs(seconds % 60)
                + Duration::from_nanos(u64::from(duration.subsec_nanos()));
            let nanos = rest.as_nanos();
            let fraction = format!("{:09}", nanos % 1_000_000_000);
            let fraction = fraction.trim_end_matches('0');
            let dot = if fraction.is_empty() { "" } else { "." };
            let seconds = format!("{}{dot}{fraction}s", nanos / 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{DurationError::*, parse, show};

    #[test]
    fn go_syntax() {
        for (given, expected, why) in [
            ("0", Ok("0s"), "the one number without unit"),
            ("0s", Ok("0s"), "or with one"),
            ("1h30m", Ok("1h30m0s"), "several"),
            ("1.5h", Ok("1h30m0s"), "a fraction"),
            (".5s", Ok("500ms"), "without leading zero"),
            ("5.s", Ok("5s"), "without digits behind"),
            ("600s", Ok("10m0s"), "the guide's"),
            ("100us", Ok("100µs"), "micro"),
            ("1.5ms", Ok("1.5ms"), "milli"),
            ("1m1m", Ok("2m0s"), "units may repeat"),
            ("30", Err(NoUnit), "no unit"),
            ("", Err(NotANumber), "nothing"),
            ("s", Err(NotANumber), "no number"),
            (".", Err(NotANumber), "only a dot"),
            ("1d", Err(UnknownUnit), "Go has no days"),
            ("10 seconds", Err(UnknownUnit), "nor words"),
            ("30S", Err(UnknownUnit), "nor capitals"),
            ("1h 30m", Err(UnknownUnit), "nor blanks"),
            ("1e3s", Err(UnknownUnit), "nor exponents"),
            ("-1s", Err(Negative), "time does not run back"),
            ("-0s", Ok("0s"), "zero has no sign"),
            ("9999999999h", Err(TooLong), "beyond int64"),
            ("99999999999999999999s", Err(TooLong), "beyond every number"),
        ] {
            assert_eq!(parse(given).map(show), expected.map(String::from), "{given:?}: {why}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(nanos in 0..i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&show(duration)), Ok(duration));
        }
    }
}
