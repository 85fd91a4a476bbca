//! The ACME client: asks the schedule, makes orders, serves the certificates that come of them.

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use usher_rules::{
    plan::{Autocert, Plan},
    renewal::{Budget, NameState, Next, OrderOutcome, RenewalSchedule},
    time::{Clock, UnixTime},
};

use super::{
    AcmeError, AcmeTimeouts, CertificateStore, Provisioned, SignedCertificate, State,
    dns::Solver,
    order::{AcmeOrder, Issuance},
    transport::Transport,
};
use crate::{certs::CertError, request::forward::Trust};

/// Hears what becomes of orders. Implemented where records are written.
pub trait AcmeEvents: Send + Sync {
    /// A certificate is served from now on; the next one is ordered at about `next`.
    fn issued(&self, name: &str, leaf: &SignedCertificate, next: UnixTime);
    /// An order failed; the next one is made at about `next`.
    fn failed(&self, name: &str, error: &AcmeError, next: UnixTime, held: Option<UnixTime>);
    /// A certificate is about to end, or has ended, and none has come in its place.
    fn ending(&self, name: &str, not_after: UnixTime, last_error: &str);
    /// A name has no certificate yet, and an order for it is made by and by.
    fn awaited(&self, name: &str);
    /// Something in the store can't be read.
    fn damaged(&self, error: &CertError);
}

/// Looks after the certificates of a plan's names. One for the whole process.
pub struct AcmeClient {
    pub(super) store: CertificateStore,
    pub(super) provisioned: Provisioned,
    pub(super) events: Arc<dyn AcmeEvents>,
    clock: Arc<dyn Clock>,
    acme_timeouts: AcmeTimeouts,
    pub(super) work: watch::Sender<Option<Arc<Managed>>>,
    /// Which names the operator's certificates cover, at any moment.
    coverage: OnceLock<Coverage>,
    /// What every plan's work has in common: a reload is no way around a limit.
    common: Mutex<Common>,
}

#[derive(Debug, Default)]
pub(super) struct Common {
    /// What was spent on orders.
    budget: Budget,
    /// When authorities want to be asked for renewal information again (RFC 9773 §4.3).
    pub(super) ask_again_at: HashMap<Box<str>, UnixTime>,
    /// Orders that a crash left were taken up, once.
    resumed: bool,
}

/// Says of a name whether a certificate of the operator's covers it.
pub type Coverage = Box<dyn Fn(&str) -> bool + Send + Sync>;

struct DueOrder<'a> {
    name: &'a str,
    directory: &'a str,
    /// On the disk before the order is made: a crash must not make a second one.
    state: State,
}

pub(super) struct Managed {
    pub plan: Arc<Plan>,
    names: Vec<Box<str>>,
    has_http: bool,
}

impl Managed {
    fn autocert(&self) -> Option<&Autocert> {
        self.plan.autocert.as_ref()
    }
}

impl AcmeClient {
    /// Opens the store of a plan, and serves what lies on it.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`]: the folder can't be used.
    pub fn open(
        store: CertificateStore,
        events: Arc<dyn AcmeEvents>,
        clock: Arc<dyn Clock>,
        acme_timeouts: AcmeTimeouts,
    ) -> Self {
        store.tidy();
        let (work, _) = watch::channel(None);
        let (provisioned, common) = (Provisioned::default(), Mutex::default());
        let coverage = OnceLock::new();
        Self { store, provisioned, events, clock, acme_timeouts, work, coverage, common }
    }

    /// `autocert_dir`, or a folder in the data directory.
    pub fn folder(plan: &Plan, data_dir: &Path) -> std::path::PathBuf {
        let named = plan.autocert.as_ref().and_then(|autocert| autocert.dir.clone());
        named.unwrap_or_else(|| data_dir.join("acme"))
    }

    /// Where certificates and what became of orders are kept.
    pub const fn store(&self) -> &CertificateStore {
        &self.store
    }

    /// What handshakes and challenges ask.
    pub const fn provisioned(&self) -> &Provisioned {
        &self.provisioned
    }

    /// Takes a plan over: what is in the store for its names is served when this returns, what
    /// is missing is ordered by and by. `covered` says for which names the operator has brought a
    /// certificate that counts.
    ///
    /// Blocks on the disk.
    pub fn adopt(&self, plan: &Arc<Plan>, has_http: bool, covered: impl Fn(&str) -> bool) {
        let Some(autocert) = &plan.autocert else {
            let _one_at_a_time = self.common();
            self.provisioned.issued.replace(HashMap::new());
            self.work.send_replace(None);
            return;
        };
        let names = uncovered(autocert, covered);
        let mut issued = HashMap::new();
        for name in &names {
            let leaf = match self.store.leaf(name) {
                Ok(None) => {
                    self.events.awaited(name);
                    None
                }
                Ok(leaf) => leaf,
                Err(error) => {
                    self.events.damaged(&error);
                    self.provisioned.issued.get(name) // what is in memory is good yet
                }
            };
            issued.extend(leaf.map(|leaf| (name.clone(), leaf)));
        }
        let plan = Arc::clone(plan);
        // Together: an order that is through meanwhile asks which work is the present one.
        let _one_at_a_time = self.common();
        self.provisioned.issued.replace(issued);
        self.work.send_replace(Some(Arc::new(Managed { plan, names, has_http })));
    }

    /// Serves a certificate, if it is still wanted: a reload may have brought another one.
    fn serve(&self, name: &str, leaf: &SignedCertificate) {
        let _one_at_a_time = self.common();
        let work = self.work.borrow();
        if work.as_ref().is_some_and(|work| work.names.iter().any(|one| **one == *name)) {
            self.provisioned.issued.put(name, leaf);
        }
    }

    /// Asks `coverage` from now on, so that a name whose certificate nobody renews is looked after
    /// before it ends, and one that gets a certificate of the operator's is let be.
    pub fn follow(&self, coverage: Coverage) {
        let _first = self.coverage.set(coverage);
    }

    /// Does the operator cover other names than when this work began? Then there is other work.
    fn follow_coverage(&self, work: &Managed, autocert: &Autocert) -> bool {
        let Some(coverage) = self.coverage.get() else { return false };
        if uncovered(autocert, coverage) == work.names || !self.is_present(work) {
            return false;
        }
        self.adopt(&work.plan, work.has_http, coverage);
        true
    }

    fn is_present(&self, work: &Managed) -> bool {
        self.work.borrow().as_ref().is_some_and(|present| std::ptr::eq(&**present, work))
    }

    /// Looks after certificates until it is dropped.
    pub async fn run(&self) {
        let mut work = self.work.subscribe();
        loop {
            let now_at = work.borrow_and_update().clone();
            match now_at {
                Some(now_at) => self.work_at(&now_at, &mut work).await,
                None => {
                    if work.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Until the plan changes.
    async fn work_at(&self, work: &Managed, changes: &mut watch::Receiver<Option<Arc<Managed>>>) {
        let Some(autocert) = work.autocert() else { return };
        let mut schedule = self.schedule(work, autocert);
        let mut warned = HashMap::new();
        loop {
            if self.follow_coverage(work, autocert) {
                break;
            }
            self.hear_requests(&mut schedule, work);
            self.warn_of_endings(&schedule, &mut warned);
            let span = match schedule.next(self.now()) {
                Next::Order { name, directory, history } => {
                    let state = State { history, ..self.state(&name) };
                    let order = DueOrder { name: &name, directory: &directory, state };
                    self.order(&mut schedule, work, autocert, order).await;
                    Duration::ZERO
                }
                Next::Sleep(span) => {
                    tokio::select! {
                        _ = changes.changed() => break,
                        () = self.ask_renewal_info(&mut schedule, autocert) => {}
                    }
                    span.min(self.acme_timeouts.look)
                }
            };
            tokio::select! {
                _ = changes.changed() => break,
                () = tokio::time::sleep(span) => {}
            }
        }
        self.common().budget = schedule.into_budget();
    }

    pub(super) fn common(&self) -> MutexGuard<'_, Common> {
        self.common.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody asked for new certificates: written down before it is forgotten elsewhere, and kept
    /// until they are there.
    fn hear_requests(&self, schedule: &mut RenewalSchedule, work: &Managed) {
        for name in work.names.iter().filter(|name| self.store.is_asked(name)) {
            let mut state = State { wanted: true, ..self.state(name) };
            (state.history.tried_at, state.history.issued_at) = (None, None); // no wait, as below
            match self.store.put_state(name, &state).and_then(|()| self.store.heard(name)) {
                Ok(()) => schedule.renew_now(name),
                Err(error) => self.events.damaged(&error),
            }
        }
    }

    fn schedule(&self, work: &Managed, autocert: &Autocert) -> RenewalSchedule {
        let (budget, resumes) = {
            let mut common = self.common();
            (common.budget.clone(), !std::mem::replace(&mut common.resumed, true))
        };
        let mut schedule =
            RenewalSchedule::new(autocert.directories().map(Into::into).collect(), budget);
        for name in &work.names {
            let mut state = self.state(name);
            let crashed = resumes && self.is_under_way(name);
            if crashed && state.history.failures.max(state.history.unreached) <= RESUMED_AT_ONCE {
                state.history.tried_at = None; // the order is there already: it only goes on
            }
            let held = self.provisioned.issued.get(name).map(|leaf| leaf.held(state.window));
            // One of an authority that the config names no more: of a staging one, for instance.
            let is_foreign = !state.issued_by.is_empty()
                && autocert.directories().all(|directory| *directory != *state.issued_by);
            let State { history, wanted, .. } = state;
            let wanted = wanted || is_foreign;
            schedule.want(name, seed(name), NameState { held, history, wanted });
        }
        schedule
    }

    pub(super) fn state(&self, name: &str) -> State {
        self.store.state(name).unwrap_or_else(|error| {
            self.events.damaged(&error);
            State::default()
        })
    }

    async fn order(
        &self,
        schedule: &mut RenewalSchedule,
        work: &Managed,
        autocert: &Autocert,
        ordered: DueOrder<'_>,
    ) {
        let name = ordered.name;
        let outcome = self.make(work, autocert, &ordered).await;
        let settled = match &outcome {
            Ok(proved) => OrderOutcome::Issued(proved.leaf.held(None)),
            Err(error) => error.settled(self.now()),
        };
        let history = schedule.settle(name, settled, self.now());
        let next = schedule.names(self.now()).find(|(known, ..)| *known == name);
        let next = next.map_or(UnixTime::MAX, |(.., due)| due);
        let mut state = State {
            history: history.unwrap_or_default(),
            next_at: next.seconds(),
            ..ordered.state
        };
        let held = self.provisioned.issued.get(name).map(|leaf| leaf.not_after);
        match &outcome {
            Ok(Issuance { leaf, by }) => {
                if !by.is_empty() {
                    state.proved_by = (*by).into();
                }
                (state.window, state.last_error) = (None, Box::default());
                state.last_problem = Box::default();
                (state.issued_by, state.wanted) = (ordered.directory.into(), false);
                self.serve(name, leaf);
            }
            Err(error) => {
                state.last_error = format!("{error}; {}", error.hint()).into();
                state.last_problem = error.word().into();
            }
        }
        if let Err(error) = self.store.put_state(name, &state) {
            self.events.damaged(&error);
        }
        // Whoever reads of it finds it so on the disk and in the figures.
        match &outcome {
            Ok(proved) => self.events.issued(name, &proved.leaf, next),
            Err(error) => self.events.failed(name, error, next, held),
        }
    }

    async fn make(
        &self,
        work: &Managed,
        autocert: &Autocert,
        ordered: &DueOrder<'_>,
    ) -> Result<Issuance, AcmeError> {
        let DueOrder { name, directory, state } = ordered;
        // Before the order: a crash in the middle counts as a failure.
        self.store.put_state(name, state)?;
        let transport = self.transport(autocert, &work.plan, directory)?;
        // Only where the authority knows it, and not after it may have been refused for that.
        let tries = state.history.failures.saturating_add(state.history.unreached);
        let is_plain = *state.issued_by != **directory || tries > 2;
        let replaces = self.provisioned.issued.get(name).filter(|_| !is_plain);
        let solver = self.solver(autocert, &work.plan)?;
        let order = AcmeOrder {
            autocert,
            directory,
            name,
            replaces: replaces.as_ref(),
            store: &self.store,
            challenges: &self.provisioned.challenges,
            transport: &transport,
            acme_timeouts: self.acme_timeouts,
            has_http: work.has_http,
            solver: solver.as_ref(),
            failures: state.history.failures.saturating_sub(1), // this one is counted already
            proved_by: &state.proved_by,
        };
        // Its parts have limits of their own; a record is published and withdrawn besides.
        let dns = autocert
            .dns
            .as_ref()
            .map_or(Duration::ZERO, |dns| dns.wait + self.acme_timeouts.answer * 4);
        let whole = self.acme_timeouts.validation * 3 + dns;
        tokio::time::timeout(whole, order.run()).await.unwrap_or(Err(AcmeError::Slow))
    }

    fn solver(&self, autocert: &Autocert, plan: &Plan) -> Result<Option<Solver>, AcmeError> {
        let Some(dns) = &autocert.dns else { return Ok(None) };
        let solver = Solver::of(dns, Trust::system(&plan.extra_roots), self.acme_timeouts.answer);
        solver.map(Some).map_err(|error| unreached("the DNS provider", error))
    }

    pub(super) fn transport(
        &self,
        autocert: &Autocert,
        plan: &Plan,
        directory: &str,
    ) -> Result<Transport, AcmeError> {
        transport(autocert, plan, directory, self.acme_timeouts)
    }

    /// Says once a day that a certificate nears its end and none has come.
    fn warn_of_endings(
        &self,
        schedule: &RenewalSchedule,
        warned: &mut HashMap<Box<str>, UnixTime>,
    ) {
        let now = self.now();
        for (name, NameState { held, history, .. }, _) in schedule.names(now) {
            let Some(held) = held else { continue };
            let life = held.not_after.since(held.not_before);
            let is_near = held.not_after.since(now) < life / 6;
            let was_warned = warned.get(name).is_some_and(|at| *at <= now && now.since(*at) < DAY);
            let tries = history.failures > 0 || history.unreached > 0;
            if is_near && tries && !was_warned {
                warned.insert(name.into(), now);
                self.events.ending(name, held.not_after, &self.state(name).last_error);
            }
        }
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now().wall
    }
}

impl fmt::Debug for AcmeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcmeClient").field("store", &self.store).finish_non_exhaustive()
    }
}

/// After so many failures an order that a crash left waits like any other.
const RESUMED_AT_ONCE: u32 = 2;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What talks with the authority at `directory`.
pub(super) fn transport(
    autocert: &Autocert,
    plan: &Plan,
    directory: &str,
    acme_timeouts: AcmeTimeouts,
) -> Result<Transport, AcmeError> {
    Transport::new(&trust(autocert, plan), acme_timeouts.answer)
        .map_err(|error| unreached(directory, error))
}

/// `autocert_trusted_ca` instead of the system's roots, and `certificate_authority` besides.
fn trust(autocert: &Autocert, plan: &Plan) -> Trust {
    let Some(trusted) = &autocert.trusted_ca else { return Trust::system(&plan.extra_roots) };
    Trust::only(std::iter::once(&**trusted).chain(plan.extra_roots.iter().map(|pem| &**pem)))
}

/// Names that no certificate of the operator's covers.
fn uncovered(autocert: &Autocert, covered: impl Fn(&str) -> bool) -> Vec<Box<str>> {
    autocert.names.iter().filter(|name| !covered(name)).cloned().collect()
}

/// A number that stays: from the name alone.
fn seed(name: &str) -> u64 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first)
}

fn unreached(directory: &str, error: rustls::Error) -> AcmeError {
    let cause = error.to_string().into();
    AcmeError::Unreached { directory: directory.into(), cause, retry_after: None }
}
