use std::{io, time::Duration};

use super::Http1Error;
use crate::request::{Details, authorize::PermitEnd};

/// Why an upstream gave no answer, or none that can be passed on.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// Its name doesn't resolve.
    #[error("the name of {upstream} doesn't resolve")]
    Resolve {
        /// Host and port.
        upstream: Box<str>,
        /// The resolver's error.
        source: io::Error,
    },
    /// It refuses connections or can't be reached.
    #[error("could not connect to {upstream}")]
    Connect {
        /// Host and port.
        upstream: Box<str>,
        /// The system's error.
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
        /// The cause.
        source: io::Error,
    },
    /// The route's TLS settings can't be used.
    #[error("the TLS settings for {upstream} can't be used: {why}")]
    TlsSettings {
        /// Host and port.
        upstream: Box<str>,
        /// In the words of the config.
        why: Box<str>,
    },
    /// It closed the connection instead of answering.
    #[error("the upstream closed the connection before it answered")]
    Closed {
        /// The connection's error.
        source: Broke,
    },
    /// It did not begin with the request, and said so (RFC 9113 §8.7).
    #[error("the upstream refused the request before it began with it")]
    Refused {
        /// The connection's error.
        source: Broke,
    },
    /// What it said is not HTTP.
    #[error("what the upstream said is not HTTP")]
    Protocol {
        /// The parser's error.
        source: Broke,
    },
    /// It is HTTP, and means nothing that could be passed on.
    #[error("the upstream's answer {why}")]
    Invalid {
        /// The cause.
        why: &'static str,
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
    /// An app has to see the answer before it is passed on, and can't.
    #[error("the upstream's answer has to be read here, and can't be")]
    Unreadable {
        /// Why.
        #[source]
        why: Unreadable,
    },
    /// The request asked for a WebSocket and the upstream answered something that is none.
    #[error("the upstream's WebSocket answer is not one")]
    NotWebSocket,
    /// As much is under way as the route may have.
    #[error("`{limit}` of `circuit_breaker_thresholds` is reached")]
    Overflow {
        /// The key that says how much.
        limit: &'static str,
    },
    /// No upstream is well, and none is to be asked then (`healthy_panic_threshold: 0`).
    #[error("no upstream of the route is well")]
    NoneWell,
    /// The route forwards nothing: an invariant of ours was broken.
    #[error("the route has no upstream")]
    NoUpstream,
}

impl ForwardError {
    /// Its word on the access line.
    pub const fn details(&self) -> Details {
        match self {
            Self::Resolve { .. } => Details::NameUnresolved,
            Self::Connect { .. } => Details::ConnectFailed,
            Self::ConnectTimeout { .. } => Details::ConnectTimeout,
            Self::Tls { .. } => Details::TlsFailed,
            Self::TlsSettings { .. } => Details::TlsSettings,
            Self::Closed { .. } => Details::UpstreamClosed,
            Self::Refused { .. } => Details::RefusedStream,
            Self::Protocol { .. } | Self::Invalid { .. } => Details::ProtocolError,
            Self::HeadTimeout { .. } => Details::ResponseTimeout,
            Self::IdleTimeout { .. } => Details::IdleTimeout,
            Self::ClientStalled { .. } => Details::RequestTimeout,
            Self::ClientGone => Details::ClientGone,
            Self::PermitEnded(why) => why.details(),
            Self::Unreadable { .. } => Details::AnswerUnreadable,
            Self::NotWebSocket => Details::NotWebSocket,
            Self::Overflow { .. } => Details::UpstreamOverflow,
            Self::NoneWell => Details::NoneWell,
            Self::NoUpstream => Details::InternalError,
        }
    }
}

/// What a connection says that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Broke {
    /// Our own, over HTTP/1.1.
    #[error(transparent)]
    Http1(#[from] Http1Error),
    /// The library's, over HTTP/2.
    #[error(transparent)]
    Library(#[from] hyper::Error),
}

/// Why an answer that has to be read whole can't be.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is coded, although it was asked for as it is.
    #[error("its content is coded, and it was asked for without a coding")]
    Coded,
    /// It is a part, although all of it was asked for.
    #[error("it is a part, and all of it was asked for")]
    Part,
    /// It is longer than the app takes.
    #[error("it has more than {at_most} octets")]
    TooLarge {
        /// Octets.
        at_most: usize,
    },
    /// The app can't read it.
    #[error("{0}")]
    Malformed(&'static str),
    /// Its end did not come in time.
    #[error("its end did not come in time")]
    Slow,
    /// It broke off.
    #[error("it broke off: {0}")]
    Broke(io::Error),
}
