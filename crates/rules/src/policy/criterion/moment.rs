//! When it is asked. Documented for Pomerium and not in Core, which refuses all three
//! (`pomerium-policy-measured.md` 26): what they mean here is decision 0062.
//!
//! A clock that is not set tells no time: then they let nobody in, and keep out.

use super::{About, Doubt, Fact, Possible, Question, Reason, Written, read::one_text};
use crate::{
    policy::{
        facts::Facts,
        matcher::{Dates, Days, Hours, Window, Zone, has_offset},
        report::Report,
    },
    time::UnixTime,
    yaml::{Entry, Kind, Node},
};

criteria! { Moment: Date, DayOfWeek, TimeOfDay; }

const NO_TIME_WORD: &str = "clock-not-set";
const NO_TIME: Reason = Reason::named(NO_TIME_WORD);

/// `date`: from one moment to another one.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Date(Dates);

/// `day_of_week`.
#[derive(Clone, Debug)]
pub(in crate::policy) struct DayOfWeek(Days);

/// `time_of_day`: hours as the clocks of a zone show them.
#[derive(Clone, Debug)]
pub(in crate::policy) struct TimeOfDay(Hours);

/// The moment of the request; `None` where the clock is not set.
pub(in crate::policy) struct Now;

impl Fact for Now {
    type Seen<'a> = Option<UnixTime>;
    const ABOUT: About = About::Moment;

    fn of(facts: &Facts<'_>) -> Result<Option<UnixTime>, (Reason, &'static str)> {
        Ok(facts.now)
    }
}

/// What is the same of all three.
macro_rules! answered_by_window {
    () => {
        type Of = Now;
        const MORE_REASONS: &'static [&'static str] = &[NO_TIME_WORD];

        fn holds(&self, now: Option<UnixTime>, doubt: Doubt) -> bool {
            let holds = now.and_then(|now| self.0.holds(now));
            holds.unwrap_or(doubt == Doubt::Differs)
        }

        fn why(&self, now: Option<UnixTime>) -> Option<Reason> {
            now.and_then(|now| self.0.holds(now)).is_none().then_some(NO_TIME)
        }

        fn always_met(&self, _: Possible<'_>) -> Option<&'static str> {
            self.0.holds_always()
        }

        fn in_words(&self) -> String {
            self.0.in_words()
        }

        fn found(&self, now: Option<UnixTime>) -> String {
            let shown = now.and_then(|now| self.0.shown(now));
            shown.unwrap_or_else(|| "the clock is not set".into())
        }
    };
}

impl Question for Date {
    const NAME: &'static str = "date";
    const REASONS: [&'static str; 2] = ["date-ok", "date-unauthorized"];
    answered_by_window!();

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let bounds = Bounds::read(written, report)?;
        let zone = bounds.zone(report)?;
        let parse = |text: &str| Dates::moment(text, zone.as_ref().unwrap_or(&Zone::UTC));
        let help = "write `2026-12-24`, `2026-12-24T18:00:00Z` or `2026-12-24T18:00:00+01:00`";
        let [from, until] = bounds.both(parse, help, report)?;
        if from.zip(until).is_some_and(|(from, until)| until <= from) {
            return bounds.nothing_lies_between(report);
        }
        let floats = |node: &&Node| node.text().is_some_and(|text| !has_offset(text));
        if let (None, Some(floating)) = (&zone, bounds.given().find(floats)) {
            counted_in_utc(written.name, floating, report);
        }
        Some(Self(Dates { from, until, zone: zone.unwrap_or(Zone::UTC) }))
    }
}

impl Question for TimeOfDay {
    const NAME: &'static str = "time_of_day";
    const MEANT: &'static [(&'static str, &'static str)] =
        &[("time", Self::NAME), ("hours", Self::NAME)];
    const REASONS: [&'static str; 2] = ["time-of-day-ok", "time-of-day-unauthorized"];
    answered_by_window!();

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let bounds = Bounds::read(written, report)?;
        let zone = bounds.zone(report);
        let help = "write `15:04`, `15:04:05` or `3:04 PM`; midnight is `0:00`";
        let [from, until] = bounds.both(Hours::time, help, report)?;
        let Some(zone) = zone? else {
            let what = "`time_of_day` says in no `timezone` which clock is meant";
            report.error("U352", &written.data.span, what, "add `timezone: Europe/Berlin`");
            return None;
        };
        let first = from.unwrap_or_default(); // of a day
        if until.is_some_and(|until| until == first) {
            return bounds.nothing_lies_between(report);
        }
        Some(Self(Hours { from, until, zone }))
    }
}

impl Question for DayOfWeek {
    const NAME: &'static str = "day_of_week";
    const MEANT: &'static [(&'static str, &'static str)] =
        &[("weekday", Self::NAME), ("day", Self::NAME), ("days", Self::NAME)];
    const REASONS: [&'static str; 2] = ["day-of-week-ok", "day-of-week-unauthorized"];
    answered_by_window!();

    /// Days alone, or `is` with a `timezone`.
    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let (named, zone) = match &written.data.kind {
            Kind::Map(entries) => {
                let known = ["is", "timezone"];
                let [named, zone] = values(written.name, entries, known, report)?;
                (named, zone)
            }
            Kind::Scalar { .. } | Kind::List(_) => (Some(written.data), None),
        };
        let zone = read_zone(zone, report);
        let Some(named) = named else {
            let what = "`day_of_week` names no day";
            report.error("U350", &written.data.span, what, DAYS_HELP);
            return None;
        };
        let days = days(named, report)?;
        let zone = zone?;
        if zone.is_none() && days != [true; 7] {
            counted_in_utc(written.name, named, report);
        }
        Some(Self(Days { days, zone: zone.unwrap_or(Zone::UTC) }))
    }
}

const DAYS_HELP: &str = "write `mon-fri`, `sat,sun`, or `{is: mon-fri, timezone: Europe/Berlin}`";

/// One text, or a list of such.
fn days(node: &Node, report: &mut Report<'_>) -> Option<[bool; 7]> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Scalar { .. } | Kind::Map(_) => std::slice::from_ref(node),
    };
    let (mut days, mut wrong) = ([false; 7], Vec::new());
    if items.is_empty() {
        wrong.push(("", node));
    }
    for item in items {
        let read = one_text(item).ok_or("").and_then(|text| Days::add(&mut days, text));
        wrong.extend(read.err().map(|part| (part, item)));
    }
    for (part, at) in &wrong {
        let what = match *part {
            "" => "this names no day of the week".into(),
            part => format!("`{part}` is no day of the week"),
        };
        report.error("U354", &at.span, what, DAYS_HELP);
    }
    wrong.is_empty().then_some(days)
}

/// `after` and `before`, as they are written.
struct Bounds<'a> {
    written: &'a Written<'a>,
    after: Option<&'a Node>,
    before: Option<&'a Node>,
    timezone: Option<&'a Node>,
}

impl<'a> Bounds<'a> {
    fn read(written: &'a Written<'a>, report: &mut Report<'_>) -> Option<Self> {
        let Kind::Map(entries) = &written.data.kind else {
            let what = format!("`{}` takes `after`, `before` and `timezone`", written.name);
            let help = format!("write `{}: {{after: …, before: …}}`", written.name);
            report.error("U350", &written.data.span, what, help);
            return None;
        };
        let known = ["after", "before", "timezone"];
        let [after, before, timezone] = values(written.name, entries, known, report)?;
        let bounds = Self { written, after, before, timezone };
        if bounds.given().next().is_none() {
            report.any_moment(written.name, written.data);
        }
        Some(bounds)
    }

    fn given(&self) -> impl Iterator<Item = &'a Node> {
        self.after.into_iter().chain(self.before)
    }

    fn zone(&self, report: &mut Report<'_>) -> Option<Option<Zone>> {
        read_zone(self.timezone, report)
    }

    /// What is wrong with either is told.
    fn both<T>(
        &self,
        parse: impl Fn(&str) -> Option<T>,
        help: &str,
        report: &mut Report<'_>,
    ) -> Option<[Option<T>; 2]> {
        let mut read = |node: Option<&Node>| {
            let Some(node) = node else { return Some(None) };
            let read = one_text(node).and_then(&parse);
            if read.is_none() {
                let shown = node.text().map(|text| format!("`{text}`"));
                let shown = shown.unwrap_or_else(|| "this".into());
                let what = format!("{shown} is nothing that `{}` compares with", self.written.name);
                report.error("U351", &node.span, what, help);
            }
            read.map(Some)
        };
        let (after, before) = (read(self.after), read(self.before));
        Some([after?, before?])
    }

    fn nothing_lies_between<T>(&self, report: &mut Report<'_>) -> Option<T> {
        let what = format!("no time lies in this `{}`", self.written.name);
        let help = "`after` is its begin, and `before` the first moment that is none of it";
        report.error("U353", &self.written.data.span, what, help);
        None
    }
}

/// The values of these keys; what is none of them is told.
fn values<'a, const N: usize>(
    criterion: &str,
    entries: &'a [Entry],
    known: [&str; N],
    report: &mut Report<'_>,
) -> Option<[Option<&'a Node>; N]> {
    let is_known = |entry: &&Entry| known.iter().any(|key| entry.is(key));
    let mut strangers = entries.iter().filter(|entry| !is_known(entry)).peekable();
    let all_known = strangers.peek().is_none();
    strangers.for_each(|entry| report.unknown_operator(criterion, entry, &known));
    let value = |key: &str| entries.iter().find(|entry| entry.is(key)).map(|entry| &entry.value);
    all_known.then(|| known.map(value))
}

/// `Some(None)` where none is written.
fn read_zone(node: Option<&Node>, report: &mut Report<'_>) -> Option<Option<Zone>> {
    let Some(node) = node else { return Some(None) };
    let name = one_text(node).unwrap_or_default();
    let zone = Zone::named(name);
    if zone.is_none() {
        let help = match Zone::nearest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a name of the IANA database: `Europe/Berlin`, `UTC`".into(),
        };
        report.error("U352", &node.span, format!("there is no time zone `{name}`"), help);
    }
    zone.map(Some)
}

fn counted_in_utc(criterion: &str, node: &Node, report: &mut Report<'_>) {
    let what = format!("`{criterion}` names no time zone, so days begin at midnight of UTC");
    let help = "add the zone that is meant: `timezone: Europe/Berlin`";
    report.warning("U355", &node.span, what, help);
}
