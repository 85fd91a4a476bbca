//! The one who looks after certificates: asks the schedule, runs errands, serves what comes.

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use instant_acme::{Account, CertificateIdentifier};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use tokio::sync::watch;
use usher_rules::{
    plan::{Autocert, Plan},
    renewal::{Keeper, Next, Settled, Window},
    time::{Clock, UnixTime},
};

use super::{
    AcmeError, Answers, Leaf, Pace, Shelf, State, account, client::AcmeClient, dns::Solver,
    order::Errand,
};
use crate::{certs::CertError, request::forward::system_roots};

/// Certificates that authorities signed for us, by name; each handshake asks.
#[derive(Default)]
pub struct Issued(ArcSwap<HashMap<Box<str>, Leaf>>);

impl Issued {
    /// The certificate for a host, lower case: its own, or a wildcard's.
    pub fn find(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let issued = self.0.load();
        let own = issued.get(host).or_else(|| {
            let (_, domain) = host.split_once('.')?;
            issued.get(&*format!("*.{domain}"))
        });
        own.map(|leaf| Arc::clone(&leaf.key))
    }

    /// Is there one for this name?
    pub fn has(&self, name: &str) -> bool {
        self.0.load().contains_key(name)
    }

    fn put(&self, name: &str, leaf: Leaf) {
        let mut issued = HashMap::clone(&self.0.load());
        issued.insert(name.into(), leaf);
        self.0.store(Arc::new(issued));
    }

    fn replace(&self, issued: HashMap<Box<str>, Leaf>) {
        self.0.store(Arc::new(issued));
    }

    fn get(&self, name: &str) -> Option<Leaf> {
        self.0.load().get(name).cloned()
    }
}

/// What handshakes and challenges ask: certificates that were signed for us, and proofs.
#[derive(Clone, Debug, Default)]
pub struct Supply {
    /// Certificates by name.
    pub issued: Arc<Issued>,
    /// Answers to challenges.
    pub answers: Arc<Answers>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issued(..)")
    }
}

/// Hears what becomes of orders. Implemented where records are written.
pub trait Orders: Send + Sync {
    /// A certificate is served from now on; the next one is ordered at about `next`.
    fn issued(&self, name: &str, leaf: &Leaf, next: UnixTime);
    /// An order failed; the next one is made at about `next`.
    fn failed(&self, name: &str, error: &AcmeError, next: UnixTime, held: Option<UnixTime>);
    /// A certificate is about to end, or has ended, and none has come in its place.
    fn ending(&self, name: &str, not_after: UnixTime, last_error: &str);
    /// Something on the shelf can't be read.
    fn damaged(&self, error: &CertError);
}

/// Looks after the certificates of a plan's names. One for the whole process.
pub struct Office {
    shelf: Shelf,
    supply: Supply,
    orders: Arc<dyn Orders>,
    clock: Arc<dyn Clock>,
    pace: Pace,
    work: watch::Sender<Option<Arc<Work>>>,
}

/// What a plan asks for.
struct Work {
    plan: Arc<Plan>,
    names: Vec<Box<str>>,
    has_http: bool,
}

impl Work {
    fn autocert(&self) -> Option<&Autocert> {
        self.plan.autocert.as_ref()
    }
}

impl Office {
    /// Opens the shelf of a plan, and serves what lies on it.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`]: the folder can't be used.
    pub fn open(shelf: Shelf, orders: Arc<dyn Orders>, clock: Arc<dyn Clock>, pace: Pace) -> Self {
        let (work, _) = watch::channel(None);
        Self { shelf, supply: Supply::default(), orders, clock, pace, work }
    }

    /// Where a plan's shelf is.
    pub fn folder(plan: &Plan, data_dir: &Path) -> std::path::PathBuf {
        let named = plan.autocert.as_ref().and_then(|autocert| autocert.dir.clone());
        named.unwrap_or_else(|| data_dir.join("acme"))
    }

    /// Where certificates and what became of orders are kept.
    pub const fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What handshakes and challenges ask.
    pub const fn supply(&self) -> &Supply {
        &self.supply
    }

    /// Takes a plan over: what lies on the shelf for its names is served when this returns, what
    /// is missing is ordered by and by. `covered` says for which names the operator has brought a
    /// certificate that counts.
    ///
    /// Blocks on the disk.
    pub fn adopt(&self, plan: &Arc<Plan>, has_http: bool, covered: impl Fn(&str) -> bool) {
        let Some(autocert) = &plan.autocert else {
            self.supply.issued.replace(HashMap::new());
            self.work.send_replace(None);
            return;
        };
        let names: Vec<Box<str>> =
            autocert.names.iter().filter(|name| !covered(name)).cloned().collect();
        let mut issued = HashMap::new();
        for name in &names {
            match self.shelf.leaf(name) {
                Ok(Some(leaf)) => drop(issued.insert(name.clone(), leaf)),
                Ok(None) => {}
                Err(error) => self.orders.damaged(&error),
            }
        }
        self.supply.issued.replace(issued);
        let plan = Arc::clone(plan);
        self.work.send_replace(Some(Arc::new(Work { plan, names, has_http })));
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
    async fn work_at(&self, work: &Work, changes: &mut watch::Receiver<Option<Arc<Work>>>) {
        let Some(autocert) = work.autocert() else { return };
        let mut keeper = self.keeper(work, autocert);
        let mut told = HashMap::new();
        let mut wishes = HashMap::new();
        loop {
            for name in &work.names {
                if self.shelf.take_renewal(name) {
                    keeper.renew_now(name);
                }
            }
            self.tell_endings(&keeper, &mut told);
            let span = match keeper.next(self.now()) {
                Next::Order { name, directory, history } => {
                    let directory = autocert.directories.get(directory).cloned();
                    let directory = directory.unwrap_or_default();
                    let state = State { history, directory, ..self.state(&name) };
                    self.order(&mut keeper, work, autocert, &name, state).await;
                    Duration::ZERO
                }
                Next::Sleep(span) => {
                    self.ask_wishes(&mut keeper, autocert, &mut wishes).await;
                    span.min(self.pace.look)
                }
            };
            tokio::select! {
                _ = changes.changed() => return,
                () = tokio::time::sleep(span) => {}
            }
        }
    }

    fn keeper(&self, work: &Work, autocert: &Autocert) -> Keeper {
        let mut keeper = Keeper::new(autocert.directories.len());
        for name in &work.names {
            let mut state = self.state(name);
            let crashed = matches!(self.shelf.pending(name), Ok(Some(_)));
            if crashed && state.history.failures <= RESUMED_AT_ONCE {
                state.history.tried_at = None; // the order is there already: it only goes on
            }
            let held = self.supply.issued.get(name).map(|leaf| leaf.held(state.window));
            keeper.want(name, seed(name), held, state.history);
        }
        keeper
    }

    fn state(&self, name: &str) -> State {
        self.shelf.state(name).unwrap_or_else(|error| {
            self.orders.damaged(&error);
            State::default()
        })
    }

    async fn order(
        &self,
        keeper: &mut Keeper,
        work: &Work,
        autocert: &Autocert,
        name: &str,
        mut state: State,
    ) {
        let outcome = self.errand(work, autocert, name, &state).await;
        let settled = match &outcome {
            Ok(leaf) => Settled::Issued(leaf.held(None)),
            Err(error) => error.settled(self.now()),
        };
        let history = keeper.settle(name, settled, self.now());
        let next = keeper.names(self.now()).find(|(known, ..)| *known == name);
        let next = next.map_or(UnixTime::MAX, |(.., due)| due);
        state.history = history.unwrap_or_default();
        state.next_at = next.seconds();
        let held = self.supply.issued.get(name).map(|leaf| leaf.not_after);
        match outcome {
            Ok(leaf) => {
                (state.window, state.last_error) = (None, Box::default());
                self.supply.issued.put(name, leaf.clone());
                self.orders.issued(name, &leaf, next);
            }
            Err(error) => {
                state.last_error = format!("{error}; {}", error.hint()).into();
                self.orders.failed(name, &error, next, held);
            }
        }
        if let Err(error) = self.shelf.put_state(name, &state) {
            self.orders.damaged(&error);
        }
    }

    async fn errand(
        &self,
        work: &Work,
        autocert: &Autocert,
        name: &str,
        state: &State,
    ) -> Result<Leaf, AcmeError> {
        // Before the order: a crash in the middle counts as a failure.
        self.shelf.put_state(name, state)?;
        let client = self.client(autocert, &work.plan, &state.directory)?;
        let replaces = self.supply.issued.get(name);
        let solver = autocert
            .dns
            .as_ref()
            .map(|dns| Solver::of(dns, system_roots(&work.plan.extra_roots), self.pace.answer));
        let solver = solver.transpose().map_err(|error| AcmeError::Unreached {
            directory: "the DNS provider".into(),
            cause: error.to_string().into(),
        })?;
        let errand = Errand {
            autocert,
            directory: &state.directory,
            name,
            replaces: replaces.as_ref(),
            shelf: &self.shelf,
            answers: &self.supply.answers,
            client: &client,
            pace: self.pace,
            has_http: work.has_http,
            solver: solver.as_ref(),
            failures: state.history.failures.saturating_sub(1), // this one is counted already
        };
        let whole = self.pace.validation.saturating_mul(3);
        tokio::time::timeout(whole, errand.run()).await.unwrap_or(Err(AcmeError::Slow))
    }

    fn client(
        &self,
        autocert: &Autocert,
        plan: &Plan,
        directory: &str,
    ) -> Result<AcmeClient, AcmeError> {
        AcmeClient::new(roots(autocert, plan), self.pace.answer).map_err(|error| {
            AcmeError::Unreached { directory: directory.into(), cause: error.to_string().into() }
        })
    }

    /// Asks authorities when they want certificates to be renewed (RFC 9773), each when it wants to
    /// be asked again.
    async fn ask_wishes(
        &self,
        keeper: &mut Keeper,
        autocert: &Autocert,
        asked: &mut HashMap<Box<str>, UnixTime>,
    ) {
        let now = self.now();
        let names: Vec<Box<str>> = keeper.names(now).map(|(name, ..)| name.into()).collect();
        for name in names {
            let again_at = asked.get(&name).copied();
            let Some(leaf) = self.supply.issued.get(&name) else { continue };
            if again_at.is_some_and(|at| now < at) {
                continue;
            }
            let mut state = self.state(&name);
            let wished = self.wish(autocert, &state.directory, &leaf).await;
            let (window, again) = wished.unwrap_or((None, ASK_AGAIN));
            asked.insert(name.clone(), now.plus(again.clamp(ASK_SOONEST, ASK_AGAIN)));
            if window.is_some() && window != state.window {
                state.window = window;
                keeper.wish(&name, window);
                let due = keeper.names(now).find(|(known, ..)| *known == &*name);
                state.next_at = due.map_or(0, |(.., due)| due.seconds());
                if let Err(error) = self.shelf.put_state(&name, &state) {
                    self.orders.damaged(&error);
                }
            }
        }
    }

    /// The window, and when to ask again; `None` where nobody can be asked.
    async fn wish(
        &self,
        autocert: &Autocert,
        directory: &str,
        leaf: &Leaf,
    ) -> Option<(Option<Window>, Duration)> {
        let plan = self.work.borrow().as_ref().map(|work| Arc::clone(&work.plan))?;
        let id = CertificateIdentifier::try_from(leaf.der()?).ok()?;
        let client = self.client(autocert, &plan, directory).ok()?;
        let account: Account =
            account::open(&client, &self.shelf, autocert, directory).await.ok()?;
        let (info, again) = account.renewal_info(&id).await.ok()?;
        let second = |at: i64| u64::try_from(at).unwrap_or_default();
        let window = info.suggested_window;
        let window = Window {
            start: second(window.start.unix_timestamp()),
            end: second(window.end.unix_timestamp()),
        };
        Some((Some(window), again))
    }

    /// Says once a day that a certificate nears its end and none has come.
    fn tell_endings(&self, keeper: &Keeper, told: &mut HashMap<Box<str>, UnixTime>) {
        let now = self.now();
        for (name, held, history, _) in keeper.names(now) {
            let Some(held) = held else { continue };
            let life = held.not_after.since(held.not_before);
            let is_near = held.not_after.since(now) < life / 6;
            let was_told = told.get(name).is_some_and(|at| now.since(*at) < DAY);
            let tries = history.failures > 0 || history.unreached > 0;
            if is_near && tries && !was_told {
                told.insert(name.into(), now);
                self.orders.ending(name, held.not_after, &self.state(name).last_error);
            }
        }
    }

    fn now(&self) -> UnixTime {
        self.clock.now().wall
    }
}

impl fmt::Debug for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Office").field("shelf", &self.shelf).finish_non_exhaustive()
    }
}

/// After so many failures an order that a crash left waits like any other.
const RESUMED_AT_ONCE: u32 = 2;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often an authority is asked for its wishes where it does not say.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 3600);
/// How often at most.
const ASK_SOONEST: Duration = Duration::from_secs(60);

/// `autocert_trusted_ca` instead of the system's roots, and `certificate_authority` besides.
pub(super) fn roots(autocert: &Autocert, plan: &Plan) -> RootCertStore {
    let Some(trusted) = &autocert.trusted_ca else { return system_roots(&plan.extra_roots) };
    let mut roots = RootCertStore::empty();
    for pem in std::iter::once(&**trusted).chain(plan.extra_roots.iter().map(|pem| &**pem)) {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    }
    roots
}

/// A number that stays: from the name alone.
fn seed(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
