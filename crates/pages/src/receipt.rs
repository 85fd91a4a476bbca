use std::fmt;

use time::OffsetDateTime;

use crate::language::Language;

/// The last line of every error page: what to tell the person who runs the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// The id of the request, as in the logs and in `X-Request-Id`.
    pub request_id: &'a str,
    /// When it came, in seconds since 1970.
    pub at_seconds: u64,
    /// In which language its page is read.
    pub language: Language,
}

impl Receipt<'_> {
    /// The moment for machines (RFC 3339 §5.6).
    pub(crate) fn machine(&self) -> String {
        Moment(self.at_seconds).machine()
    }

    /// The time of day, to the minute: `14:07 UTC`.
    pub fn time(&self) -> String {
        time_of_day(self.at_seconds)
    }
}

/// `14:07 UTC`.
pub(crate) fn time_of_day(seconds: u64) -> String {
    let minutes = seconds / 60;
    format!("{:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
}

/// What never ends.
const NEVER: &str = "never";

/// A moment as pages show it: `10 May 2026, 14:07 UTC`; "never" past the year 9999, where no end
/// is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    fn utc(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(i64::try_from(self.0).ok()?).ok()
    }

    /// As its reader writes dates; in other languages than English as all of them can be read,
    /// until the script writes them out.
    pub(crate) fn shown(self, language: Language) -> String {
        match (language, self.utc()) {
            (Language::English, _) => self.to_string(),
            (_, Some(utc)) => format!("{}, {}", utc.date(), time_of_day(self.0)),
            (_, None) => language.say(NEVER).unwrap_or(NEVER).to_owned(),
        }
    }

    /// `2026-05-10T14:07:39Z`, for the `datetime` attribute (RFC 3339 §5.6).
    pub(crate) fn machine(self) -> String {
        self.utc().map_or_else(
            || String::from("9999-12-31T23:59:59Z"),
            |utc| {
                let (year, month, day) = utc.to_calendar_date();
                let (hour, minute, second) = utc.to_hms();
                let month = u8::from(month);
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
            },
        )
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.utc() {
            Some(utc) => {
                let (year, month, day) = utc.to_calendar_date();
                write!(f, "{day} {month} {year}, {}", time_of_day(self.0))
            }
            None => f.write_str(NEVER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, time_of_day};

    #[test]
    fn moments() {
        for (seconds, time, shown, machine) in [
            (0, "00:00 UTC", "1 January 1970, 00:00 UTC", "1970-01-01T00:00:00Z"),
            (1_778_422_059, "14:07 UTC", "10 May 2026, 14:07 UTC", "2026-05-10T14:07:39Z"),
            (951_782_400, "00:00 UTC", "29 February 2000, 00:00 UTC", "2000-02-29T00:00:00Z"),
            (u64::MAX, "07:00 UTC", "never", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(time_of_day(seconds), time);
            assert_eq!(Moment(seconds).to_string(), shown);
            assert_eq!(Moment(seconds).machine(), machine);
        }
    }
}
