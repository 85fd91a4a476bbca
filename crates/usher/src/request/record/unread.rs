use std::net::SocketAddr;

use usher_rules::{plan::Level, time::Now};

use super::Recorder;
use crate::request::{
    EventField, EventName,
    accept::{Ended, Unread, Whose},
};

impl Recorder {
    /// What a client said could not be read as a request: the figures know each, the log a few.
    pub fn unread(&self, peer: SocketAddr, unread: &Unread, at: Now) {
        if let Some(metrics) = self.metrics() {
            metrics.unread(unread.status);
        }
        if !self.unread_tally().has_line(Whose::client(peer.ip()), at) {
            return;
        }
        let event = self
            .event(Level::Info, EventName::Unreadable, at)
            .with(EventField::Connection, peer)
            .with(EventField::Problem, unread.problem);
        match unread.status {
            Some(status) => event.with(EventField::Status, status.as_u16()),
            None => event,
        }
        .with(
            EventField::Effect,
            match unread.ended {
                Ended::Connection => {
                    "it was refused before it was a request, and its connection ended"
                }
                Ended::Stream => "it was refused, and others on its connection go on",
            },
        )
        .write();
    }

    /// A connection ended before its first request, for what the client showed.
    pub fn handshake_refused(&self, peer: SocketAddr, why: &str, at: Now) {
        if self.unread_tally().has_line(Whose::client(peer.ip()), at) {
            self.event(Level::Info, EventName::HandshakeRefused, at)
                .with(EventField::Connection, peer)
                .with(EventField::Problem, why)
                .with(EventField::Effect, "its connection ended (`enforcement: reject_connection`)")
                .write();
        }
    }
}
