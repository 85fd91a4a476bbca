use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use tokio::sync::Semaphore;
use usher_rules::{
    plan::Plan,
    time::{Clock, UnixTime},
};

use crate::{
    certs::{
        Authority,
        acme::AcmeClient,
        report::{Served, Source},
    },
    request::{
        Door,
        accept::{Shares, Tasks},
        record::{Metrics, Recorder},
    },
    server::Swapping,
};

/// Everything that figures are about.
pub(in crate::server) struct Exposition {
    pub door: Arc<Door>,
    pub certificates: Arc<Swapping>,
    pub authority: Arc<Authority>,
    pub acme: Arc<AcmeClient>,
    pub clock: Arc<dyn Clock>,
    pub tasks: Tasks,
    pub shares: Arc<Shares>,
    pub recorder: Recorder,
    pub metrics: Arc<Metrics>,
    /// One writes it at a time: it takes a thread that may block.
    pub turn: Semaphore,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByVersion {
    version: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByRefusal {
    what: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByHost {
    host: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCertificate {
    host: String,
    source: &'static str,
    issuer: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByProblem {
    host: String,
    problem: String,
}

impl Exposition {
    /// The figures of this moment, as OpenMetrics text. Blocks on the disk.
    pub(crate) fn write(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        let build = Family::<ByVersion, Gauge>::default();
        build.get_or_create(&ByVersion { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("pomerium_build_info", "Which version runs", build);
        self.metrics.register(&mut registry);
        let plan = self.door.plan();
        self.gauge(&mut registry, "usher_connections", "Open connections", self.tasks.open());
        self.gauge(&mut registry, "usher_routes", "Routes of the config", plan.routes.len());
        self.refused(&mut registry);
        let lost: Counter = Counter::default();
        lost.inc_by(self.recorder.lost());
        registry.register("usher_records_lost", "Lines that a log could not keep", lost);
        self.certificates(&plan, &mut registry);
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }

    fn gauge(&self, registry: &mut Registry, name: &str, help: &str, value: usize) {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }

    fn refused(&self, registry: &mut Registry) {
        let refused = Family::<ByRefusal, Counter>::default();
        let so_far = self.shares.refused();
        for (what, count) in [
            ("connection", so_far.connections),
            ("connection_ended", so_far.ended),
            ("request", so_far.requests),
        ] {
            refused.get_or_create(&ByRefusal { what }).inc_by(count);
        }
        registry.register(
            "usher_refused",
            "What had no room, or had to make some, since the start",
            refused,
        );
        let waiting: Gauge = Gauge::default();
        waiting.set(i64::try_from(self.shares.waiting()).unwrap_or(i64::MAX));
        registry.register_with_unit(
            "usher_waiting",
            "Bytes that wait for clients, with what each request under way is counted for",
            Unit::Bytes,
            waiting,
        );
    }

    fn certificates(&self, plan: &Plan, registry: &mut Registry) {
        if plan.listen.insecure {
            return;
        }
        let now = self.clock.now().wall;
        let ends = Family::<ByCertificate, Gauge>::default();
        let orders = Family::<ByHost, Gauge>::default();
        let failing = Family::<ByProblem, Gauge>::default();
        for served in self.certificates.0.load().served(plan, &self.acme, now) {
            let host = String::from(&*served.host);
            if let Some(end) = self.end(&served) {
                ends.get_or_create(&self.certificate(&served)).set(seconds(end.seconds()));
            }
            if let Some(next_at) = served.next_at {
                orders
                    .get_or_create(&ByHost { host: host.clone() })
                    .set(seconds(next_at.seconds()));
            }
            let is_failing = i64::from(!served.last_error.is_empty());
            // A word of ours: what authorities say changes with each try, and may be anything.
            let by_problem = ByProblem { host, problem: served.last_problem.into() };
            failing.get_or_create(&by_problem).set(is_failing);
        }
        registry.register(
            "usher_certificate_not_after_timestamp_seconds",
            "When a host's certificate ends, seconds since 1970; for the local authority's hosts, when that authority ends",
            ends,
        );
        registry.register(
            "usher_certificate_next_order_timestamp_seconds",
            "When a host's next certificate is ordered, seconds since 1970",
            orders,
        );
        registry.register(
            "usher_certificate_failing",
            "1 if the last order for a host failed, and what kind of problem it was",
            failing,
        );
    }

    fn certificate(&self, served: &Served) -> ByCertificate {
        let source = match &served.source {
            Source::Brought(_) => "file",
            Source::Acme(_) => "acme",
            Source::Meanwhile => "meanwhile",
            Source::Local => "local",
        };
        let issuer = served.leaf.as_ref().map_or("usher local authority", |leaf| &leaf.issuer);
        ByCertificate { host: String::from(&*served.host), source, issuer: issuer.to_owned() }
    }

    fn end(&self, served: &Served) -> Option<UnixTime> {
        let leaf = served.leaf.as_ref().map(|leaf| leaf.not_after);
        leaf.or_else(|| self.authority.not_after())
    }
}

fn seconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
