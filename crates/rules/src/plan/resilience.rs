use std::time::Duration;

/// `circuit_breaker_thresholds`: how much of a route may be under way at once. What is not written
/// is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CircuitBreakers {
    /// HTTP/1.1 connections in use.
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection.
    pub max_pending_requests: Option<u32>,
    /// Requests, their answers' bodies included.
    pub max_requests: Option<u32>,
    /// Requests that went on to another address.
    pub max_retries: Option<u32>,
}

/// `outlier_detection`: upstreams are left alone for what they answer to visitors (Envoy's
/// semantics and defaults).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Answers of 500 to 599 one after another.
    pub consecutive_5xx: InARow,
    /// Of 502, 503 and 504.
    pub consecutive_gateway_failure: InARow,
    /// Connections that could not be made and answers that did not come, where those are told
    /// apart.
    pub consecutive_local_origin_failure: InARow,
    /// `split_external_local_origin_errors`: what an upstream says, and that it says nothing, are
    /// two things.
    pub split_local_origin: bool,
    /// How often shares are looked at.
    pub interval: Duration,
    /// The first time that one is left alone; longer each time.
    pub base_ejection_time: Duration,
    /// And no longer than this.
    pub max_ejection_time: Duration,
    /// Up to so much longer, by chance, so that not all come back at once.
    pub max_ejection_time_jitter: Duration,
    /// No more of them at once, in percent.
    pub max_ejection_percent: u32,
    /// One all the same.
    pub always_eject_one_host: bool,
    /// One that an active check finds well comes back at once.
    pub check_brings_back: bool,
    /// Against the others' share of answers that are well.
    pub success_rate: SuccessRate,
    /// Against a fixed share of answers that are not.
    pub failure_percentage: FailurePercentage,
}

/// So many failures one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InARow {
    /// How many.
    pub failures: u32,
    /// In how many of a hundred cases it is acted on.
    pub enforcing: u32,
}

/// One that answers well much less often than the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessRate {
    /// Upstreams with enough requests, or nothing is compared.
    pub minimum_hosts: u32,
    /// Requests within an interval that are enough.
    pub request_volume: u32,
    /// Standard deviations below the mean, in thousandths.
    pub stdev_factor: u32,
    /// In how many of a hundred cases it is acted on.
    pub enforcing: u32,
    /// The same of what never was answered.
    pub enforcing_local_origin: u32,
}

/// One that fails more often than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailurePercentage {
    /// In percent.
    pub threshold: u32,
    /// Upstreams with enough requests, or nothing is compared.
    pub minimum_hosts: u32,
    /// Requests within an interval that are enough.
    pub request_volume: u32,
    /// In how many of a hundred cases it is acted on.
    pub enforcing: u32,
    /// The same of what never was answered.
    pub enforcing_local_origin: u32,
}
