use std::{io, time::Duration};

use crate::request::{Details, authorize::PermitEnd};

/// Why an upstream gave no answer, or none that can be passed on.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// Its name doesn't resolve.
    #[error("the name of {upstream} doesn't resolve")]
    Resolve {
        /// Host and port.
        upstream: Box<str>,
        /// What the resolver says.
        source: io::Error,
    },
    /// It refuses connections or can't be reached.
    #[error("could not connect to {upstream}")]
    Connect {
        /// Host and port.
        upstream: Box<str>,
        /// What the system says.
        source: io::Error,
    },
    /// It didn't accept a connection in time.
    #[error("{upstream} accepted no connection within {} s", after.as_secs())]
    ConnectTimeout {
        /// Host and port.
        upstream: Box<str>,
        /// How long we waited.
        after: Duration,
    },
    /// Its TLS is not what the route asks for.
    #[error("the TLS of {upstream} is not acceptable")]
    Tls {
        /// Host and port.
        upstream: Box<str>,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The route's TLS settings can't be used.
    #[error("the TLS settings for {upstream} can't be used: {why}")]
    TlsSettings {
        /// Host and port.
        upstream: Box<str>,
        /// What is wrong with them.
        why: Box<str>,
    },
    /// It closed the connection instead of answering.
    #[error("the upstream closed the connection before it answered")]
    Closed {
        /// What the connection says.
        source: hyper::Error,
    },
    /// It did not begin with the request, and said so (RFC 9113 §8.7).
    #[error("the upstream refused the request before it began with it")]
    Refused {
        /// What the connection says.
        source: hyper::Error,
    },
    /// What it said is not HTTP.
    #[error("what the upstream said is not HTTP")]
    Protocol {
        /// What the parser says.
        source: hyper::Error,
    },
    /// No response head within the route's `timeout`.
    #[error("the upstream sent no response within {} s", after.as_secs_f32())]
    HeadTimeout {
        /// The route's `timeout`.
        after: Duration,
    },
    /// Silence for longer than the route's `idle_timeout`.
    #[error("nothing was sent either way for {} s", after.as_secs_f32())]
    IdleTimeout {
        /// The route's `idle_timeout`.
        after: Duration,
    },
    /// The client stopped sending the request's body.
    #[error("the client sent nothing of its request for {} s", after.as_secs_f32())]
    ClientStalled {
        /// `timeout_read`.
        after: Duration,
    },
    /// The client broke off in the middle of the request's body.
    #[error("the client broke off in the middle of its request")]
    ClientGone,
    /// The permit ended while the request was under way.
    #[error("the permit for this request ended: {0}")]
    PermitEnded(PermitEnd),
    /// The request asked for a WebSocket and the upstream answered something that is none.
    #[error("the upstream's WebSocket answer is not one")]
    NotWebSocket,
}

impl ForwardError {
    /// What stands on the record.
    pub const fn details(&self) -> Details {
        match self {
            Self::Resolve { .. } => Details::NameUnresolved,
            Self::Connect { .. } => Details::ConnectFailed,
            Self::ConnectTimeout { .. } => Details::ConnectTimeout,
            Self::Tls { .. } => Details::TlsFailed,
            Self::TlsSettings { .. } => Details::TlsSettings,
            Self::Closed { .. } => Details::UpstreamClosed,
            Self::Refused { .. } => Details::RefusedStream,
            Self::Protocol { .. } => Details::ProtocolError,
            Self::HeadTimeout { .. } => Details::ResponseTimeout,
            Self::IdleTimeout { .. } => Details::IdleTimeout,
            Self::ClientStalled { .. } => Details::RequestTimeout,
            Self::ClientGone => Details::ClientGone,
            Self::PermitEnded(why) => why.details(),
            Self::NotWebSocket => Details::NotWebSocket,
        }
    }
}
