//! Puts the rooms into the path: the only floor that knows them all.
//!
//! ```text
//!  start ─▶ store ─▶ keys ─▶ certificates ─▶ door ─▶ one thread per core, each with
//!                                                    its own listener, pool and runtime
//!  reload ─▶ certificates, then the door: compiled completely, or nothing has changed
//!  stop ───▶ listeners close ▸ requests finish ▸ upgraded connections end ▸ records are written
//! ```
//!
//! What is wrong is told at the start, with a way out; nothing is served by half a server.

mod acme_log;
mod clock;
mod clock_watch;
mod cores;
mod files;
mod keys;
mod metrics;
mod preflight;
mod provider;
mod redirect;
mod sign_in_host;
mod start_error;
mod supervisor;
mod swapping;
mod visit;

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use usher_rules::{
    plan::{Level, Plan},
    time::Clock,
};

pub use clock::SystemClock;
pub use keys::KeyFailure;
pub use metrics::GuardError;
pub use preflight::refusals;
pub use start_error::StartError;
pub(crate) use supervisor::Pauses;

use self::{
    acme_log::AcmeLog,
    cores::Core,
    keys::{OwnKeys, same_secrets},
    metrics::{Guard, Sheet},
    supervisor::Supervisor,
    swapping::Swapping,
};
use crate::{
    certs::{
        Authority, CertError, Certificates,
        acme::{AcmeClient, BeforeWrite, CertificateStore, Coverage, Pace},
        has_certificates, neighbourhood,
    },
    idp::{Cost, Directory, Passwords},
    request::{
        Door, DoorParts,
        accept::{Bounds, Listener, Shares, Tasks, parse_address},
        forward::Trust,
        moment, note_panics,
        record::{Metrics, Recorder},
        shape::Signer,
        tls::{CertSource, Tls},
    },
    signin::{SignInDeps, SignInRoom},
    store::{Alone, Store},
};

/// How long running requests may take after the server was asked to stop. Service managers and
/// container engines wait 10 s to 90 s before they kill.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// What a server starts with.
pub struct StartOptions {
    /// What it runs.
    pub plan: Plan,
    /// Where it keeps what must outlive it.
    pub data_dir: PathBuf,
    /// Where it writes its records.
    pub recorder: Recorder,
    /// What tells it the time.
    pub clock: Arc<dyn Clock>,
    /// Threads that serve; at least one.
    pub cores: usize,
    /// How dear a password check is.
    pub password_cost: Cost,
    /// How long authorities on the internet may take.
    pub pace: Pace,
    /// Hears of each write of what belongs to certificates, before it is made: tests end there.
    pub before_write: Option<BeforeWrite>,
}

impl StartOptions {
    /// For a machine: its clock, and as many cores as the process may use.
    pub fn for_machine(plan: Plan, data_dir: PathBuf, recorder: Recorder) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (clock, password_cost) = (Arc::new(SystemClock), Cost::DEFAULT);
        let (pace, before_write) = (Pace::USUAL, None);
        Self { plan, data_dir, recorder, clock, cores, password_cost, pace, before_write }
    }
}

/// A server that answers. Dropping it ends it at once; [`RunningServer::stop`] lets it finish.
pub struct RunningServer {
    address: SocketAddr,
    redirect: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    ca_file: PathBuf,
    data_dir: PathBuf,
    door: Arc<Door>,
    certificates: Arc<Swapping>,
    authority: Arc<Authority>,
    acme: Arc<AcmeClient>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    over: CancellationToken,
    threads: Vec<JoinHandle<()>>,
    _alone: Alone,
}

/// Why a reload changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadRefused {
    /// The new config has no route, the one in force has some.
    #[error("the new config has no routes; an emptied file would take everything down")]
    NoRoutes,
}

/// Starts a server; it answers when this returns.
///
/// Blocks on the disk. A certificate that can't be used takes only its own hosts down and is
/// recorded; everything else that is wrong is an error.
///
/// # Errors
///
/// [`StartError`]: nothing runs then.
pub fn start(options: StartOptions) -> Result<RunningServer, StartError> {
    let StartOptions {
        mut plan,
        data_dir,
        recorder,
        clock,
        cores,
        password_cost,
        pace,
        before_write,
    } = options;
    let cores = cores.max(1);
    install_cryptography();
    note_panics();
    let now = clock.now();
    let store = Arc::new(Store::open(&data_dir)?);
    let alone = Alone::take(&data_dir)?;
    let settled = sign_in_host::settle(&mut plan, &data_dir, None);
    let (authority, damage) = match Authority::open(&data_dir, &neighbourhood(&plan), now.wall) {
        Ok(authority) => (authority, None),
        Err(error) if has_certificates(&plan) => (Authority::absent(&data_dir), Some(error)),
        Err(error) => return Err(error.into()),
    };
    authority.add_to(&mut plan.extra_roots);
    let plan = Arc::new(plan);
    // Nobody pays for counting who does not want figures.
    let metrics = plan.listen.metrics.as_ref().map(|_| Arc::new(Metrics::new(&plan)));
    let recorder = match &metrics {
        Some(metrics) => recorder.counting(Arc::clone(metrics)),
        None => recorder,
    };
    settled.tell(&recorder, now);

    let (told, time) = (recorder.clone(), Arc::clone(&clock));
    store.on_panic(move |panicked| told.panicked_in("store", panicked, moment(&*time)));

    let OwnKeys { keys, signer, hosted } = OwnKeys::of(&plan.secrets, &store)?;
    let (keys, signer) = (Arc::new(keys), Arc::new(signer));
    let authority = Arc::new(authority);
    let acme = Arc::new(AcmeClient::open(
        CertificateStore::open(AcmeClient::folder(&plan, &data_dir))?.telling(before_write),
        Arc::new(AcmeLog { recorder: recorder.clone(), clock: Arc::clone(&clock) }),
        Arc::clone(&clock),
        pace,
    ));
    let (certificates, mut troubles) =
        Certificates::load(&plan, Arc::clone(&authority), acme.provisioned(), None, now.wall);
    troubles.extend(damage);
    let certificates = Arc::new(Swapping(ArcSwap::from_pointee(certificates)));
    let passwords = Passwords::new(password_cost, cores).map_err(StartError::Passwords)?;
    let directory = Arc::new(Directory::new(Arc::<Store>::clone(&store), passwords));

    let (tasks, shares) = (Tasks::default(), Shares::new(Bounds::for_files(files::raise_limit())));
    let own = SignInRoom::new(SignInDeps {
        sessions: Arc::<Store>::clone(&store),
        passwords: directory,
        keys: Arc::clone(&keys),
        hosted,
        remembered: Arc::<Store>::clone(&store),
        local: Arc::<Swapping>::clone(&certificates),
        assertions: Arc::<Signer>::clone(&signer),
        journal: Arc::new(recorder.clone()),
    });
    let door = Arc::new(Door::new(
        Arc::clone(&plan),
        DoorParts {
            keys,
            sessions: Arc::<Store>::clone(&store),
            own: Arc::new(own),
            signer,
            recorder: recorder.clone(),
            clock: Arc::clone(&clock),
            tasks: tasks.clone(),
            trust: Trust::system(&plan.extra_roots),
        },
    ));

    let listener = Listener::bind(parse_address(&plan.listen.address, 443)?, cores)?;
    let redirect = plan.listen.http_redirect.as_deref();
    let redirect =
        redirect.map(|address| Listener::bind(parse_address(address, 80)?, 1)).transpose()?;
    let figures = match (&plan.listen.metrics, metrics) {
        (Some(listen), Some(metrics)) => {
            metrics.started(now.wall);
            let listener = Listener::bind(parse_address(&listen.address, 0)?, 1)?;
            Some((listener, Guard::new(&plan, listen)?, metrics))
        }
        (_, _) => None,
    };
    let tls = match plan.listen.insecure {
        true => None,
        false => {
            let source: Arc<dyn CertSource> = Arc::<Swapping>::clone(&certificates);
            Some(Tls::new(source, plan.listen.protocols)?)
        }
    };

    let mut running = RunningServer {
        address: listener.address,
        redirect: redirect.as_ref().map(|redirect| redirect.address),
        metrics: figures.as_ref().map(|(listener, ..)| listener.address),
        ca_file: authority.ca_file().to_owned(),
        data_dir,
        door: Arc::clone(&door),
        certificates: Arc::clone(&certificates),
        authority,
        acme: Arc::clone(&acme),
        recorder,
        clock: Arc::clone(&clock),
        tasks: tasks.clone(),
        over: CancellationToken::new(),
        threads: Vec::new(),
        _alone: alone,
    };
    let coverage: Coverage = {
        let (certificates, clock) = (Arc::clone(&certificates), Arc::clone(&clock));
        Box::new(move |name| certificates.0.load().covers(name, clock.now().wall))
    };
    running.acme.adopt(&plan, running.redirect.is_some(), &coverage);
    running.acme.follow(coverage);
    running.tell_certificates(&plan, &troubles);
    let figures = figures.map(|(listener, guard, metrics)| {
        let sheet = Sheet {
            door: Arc::clone(&door),
            certificates: Arc::clone(&certificates),
            authority: Arc::clone(&running.authority),
            acme: Arc::clone(&acme),
            clock: Arc::clone(&clock),
            tasks: tasks.clone(),
            shares: Arc::clone(&shares),
            recorder: running.recorder.clone(),
            metrics,
            turn: Semaphore::new(1),
        };
        (listener, guard, Arc::new(sheet))
    });
    let supervisor = Supervisor {
        tasks: tasks.clone(),
        recorder: running.recorder.clone(),
        clock: Arc::clone(&clock),
    };
    let core = Core { door, tls, tasks, supervisor, shares };
    for (number, socket) in listener.into_sockets().into_iter().enumerate() {
        let thread = cores::spawn(number, core.clone(), socket, running.over.clone())
            .map_err(StartError::Thread)?;
        running.threads.push(thread);
    }
    let chores = cores::Chores { store, certificates, acme, redirect, figures };
    let threads = cores::spawn_chores(core, chores, &running.over).map_err(StartError::Thread)?;
    running.threads.extend(threads);
    Ok(running)
}

impl RunningServer {
    /// The address that it answers on; the port is the real one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address from which visitors are sent to https, if there is one.
    pub fn redirect_address(&self) -> Option<SocketAddr> {
        self.redirect
    }

    /// The address where figures are read, if there is one.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// The local authority's certificate, PEM.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The plan in force.
    pub fn plan(&self) -> Arc<Plan> {
        self.door.plan()
    }

    /// Connections that are open, upgraded ones included.
    pub fn open_connections(&self) -> usize {
        self.tasks.open()
    }

    /// Puts another plan in force. Requests that run keep theirs; connections, pools and sessions
    /// survive; streams whose permit no longer holds end within seconds.
    ///
    /// What needs a restart (addresses, keys) stays as it is and is recorded.
    ///
    /// # Errors
    ///
    /// [`ReloadRefused`]: nothing has changed.
    pub fn reload(&self, mut plan: Plan) -> Result<(), ReloadRefused> {
        let old = self.door.plan();
        if plan.routes.is_empty() && !old.routes.is_empty() {
            return Err(ReloadRefused::NoRoutes);
        }
        let now = self.clock.now();
        let in_force = old.sign_in.own().map(|own| &own.host);
        sign_in_host::settle(&mut plan, &self.data_dir, in_force).tell(&self.recorder, now);
        self.authority.add_to(&mut plan.extra_roots);
        let (certificates, troubles) = Certificates::load(
            &plan,
            Arc::clone(&self.authority),
            self.acme.provisioned(),
            Some(&self.certificates.0.load()),
            now.wall,
        );
        let plan = Arc::new(plan);
        self.acme.adopt(&plan, self.redirect.is_some(), |name| certificates.covers(name, now.wall));
        self.tell_certificates(&plan, &troubles);
        self.tell_what_waits(&old, &plan);
        self.certificates.0.store(Arc::new(certificates));
        if let Some(metrics) = self.recorder.metrics() {
            metrics.adopt(&plan);
            metrics.reloaded(now.wall);
        }
        self.door.swap(plan);
        Ok(())
    }

    /// A config was refused; figures tell it.
    pub fn reload_failed(&self) {
        if let Some(metrics) = self.recorder.metrics() {
            metrics.reload_failed();
        }
    }

    /// Stops: new connections are refused, running requests finish within `patience`, upgraded
    /// connections end last, and every record is written when this returns.
    pub fn stop(mut self, patience: Duration) {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() {
            runtime.block_on(self.tasks.finish(patience));
        }
        self.over.cancel();
        for thread in self.threads.drain(..) {
            drop(thread.join()); // a panic in it has been reported by itself
        }
        self.recorder.flush();
    }

    fn tell_certificates(&self, plan: &Plan, troubles: &[CertError]) {
        if plan.listen.insecure {
            return;
        }
        let now = self.clock.now();
        for trouble in troubles {
            let event = self.recorder.event(trouble.level(), "certificate", now);
            event.with("cause", trouble).with("hint", trouble.hint()).write_if(&plan.log);
        }
    }

    fn tell_what_waits(&self, old: &Plan, new: &Plan) {
        let listen = |plan: &Plan| {
            let listen = &plan.listen;
            (
                listen.address.clone(),
                listen.insecure,
                listen.http_redirect.clone(),
                listen.metrics.as_ref().map(|metrics| metrics.address.clone()),
                listen.protocols,
            )
        };
        let waits = [
            ("addresses", listen(old) != listen(new)),
            ("keys", !same_secrets(&old.secrets, &new.secrets)),
            ("certificate_authority", old.extra_roots != new.extra_roots),
            ("autocert_dir", acme_dir(old) != acme_dir(new)),
        ];
        for (what, _) in waits.iter().filter(|(_, waits)| *waits) {
            self.recorder
                .event(Level::Warn, "reload", self.clock.now())
                .with("what", what)
                .with("effect", "stays as it was until usher is restarted")
                .write();
        }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Where the plan wants accounts and certificates kept, if it does.
fn acme_dir(plan: &Plan) -> Option<&Path> {
    plan.autocert.as_ref().and_then(|autocert| autocert.dir.as_deref())
}

/// Both libraries ask for a process-wide provider where none is handed to them. A second call
/// finds the first one's and changes nothing.
pub(crate) fn install_cryptography() {
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _already = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
