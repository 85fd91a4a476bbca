//! Figures for Prometheus: counted from the records, one series a route.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use arc_swap::ArcSwap;
use http::StatusCode;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use usher_rules::{plan::Plan, policy::Verdict, time::UnixTime};

use super::{Access, Record, end::End, sink::Sink};
use crate::request::{Chore, EventField, EventName};

/// Upper ends of the buckets for durations, in seconds: pages, then seeks, then whole films.
const BUCKETS: [f64; 10] = [0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0, 3600.0, 14_400.0];

/// The label of what belongs to no route: our own pages, unknown hosts, unreadable requests.
const NO_ROUTE: &str = "-";

/// Classes of status codes; the last one is for clients that were gone before there was one.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];
const VERDICTS: [Verdict; Verdict::ALL.len()] = Verdict::ALL;

/// What a request adds to. Labels come from the config alone, never from a client: a scrape stays
/// as small as the config, whatever visitors send.
pub struct Metrics {
    requests: Family<ByStatus, Counter>,
    decisions: Family<ByVerdict, Counter>,
    disagreements: Family<ByShadow, Counter>,
    durations: Family<ByRoute, Histogram, fn() -> Histogram>,
    sent: Family<ByRoute, Counter>,
    received: Family<ByRoute, Counter>,
    reloads: Family<ByOutcome, Counter>,
    panics: Counter,
    restarts: Family<ByTask, Counter>,
    reload_succeeded: Gauge,
    reload_at: Gauge<u64, AtomicU64>,
    /// Handles by route, so that a request takes no lock and makes no label.
    meters: ArcSwap<HashMap<Box<str>, Meter>>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByRoute {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByStatus {
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByVerdict {
    route: String,
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByShadow {
    route: String,
    verdict: &'static str,
    shadow: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByTask {
    task: &'static str,
}

/// The series of one route.
#[derive(Clone, Debug)]
struct Meter {
    by_class: [Counter; CLASSES.len()],
    by_verdict: [Counter; VERDICTS.len()],
    duration: Histogram,
    sent: Counter,
    received: Counter,
}

impl Meter {
    fn count(&self, status: Option<StatusCode>) {
        let class = status.map_or(CLASSES.len(), |status| usize::from(status.as_u16() / 100));
        if let Some(counter) = self.by_class.get(class.saturating_sub(1)) {
            counter.inc();
        }
    }
}

/// Two verdicts of which a policy and its shadow can have one each.
fn disagreements() -> impl Iterator<Item = (Verdict, Verdict)> {
    let pairs = VERDICTS.into_iter().flat_map(|one| VERDICTS.map(|other| (one, other)));
    pairs.filter(|(one, other)| one != other)
}

fn by_shadow(route: &str, verdict: Verdict, shadow: Verdict) -> ByShadow {
    ByShadow { route: route.into(), verdict: verdict.word(), shadow: shadow.word() }
}

fn durations() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// For the routes of a plan.
    pub fn new(plan: &Plan) -> Self {
        let metrics = Self {
            requests: Family::default(),
            decisions: Family::default(),
            disagreements: Family::default(),
            durations: Family::new_with_constructor(durations),
            sent: Family::default(),
            received: Family::default(),
            reloads: Family::default(),
            panics: Counter::default(),
            restarts: Family::default(),
            reload_succeeded: Gauge::default(),
            reload_at: Gauge::default(),
            meters: ArcSwap::default(),
        };
        metrics.adopt(plan);
        for chore in Chore::ALL {
            drop(metrics.restarts.get_or_create(&ByTask { task: chore.word() })); // at 0
        }
        metrics
    }

    /// Has a series for each route of the plan, and for no other one.
    pub fn adopt(&self, plan: &Plan) {
        let routes: HashSet<&str> =
            plan.routes.iter().map(|route| &*route.name).chain([NO_ROUTE]).collect();
        let meters = routes.iter().map(|route| ((*route).into(), self.meter(route))).collect();
        for route in &plan.routes {
            for (verdict, shadow) in disagreements() {
                let by = by_shadow(&route.name, verdict, shadow);
                match &route.shadow {
                    Some(_) => drop(self.disagreements.get_or_create(&by)), // at 0
                    None => drop(self.disagreements.remove(&by)),
                }
            }
        }
        let before = self.meters.swap(Arc::new(meters));
        for route in before.keys().filter(|route| !routes.contains(&***route)) {
            self.forget(route);
        }
    }

    /// Adds everything to a registry, under the names that `docs/reference/metrics.md` lists.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "usher_requests",
            "Requests that are over, by route and by class of status",
            self.requests.clone(),
        );
        registry.register(
            "usher_decisions",
            "Decisions, by route and verdict",
            self.decisions.clone(),
        );
        registry.register(
            "usher_shadow_disagreements",
            "Decisions of which a shadow policy says something else, by route and both verdicts",
            self.disagreements.clone(),
        );
        registry.register_with_unit(
            "usher_request_duration",
            "From a request's head to the last byte of its answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register_with_unit(
            "usher_sent",
            "Bytes of bodies sent to clients",
            Unit::Bytes,
            self.sent.clone(),
        );
        registry.register_with_unit(
            "usher_received",
            "Bytes of bodies taken from clients",
            Unit::Bytes,
            self.received.clone(),
        );
        registry.register(
            "usher_panics",
            "Requests, connections and tasks that failed by a mistake of usher itself",
            self.panics.clone(),
        );
        registry.register(
            "usher_task_restarts",
            "Tasks that failed by a mistake of usher itself and were started again",
            self.restarts.clone(),
        );
        registry.register(
            "usher_config_reloads",
            "Reloads of the config, by outcome",
            self.reloads.clone(),
        );
        registry.register(
            "pomerium_config_last_reload_success",
            "1 if the last reload of the config succeeded",
            self.reload_succeeded.clone(),
        );
        registry.register(
            "pomerium_config_last_reload_success_timestamp",
            "When the config was last put in force, seconds since 1970",
            self.reload_at.clone(),
        );
    }

    /// A config was put in force.
    pub fn reloaded(&self, at: UnixTime) {
        self.reloads.get_or_create(&ByOutcome { outcome: "success" }).inc();
        self.started(at);
    }

    /// The first config was put in force.
    pub fn started(&self, at: UnixTime) {
        self.reload_succeeded.set(1);
        self.reload_at.set(at.seconds());
    }

    /// A config was refused.
    pub fn reload_failed(&self) {
        self.reloads.get_or_create(&ByOutcome { outcome: "refused" }).inc();
        self.reload_succeeded.set(0);
    }

    /// It was refused before it was a request: it has no time, and no bytes of a body.
    pub(super) fn unread(&self, status: Option<StatusCode>) {
        self.with(None, |meter| meter.count(status));
    }

    fn request(&self, access: &Access, end: End) {
        let (route, status) = (access.route.as_ref().map(|route| &*route.name), access.status);
        self.with(route, |meter| {
            meter.count(status);
            meter.duration.observe(end.duration.as_secs_f64());
            meter.sent.inc_by(end.sent);
            meter.received.inc_by(end.received);
        });
    }

    fn decision(&self, route: Option<&str>, verdict: Verdict) {
        self.with(route, |meter| {
            for (counter, _) in
                meter.by_verdict.iter().zip(VERDICTS).filter(|(_, known)| *known == verdict)
            {
                counter.inc();
            }
        });
    }

    /// Seldom enough for a label of its own each time.
    fn disagreement(&self, route: Option<&str>, verdict: Verdict, shadow: Verdict) {
        let meters = self.meters.load();
        let route = route.filter(|route| meters.contains_key(*route)).unwrap_or(NO_ROUTE);
        self.disagreements.get_or_create(&by_shadow(route, verdict, shadow)).inc();
    }

    /// A route that a reload has taken away counts where no route counts.
    fn with(&self, route: Option<&str>, count: impl FnOnce(&Meter)) {
        let meters = self.meters.load();
        let meter = route.and_then(|route| meters.get(route)).or_else(|| meters.get(NO_ROUTE));
        if let Some(meter) = meter {
            count(meter);
        }
    }

    fn meter(&self, route: &str) -> Meter {
        let by_route = ByRoute { route: route.into() };
        let requests =
            |status| self.requests.get_or_create(&ByStatus { route: route.into(), status }).clone();
        let decisions = |verdict: Verdict| {
            let by = ByVerdict { route: route.into(), verdict: verdict.word() };
            self.decisions.get_or_create(&by).clone()
        };
        Meter {
            by_class: CLASSES.map(requests),
            by_verdict: VERDICTS.map(decisions),
            duration: self.durations.get_or_create(&by_route).clone(),
            sent: self.sent.get_or_create(&by_route).clone(),
            received: self.received.get_or_create(&by_route).clone(),
        }
    }

    fn forget(&self, route: &str) {
        let by_route = ByRoute { route: route.into() };
        for status in CLASSES {
            self.requests.remove(&ByStatus { route: route.into(), status });
        }
        for verdict in VERDICTS {
            self.decisions.remove(&ByVerdict { route: route.into(), verdict: verdict.word() });
        }
        for (verdict, shadow) in disagreements() {
            self.disagreements.remove(&by_shadow(route, verdict, shadow));
        }
        self.durations.remove(&by_route);
        self.sent.remove(&by_route);
        self.received.remove(&by_route);
    }
}

impl Sink for Metrics {
    fn take(&self, record: &Record<'_>) {
        match record {
            Record::Access(access, end) => self.request(access, *end),
            Record::Decision(decided) => {
                let (route, verdict) =
                    (decided.route.map(|route| &*route.name), decided.by.verdict());
                self.decision(route, verdict);
                if let Some(shadow) = decided.by.disagreement() {
                    self.disagreement(route, verdict, shadow.verdict);
                }
            }
            Record::Event(event) if event.name == EventName::Panic => {
                self.panics.inc();
                let task = event.value(EventField::Task);
                for task in Chore::ALL.iter().map(|one| one.word()).filter(|it| Some(*it) == task) {
                    self.restarts.get_or_create(&ByTask { task }).inc();
                }
            }
            Record::Event(_) => {}
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(..)")
    }
}
