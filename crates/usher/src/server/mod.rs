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
mod connections;
mod cores;
mod daily;
mod doctor;
mod each_core;
mod files;
mod jellyfin;
mod keys;
mod mail;
mod metrics;
mod preflight;
mod probes;
mod provider;
mod redirect;
mod restart;
mod sessions;
mod sign_in_host;
mod start;
mod start_error;
mod store_watch;
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

use tokio_util::sync::CancellationToken;
use usher_rules::{
    plan::{Level, Plan},
    time::Clock,
};

pub use clock::SystemClock;
pub use keys::{KeyFailure, fresh_keys, session_keys};
pub use metrics::GuardError;
pub use preflight::refusals;
pub use sign_in_host::sign_in_origin;
pub(crate) use start::install_cryptography;
pub use start::{StartOptions, start};
pub use start_error::StartError;
pub(crate) use supervisor::Pauses;

use self::{keys::IdTokenKeys, restart::Started, swapping::Swapping};
use crate::{
    certs::{Authority, CertError, Certificates, acme::AcmeClient},
    request::{Door, EventField, EventName, accept::Tasks, record::Recorder},
    store::{Alone, Store},
};

/// How long running requests may take after the server was asked to stop. Service managers and
/// container engines wait 10 s to 90 s before they kill.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// A server that answers. Dropping it ends it at once; [`RunningServer::stop`] lets it finish.
pub struct RunningServer {
    address: SocketAddr,
    redirect: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    probes: Option<SocketAddr>,
    ca_file: PathBuf,
    data_dir: PathBuf,
    door: Arc<Door>,
    certificates: Arc<Swapping>,
    authority: Arc<Authority>,
    started: Started,
    acme: Arc<AcmeClient>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    id_token_keys: IdTokenKeys,
    store: Arc<Store>,
    tasks: Tasks,
    over: CancellationToken,
    threads: Vec<JoinHandle<()>>,
    _alone: Alone,
}

/// Why a reload changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadRefused {
    /// The new config has no route, the one in force has some.
    #[error("the new config has no routes; an emptied file would take everything down")]
    NoRoutes,
    /// Its apps could be told nothing.
    #[error("there are no keys for `openid_clients`: {0}")]
    Keys(Box<str>),
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

    /// The address where machines ask how usher is, if there is one.
    pub fn health_check_address(&self) -> Option<SocketAddr> {
        self.probes
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
    /// survive, also where fewer sessions are admitted; streams whose permit no longer holds end within
    /// seconds.
    ///
    /// What needs a restart (addresses, keys) stays as it is and is recorded.
    ///
    /// # Errors
    ///
    /// [`ReloadRefused`]: nothing has changed.
    pub fn reload(&self, mut plan: Plan) -> Result<(), ReloadRefused> {
        self.door.apps().attach(&mut plan);
        let old = self.door.plan();
        if plan.routes.is_empty() && !old.routes.is_empty() {
            return Err(ReloadRefused::NoRoutes);
        }
        let now = self.clock.now();
        let prepared = self.id_token_keys.prepare(&plan, now.wall);
        prepared.map_err(|error| ReloadRefused::Keys(error.to_string().into()))?;
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
        self.tell_what_waits(&plan);
        self.certificates.0.store(Arc::new(certificates));
        if let Some(metrics) = self.recorder.metrics() {
            metrics.adopt(&plan);
            metrics.reloaded(now.wall);
        }
        self.store.admit_at_most(plan.sessions.most);
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
            let event = self.recorder.event(trouble.level(), EventName::Certificate, now);
            event
                .with(EventField::Cause, trouble)
                .with(EventField::Hint, trouble.hint())
                .write_if(&plan.log);
        }
    }

    /// What of the plan in force is not in force before a restart.
    pub fn waits_for_restart(&self) -> Vec<&'static str> {
        self.started.waits(&self.plan())
    }

    fn tell_what_waits(&self, plan: &Plan) {
        for what in self.started.waits(plan) {
            self.recorder
                .event(Level::Warn, EventName::Reload, self.clock.now())
                .with(EventField::What, what)
                .with(EventField::Effect, "stays as it was until usher is restarted")
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
