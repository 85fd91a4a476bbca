use std::sync::Arc;

use usher_rules::time::Now;

use super::{
    Access, Decided, Log, Metrics, Record,
    end::End,
    sink::Sink,
    tally::{Tally, UnreadTally},
};

/// The one way by which what happens is known: each record is counted, and goes to every sink. Each
/// request has one, and shares all of it with the others.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Shared>);

#[derive(Clone, Debug)]
struct Shared {
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
    /// Requests that could not be read.
    pub unread: u64,
    /// Requests whose trusted proxies name two visitors, so that the peer is taken for them.
    pub two_visitors: u64,
}

impl Recorder {
    /// Everything that happens is in each of these logs.
    pub fn new<const LOGS: usize>(logs: [Log; LOGS]) -> Self {
        let sinks = logs.into_iter().map(|lines| Arc::new(lines) as Arc<dyn Sink>).collect();
        let (tally, unread) = Default::default();
        Self(Arc::new(Shared { sinks, metrics: None, tally, unread }))
    }

    /// Counts what it records, too.
    #[must_use]
    pub fn counting(self, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared { metrics: Some(metrics), ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The figures; `None` where nobody reads them.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_deref()
    }

    /// Nothing is written.
    pub fn silent() -> Self {
        Self::new([])
    }

    /// For a request that its client took back before anything was decided: the figures know each,
    /// the log a few a minute and how many more there were ([`Self::left_out`]).
    #[must_use]
    pub fn of_taken_back(&self, now: Now) -> Self {
        match self.0.tally.has_line(now) {
            true => self.clone(),
            false => Self(Arc::new(Shared { sinks: Arc::default(), ..(*self.0).clone() })),
        }
    }

    /// What has no lines, since the start.
    pub fn left_out(&self) -> LeftOut {
        LeftOut {
            taken_back: self.0.tally.left_out(),
            unread: self.0.unread.left_out(),
            two_visitors: self.0.tally.two_visitors(),
        }
    }

    /// Counts a request whose trusted proxies name two visitors.
    pub fn names_two_visitors(&self) {
        self.0.tally.count_two_visitors();
    }

    pub(super) fn unread_tally(&self) -> &UnreadTally {
        &self.0.unread
    }

    pub(super) fn access(&self, access: &Access, end: End) {
        self.record(&Record::Access(access, end));
    }

    /// Writes a decision.
    pub fn decided(&self, decided: Decided<'_>) {
        self.record(&Record::Decision(&decided));
    }

    pub(super) fn record(&self, record: &Record<'_>) {
        if let Some(metrics) = self.metrics() {
            metrics.take(record);
        }
        for sink in &*self.0.sinks {
            sink.take(record);
        }
    }

    /// Is what happens now in danger of not being recorded: since a log can't be written, or is read
    /// too slowly?
    pub fn is_stuck(&self) -> bool {
        self.0.sinks.iter().any(|sink| sink.is_stuck())
    }

    /// Records that some log could not keep, since the start.
    pub fn lost(&self) -> u64 {
        self.0.sinks.iter().map(|sink| sink.lost()).sum()
    }

    /// Why a log can't be written, where one can't.
    pub fn failure(&self) -> Option<String> {
        self.0.sinks.iter().find_map(|sink| sink.failure())
    }

    /// Returns when everything that was recorded has been written, or can't be.
    pub fn flush(&self) {
        for sink in &*self.0.sinks {
            sink.flush();
        }
    }
}
