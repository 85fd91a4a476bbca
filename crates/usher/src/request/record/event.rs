use std::fmt::Display;

use usher_rules::{
    plan::{Level, LogSelection},
    time::Now,
};

use super::{Record, Recorder, happening::Happening, selection::wanted};
use crate::request::{EventField, EventName};

/// Something that happens beside the decisions and answers of requests: a sign-in, a reload, a
/// certificate, a fault.
///
/// WARN is for a person to look at this week, ERROR now; both say the effect in a field.
#[derive(Debug)]
pub struct Event<'a> {
    happening: Happening,
    recorder: &'a Recorder,
}

impl Recorder {
    /// Begins an event; [`Event::write`] records it.
    pub fn event(&self, level: Level, name: EventName, at: Now) -> Event<'_> {
        Event { happening: Happening { level, name, fields: Vec::new(), at }, recorder: self }
    }
}

impl Event<'_> {
    /// Adds a field. Never a secret, a token or a query string.
    #[must_use]
    pub fn with(mut self, field: EventField, value: impl Display) -> Self {
        self.happening.fields.push((field, value.to_string()));
        self
    }

    /// Records it, whatever `log_level` says.
    pub fn write(self) {
        self.recorder.record(&Record::Event(&self.happening));
    }

    /// Records it, if `log_level` lets it.
    pub fn write_if(self, log: &LogSelection) {
        if wanted(log, self.happening.level) {
            self.write();
        }
    }
}
