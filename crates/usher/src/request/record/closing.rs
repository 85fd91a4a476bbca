use std::{io, sync::Arc};

use tokio::time::Instant;

use super::{Access, Recorder, end::End};
use crate::request::{
    Details, Panicked,
    accept::{Exchange, InFlight, Waiting},
    forward::{Cut, Relayed, Upload},
};

/// A request that is not over: when this is dropped, its access line is written.
#[derive(Debug)]
pub struct Closing {
    recorder: Recorder,
    access: Box<Access>, // it goes from hand to hand until the body carries it
    began: Instant,
    upload: Option<Arc<Upload>>,
    sent: u64,
    received: u64,
    end: Option<Details>,
    in_flight: InFlight,
    _exchange: Option<Exchange>,
}

impl Closing {
    /// Begins to watch a request that arrived at `began`.
    pub fn new(
        recorder: Recorder,
        access: Box<Access>,
        began: Instant,
        upload: Option<Arc<Upload>>,
        in_flight: InFlight,
    ) -> Self {
        let (sent, received, end) = (0, 0, None);
        Self { recorder, access, began, upload, sent, received, end, in_flight, _exchange: None }
    }

    /// A drain waits for it.
    #[must_use]
    pub fn of_exchange(mut self, exchange: Exchange) -> Self {
        self._exchange = Some(exchange);
        self
    }

    /// It lasts, and keeps nothing of what was read with it.
    pub fn lasts(&mut self) {
        self.access.apart();
    }

    /// Resolves when its connection has to make room for others.
    pub fn must_go(&self) -> impl Future<Output = ()> + Send + use<> {
        self.in_flight.must_go()
    }

    /// Counts the bytes of its answer that wait for the client.
    pub fn waiting(&self) -> Waiting {
        Waiting::new(self.in_flight.pulse())
    }

    /// Bytes of the body went out.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The body reached its end.
    pub fn ended(&mut self) {
        self.end.get_or_insert(self.access.details);
    }

    /// The body was cut short by us or by the upstream.
    pub fn broke(&mut self, error: &io::Error) {
        self.end = Some(Cut::of(error).map_or(Details::UpstreamReset, Cut::details));
    }

    /// What was carrying the body or the socket panicked.
    pub fn panicked(&mut self, panicked: &Panicked) {
        self.end = Some(Details::InternalPanic);
        let id = self.access.request_id.to_str().unwrap_or_default();
        let route = self.access.route.as_ref().map_or("", |route| &route.name);
        self.recorder.panicked(panicked, id, route, self.access.at);
    }

    /// A connection that was upgraded is over.
    pub fn relayed(&mut self, relayed: Relayed) {
        self.sent = relayed.down;
        self.received = relayed.up;
        self.end = Some(relayed.end);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let received = self.upload.as_ref().map_or(self.received, |upload| upload.bytes());
        let has_body = self.access.details == Details::ViaUpstream;
        if self.end.is_none() {
            self.in_flight.cancelled();
        }
        // Whoever drops a body before its end is the client, by going away.
        let details = self.end.unwrap_or(if !has_body || self.sent == 0 {
            self.access.details
        } else {
            Details::ClientGone
        });
        let duration = self.began.elapsed();
        self.recorder.access(&self.access, End { duration, sent: self.sent, received, details });
    }
}
