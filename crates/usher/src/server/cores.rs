//! One thread per core, each with a runtime, a listener and a pool of its own: a connection lives
//! and dies on one core (`performance.md` §7.1). One more thread does the chores.

use std::{
    io,
    net::TcpListener as StdListener,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{net::TcpListener, runtime::Builder};
use tokio_util::sync::CancellationToken;
use usher_rules::{plan::Level, time::Clock};

use super::{
    Swapping,
    acme_log::AcmeLog,
    clock_watch::{LastLook, watch_clock},
    daily::tell_untimely,
    doctor,
    each_core::Core,
    jellyfin, mail,
    metrics::{self, Exposition, Guard},
    probes, provider, redirect, sessions,
    store_watch::sweep_store,
    supervisor::Supervisor,
};
use crate::{
    certs::{
        Ending,
        acme::{AcmeClient, AcmeEvents as _, ChallengeResponses},
    },
    jellyfin::{Pairing, States},
    request::{
        Chore, EventField, EventName,
        accept::{Listener, RefusedSoFar, Shares},
        forward,
        record::{LeftOut, Recorder},
    },
    signin::SignInRoom,
    store::Store,
};

pub(super) struct Chores {
    pub store: Arc<Store>,
    pub own: Arc<SignInRoom>,
    pub pairing: Arc<Pairing>,
    pub certificates: Arc<Swapping>,
    pub acme: Arc<AcmeClient>,
    pub redirect: Option<Listener>,
    pub probes: Option<Listener>,
    pub figures: Option<(Listener, Guard, Arc<Exposition>)>,
    pub states: Arc<States>,
    pub patient: doctor::Patient,
}

/// How often a core closes upstream connections that nobody used.
const SWEEP_POOL: Duration = Duration::from_secs(15);
/// How often it is looked whether something was refused.
const LOOK_FOR_REFUSALS: Duration = Duration::from_secs(5);
/// And how long nothing more is said about it.
const QUIET: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often the certificates hear the time: they are chosen by it, and clocks jump.
const RENEW: Duration = Duration::from_secs(60);
/// A pause when the system has no file descriptors left: what helps is that connections close.
const BREATHER: Duration = Duration::from_millis(50);

/// Starts a core.
pub(super) fn spawn(
    number: usize,
    core: Core,
    socket: StdListener,
    over: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _entered = runtime.enter();
        TcpListener::from_std(socket)?
    };
    thread::Builder::new().name(format!("core {number}")).spawn(move || {
        runtime.block_on(async {
            let core = Arc::new(core);
            core.supervisor.keep(Chore::UpstreamPool, sweep_pool);
            tokio::select! {
                () = core.supervisor.kept(Chore::Accept, || core.accept(&listener)) => {}
                () = core.tasks.draining() => {}
                () = over.cancelled() => {}
            }
            drop(listener); // from here on new connections are refused
            over.cancelled().await; // this thread's connections run until all are done
        });
        runtime.shutdown_background();
    })
}

async fn sweep_pool() {
    loop {
        tokio::time::sleep(SWEEP_POOL).await;
        forward::sweep();
    }
}

/// Starts the threads for chores: one, and one for orders and
/// examinations, which wait for the disk. Nobody who
/// looks for proof, for figures or for https waits along.
pub(super) fn spawn_chores(
    core: Core,
    chores: Chores,
    over: &CancellationToken,
) -> io::Result<[JoinHandle<()>; 2]> {
    let Chores { store, own, pairing, certificates, acme, redirect, probes, figures, .. } = chores;
    let (states, patient) = (chores.states, chores.patient);
    let (supervisor, challenges) =
        (core.supervisor.clone(), Arc::clone(&acme.provisioned().challenges));
    let orders = chore_thread("orders", over, move || {
        doctor::keep(&supervisor, patient);
        supervisor.keep(Chore::Orders, move || {
            let acme = Arc::clone(&acme);
            async move { acme.run().await }
        });
        Ok(())
    })?;
    let rest = chore_thread("chores", over, move || {
        keep_watch(&core, &store, &certificates);
        mail::keep(&core, &own);
        sessions::keep(&core, own, pairing);
        look_at_jellyfins(&core, states);
        listen_for_probes(&core, probes, &store)?;
        listen_beside(&core, redirect, figures, &challenges)
    })?;
    Ok([orders, rest])
}

/// A thread with a runtime, on which `begin` has its tasks run.
fn chore_thread(
    name: &str,
    over: &CancellationToken,
    begin: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let (runtime, over) = (Builder::new_current_thread().enable_all().build()?, over.clone());
    {
        let _entered = runtime.enter();
        begin()?;
    }
    thread::Builder::new().name(name.into()).spawn(move || {
        runtime.block_on(over.cancelled());
        runtime.shutdown_background();
    })
}

fn keep_watch(core: &Core, store: &Arc<Store>, certificates: &Arc<Swapping>) {
    let Core { supervisor, shares, .. } = core;
    let Supervisor { recorder, clock, .. } = supervisor;
    let door = Arc::clone(&core.door);
    supervisor.keep(Chore::HealthChecks, move || Arc::clone(&door).check_upstreams());
    let follows = Arc::clone(store);
    supervisor.keep(Chore::StoreFollow, move || Arc::clone(&follows).follow());
    let (told, shares) = (SoFar::default(), Arc::clone(shares));
    let (recorder, clock) = (recorder.clone(), Arc::clone(clock));
    let (by, at, last) = (recorder.clone(), Arc::clone(&clock), LastLook::default());
    supervisor
        .keep(Chore::Clock, move || watch_clock(Arc::clone(&at), by.clone(), Arc::clone(&last)));
    let (by, at) = (recorder.clone(), Arc::clone(&clock));
    supervisor.keep(Chore::Tally, move || {
        tell_refusals(Arc::clone(&shares), Arc::clone(&at), by.clone(), told.clone())
    });
    let (by, at, told) = (recorder.clone(), Arc::clone(&clock), SoFar::default());
    supervisor.keep(Chore::Tally, move || tell_left_out(Arc::clone(&at), by.clone(), told.clone()));
    let (by, at, told) = (recorder.clone(), Arc::clone(&clock), SoFar::default());
    supervisor.keep(Chore::Tally, move || tell_stuck(Arc::clone(&at), by.clone(), told.clone()));
    let (store, by, at) = (Arc::clone(store), recorder.clone(), Arc::clone(&clock));
    supervisor.keep(Chore::StoreSweep, move || {
        sweep_store(Arc::clone(&store), Arc::clone(&at), by.clone())
    });
    let (door, by, at) = (Arc::clone(&core.door), recorder.clone(), Arc::clone(&clock));
    supervisor.keep(Chore::Provider, move || {
        provider::watch(Arc::clone(&door), by.clone(), Arc::clone(&at))
    });
    let (door, by, at) = (Arc::clone(&core.door), recorder.clone(), Arc::clone(&clock));
    supervisor.keep(Chore::Certificates, move || {
        let (door, log) =
            (Arc::clone(&door), AcmeLog { recorder: by.clone(), clock: Arc::clone(&at) });
        tell_untimely(move || door.plan(), log)
    });
    let certificates = Arc::clone(certificates);
    supervisor.keep(Chore::Certificates, move || {
        let log = AcmeLog { recorder: recorder.clone(), clock: Arc::clone(&clock) };
        renew(Arc::clone(&certificates), log)
    });
}

fn look_at_jellyfins(core: &Core, states: Arc<States>) {
    let Supervisor { recorder, clock, .. } = &core.supervisor;
    let (door, by, at) = (Arc::clone(&core.door), recorder.clone(), Arc::clone(clock));
    core.supervisor.keep(Chore::Jellyfin, move || {
        jellyfin::watch(Arc::clone(&door), Arc::clone(&states), by.clone(), Arc::clone(&at))
    });
}

fn listen_for_probes(core: &Core, probes: Option<Listener>, store: &Arc<Store>) -> io::Result<()> {
    for socket in probes.map(Listener::into_sockets).unwrap_or_default() {
        let listener = Arc::new(TcpListener::from_std(socket)?);
        let (whole, store) = (core.clone(), Arc::clone(store));
        core.supervisor.keep(Chore::Probes, move || {
            probes::serve(Arc::clone(&listener), whole.clone(), Arc::clone(&store))
        });
    }
    Ok(())
}

fn listen_beside(
    core: &Core,
    redirect: Option<Listener>,
    figures: Option<(Listener, Guard, Arc<Exposition>)>,
    challenges: &Arc<ChallengeResponses>,
) -> io::Result<()> {
    for socket in redirect.map(Listener::into_sockets).unwrap_or_default() {
        let listener = Arc::new(TcpListener::from_std(socket)?);
        let (whole, challenges) = (core.clone(), Arc::clone(challenges));
        core.supervisor.keep(Chore::Redirect, move || {
            redirect::serve(Arc::clone(&listener), whole.clone(), Arc::clone(&challenges))
        });
    }
    let Some((listener, guard, exposition)) = figures else { return Ok(()) };
    for socket in listener.into_sockets() {
        let listener = Arc::new(TcpListener::from_std(socket)?);
        let (guard, exposition) = (guard.clone(), Arc::clone(&exposition));
        core.supervisor.keep(Chore::Metrics, move || {
            metrics::serve(Arc::clone(&listener), Arc::clone(&exposition), guard.clone())
        });
    }
    Ok(())
}

/// What was told already; it outlives the task that tells.
#[derive(Clone, Default)]
struct SoFar<T>(Arc<Mutex<T>>);

impl<T> SoFar<T> {
    fn replace(&self, now: T) -> T {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

/// Tells what was refused: once for many, so that strangers can't fill the log.
async fn tell_refusals(
    shares: Arc<Shares>,
    clock: Arc<dyn Clock>,
    recorder: Recorder,
    so_far: SoFar<RefusedSoFar>,
) {
    loop {
        tokio::time::sleep(LOOK_FOR_REFUSALS).await;
        let now = shares.refused();
        let told = so_far.replace(now);
        if now == told {
            continue;
        }
        recorder
            .event(Level::Warn, EventName::Overload, clock.now())
            .with(EventField::ConnectionsRefused, now.connections - told.connections)
            .with(EventField::ConnectionsEnded, now.ended - told.ended)
            .with(EventField::RequestsRefused, now.requests - told.requests)
            .with(
                EventField::Effect,
                "slow and idle connections made room; docs/reference/limits.md",
            )
            .write();
        tokio::time::sleep(QUIET).await;
    }
}

/// The same for what has no lines of its own.
async fn tell_left_out(clock: Arc<dyn Clock>, recorder: Recorder, so_far: SoFar<LeftOut>) {
    loop {
        tokio::time::sleep(LOOK_FOR_REFUSALS).await;
        let now = recorder.left_out();
        let told = so_far.replace(now);
        if now == told {
            continue;
        }
        if now.taken_back > told.taken_back {
            recorder
                .event(Level::Warn, EventName::TakenBack, clock.now())
                .with(EventField::Requests, now.taken_back - told.taken_back)
                .with(
                    EventField::Effect,
                    "their clients reset them at once; they have no lines of their own",
                )
                .write();
        }
        if now.unread > told.unread {
            recorder
                .event(Level::Warn, EventName::Unreadable, clock.now())
                .with(EventField::Requests, now.unread - told.unread)
                .with(
                    EventField::Effect,
                    "they were refused unread; they have no lines of their own",
                )
                .write();
        }
        if now.two_visitors > told.two_visitors {
            recorder
                .event(Level::Warn, EventName::Forwarded, clock.now())
                .with(EventField::Requests, now.two_visitors - told.two_visitors)
                .with(
                    EventField::Cause,
                    "`X-Forwarded-For` and `Forwarded` name different visitors, and which one the \
                     proxy in front wrote is not known",
                )
                .with(
                    EventField::Effect,
                    "neither counts: in the log, for apps and for tries of passwords all of them \
                     are the proxy",
                )
                .with(
                    EventField::Hint,
                    "have the proxy remove the field that it does not write (nginx: \
                     `proxy_set_header Forwarded \"\";`)",
                )
                .write();
        }
        tokio::time::sleep(QUIET).await;
    }
}

/// Tells that a log can't be written, in the others now and in itself later; and that it is again.
async fn tell_stuck(clock: Arc<dyn Clock>, recorder: Recorder, so_far: SoFar<bool>) {
    loop {
        tokio::time::sleep(LOOK_FOR_REFUSALS).await;
        let failure = recorder.failure();
        if so_far.replace(failure.is_some()) == failure.is_some() {
            continue;
        }
        let event = |level| recorder.event(level, EventName::LogStuck, clock.now());
        match failure {
            Some(cause) => event(Level::Error)
                .with(EventField::Cause, cause)
                .with(EventField::Effect, "what comes is held as long as there is room")
                .write(),
            None => event(Level::Info).with(EventField::Effect, "it is written again").write(),
        }
    }
}

/// Tells the certificates the time, and the operator each day which of them end.
async fn renew(certificates: Arc<Swapping>, log: AcmeLog) {
    let mut every = tokio::time::interval(RENEW);
    let mut told_at = None;
    loop {
        every.tick().await;
        let now = log.clock.now().wall;
        if !now.is_plausible() {
            continue; // what was served goes on by the last time that could be true
        }
        certificates.0.load().renew(now);
        if told_at.is_none_or(|at| at > now || now.since(at) >= DAY) {
            told_at = Some(now);
            if let Some(end) = certificates.0.load().authority_ends(now) {
                log.authority_ends(end);
            }
            for Ending { host, not_after, cause } in certificates.0.load().endings(now) {
                log.ending(&host, not_after, &cause);
            }
        }
    }
}

impl Core {
    async fn accept(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.tasks.spawn_connection(peer, Arc::clone(self).connection(stream, peer));
                }
                Err(error) if is_the_peers(&error) => {}
                Err(_) => {
                    forward::sweep(); // kept connections hold files, too
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }
}

/// Is it about the one connection, and not about us?
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
