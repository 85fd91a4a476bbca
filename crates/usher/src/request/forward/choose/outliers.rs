//! Who is left alone for what it answers to visitors (`outlier_detection`), by Envoy's rules.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;
use usher_rules::{
    names::Upstream,
    plan::{FailurePercentage, InARow, OutlierDetection, SuccessRate, Target},
};

use super::{
    super::{ForwardError, Sent},
    balance::mix,
    health::{clock, millis},
};

/// An upstream's answer, as far as it tells whether it is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// An answer.
    Status(StatusCode),
    /// No answer: no connection, or none in time.
    Nothing(StatusCode),
}

impl Met {
    /// What a request for an upgrade met.
    pub(crate) fn of(sent: &Result<Sent, ForwardError>) -> Option<Self> {
        match sent {
            Ok(Sent::Response(response)) => Some(Self::Status(response.status())),
            Ok(Sent::Upgraded { .. }) => Some(Self::Status(StatusCode::SWITCHING_PROTOCOLS)),
            Ok(Sent::Opened { .. }) => Some(Self::Status(StatusCode::OK)),
            Err(error) => Self::nothing(error),
        }
    }

    /// As what a request without an answer counts; `None` where it is not the upstream's doing.
    pub(crate) const fn nothing(error: &ForwardError) -> Option<Self> {
        match error {
            ForwardError::Resolve { .. }
            | ForwardError::Connect { .. }
            | ForwardError::ConnectTimeout { .. }
            | ForwardError::Tls { .. }
            | ForwardError::TlsSettings { .. } => {
                Some(Self::Nothing(StatusCode::SERVICE_UNAVAILABLE))
            }
            ForwardError::HeadTimeout { .. } | ForwardError::IdleTimeout { .. } => {
                Some(Self::Nothing(StatusCode::GATEWAY_TIMEOUT))
            }
            ForwardError::Closed { .. }
            | ForwardError::Refused { .. }
            | ForwardError::Protocol { .. }
            | ForwardError::Invalid { .. } => Some(Self::Status(StatusCode::INTERNAL_SERVER_ERROR)),
            ForwardError::ClientStalled { .. }
            | ForwardError::ClientGone
            | ForwardError::PermitEnded(_)
            | ForwardError::Unreadable { .. }
            | ForwardError::NotWebSocket
            | ForwardError::Overflow { .. }
            | ForwardError::NoneWell
            | ForwardError::NoUpstream => None,
        }
    }
}

/// The upstreams of a route, as its visitors found them; kept across reloads that change neither.
#[derive(Debug)]
pub(crate) struct Outliers {
    settings: OutlierDetection,
    upstreams: Box<[Upstream]>,
    /// Until when each is left alone, in milliseconds; 0 where it is not.
    until: Box<[AtomicU64]>,
    seen: Mutex<Sight>,
}

#[derive(Debug)]
struct Sight {
    hosts: Box<[Host]>,
    since: Instant,
    dice: u64,
}

#[derive(Clone, Debug, Default)]
struct Host {
    in_a_row_5xx: u32,
    in_a_row_gateway: u32,
    in_a_row_local: u32,
    answered: Count,
    local: Count,
    /// How often it was left alone of late.
    ejections: u32,
}

/// Requests of the interval that runs.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: u32,
    well: u32,
}

/// Why one is left alone, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejected {
    /// Host and port.
    pub upstream: String,
    /// For how long.
    pub length: Duration,
    /// In fixed words.
    pub why: &'static str,
}

impl Outliers {
    pub(super) fn new(settings: &OutlierDetection, targets: &[Target], now: Instant) -> Self {
        Self {
            settings: settings.clone(),
            upstreams: targets.iter().map(|target| target.upstream.clone()).collect(),
            until: targets.iter().map(|_| AtomicU64::new(0)).collect(),
            seen: Mutex::new(Sight {
                hosts: vec![Host::default(); targets.len()].into(),
                since: now,
                dice: 0,
            }),
        }
    }

    /// Is this what is known of those upstreams by those settings?
    pub(super) fn is_for(&self, settings: &OutlierDetection, targets: &[Target]) -> bool {
        self.settings == *settings
            && self.upstreams.iter().eq(targets.iter().map(|target| &target.upstream))
    }

    /// Is it left alone?
    pub(super) fn is_out(&self, at: usize, now: Instant) -> bool {
        self.until.get(at).is_some_and(|until| clock(now) < until.load(Relaxed))
    }

    /// An active check found it well.
    pub(in crate::request::forward) fn found_well(&self, at: usize) {
        if self.settings.check_brings_back
            && let Some(until) = self.until.get(at)
        {
            until.store(0, Relaxed);
        }
    }

    /// Takes what a request met; tells who is left alone for it.
    pub(super) fn saw(&self, at: usize, met: Met, now: Instant) -> Vec<Ejected> {
        let mut sight = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ejected = Vec::new();
        if now.saturating_duration_since(sight.since) >= self.settings.interval {
            self.look_at_shares(&mut sight, now, &mut ejected);
            sight.since = now;
        }
        let why = sight.hosts.get_mut(at).and_then(|host| host.note(met, &self.settings));
        if let Some((rule, why)) = why {
            ejected.extend(self.eject(&mut sight, at, rule.enforcing, why, now));
        }
        ejected
    }

    /// Leaves it alone, where the dice say so and not too many are.
    fn eject(
        &self,
        sight: &mut Sight,
        at: usize,
        enforcing: u32,
        why: &'static str,
        now: Instant,
    ) -> Option<Ejected> {
        sight.dice = sight.dice.wrapping_add(1);
        let out = (0..self.until.len()).filter(|at| self.is_out(*at, now)).count();
        let has_room = match out {
            0 if self.settings.always_eject_one_host => true,
            out => out * 100 < self.settings.max_ejection_percent as usize * self.until.len(),
        };
        if self.is_out(at, now) || !has_room || mix(sight.dice) % 100 >= u64::from(enforcing) {
            return None;
        }
        let host = sight.hosts.get_mut(at)?;
        host.ejections = host.ejections.saturating_add(1);
        let length = self.settings.base_ejection_time.saturating_mul(host.ejections);
        let jitter = millis(self.settings.max_ejection_time_jitter);
        let jitter = mix(sight.dice ^ 0xe1ec).checked_rem(jitter + 1).unwrap_or_default();
        let length = length.min(self.settings.max_ejection_time) + Duration::from_millis(jitter);
        self.until.get(at)?.store(clock(now).saturating_add(millis(length)), Relaxed);
        let upstream = self.upstreams.get(at)?.authority();
        Some(Ejected { upstream, length, why })
    }

    /// At the end of an interval: who answers much worse than the others, or too badly at all.
    fn look_at_shares(&self, sight: &mut Sight, now: Instant, ejected: &mut Vec<Ejected>) {
        let Self { settings: OutlierDetection { success_rate, failure_percentage, .. }, .. } = self;
        let (since, interval) = (clock(sight.since), millis(self.settings.interval).max(1));
        for (host, until) in sight.hosts.iter_mut().zip(&self.until) {
            let behaved = clock(now).saturating_sub(since.max(until.load(Relaxed))) / interval;
            let behaved = u32::try_from(behaved).unwrap_or(u32::MAX);
            host.ejections = host.ejections.saturating_sub(behaved);
        }
        let answered: Vec<Count> = sight.hosts.iter().map(|host| host.answered).collect();
        let local: Vec<Count> = sight.hosts.iter().map(|host| host.local).collect();
        for (counts, rate, share) in [
            (answered, success_rate.enforcing, failure_percentage.enforcing),
            (local, success_rate.enforcing_local_origin, failure_percentage.enforcing_local_origin),
        ] {
            for at in far_below(&counts, success_rate) {
                let why = "it answers well much less often than the others";
                ejected.extend(self.eject(sight, at, rate, why, now));
            }
            for at in failing(&counts, failure_percentage) {
                ejected.extend(self.eject(sight, at, share, "it fails too often", now));
            }
        }
        for host in &mut sight.hosts {
            (host.answered, host.local) = Default::default();
        }
    }
}

impl Host {
    /// Counts it; gives the rule that is reached, if one is acted on.
    fn note(&mut self, met: Met, settings: &OutlierDetection) -> Option<(InARow, &'static str)> {
        let (status, is_split) = match met {
            Met::Status(status) => {
                if settings.split_local_origin {
                    self.in_a_row_local = 0;
                    self.local.well();
                }
                (status, false)
            }
            Met::Nothing(status) => (status, settings.split_local_origin),
        };
        if is_split {
            self.local.badly();
            let rule = settings.consecutive_local_origin_failure;
            return reached(&mut self.in_a_row_local, rule)
                .then_some((rule, "it could not be reached, several times in a row"));
        }
        match status.is_server_error() {
            true => self.answered.badly(),
            false => self.answered.well(),
        }
        let is_gateway = matches!(status.as_u16(), 502..=504);
        if !is_gateway {
            self.in_a_row_gateway = 0;
        }
        if !status.is_server_error() {
            self.in_a_row_5xx = 0;
            return None;
        }
        let gateway = settings.consecutive_gateway_failure;
        if is_gateway && reached(&mut self.in_a_row_gateway, gateway) && gateway.enforcing > 0 {
            return Some((gateway, "502, 503 or 504, several times in a row"));
        }
        let any = settings.consecutive_5xx;
        reached(&mut self.in_a_row_5xx, any).then_some((any, "5xx, several times in a row"))
    }
}

impl Count {
    fn well(&mut self) {
        self.badly();
        self.well = self.well.saturating_add(1);
    }

    fn badly(&mut self) {
        self.all = self.all.saturating_add(1);
    }

    /// In percent.
    fn well_share(self) -> f64 {
        f64::from(self.well) * 100.0 / f64::from(self.all.max(1))
    }
}

/// One more; begins anew where the rule is reached.
fn reached(count: &mut u32, rule: InARow) -> bool {
    *count = count.saturating_add(1);
    let is_reached = *count == rule.failures;
    if is_reached {
        *count = 0;
    }
    is_reached
}

/// Those with enough requests, where there are enough of them.
fn judged(counts: &[Count], volume: u32, hosts: u32) -> Vec<(usize, f64)> {
    let judged: Vec<(usize, f64)> = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| count.all > 0 && count.all >= volume)
        .map(|(at, count)| (at, count.well_share()))
        .collect();
    let is_enough = u32::try_from(judged.len()).unwrap_or(u32::MAX) >= hosts;
    if is_enough { judged } else { Vec::new() }
}

/// Whose share of good answers is below the mean by so many standard deviations.
fn far_below(counts: &[Count], rule: &SuccessRate) -> Vec<usize> {
    let judged = judged(counts, rule.request_volume, rule.minimum_hosts);
    let n = judged.len().max(1) as f64;
    let mean = judged.iter().map(|(_, share)| share).sum::<f64>() / n;
    let variance = judged.iter().map(|(_, share)| (share - mean).powi(2)).sum::<f64>() / n;
    let least = mean - f64::from(rule.stdev_factor) / 1000.0 * variance.sqrt();
    judged.into_iter().filter(|(_, share)| *share < least).map(|(at, _)| at).collect()
}

fn failing(counts: &[Count], rule: &FailurePercentage) -> Vec<usize> {
    let judged = judged(counts, rule.request_volume, rule.minimum_hosts);
    let fails = |share: f64| 100.0 - share >= f64::from(rule.threshold);
    judged.into_iter().filter(|(_, share)| fails(*share)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests;
