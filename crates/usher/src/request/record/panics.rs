use std::time::Duration;

use usher_rules::{plan::Level, time::Now};

use super::{Event, Recorder};
use crate::request::{Chore, EventField, EventName, Panicked, Part, accept::TaskOwner};

impl Recorder {
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
    pub fn panicked_beside(&self, beside: &TaskOwner, panicked: &Panicked, at: Now) {
        let event = self.event(Level::Error, EventName::Panic, at);
        let event = match beside {
            TaskOwner::Connection(peer) => event.with(EventField::Connection, peer),
            TaskOwner::Upstream(upstream) => event.with(EventField::Upstream, upstream),
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
}

fn place<'a>(event: Event<'a>, panicked: &Panicked) -> Event<'a> {
    event.with(EventField::Place, &panicked.place).with(EventField::Problem, panicked.words)
}
