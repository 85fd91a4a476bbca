use std::fmt::Display;

use usher_rules::{
    plan::{Level, LogSelection},
    time::Now,
};

use super::{
    Format, Recorder,
    json::{Object, VALUE, quoted},
    recorder::wanted,
    stamp,
};

/// Something that an operator may want to know: start, reload, certificate, store, provider.
///
/// WARN is for a person to look at this week, ERROR now; both say the effect in a field.
#[derive(Debug)]
pub struct Event<'a> {
    level: Level,
    name: &'static str,
    fields: Vec<(&'static str, String)>,
    at: Now,
    recorder: &'a Recorder,
}

impl Recorder {
    /// Begins an event; [`Event::write`] writes it.
    pub fn event(&self, level: Level, name: &'static str, at: Now) -> Event<'_> {
        Event { level, name, fields: Vec::new(), at, recorder: self }
    }
}

impl Event<'_> {
    /// Adds a field. Never a secret, a token or a query string.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Display) -> Self {
        self.fields.push((key, value.to_string()));
        self
    }

    /// Writes it, whatever `log_level` says.
    pub fn write(self) {
        let Self { level, name, fields, at, recorder } = self;
        recorder.line(|out| match recorder.format() {
            Format::Json => {
                let mut object = Object::begin(out);
                object.text("level", word(level));
                for (key, value) in &fields {
                    object.text(key, value);
                }
                stamp::rfc3339(at.wall, |time| {
                    object.text("time", time);
                });
                object.text("message", name);
                object.end();
            }
            Format::Text => {
                stamp::clock(out, at);
                let word = word(level).to_ascii_uppercase();
                out.extend_from_slice(format!(" {word:<5} {name}").as_bytes());
                for (key, value) in &fields {
                    out.extend_from_slice(format!(" {key}=").as_bytes());
                    bare_or_quoted(out, value);
                }
                out.push(b'\n');
            }
        });
    }

    /// Writes it, if `log_level` lets it.
    pub fn write_if(self, log: &LogSelection) {
        if wanted(log, self.level) {
            self.write();
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
