//! `circuit_breaker_thresholds`, `outlier_detection`, `healthy_panic_threshold`.

use std::time::Duration;

use super::Compiler;
use crate::{
    config::{
        Section,
        keys::{self, Int, Typed, nested::*, route},
    },
    plan::{CircuitBreakers, FailurePercentage, InARow, OutlierDetection, SuccessRate},
    problem::Severity,
};

/// A shorter interval would look all the time.
const SHORTEST: Duration = Duration::from_millis(1);

/// `max_ejection_time` where nothing is written, and `base_ejection_time` is not longer.
const LONGEST: Duration = Duration::from_secs(300);

impl CircuitBreakers {
    /// What these keys say, and else what `outer` says, each by itself.
    pub(super) fn of(keys: Option<&Section>, outer: Self) -> Self {
        let own = |key: &'static Typed<Int>| {
            keys.and_then(|keys| keys.get(key)).and_then(|number| u32::try_from(number).ok())
        };
        Self {
            max_connections: own(&BREAKER_MAX_CONNECTIONS).or(outer.max_connections),
            max_pending_requests: own(&BREAKER_MAX_PENDING_REQUESTS).or(outer.max_pending_requests),
            max_requests: own(&BREAKER_MAX_REQUESTS).or(outer.max_requests),
            max_retries: own(&BREAKER_MAX_RETRIES).or(outer.max_retries),
        }
    }
}

impl Compiler<'_> {
    /// `google.protobuf.Duration` in JSON: seconds, with up to nine digits behind the point.
    pub(super) fn in_seconds(&mut self, keys: &Section, key: &'static Typed<keys::Duration>) {
        let given = keys.given(key).filter(|given| !given.node.is_null());
        if let Some(given) = given.filter(|given| !is_in_seconds(given.text())) {
            let length = keys.value(key);
            let help = format!("write `{}s`", length.as_secs_f64());
            let what = format!("`{}: {}` is not written in seconds", key.name, given.text());
            self.report(given.error("U202", what, help));
        }
    }

    /// Written at all it is on, with Envoy's defaults.
    pub(super) fn outlier_detection(&mut self) -> Option<OutlierDetection> {
        let keys = self.keys.get(&route::OUTLIER_DETECTION)?;
        let number = |key: &'static Typed<Int>| u32::try_from(keys.value(key)).unwrap_or(u32::MAX);
        let in_a_row = |failures, enforcing| InARow {
            failures: number(failures), // 0 is never reached
            enforcing: number(enforcing),
        };
        if keys.value(&OUTLIER_INTERVAL) < SHORTEST {
            self.report(keys.problem(
                Severity::Error,
                "U473",
                "`interval` of `outlier_detection` is too short",
                "write `10s`",
            ));
        }
        for key in [
            &OUTLIER_INTERVAL,
            &OUTLIER_BASE_EJECTION_TIME,
            &OUTLIER_MAX_EJECTION_TIME,
            &OUTLIER_JITTER,
        ] {
            self.in_seconds(keys, key);
        }
        let base_ejection_time = keys.value(&OUTLIER_BASE_EJECTION_TIME);
        let max_ejection_time = keys.get(&OUTLIER_MAX_EJECTION_TIME);
        Some(OutlierDetection {
            consecutive_5xx: in_a_row(&OUTLIER_5XX, &OUTLIER_ENFORCING_5XX),
            consecutive_gateway_failure: in_a_row(&OUTLIER_GATEWAY, &OUTLIER_ENFORCING_GATEWAY),
            consecutive_local_origin_failure: in_a_row(&OUTLIER_LOCAL, &OUTLIER_ENFORCING_LOCAL),
            split_local_origin: keys.value(&OUTLIER_SPLIT),
            interval: keys.value(&OUTLIER_INTERVAL),
            base_ejection_time,
            max_ejection_time: max_ejection_time.unwrap_or_else(|| LONGEST.max(base_ejection_time)),
            max_ejection_time_jitter: keys.value(&OUTLIER_JITTER),
            max_ejection_percent: number(&OUTLIER_MAX_EJECTION_PERCENT),
            always_eject_one_host: keys.value(&OUTLIER_ALWAYS_ONE),
            check_brings_back: keys.value(&OUTLIER_UNEJECT),
            success_rate: SuccessRate {
                minimum_hosts: number(&OUTLIER_RATE_HOSTS),
                request_volume: number(&OUTLIER_RATE_VOLUME),
                stdev_factor: number(&OUTLIER_RATE_STDEV),
                enforcing: number(&OUTLIER_ENFORCING_RATE),
                enforcing_local_origin: number(&OUTLIER_ENFORCING_LOCAL_RATE),
            },
            failure_percentage: FailurePercentage {
                threshold: number(&OUTLIER_SHARE),
                minimum_hosts: number(&OUTLIER_SHARE_HOSTS),
                request_volume: number(&OUTLIER_SHARE_VOLUME),
                enforcing: number(&OUTLIER_ENFORCING_SHARE),
                enforcing_local_origin: number(&OUTLIER_ENFORCING_LOCAL_SHARE),
            },
        })
    }

    pub(super) fn healthy_panic_threshold(&self) -> Option<u32> {
        let threshold = self.keys.get(&route::HEALTHY_PANIC_THRESHOLD)?;
        u32::try_from(threshold).ok()
    }
}

fn is_in_seconds(text: &str) -> bool {
    let Some(number) = text.strip_suffix('s') else { return false };
    let (whole, fraction) =
        number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_digits(whole) && (whole == "0" || !whole.starts_with('0'))
        || whole.is_empty() && fraction.is_some())
        && fraction.is_none_or(|fraction| is_digits(fraction) && fraction.len() <= 9)
}
