use std::{sync::Arc, time::Duration};

use usher_rules::{
    plan::{Level, LogSelection},
    time::Now,
};

use super::{Event, Log, Metrics, Record, sink::Sink, tally::Tally, unread::UnreadTally};
use crate::request::{Chore, EventField, EventName, Panicked, Part, accept::Beside};

/// The one way by which what happens is known: each record is counted, and goes to every sink.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// None where something is only counted.
    sinks: Arc<[Arc<dyn Sink>]>,
    metrics: Option<Arc<Metrics>>,
    tally: Arc<Tally>,
    unread: Arc<UnreadTally>,
}

/// What has no lines, since the start: it is logged once for many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Requests that were taken back before anything was decided.
    pub taken_back: u64,
    /// What was no request that could be read.
    pub unread: u64,
}

impl Recorder {
    /// Everything that happens is in each of these logs.
    pub fn new<const LOGS: usize>(logs: [Log; LOGS]) -> Self {
        let sinks = logs.into_iter().map(|lines| Arc::new(lines) as Arc<dyn Sink>).collect();
        Self { sinks, metrics: None, tally: Arc::default(), unread: Arc::default() }
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
        Self::new([])
    }

    /// A panic in one request: counted, and logged with the place where it happened.
    pub fn panicked(&self, panicked: &Panicked, request_id: &str, route: &str, at: Now) {
        self.event(Level::Error, EventName::Panic, at)
            .with(EventField::RequestId, request_id)
            .with(EventField::Route, route)
            .with(EventField::Place, &panicked.place)
            .with(EventField::Problem, panicked.words)
            .with(EventField::Effect, "this request failed; others go on")
            .write();
    }

    /// A panic beside requests: in a connection, or in one to an upstream.
    pub fn panicked_beside(&self, beside: &Beside, panicked: &Panicked, at: Now) {
        let event = self.event(Level::Error, EventName::Panic, at);
        let event = match beside {
            Beside::Connection(peer) => event.with(EventField::Connection, peer),
            Beside::Upstream(upstream) => event.with(EventField::Upstream, upstream),
        };
        let effect = "what ran over this connection failed; others go on";
        place(event, panicked).with(EventField::Effect, effect).write();
    }

    /// A task that runs for as long as the process panicked, and is started again after `pause`.
    pub fn restarted(&self, chore: Chore, panicked: &Panicked, pause: Duration, at: Now) {
        let event =
            self.event(Level::Error, EventName::Panic, at).with(EventField::Task, chore.word());
        let effect = format!("it is started again after {} ms", pause.as_millis());
        place(event, panicked).with(EventField::Effect, effect).write();
    }

    /// A part that answers for itself panicked: what it was asked for failed, and it goes on.
    pub fn panicked_in(&self, part: Part, panicked: &Panicked, at: Now) {
        let event =
            self.event(Level::Error, EventName::Panic, at).with(EventField::Part, part.word());
        let effect = "what was asked of it failed, and it goes on";
        place(event, panicked).with(EventField::Effect, effect).write();
    }

    /// For a request that its client took back before anything was decided: the figures know each,
    /// the log a few a minute and how many more there were ([`Self::left_out`]).
    #[must_use]
    pub fn of_taken_back(&self, now: Now) -> Self {
        match self.tally.has_line(now) {
            true => self.clone(),
            false => Self { sinks: Arc::default(), ..self.clone() },
        }
    }

    /// What has no lines, since the start.
    pub fn left_out(&self) -> LeftOut {
        LeftOut { taken_back: self.tally.left_out(), unread: self.unread.left_out() }
    }

    pub(super) fn unread_tally(&self) -> &UnreadTally {
        &self.unread
    }

    pub(super) fn record(&self, record: &Record<'_>) {
        if let Some(metrics) = self.metrics() {
            metrics.take(record);
        }
        for sink in &*self.sinks {
            sink.take(record);
        }
    }

    /// Returns when everything that was recorded has been written.
    pub fn flush(&self) {
        for sink in &*self.sinks {
            sink.flush();
        }
    }
}

fn place<'a>(event: Event<'a>, panicked: &Panicked) -> Event<'a> {
    event.with(EventField::Place, &panicked.place).with(EventField::Problem, panicked.words)
}

/// Which optional fields a kind of line carries.
pub(super) fn selected(selection: Option<&Vec<Box<str>>>, field: &str) -> bool {
    selection.is_none_or(|fields| fields.iter().any(|known| **known == *field))
}

/// Is an event of this level written?
pub(super) fn wanted(log: &LogSelection, level: Level) -> bool {
    level >= log.level
}
