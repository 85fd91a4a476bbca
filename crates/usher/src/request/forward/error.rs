use std::{io, time::Duration};

use http::StatusCode;

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
    #[error("the permit for this request ended")]
    PermitEnded,
    /// The request asked for a WebSocket and the upstream answered something that is none.
    #[error("the upstream's WebSocket answer is not one")]
    NotWebSocket,
}

impl ForwardError {
    /// RFC 9110 §15; which cause gives which is the real server's (`pomerium-measured.md` §2.6).
    /// The page, the problem document and the log go by it.
    ///
    /// No connection, or one that ends without an answer: 503. An answer that is none: 502. No
    /// answer in time: 504. A TLS handshake that fails has made no connection.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Tls { .. }
            | Self::TlsSettings { .. }
            | Self::Refused { .. }
            | Self::Closed { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Protocol { .. } | Self::NotWebSocket => StatusCode::BAD_GATEWAY,
            Self::HeadTimeout { .. } | Self::IdleTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::ClientStalled { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::ClientGone => StatusCode::BAD_REQUEST,
            Self::PermitEnded => StatusCode::UNAUTHORIZED,
        }
    }

    /// The word in `response-code-details`. Stable.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "upstream_name_unresolved",
            Self::Connect { .. } => "upstream_connect_failed",
            Self::ConnectTimeout { .. } => "upstream_connect_timeout",
            Self::Tls { .. } => "upstream_tls_failed",
            Self::TlsSettings { .. } => "upstream_tls_settings",
            Self::Closed { .. } => "upstream_closed",
            Self::Refused { .. } => "upstream_refused_stream",
            Self::Protocol { .. } => "upstream_protocol_error",
            Self::HeadTimeout { .. } => "response_timeout",
            Self::IdleTimeout { .. } => "stream_idle_timeout",
            Self::ClientStalled { .. } => "request_timeout",
            Self::ClientGone => "downstream_remote_disconnect",
            Self::PermitEnded => "permit_ended",
            Self::NotWebSocket => "upstream_not_websocket",
        }
    }
}
