//! How a server starts: what it keeps is opened, its addresses are bound, its threads begin.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use usher_rules::{plan::Plan, time::Clock};

use super::{
    RunningServer, StartError, SystemClock,
    acme_log::AcmeLog,
    cores, doctor,
    each_core::Core,
    files,
    keys::{IdTokenKeys, OwnKeys},
    metrics::{Exposition, Guard},
    restart::Started,
    sign_in_host,
    supervisor::Supervisor,
    swapping::Swapping,
};
use crate::{
    certs::{
        Authority, CertError, Certificates,
        acme::{AcmeClient, AcmeTimeouts, BeforeWrite, CertificateStore, Coverage},
        has_certificates, neighbourhood,
    },
    idp::{Cost, Directory, Passwords, WaysIn},
    jellyfin::{self, Pairing, PairingDeps, States},
    request::{
        Apps, Door, DoorParts, Part,
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

/// A plan, a place for state, and the world around.
pub struct StartOptions {
    /// The config, compiled.
    pub plan: Plan,
    /// Where it keeps what must outlive it.
    pub data_dir: PathBuf,
    /// Where it writes its records.
    pub recorder: Recorder,
    /// What tells it the time.
    pub clock: Arc<dyn Clock>,
    /// Apps that are known from inside, each by the name of the route that is one.
    pub apps: Apps,
    /// Threads that serve; at least one.
    pub cores: usize,
    /// How dear a password check is.
    pub password_cost: Cost,
    /// How long authorities on the internet may take.
    pub acme_timeouts: AcmeTimeouts,
    /// Hears of each write of what belongs to certificates, before it is made: tests end there.
    pub before_write: Option<BeforeWrite>,
}

impl StartOptions {
    /// For a machine: its clock, and as many cores as the process may use.
    pub fn for_machine(plan: Plan, data_dir: PathBuf, recorder: Recorder) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (clock, password_cost) = (Arc::new(SystemClock), Cost::DEFAULT);
        let (acme_timeouts, before_write) = (AcmeTimeouts::USUAL, None);
        let apps = Apps::default();
        Self {
            plan,
            data_dir,
            recorder,
            clock,
            apps,
            cores,
            password_cost,
            acme_timeouts,
            before_write,
        }
    }
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
    let rooms = Rooms::open(options)?;
    let listeners = Listeners::bind(&rooms)?;
    rooms.serve(listeners)
}

/// Everything that a server keeps and needs, before anybody can come.
struct Rooms {
    kept: Kept,
    certificates: Certified,
    door: Arc<Door>,
    own: Arc<SignInRoom>,
    pairing: Arc<Pairing>,
    tasks: Tasks,
    shares: Arc<Shares>,
    /// How the Jellyfins behind routes stand.
    states: Arc<States>,
}

struct Kept {
    plan: Arc<Plan>,
    data_dir: PathBuf,
    store: Arc<Store>,
    id_token_keys: IdTokenKeys,
    recorder: Recorder,
    metrics: Option<Arc<Metrics>>,
    clock: Arc<dyn Clock>,
    cores: usize,
    alone: Alone,
}

/// Certificates, who makes them, and what is wrong with those that there are.
struct Certified {
    authority: Arc<Authority>,
    acme: Arc<AcmeClient>,
    served: Arc<Swapping>,
    troubles: Vec<CertError>,
}

/// Addresses that are bound, and what is said on them.
struct Listeners {
    main: Listener,
    tls: Option<Tls>,
    redirect: Option<Listener>,
    probes: Option<Listener>,
    figures: Option<(Listener, Guard, Arc<Exposition>)>,
}

impl Rooms {
    fn open(options: StartOptions) -> Result<Self, StartError> {
        install_cryptography();
        note_panics();
        let StartOptions { mut plan, data_dir, recorder, clock, apps, cores, .. } = options;
        apps.attach(&mut plan);
        let (kept, authority) = Kept::open(plan, data_dir, recorder, clock, cores.max(1))?;
        let certificates =
            Certified::open(&kept, authority, options.acme_timeouts, options.before_write)?;
        let tasks = Tasks::default();
        let passwords =
            Passwords::new(options.password_cost, kept.cores).map_err(StartError::Passwords)?;
        let pairing = pairing(&kept);
        let states = Arc::<States>::default();
        let apps = jellyfin::beside(apps, Arc::<Pairing>::clone(&pairing), Arc::clone(&states));
        let (door, own) = open_door(&kept, &certificates.served, &tasks, passwords, apps)?;
        let shares = Shares::new(Bounds::for_files(files::raise_limit()));
        Ok(Self { kept, certificates, door, own, pairing, tasks, shares, states })
    }

    /// What readers of figures get.
    fn exposition(&self, metrics: Arc<Metrics>) -> Exposition {
        Exposition {
            door: Arc::clone(&self.door),
            certificates: Arc::clone(&self.certificates.served),
            authority: Arc::clone(&self.certificates.authority),
            acme: Arc::clone(&self.certificates.acme),
            clock: Arc::clone(&self.kept.clock),
            tasks: self.tasks.clone(),
            shares: Arc::clone(&self.shares),
            recorder: self.kept.recorder.clone(),
            metrics,
            turn: Semaphore::new(1),
        }
    }

    /// Begins to look after certificates, and lets visitors in.
    fn serve(self, listeners: Listeners) -> Result<RunningServer, StartError> {
        let Listeners { main, tls, redirect, probes, figures } = listeners;
        let (core, store) = (self.core(tls), Arc::clone(&self.kept.store));
        let mut running = RunningServer {
            address: main.address,
            redirect: redirect.as_ref().map(|redirect| redirect.address),
            metrics: figures.as_ref().map(|(listener, ..)| listener.address),
            probes: probes.as_ref().map(|probes| probes.address),
            ca_file: self.certificates.authority.ca_file().to_owned(),
            data_dir: self.kept.data_dir,
            started: Started::with(&self.door.plan()),
            door: self.door,
            certificates: self.certificates.served,
            authority: self.certificates.authority,
            acme: self.certificates.acme,
            recorder: self.kept.recorder,
            clock: self.kept.clock,
            id_token_keys: self.kept.id_token_keys,
            store: self.kept.store,
            tasks: self.tasks,
            over: CancellationToken::new(),
            threads: Vec::new(),
            _alone: self.kept.alone,
        };
        running.look_after_certificates(&self.kept.plan, &self.certificates.troubles);
        for (number, socket) in main.into_sockets().into_iter().enumerate() {
            let thread = cores::spawn(number, core.clone(), socket, running.over.clone());
            running.threads.push(thread.map_err(StartError::Thread)?);
        }
        let certificates = Arc::clone(&running.certificates);
        let acme = Arc::clone(&running.acme);
        let (own, pairing, states) = (self.own, self.pairing, self.states);
        let patient = running.patient(&own);
        let chores = cores::Chores {
            store,
            own,
            pairing,
            certificates,
            acme,
            redirect,
            probes,
            figures,
            states,
            patient,
        };
        let threads = cores::spawn_chores(core, chores, &running.over);
        running.threads.extend(threads.map_err(StartError::Thread)?);
        Ok(running)
    }

    fn core(&self, tls: Option<Tls>) -> Core {
        let supervisor = Supervisor {
            tasks: self.tasks.clone(),
            recorder: self.kept.recorder.clone(),
            clock: Arc::clone(&self.kept.clock),
        };
        let (door, shares) = (Arc::clone(&self.door), Arc::clone(&self.shares));
        Core { door, tls, tasks: self.tasks.clone(), supervisor, shares }
    }
}

/// The local authority, and why it is none where that takes down nobody else.
type LocalAuthority = (Authority, Option<CertError>);

impl Kept {
    fn open(
        mut plan: Plan,
        data_dir: PathBuf,
        recorder: Recorder,
        clock: Arc<dyn Clock>,
        cores: usize,
    ) -> Result<(Self, LocalAuthority), StartError> {
        let now = clock.now();
        let store = Arc::new(Store::open(&data_dir)?);
        let alone = Alone::take(&data_dir)?;
        store.admit_at_most(plan.sessions.most);
        let settled = sign_in_host::settle(&mut plan, &data_dir, None);
        let authority = match Authority::open(&data_dir, &neighbourhood(&plan), now.wall) {
            Ok(authority) => (authority, None),
            Err(error) if has_certificates(&plan) => (Authority::absent(&data_dir), Some(error)),
            Err(error) => return Err(error.into()),
        };
        authority.0.add_to(&mut plan.extra_roots);
        // Nobody pays for counting who does not want figures.
        let metrics = plan.listen.metrics.as_ref().map(|_| Arc::new(Metrics::new(&plan)));
        let recorder = match &metrics {
            Some(metrics) => recorder.counting(Arc::clone(metrics)),
            None => recorder,
        };
        settled.tell(&recorder, now);
        let (told, time) = (recorder.clone(), Arc::clone(&clock));
        store.on_panic(move |panicked| told.panicked_in(Part::Store, panicked, moment(&*time)));
        let plan = Arc::new(plan);
        let id_token_keys = IdTokenKeys::new(Arc::clone(&store));
        let kept =
            Self { plan, data_dir, store, id_token_keys, recorder, metrics, clock, cores, alone };
        Ok((kept, authority))
    }
}

impl Certified {
    fn open(
        kept: &Kept,
        (authority, damage): LocalAuthority,
        acme_timeouts: AcmeTimeouts,
        before_write: Option<BeforeWrite>,
    ) -> Result<Self, StartError> {
        let Kept { plan, recorder, clock, .. } = kept;
        let authority = Arc::new(authority);
        let acme = Arc::new(AcmeClient::open(
            CertificateStore::open(AcmeClient::folder(plan, &kept.data_dir))?.telling(before_write),
            Arc::new(AcmeLog { recorder: recorder.clone(), clock: Arc::clone(clock) }),
            Arc::clone(clock),
            acme_timeouts,
        ));
        let (provisioned, now) = (acme.provisioned(), clock.now().wall);
        let (served, mut troubles) =
            Certificates::load(plan, Arc::clone(&authority), provisioned, None, now);
        troubles.extend(damage);
        let served = Arc::new(Swapping(ArcSwap::from_pointee(served)));
        Ok(Self { authority, acme, served, troubles })
    }
}

/// Who lets apps in.
fn pairing(kept: &Kept) -> Arc<Pairing> {
    Arc::new(Pairing::new(PairingDeps {
        sessions: Arc::<Store>::clone(&kept.store),
        ended: Arc::<Store>::clone(&kept.store),
        people: Arc::<Store>::clone(&kept.store),
        app_passwords: Arc::<Store>::clone(&kept.store),
        remembered: Arc::<Store>::clone(&kept.store),
        journal: Arc::new(kept.recorder.clone()),
        trust: Trust::system(&kept.plan.extra_roots),
    }))
}

fn open_door(
    kept: &Kept,
    certificates: &Arc<Swapping>,
    tasks: &Tasks,
    passwords: Passwords,
    apps: Apps,
) -> Result<(Arc<Door>, Arc<SignInRoom>), StartError> {
    let Kept { plan, store, recorder, .. } = kept;
    let now = kept.clock.now().wall;
    let OwnKeys { keys, signer, hosted } = OwnKeys::of(&plan.secrets, store, now)?;
    kept.id_token_keys.prepare(plan, now)?;
    let signer = Arc::new(signer);
    let people = Arc::new(Directory::new(Arc::<Store>::clone(store), passwords));
    let ways_in = Arc::new(WaysIn::new(Arc::clone(&people), Arc::<Store>::clone(store)));
    let own = Arc::new(SignInRoom::new(SignInDeps {
        sessions: Arc::<Store>::clone(store),
        passwords: people,
        accounts: Arc::<WaysIn>::clone(&ways_in),
        people_admin: ways_in,
        app_passwords: Arc::<Store>::clone(store),
        enrolled: Arc::<Store>::clone(store),
        keys: Arc::clone(&keys),
        hosted,
        remembered: Arc::<Store>::clone(store),
        local: Arc::<Swapping>::clone(certificates),
        assertions: Arc::<Signer>::clone(&signer),
        grants: Arc::<Store>::clone(store),
        logouts: Arc::<Store>::clone(store),
        id_token_keys: Arc::clone(&kept.id_token_keys.signer),
        journal: Arc::new(recorder.clone()),
    }));
    let parts = DoorParts {
        keys,
        sessions: Arc::<Store>::clone(store),
        own: Arc::<SignInRoom>::clone(&own),
        apps,
        signer,
        recorder: recorder.clone(),
        clock: Arc::clone(&kept.clock),
        tasks: tasks.clone(),
        trust: Trust::system(&plan.extra_roots),
    };
    Ok((Arc::new(Door::new(Arc::clone(plan), parts)), own))
}

impl Listeners {
    fn bind(rooms: &Rooms) -> Result<Self, StartError> {
        let listen = &rooms.kept.plan.listen;
        let main = Listener::bind(parse_address(&listen.address, 443)?, rooms.kept.cores)?;
        let redirect = listen.http_redirect.as_deref();
        let redirect =
            redirect.map(|address| Listener::bind(parse_address(address, 80)?, 1)).transpose()?;
        let probes = listen.probes.as_deref();
        let probes =
            probes.map(|address| Listener::bind(parse_address(address, 0)?, 1)).transpose()?;
        let figures = Self::figures(rooms)?;
        let tls = match listen.insecure {
            true => None,
            false => {
                let source: Arc<dyn CertSource> =
                    Arc::<Swapping>::clone(&rooms.certificates.served);
                let clock = Arc::clone(&rooms.kept.clock);
                Some(Tls::new(source, listen.protocols, clock)?)
            }
        };
        Ok(Self { main, tls, redirect, probes, figures })
    }

    fn figures(rooms: &Rooms) -> Result<Option<(Listener, Guard, Arc<Exposition>)>, StartError> {
        let Kept { plan, metrics, clock, .. } = &rooms.kept;
        let (Some(listen), Some(metrics)) = (&plan.listen.metrics, metrics) else {
            return Ok(None);
        };
        metrics.started(clock.now().wall);
        let listener = Listener::bind(parse_address(&listen.address, 0)?, 1)?;
        let exposition = Arc::new(rooms.exposition(Arc::clone(metrics)));
        Ok(Some((listener, Guard::new(plan, listen)?, exposition)))
    }
}

impl RunningServer {
    /// What is examined when an admin asks for it.
    fn patient(&self, own: &SignInRoom) -> doctor::Patient {
        doctor::Patient {
            door: Arc::clone(&self.door),
            examinations: own.examinations(),
            data_dir: self.data_dir.clone(),
            address: self.address,
        }
    }

    fn look_after_certificates(&self, plan: &Arc<Plan>, troubles: &[CertError]) {
        let (certificates, clock) = (Arc::clone(&self.certificates), Arc::clone(&self.clock));
        let coverage: Coverage =
            Box::new(move |name| certificates.0.load().covers(name, clock.now().wall));
        self.acme.adopt(plan, self.redirect.is_some(), &coverage);
        self.acme.follow(coverage);
        self.tell_certificates(plan, troubles);
    }
}

/// Both libraries ask for a process-wide provider where none is handed to them. A second call
/// finds the first one's and changes nothing.
pub(crate) fn install_cryptography() {
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _already = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
