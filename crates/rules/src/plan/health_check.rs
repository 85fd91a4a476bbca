use std::{ops::Range, time::Duration};

use http::{HeaderValue, Method, uri::PathAndQuery};

/// One of a route's `health_checks`: how each of its upstreams is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub asks: HealthQuestion,
    /// `alt_port`: where it is asked, if not where visitors' requests go.
    pub alt_port: Option<u16>,
    /// How long an answer may take, the connection included.
    pub timeout: Duration,
    /// From one answer to the next question.
    pub interval: Duration,
    /// Failures one after another until it is left alone.
    pub unhealthy_threshold: u32,
    /// Answers one after another until it is asked for visitors again.
    pub healthy_threshold: u32,
}

/// What is asked of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthQuestion {
    /// `http_health_check`.
    Http {
        /// `GET` where nothing is said.
        method: Method,
        /// `Host`; the upstream's own where nothing is said.
        host: Option<HeaderValue>,
        /// What is asked for.
        path: PathAndQuery,
        /// Statuses that mean well.
        expected: Vec<Range<u16>>,
    },
    /// `tcp_health_check`: a connection, and what is said over it.
    Tcp {
        /// Said first.
        send: Box<[u8]>,
        /// Heard in this order, with anything between.
        receive: Vec<Box<[u8]>>,
    },
}
