use std::{ops::Range, time::Duration};

use http::{HeaderName, HeaderValue, Method, uri::PathAndQuery};

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
    pub pauses: Pauses,
    /// Failures one after another until it is left alone.
    pub unhealthy_threshold: u32,
    /// Answers one after another until it is asked for visitors again.
    pub healthy_threshold: u32,
    /// `always_log_health_check_failures`: each one, and not changes alone.
    pub logs_failures: bool,
    /// `always_log_health_check_success`.
    pub logs_successes: bool,
}

/// From one answer to the next question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// `interval`: of one that is well.
    pub well: Duration,
    /// `healthy_edge_interval`: the first of one that is well again.
    pub first_well: Duration,
    /// `unhealthy_interval`: of one that is left alone.
    pub alone: Duration,
    /// `unhealthy_edge_interval`: the first of one that is left alone.
    pub first_alone: Duration,
    /// `no_traffic_interval`: while no visitor's request went there; else as above.
    pub unused: Option<Duration>,
    /// `no_traffic_healthy_interval`: the same of one that is well.
    pub unused_well: Option<Duration>,
}

/// What is asked of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthQuestion {
    /// `http_health_check`.
    Http(HttpQuestion),
    /// `tcp_health_check`: a connection, and what is said over it.
    Tcp {
        /// Said first.
        send: Box<[u8]>,
        /// Heard in this order, with anything between.
        receive: Vec<Box<[u8]>>,
    },
    /// `grpc_health_check`: `grpc.health.v1.Health/Check`.
    Grpc {
        /// Of which service; empty for all of the server.
        service: Box<str>,
        /// `:authority`; the upstream's own where nothing is said.
        authority: Option<HeaderValue>,
    },
}

/// A request, and what is expected of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpQuestion {
    /// `GET` where nothing is said.
    pub method: Method,
    /// `Host`; the upstream's own where nothing is said.
    pub host: Option<HeaderValue>,
    /// What is asked for.
    pub path: PathAndQuery,
    /// Fields of the request, each over what would stand there or beside it.
    pub fields: Vec<(HeaderName, HeaderValue, FieldAction)>,
    /// Fields that it does not have.
    pub without: Vec<HeaderName>,
    /// Its body.
    pub send: Box<[u8]>,
    /// Statuses that mean well.
    pub expected: Vec<Range<u16>>,
    /// Statuses that count as one failure, and not as the upstream's own word.
    pub retriable: Vec<Range<u16>>,
    /// What stands in the body of an answer that means well, in this order.
    pub receive: Vec<Box<[u8]>>,
    /// Octets of the body that are looked at.
    pub looked_at: usize,
}

/// What becomes of fields of that name that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldAction {
    /// They stay.
    Append,
    /// They go.
    Overwrite,
}
