use std::{sync::Arc, time::Duration};

use usher_rules::{
    plan::{Level, LogSelection},
    time::Now,
};

use super::{Event, Metrics, Sink, tally::Tally, unread::UnreadTally};
use crate::request::{Chore, Panicked, accept::Beside};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, with Pomerium's field names.
    Json,
    /// For people at a terminal.
    Text,
}

/// Writes records and events.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// Absent where something is only counted.
    sink: Option<Arc<Sink>>,
    format: Format,
    metrics: Option<Arc<Metrics>>,
    tally: Arc<Tally>,
    unread: Arc<UnreadTally>,
}

/// What has no lines, since the start: it is told once for many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Requests that were taken back before anything was decided.
    pub taken_back: u64,
    /// What was no request that could be read.
    pub unread: u64,
}

impl Recorder {
    /// Writes to `sink` in `format`.
    pub fn new(sink: Sink, format: Format) -> Self {
        let (tally, unread) = (Arc::default(), Arc::default());
        Self { sink: Some(Arc::new(sink)), format, metrics: None, tally, unread }
    }

    /// Counts what it records, too.
    #[must_use]
    pub fn counting(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// What it counts in, if it does.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.metrics.as_deref()
    }

    /// Nothing is written.
    pub fn silent() -> Self {
        Self::new(Sink::discard(), Format::Json)
    }

    /// How lines look.
    pub fn format(&self) -> Format {
        self.format
    }

    /// A panic in one request: counted, and told with the place where it happened.
    pub fn panicked(&self, panicked: &Panicked, request_id: &str, route: &str, at: Now) {
        if let Some(metrics) = self.metrics() {
            metrics.panicked();
        }
        self.event(Level::Error, "panic", at)
            .with("request-id", request_id)
            .with("route", route)
            .with("place", &panicked.place)
            .with("problem", panicked.words)
            .with("effect", "this request failed; others go on")
            .write();
    }

    /// A panic beside requests: in a connection, or in one to an upstream.
    pub fn panicked_beside(&self, beside: &Beside, panicked: &Panicked, at: Now) {
        if let Some(metrics) = self.metrics() {
            metrics.panicked();
        }
        let event = self.event(Level::Error, "panic", at);
        let event = match beside {
            Beside::Connection(peer) => event.with("connection", peer),
            Beside::Upstream(upstream) => event.with("upstream", upstream),
        };
        let effect = "what ran over this connection failed; others go on";
        told(event, panicked).with("effect", effect).write();
    }

    /// A task that runs for as long as the process panicked, and is started again after `pause`.
    pub fn restarted(&self, chore: Chore, panicked: &Panicked, pause: Duration, at: Now) {
        if let Some(metrics) = self.metrics() {
            metrics.panicked();
            metrics.restarted(chore);
        }
        let event = self.event(Level::Error, "panic", at).with("task", chore.word());
        let effect = format!("it is started again after {} ms", pause.as_millis());
        told(event, panicked).with("effect", effect).write();
    }

    /// A part that answers for itself panicked: what it was asked for failed, and it goes on.
    pub fn panicked_in(&self, part: &'static str, panicked: &Panicked, at: Now) {
        if let Some(metrics) = self.metrics() {
            metrics.panicked();
        }
        let event = self.event(Level::Error, "panic", at).with("part", part);
        let effect = "what was asked of it failed, and it goes on";
        told(event, panicked).with("effect", effect).write();
    }

    /// For a request that its client took back before anything was decided: the figures know each,
    /// the log a few a minute and how many more there were ([`Self::left_out`]).
    #[must_use]
    pub fn of_taken_back(&self, now: Now) -> Self {
        match self.tally.has_line(now) {
            true => self.clone(),
            false => Self { sink: None, ..self.clone() },
        }
    }

    /// What has no lines, since the start.
    pub fn left_out(&self) -> LeftOut {
        LeftOut { taken_back: self.tally.left_out(), unread: self.unread.left_out() }
    }

    pub(super) fn unread_tally(&self) -> &UnreadTally {
        &self.unread
    }

    /// Appends one line.
    pub(super) fn line(&self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(sink) = &self.sink {
            sink.line(write);
        }
    }

    /// Returns when everything that was recorded has been written.
    pub fn flush(&self) {
        if let Some(sink) = &self.sink {
            sink.flush();
        }
    }
}

fn told<'a>(event: Event<'a>, panicked: &Panicked) -> Event<'a> {
    event.with("place", &panicked.place).with("problem", panicked.words)
}

/// Which optional fields a kind of line carries.
pub(super) fn selected(selection: Option<&Vec<Box<str>>>, field: &str) -> bool {
    selection.is_none_or(|fields| fields.iter().any(|known| **known == *field))
}

/// Is an event of this level written?
pub(super) fn wanted(log: &LogSelection, level: Level) -> bool {
    level >= log.level
}
