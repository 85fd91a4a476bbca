//! When somebody's access ends, as it is typed and as it is read.

use std::time::Duration;

use time::{Date, OffsetDateTime, PrimitiveDateTime, Time, Weekday, macros::format_description};

use crate::{people::UnixTimeSeconds, time::UnixTime};

/// When somebody's access ends, as an operator types it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It does not end.
    Never,
    /// It ends now.
    Now,
    /// At the end of this day.
    Day(Date),
    /// At the end of the next such day, which may be today.
    Weekday(Weekday),
}

impl std::str::FromStr for Until {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
        let word = text.to_ascii_lowercase();
        let days = [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday];
        let weekday = days.into_iter().find(|day| day.to_string().to_ascii_lowercase() == word);
        let date = || Date::parse(&word, format_description!("[year]-[month]-[day]")).ok();
        match (&*word, weekday) {
            ("never", _) => Ok(Self::Never),
            ("now", _) => Ok(Self::Now),
            (_, Some(day)) => Ok(Self::Weekday(day)),
            _ => date().map(Self::Day).ok_or("a weekday, a date like 2026-12-31, never or now"),
        }
    }
}

impl Until {
    /// The moment, seen from `now`. A day ends when it is over everywhere on Earth, twelve hours
    /// after it ends in UTC: nobody is turned away on the day that they were told.
    pub fn moment(self, now: UnixTime) -> Option<UnixTime> {
        let today = i64::try_from(now.seconds()).ok();
        let today = today.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        let day = match (self, today.map(OffsetDateTime::date)) {
            (Self::Never, _) => return None,
            (Self::Now, _) | (Self::Weekday(_), None) => return Some(now),
            (Self::Day(day), _) => day,
            (Self::Weekday(day), Some(today)) => {
                let from = today.weekday().number_days_from_monday();
                let days = (day.number_days_from_monday() + 7 - from) % 7;
                today.checked_add(time::Duration::days(days.into())).unwrap_or(today)
            }
        };
        let end = PrimitiveDateTime::new(day, Time::MIDNIGHT).assume_utc().unix_timestamp();
        let end = u64::try_from(end).unwrap_or(0);
        Some(UnixTime::from_seconds(end).plus(Duration::from_secs(36 * 3600)))
    }
}

/// A moment as people read it.
pub fn shown(at: UnixTimeSeconds) -> String {
    let at = i64::try_from(at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let shape =
        format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    at.and_then(|at| at.format(shape).ok()).unwrap_or_else(|| "the end of time".into())
}

#[cfg(test)]
mod tests {
    use super::{Until, shown};
    use crate::time::UnixTime;

    #[test]
    fn a_day_ends_when_it_is_over_everywhere() {
        let friday = UnixTime::from_seconds(1_795_814_400); // 27 November 2026, 21:20 UTC
        for (typed, end) in [
            ("sunday", Some("30 November 2026, 12:00 UTC")),
            ("Sunday", Some("30 November 2026, 12:00 UTC")),
            ("friday", Some("28 November 2026, 12:00 UTC")),
            ("thursday", Some("4 December 2026, 12:00 UTC")),
            ("2026-12-31", Some("1 January 2027, 12:00 UTC")),
            ("never", None),
        ] {
            let until: Until = typed.parse().unwrap();
            let moment = until.moment(friday).map(|at| shown(at.seconds()));
            assert_eq!(moment.as_deref(), end, "{typed}");
        }
        assert_eq!("now".parse::<Until>().unwrap().moment(friday), Some(friday));
        for odd in ["", "tomorrow", "31.12.2026", "2026-13-01"] {
            assert!(odd.parse::<Until>().is_err(), "{odd}");
        }
    }
}
