use usher_rules::{plan::Level, time::Now};

use super::{
    Format,
    json::{Object, VALUE, quoted},
    stamp,
};
use crate::request::{EventField, EventName};

/// What an [`Event`](super::Event) holds when it is recorded.
#[derive(Debug)]
pub(super) struct Happening {
    pub level: Level,
    pub name: EventName,
    pub fields: Vec<(EventField, String)>,
    pub at: Now,
}

impl Happening {
    /// `None` where the event has no such field.
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
        Format::Json | Format::Kept => {
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
