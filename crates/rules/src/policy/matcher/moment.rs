//! Windows of time: of dates, of days of the week, of hours of the day, each in a time zone.
//!
//! Core has none of them, so only the words of its documentation are known (`pomerium-config.md`
//! §4.6). A window begins with its first moment and ends before its last one, so that two that
//! follow each other overlap nowhere and leave nothing out (decision 0062).

use std::fmt;

use jiff::{
    Timestamp,
    civil::{DateTime, Time},
    tz::{TimeZone, TimeZoneDatabase},
};

use crate::{policy::report::nearest, time::UnixTime};

/// A zone by its name in the IANA database, which this program brings along: what a machine has
/// of it would make one config mean two things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Zone(TimeZone);

impl Zone {
    /// What is meant where no zone is written.
    pub(in crate::policy) const UTC: Self = Self(TimeZone::UTC);

    /// `None` for what is none, an offset like `+01:00` among it: it knows no summer.
    pub(in crate::policy) fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown()).map(Self)
    }

    /// The zone that was probably meant.
    pub(in crate::policy) fn nearest(name: &str) -> Option<String> {
        let zones = TimeZoneDatabase::bundled();
        let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
        let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let near = nearest(name, &lower.iter().map(String::as_str).collect::<Vec<_>>())?;
        names.iter().find(|name| name.eq_ignore_ascii_case(near)).cloned()
    }

    /// What the clocks show there; `None` beyond the years that have a calendar.
    fn clocks(&self, at: UnixTime) -> Option<DateTime> {
        Some(self.0.to_datetime(timestamp(at)?))
    }

    /// From Monday on.
    fn weekday(&self, at: UnixTime) -> Option<usize> {
        self.clocks(at)?.weekday().to_monday_zero_offset().try_into().ok()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

fn timestamp(at: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(at.seconds()).ok()?).ok()
}

/// What a window is of.
pub(in crate::policy) trait Window {
    /// Does it hold then? `None` where that can't be told.
    fn holds(&self, at: UnixTime) -> Option<bool>;
    /// Why every moment is in it, if each is.
    fn holds_always(&self) -> Option<&'static str> {
        None
    }
    /// What it asks, in words.
    fn in_words(&self) -> String;
    /// What the clocks show that it looks at, in words.
    fn shown(&self, at: UnixTime) -> Option<String>;
}

/// From one moment to another one.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Dates {
    pub(in crate::policy) from: Option<Timestamp>,
    pub(in crate::policy) until: Option<Timestamp>,
    pub(in crate::policy) zone: Zone,
}

impl Dates {
    /// `2026-12-24T18:00:00+01:00`; without an offset the clocks of the zone are meant, without a
    /// time the begin of that day there. One that they show twice is the first, one that they skip
    /// is as much later.
    pub(in crate::policy) fn moment(text: &str, zone: &Zone) -> Option<Timestamp> {
        if has_offset(text) {
            return text.parse().ok();
        }
        let shown: DateTime = text.parse().ok()?;
        zone.0.to_timestamp(shown).ok()
    }
}

/// Does it say how far from UTC it is? What is behind the date has a sign, or is `Z`.
pub(in crate::policy) fn has_offset(text: &str) -> bool {
    let time = text.split_once(['T', 't', ' ']).map_or("", |(_, time)| time);
    time.contains(['+', '-', 'Z', 'z'])
}

impl Window for Dates {
    fn holds(&self, at: UnixTime) -> Option<bool> {
        let at = timestamp(at)?;
        let begun = self.from.is_none_or(|from| from <= at);
        Some(begun && self.until.is_none_or(|until| at < until))
    }

    fn in_words(&self) -> String {
        let said = |at| self.zone.0.to_datetime(at);
        between(self.from.map(said), self.until.map(said), "date", &self.zone)
    }

    fn shown(&self, at: UnixTime) -> Option<String> {
        Some(format!("date is {} in {}", self.zone.clocks(at)?, self.zone))
    }
}

/// Days of the week.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Days {
    /// From Monday on.
    pub(in crate::policy) days: [bool; 7],
    pub(in crate::policy) zone: Zone,
}

const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Days {
    /// Adds `*`, days, and ranges of them, joined by commas: `mon-wed,sat`. The first that is none.
    pub(in crate::policy) fn add<'t>(days: &mut [bool; 7], text: &'t str) -> Result<(), &'t str> {
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = match part.trim() {
                "*" => Some((0, 6)),
                _ => day(first).zip(day(last)),
            };
            let (first, last) = range.ok_or(part.trim())?;
            let length = (last + 7 - first) % 7; // `fri-mon` goes over the weekend
            for (index, day) in days.iter_mut().enumerate() {
                *day |= (index + 7 - first) % 7 <= length;
            }
        }
        Ok(())
    }
}

fn day(text: &str) -> Option<usize> {
    let text = text.trim().to_ascii_lowercase();
    DAYS.iter().position(|day| *day == text || day.get(..3) == Some(&text))
}

impl Window for Days {
    fn holds(&self, at: UnixTime) -> Option<bool> {
        let today = self.zone.weekday(at)?;
        self.days.get(today).copied()
    }

    fn holds_always(&self) -> Option<&'static str> {
        (self.days == [true; 7]).then_some("these are all days of the week")
    }

    fn in_words(&self) -> String {
        let named = DAYS.iter().zip(self.days).filter(|(_, asked)| *asked).map(|(day, _)| *day);
        format!("day is {} in {}", named.collect::<Vec<_>>().join(" or "), self.zone)
    }

    fn shown(&self, at: UnixTime) -> Option<String> {
        let today = self.zone.weekday(at)?;
        Some(format!("day is {} in {}", DAYS.get(today)?, self.zone))
    }
}

/// Hours of every day, as the clocks of a zone show them: over midnight where they end before they
/// begin. A time that clocks skip in spring is on no such day, one that they show twice in autumn
/// counts twice.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Hours {
    pub(in crate::policy) from: Option<Time>,
    pub(in crate::policy) until: Option<Time>,
    pub(in crate::policy) zone: Zone,
}

impl Hours {
    /// `3:04 PM`, `3PM`, `15:04`, `15:04:05`, `15:04:05.5`: as Go reads its layouts.
    pub(in crate::policy) fn time(text: &str) -> Option<Time> {
        let lower = text.to_ascii_lowercase();
        let half = ["am", "pm"].into_iter().find(|half| lower.ends_with(half));
        let Some(half) = half else { return of_a_day(text) };
        let (hour, minute) = match lower.strip_suffix(half)?.trim_end_matches(' ') {
            clock if clock.contains(':') => clock.split_once(':')?,
            hour => (hour, "00"),
        };
        let hour = number(hour, 1..=2).filter(|hour| (1..=12).contains(hour))?;
        let noon = if half == "pm" { 12 } else { 0 };
        Time::new(hour % 12 + noon, number(minute, 2..=2)?, 0, 0).ok()
    }
}

fn of_a_day(text: &str) -> Option<Time> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next());
    let is_whole = parts.next().is_none() && (second.is_some() || fraction.is_none());
    let nanoseconds = match fraction {
        Some(digits) if (1..=9).contains(&digits.len()) && digits.bytes().all(is_digit) => {
            format!("{digits:0<9}").parse().ok()?
        }
        Some(_) => return None,
        None => 0,
    };
    let second = second.map_or(Some(0), |second| number(second, 2..=2))?;
    let time = Time::new(number(hour, 1..=2)?, number(minute, 2..=2)?, second, nanoseconds);
    time.ok().filter(|_| is_whole)
}

fn number(digits: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<i8> {
    let is_number = lengths.contains(&digits.len()) && digits.bytes().all(is_digit);
    digits.parse().ok().filter(|_| is_number)
}

const fn is_digit(octet: u8) -> bool {
    octet.is_ascii_digit()
}

impl Window for Hours {
    fn holds(&self, at: UnixTime) -> Option<bool> {
        let now = self.zone.clocks(at)?.time();
        let begun = self.from.is_none_or(|from| from <= now);
        let goes_on = self.until.is_none_or(|until| now < until);
        Some(match (self.from, self.until) {
            (Some(from), Some(until)) if until < from => begun || goes_on,
            (_, _) => begun && goes_on,
        })
    }

    fn holds_always(&self) -> Option<&'static str> {
        let whole = self.until.is_none() && self.from == Some(Time::midnight());
        whole.then_some("this is the whole day")
    }

    fn in_words(&self) -> String {
        between(self.from, self.until, "time", &self.zone)
    }

    fn shown(&self, at: UnixTime) -> Option<String> {
        Some(format!("time is {} in {}", self.zone.clocks(at)?.time(), self.zone))
    }
}

fn between<T: fmt::Display>(from: Option<T>, until: Option<T>, what: &str, zone: &Zone) -> String {
    match (from, until) {
        (Some(from), Some(until)) => format!("{what} is from {from} to before {until} in {zone}"),
        (Some(from), None) => format!("{what} is {from} or later in {zone}"),
        (None, Some(until)) => format!("{what} is before {until} in {zone}"),
        (None, None) => format!("{what} is any in {zone}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Dates, Days, Hours, UnixTime, Window as _, Zone};

    fn at(text: &str) -> UnixTime {
        UnixTime::parse(text).unwrap()
    }

    fn hours(from: &str, until: &str, zone: &str) -> Hours {
        let time = |text: &str| Hours::time(text);
        Hours { from: time(from), until: time(until), zone: Zone::named(zone).unwrap() }
    }

    #[test]
    fn times_are_read_as_go_reads_them() {
        for (text, read) in [
            ("3:04 PM", Some("15:04:00")),
            ("3:04PM", Some("15:04:00")),
            ("03:04pm", Some("15:04:00")),
            ("3 PM", Some("15:00:00")),
            ("3PM", Some("15:00:00")),
            ("12 AM", Some("00:00:00")),
            ("12:30 am", Some("00:30:00")),
            ("12PM", Some("12:00:00")),
            ("15:04", Some("15:04:00")),
            ("5:04", Some("05:04:00")),
            ("15:04:05", Some("15:04:05")),
            ("15:04:05.5", Some("15:04:05.5")),
            ("15:04:05.999999999", Some("15:04:05.999999999")),
            ("0:00", Some("00:00:00")),
            ("24:00", None),
            ("15", None),
            ("15:4", None),
            ("15:60", None),
            ("15:04:60", None),
            ("15:04.5", None),
            ("15:04:05.", None),
            ("15:04:05.0123456789", None),
            ("15:04:05:06", None),
            ("13 PM", None),
            ("0 AM", None),
            ("PM", None),
            ("3:4 PM", None),
            ("3:04:05 PM", None),
            ("-3:04", None),
            ("+3:04", None),
            (" 15:04", None),
            ("", None),
        ] {
            assert_eq!(Hours::time(text).map(|time| time.to_string()).as_deref(), read, "{text:?}");
        }
    }

    #[test]
    fn days_are_read_with_ranges_over_the_weekend() {
        for (text, read) in [
            ("*", Ok("1111111")),
            ("mon", Ok("1000000")),
            ("Tuesday", Ok("0100000")),
            ("tue-fri", Ok("0111100")),
            ("fri-mon", Ok("1000111")),
            ("sun-sun", Ok("0000001")),
            ("tuesday,wednesday", Ok("0110000")),
            ("mon-wed, SAT", Ok("1110010")),
            ("tues", Err("tues")),
            ("mon,", Err("")),
            ("mon-", Err("mon-")),
            ("mon-wed-fri", Err("mon-wed-fri")),
            ("*-fri", Err("*-fri")),
            ("1", Err("1")),
            ("", Err("")),
        ] {
            let mut days = [false; 7];
            let found = Days::add(&mut days, text);
            let found =
                found.map(|()| days.map(|day| if day { '1' } else { '0' }).iter().collect());
            assert_eq!(found, read.map(String::from), "{text:?}");
        }
    }

    #[test]
    fn a_window_begins_with_its_first_moment_and_ends_before_its_last() {
        let day = hours("8:00", "20:00", "UTC");
        let night = hours("22:00", "6:00", "UTC");
        for (time, by_day, by_night) in [
            ("00:00:00", false, true),
            ("05:59:59", false, true),
            ("06:00:00", false, false),
            ("07:59:59", false, false),
            ("08:00:00", true, false),
            ("19:59:59", true, false),
            ("20:00:00", false, false),
            ("21:59:59", false, false),
            ("22:00:00", false, true),
            ("23:59:59", false, true),
        ] {
            let now = at(&format!("2026-12-24T{time}Z"));
            assert_eq!(day.holds(now), Some(by_day), "{time}");
            assert_eq!(night.holds(now), Some(by_night), "{time}");
        }
        let to_midnight = hours("22:00", "0:00", "UTC");
        assert_eq!(to_midnight.holds(at("2026-12-24T23:59:59Z")), Some(true));
        assert_eq!(to_midnight.holds(at("2026-12-25T00:00:00Z")), Some(false));
    }

    /// In Berlin 2027-03-28 has no 2:30, and 2027-10-31 has two of them.
    #[test]
    fn clocks_that_are_put_forward_and_back_count_as_they_show() {
        let early = hours("2:15", "2:45", "Europe/Berlin");
        for (moment, holds, why) in [
            ("2027-01-15T01:30:00Z", true, "in winter, an hour ahead"),
            ("2027-07-15T00:30:00Z", true, "in summer, two hours ahead"),
            ("2027-07-15T01:30:00Z", false, "it is 3:30 there"),
            ("2027-03-28T00:59:59Z", false, "1:59:59, the last second before"),
            ("2027-03-28T01:00:00Z", false, "3:00: the clocks never showed 2:30"),
            ("2027-03-28T01:30:00Z", false, "3:30"),
            ("2027-10-31T00:30:00Z", true, "2:30 for the first time"),
            ("2027-10-31T01:30:00Z", true, "2:30 for the second time"),
            ("2027-10-31T01:45:00Z", false, "2:45"),
        ] {
            assert_eq!(early.holds(at(moment)), Some(holds), "{moment}: {why}");
        }
    }

    #[test]
    fn a_day_is_the_one_of_its_zone() {
        let mut days = [false; 7];
        Days::add(&mut days, "sat-sun").unwrap();
        let of = |zone| Days { days, zone: Zone::named(zone).unwrap() };
        for (moment, utc, auckland, honolulu) in [
            ("2026-11-27T10:59:59Z", false, false, false),
            ("2026-11-27T11:00:00Z", false, true, false),
            ("2026-11-28T00:00:00Z", true, true, false),
            ("2026-11-29T12:00:00Z", true, false, true),
            ("2026-11-30T09:59:59Z", false, false, true),
        ] {
            assert_eq!(of("UTC").holds(at(moment)), Some(utc), "{moment}");
            assert_eq!(of("Pacific/Auckland").holds(at(moment)), Some(auckland), "{moment}");
            assert_eq!(of("Pacific/Honolulu").holds(at(moment)), Some(honolulu), "{moment}");
        }
    }

    #[test]
    fn a_date_without_an_offset_is_of_its_zone() {
        let berlin = Zone::named("europe/berlin").unwrap();
        assert_eq!(berlin.to_string(), "Europe/Berlin");
        for (text, read) in [
            ("2026-12-24", Some("2026-12-23T23:00:00Z")),
            ("2026-12-24T18:00", Some("2026-12-24T17:00:00Z")),
            ("2026-12-24 18:00:00", Some("2026-12-24T17:00:00Z")),
            ("2026-12-24T18:00:00Z", Some("2026-12-24T18:00:00Z")),
            ("2026-12-24T18:00:00-08:00", Some("2026-12-25T02:00:00Z")),
            ("2027-03-28T02:30:00", Some("2027-03-28T01:30:00Z")), // skipped: as much later
            ("2027-10-31T02:30:00", Some("2027-10-31T00:30:00Z")), // twice: the first
            ("2026-02-29", None),
            ("2026-12-24T25:00:00Z", None),
            ("24.12.2026", None),
            ("18:00", None),
            ("", None),
        ] {
            let read = read.map(|read| read.parse().unwrap());
            assert_eq!(Dates::moment(text, &berlin), read, "{text:?}");
        }
        let until = Dates::moment("2026-12-25", &Zone::UTC);
        let dates = Dates { from: Dates::moment("2026-12-24", &Zone::UTC), until, zone: berlin };
        for (moment, holds) in [
            ("2026-12-23T23:59:59Z", false),
            ("2026-12-24T00:00:00Z", true),
            ("2026-12-24T23:59:59Z", true),
            ("2026-12-25T00:00:00Z", false),
        ] {
            assert_eq!(dates.holds(at(moment)), Some(holds), "{moment}");
        }
        assert_eq!(dates.holds(UnixTime::MAX), None, "no calendar has it");
    }

    #[test]
    fn what_is_no_zone_is_none() {
        for name in ["", "Local", "+01:00", "CEST", "Europe/Berlim", "Etc/Unknown", "../etc/passwd"]
        {
            assert_eq!(Zone::named(name), None, "{name}");
        }
        for name in ["UTC", "utc", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
            assert!(Zone::named(name).is_some(), "{name}");
        }
    }
}
