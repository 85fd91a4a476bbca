use std::fmt::Display;

use usher_rules::{
    plan::{Level, LogSelection},
    time::Now,
};

use super::{
    Format, Record, Recorder,
    json::{Object, VALUE, quoted},
    recorder::wanted,
    stamp,
};
use crate::request::{EventField, EventName};

/// Something that happens beside the decisions and answers of requests: a sign-in, a reload, a
/// certificate, a fault.
///
/// WARN is for a person to look at this week, ERROR now; both say the effect in a field.
#[derive(Debug)]
pub struct Event<'a> {
    pub(super) level: Level,
    pub(super) name: EventName,
    pub(super) fields: Vec<(EventField, String)>,
    pub(super) at: Now,
    recorder: &'a Recorder,
}

impl Recorder {
    /// Begins an event; [`Event::write`] records it.
    pub fn event(&self, level: Level, name: EventName, at: Now) -> Event<'_> {
        Event { level, name, fields: Vec::new(), at, recorder: self }
    }
}

impl Event<'_> {
    /// Adds a field. Never a secret, a token or a query string.
    #[must_use]
    pub fn with(mut self, field: EventField, value: impl Display) -> Self {
        self.fields.push((field, value.to_string()));
        self
    }

    /// Records it, whatever `log_level` says.
    pub fn write(self) {
        self.recorder.record(&Record::Event(&self));
    }

    /// Records it, if `log_level` lets it.
    pub fn write_if(self, log: &LogSelection) {
        if wanted(log, self.level) {
            self.write();
        }
    }

    /// What a field holds.
    pub(super) fn value(&self, field: EventField) -> Option<&str> {
        self.fields.iter().find(|(one, _)| *one == field).map(|(_, value)| &**value)
    }
}

/// One event as a line.
pub(super) fn line(
    format: Format,
    out: &mut Vec<u8>,
    (level, name, at): (Level, EventName, Now),
    fields: &[(EventField, String)],
) {
    match format {
        Format::Json => {
            let mut object = Object::begin(out);
            object.text("level", word(level));
            for (field, value) in fields {
                object.text(field.word(), value);
            }
            stamp::rfc3339(at.wall, |time| {
                object.text("time", time);
            });
            object.text("message", name.word());
            object.end();
        }
        Format::Text => {
            stamp::clock(out, at);
            let level = word(level).to_ascii_uppercase();
            out.extend_from_slice(format!(" {level:<5} {}", name.word()).as_bytes());
            for (field, value) in fields {
                out.extend_from_slice(format!(" {}=", field.word()).as_bytes());
                bare_or_quoted(out, value);
            }
            out.push(b'\n');
        }
    }
}

/// Words without blanks stand as they are; everything else is quoted, so that a line can't be
/// forged by what strangers wrote.
pub(super) fn bare_or_quoted(out: &mut Vec<u8>, value: &str) {
    let is_plain = (1..=VALUE).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/@+,[]*".contains(&b));
    if is_plain {
        out.extend_from_slice(value.as_bytes());
    } else {
        quoted(out, value);
    }
}

pub(super) const fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}
