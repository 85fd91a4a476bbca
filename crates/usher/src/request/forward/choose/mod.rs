//! Which of a route's upstreams a request goes to, and which it goes on to.
//!
//! | takes | a route's [`Targets`], what is known of each, the visitor's key |
//! |---|---|
//! | gives | one [`Pick`] after another, until none is left |
//! | never | locks while a request waits; forgets an upstream that a reload left where it was |
//!
//! Turns are the route's own: a counter that routes share gives one of two alternating routes all
//! the even numbers. What is known of an upstream belongs to address and TLS settings, so that two
//! routes learn from each other and one with wrong settings spoils nothing for the other.

mod balance;
mod checks;
mod health;
mod outliers;
mod under_way;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use tokio::{sync::Notify, time::Instant};
use usher_rules::{
    names::Scheme,
    plan::{Action, Plan, Route, Target, Targets, UpstreamTls},
};

use self::balance::Field;
pub(crate) use self::{
    checks::{Checked, Outcome, Turn},
    health::{Busy, Fitness, Health},
    outliers::{Met, Outliers},
};
pub use self::{outliers::Ejected, under_way::UnderWay};
use super::{breakers::Breakers, checking::Probe, tls::same_settings};

/// The choosers of all routes in force.
#[derive(Debug, Default)]
pub(super) struct Choosers {
    by_route: ArcSwap<HashMap<Box<str>, Arc<Chooser>, RandomState>>,
    known: Mutex<Vec<UpstreamHealth>>,
    probes: Mutex<Vec<Probe>>,
    changed: Notify,
}

/// One upstream, by all that makes it another one.
#[derive(Clone, Debug)]
struct UpstreamHealth {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
    tls: Option<UpstreamTls>,
    health: Arc<Health>,
}

/// What a route remembers between two requests.
#[derive(Debug)]
pub(super) struct Chooser {
    round: Box<[usize]>,
    turn: AtomicUsize,
    /// Turns of those whose own turn was a dead one's: its share is spread over all others.
    spare: AtomicUsize,
    health: Box<[Arc<Health>]>,
    /// Empty where the route has no checks.
    checked: Box<[Arc<Checked>]>,
    outliers: Option<Arc<Outliers>>,
    panic_threshold: Option<u32>,
    /// Counts of what is under way.
    pub breakers: Breakers,
}

/// One upstream to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    /// Index among the route's targets.
    pub at: usize,
    /// How long a connection to it may take.
    pub connect: ConnectTimeout,
}

/// How long to wait for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectTimeout {
    /// It is the only one left: as long as it may take.
    Last,
    /// There are others.
    Others,
    /// It is known not to answer, and somebody else is trying already.
    Little,
}

impl Choosers {
    /// For the routes of `plan`. What was known of the same upstreams, and whose turn it was,
    /// stays.
    pub(super) fn prepare(&self, plan: &Plan) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.by_route.load_full();
        let (mut kept, mut probes) = (Vec::new(), Vec::new());
        let mut by_route = HashMap::with_hasher(RandomState::default());
        for route in &plan.routes {
            let Action::Forward(targets) = &route.action else { continue };
            let health =
                targets.all.iter().map(|target| remembered(&known, &mut kept, target, route));
            let mut chooser = Chooser::new(targets, health.collect());
            let before = before.get(&route.id);
            if let Some(before) = before {
                chooser.turn.store(before.turn.load(Relaxed), Relaxed);
                chooser.breakers = before.breakers.clone();
            }
            chooser.checked = checked(targets, before);
            chooser.outliers = outliers(targets, before);
            chooser.probes(route, &mut probes);
            by_route.insert(route.id.clone(), Arc::new(chooser));
        }
        *known = kept;
        self.by_route.store(Arc::new(by_route));
        *self.probes.lock().unwrap_or_else(PoisonError::into_inner) = probes;
        self.changed.notify_one();
    }

    /// The checks of the routes in force.
    pub(super) fn probes(&self) -> Vec<Probe> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves when other routes are in force. One waits for it.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The chooser of a route. One that a reload took away while a request was on its way begins
    /// anew for that request.
    pub(super) fn of(&self, route: &Route, targets: &Targets) -> Arc<Chooser> {
        let known = self.by_route.load().get(&route.id).map(Arc::clone);
        known.filter(|known| known.health.len() == targets.all.len()).unwrap_or_else(|| {
            let health = targets.all.iter().map(|_| Arc::default()).collect();
            Arc::new(Chooser::new(targets, health))
        })
    }
}

/// What checks say of a route's upstreams; what they said before a reload of the same stays.
fn checked(targets: &Targets, before: Option<&Arc<Chooser>>) -> Box<[Arc<Checked>]> {
    if targets.checks.is_empty() {
        return Box::default();
    }
    let of = |target: &Target| {
        let mut known = before.iter().flat_map(|before| &before.checked);
        let known = known.find(|known| known.is_for(target, &targets.checks)).map(Arc::clone);
        known.unwrap_or_else(|| Arc::new(Checked::new(target, &targets.checks)))
    };
    targets.all.iter().map(of).collect()
}

/// What visitors found before a reload of the same, or nothing yet.
fn outliers(targets: &Targets, before: Option<&Arc<Chooser>>) -> Option<Arc<Outliers>> {
    let settings = targets.outliers.as_ref()?;
    let known = before.and_then(|before| before.outliers.as_ref());
    let known = known.filter(|known| known.is_for(settings, &targets.all)).map(Arc::clone);
    let fresh = || Arc::new(Outliers::new(settings, &targets.all, Instant::now()));
    Some(known.unwrap_or_else(fresh))
}

/// What is known of `target`, from before or from a route that stands further up.
fn remembered(
    before: &[UpstreamHealth],
    kept: &mut Vec<UpstreamHealth>,
    target: &Target,
    route: &Route,
) -> Arc<Health> {
    let upstream = &target.upstream;
    let tls = (upstream.scheme == Scheme::Https).then_some(&route.tls);
    let is_it = |known: &&UpstreamHealth| {
        let same_tls = match (&known.tls, tls) {
            (Some(known), Some(tls)) => same_settings(known, tls),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        known.scheme == upstream.scheme
            && known.host == upstream.host
            && known.port == upstream.port
            && same_tls
    };
    if let Some(known) = kept.iter().find(is_it) {
        return Arc::clone(&known.health);
    }
    let health = before.iter().find(is_it).map(|known| Arc::clone(&known.health));
    let health = health.unwrap_or_default();
    kept.push(UpstreamHealth {
        scheme: upstream.scheme,
        host: upstream.host.clone(),
        port: upstream.port,
        tls: tls.cloned(),
        health: Arc::clone(&health),
    });
    health
}

impl Chooser {
    fn new(targets: &Targets, health: Box<[Arc<Health>]>) -> Self {
        Self {
            round: balance::round(&targets.all),
            turn: AtomicUsize::new(0),
            spare: AtomicUsize::new(0),
            health,
            checked: Box::default(),
            outliers: None,
            panic_threshold: targets.panic_threshold,
            breakers: Breakers::default(),
        }
    }

    fn probes(&self, route: &Arc<Route>, probes: &mut Vec<Probe>) {
        for (at, (checked, health)) in self.checked.iter().zip(&self.health).enumerate() {
            probes.extend((0..checked.checks().len()).map(|check| Probe {
                route: Arc::clone(route),
                at,
                check,
                checked: Arc::clone(checked),
                health: Arc::clone(health),
                outliers: self.outliers.clone(),
            }));
        }
    }

    /// By all that is known: whether it could be reached, what its checks say, and what it answered.
    fn fitness(&self, at: usize, now: Instant) -> Fitness {
        match self.is_out(at, now) && !self.panics(now) {
            true => Fitness::Alone,
            false => self.health.get(at).map_or(Fitness::Well, |one| one.fitness(now)),
        }
    }

    /// Do its checks or its answers speak against it?
    fn is_out(&self, at: usize, now: Instant) -> bool {
        self.checked.get(at).is_some_and(|checked| checked.is_out())
            || self.outliers.as_ref().is_some_and(|outliers| outliers.is_out(at, now))
    }

    fn well(&self, now: Instant) -> usize {
        (0..self.health.len()).filter(|at| !self.is_out(*at, now)).count()
    }

    /// Are so few well that all are asked (`healthy_panic_threshold`)?
    fn panics(&self, now: Instant) -> bool {
        let is_under = |percent: u32| self.well(now) * 100 < percent as usize * self.health.len();
        self.panic_threshold.is_some_and(is_under)
    }

    /// Is none well, and nobody to be asked then?
    fn is_shut(&self, now: Instant) -> bool {
        self.panic_threshold == Some(0) && self.well(now) == 0
    }

    /// Takes what a request met; tells who is left alone for it.
    pub(super) fn saw(&self, at: usize, met: Met) -> Vec<Ejected> {
        let saw = |outliers: &Arc<Outliers>| outliers.saw(at, met, Instant::now());
        self.outliers.as_ref().map_or_else(Vec::new, saw)
    }

    /// What is known of the upstream at this place.
    pub(super) fn health(&self, at: usize) -> Option<&Arc<Health>> {
        self.health.get(at)
    }

    /// Upstreams that are due to be tried again while others answer; each is given out once.
    pub(super) fn due(&self, now: Instant) -> Option<usize> {
        let is = |at: usize, what: Fitness| self.fitness(at, now) == what;
        let n = self.health.len();
        if n < 2 || !(0..n).any(|at| is(at, Fitness::Well)) {
            return None;
        }
        let claims = |at: &usize| self.health.get(*at).is_some_and(|one| one.claim_trial(now));
        (0..n).filter(|at| is(*at, Fitness::Due)).find(claims)
    }

    /// The next upstream for a request that has tried `tried`; `None` when none is left.
    pub(super) fn pick(
        &self,
        targets: &Targets,
        tried: &[usize],
        key: impl FnOnce() -> u64,
        now: Instant,
    ) -> Option<Pick> {
        if self.is_shut(now) {
            return None;
        }
        let left = |at: usize| !tried.contains(&at);
        let fitness = |at: usize| self.fitness(at, now);
        if let [only] = &*targets.all {
            let _ = only;
            let connect = self.connect_timeout(0, fitness(0), now);
            return left(0).then_some(Pick { at: 0, connect });
        }
        let n = targets.all.len();
        let well = |at: usize| left(at) && fitness(at) == Fitness::Well;
        let is_last = (0..n).filter(|at| well(*at)).nth(1).is_none();
        let among_well = if is_last { ConnectTimeout::Last } else { ConnectTimeout::Others };
        let active = |at: usize| self.health.get(at).map_or(0, |one| one.active());
        let key = key();
        let among = |open: &dyn Fn(usize) -> bool, turns: &AtomicUsize| {
            let field = Field { targets, round: &self.round, active: &active, open, key };
            field.choose(|| turns.fetch_add(1, Relaxed))
        };
        if tried.is_empty() && targets.balance == usher_rules::plan::Balance::RoundRobin {
            let turn = self.turn.fetch_add(1, Relaxed) % self.round.len().max(1);
            if let Some(at) = self.round.get(turn).copied().filter(|at| well(*at)) {
                return Some(Pick { at, connect: among_well });
            }
        }
        if let Some(at) = among(&well, &self.spare) {
            return Some(Pick { at, connect: among_well });
        }
        // None is known to answer: better one that may be dead than nobody.
        let due = |at: usize| left(at) && fitness(at) == Fitness::Due;
        let at = among(&due, &self.spare).or_else(|| among(&left, &self.spare))?;
        Some(Pick { at, connect: self.connect_timeout(at, fitness(at), now) })
    }

    fn connect_timeout(&self, at: usize, fitness: Fitness, now: Instant) -> ConnectTimeout {
        let tries = || self.health.get(at).is_some_and(|one| one.claim_trial(now));
        match fitness {
            Fitness::Well => ConnectTimeout::Last,
            Fitness::Due if tries() => ConnectTimeout::Last,
            Fitness::Due | Fitness::Alone => ConnectTimeout::Little,
        }
    }
}

/// A number for the visitor: of the session where there is one, else of the address.
pub(super) fn key_of(text: &[u8]) -> u64 {
    balance::mix(balance::fnv(text.iter().copied()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use usher_rules::{
        config::{self, Environment, Input, NoFiles},
        plan::{self, Action, Plan},
    };

    use super::{Choosers, Health, key_of};

    fn plan(to: &[&str]) -> Plan {
        let route = |(at, to): (usize, &&str)| {
            format!(
                "- from: https://app{at}.test\n  to: {to}\n  allow_any_authenticated_user: true\n"
            )
        };
        let routes: String = to.iter().enumerate().map(route).collect();
        let text = format!("address: 127.0.0.1:8443\nroutes:\n{routes}");
        let draft = config::read(Input { name: None, text: &text }, &Environment::new());
        plan::compile(draft, &NoFiles).unwrap().0
    }

    fn known(choosers: &Choosers, plan: &Plan) -> Vec<Arc<Health>> {
        let of = |route: &Arc<plan::Route>| match &route.action {
            Action::Forward(targets) => {
                Arc::clone(choosers.of(route, targets).health(0).expect("one upstream"))
            }
            Action::Redirect(_) | Action::Respond { .. } => panic!("no upstream"),
        };
        plan.routes.iter().map(of).collect()
    }

    /// Two routes learn from each other, and one with wrong settings spoils nothing for the other.
    #[test]
    fn what_is_known_of_an_upstream_is_for_the_very_same_one() {
        let plan = plan(&[
            "http://tv:81",
            "http://tv:81",
            "http://tv:82",
            "http://nas:81",
            "h2c://tv:81",
            "https://tv:81",
            "https://tv:81\n  tls_skip_verify: true",
            "https://tv:81",
        ]);
        let choosers = Choosers::default();
        choosers.prepare(&plan);
        let before = known(&choosers, &plan);
        for (a, b) in (0..before.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let expected = matches!((b, a), (0, 1) | (5, 7));
            assert_eq!(Arc::ptr_eq(&before[a], &before[b]), expected, "{b} and {a}");
        }
        choosers.prepare(&plan);
        let after = known(&choosers, &plan);
        assert!(before.iter().zip(&after).all(|(a, b)| Arc::ptr_eq(a, b)), "a reload forgets none");
    }

    #[test]
    fn visitors_have_numbers_of_their_own() {
        assert_ne!(key_of(&[192, 0, 2, 1]), key_of(&[192, 0, 2, 2]));
        assert_eq!(key_of(b"session"), key_of(b"session"));
    }
}
