use std::{
    fmt, io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;
use usher_rules::{
    plan::{Level, Plan},
    session::Keys,
    time::{Clock, Now, UnixTime},
};

use super::{
    Apps, Body, EventField, EventName, OwnPages,
    accept::{Connection, Serve, Tasks, Unread},
    authorize::{PermitEnd, Standing, Stream},
    caught::{catch, caught, note_panics},
    forward::{Forwarder, Recheck, SharedRecheck, Trust, Turn, TurnHeard, Turned},
    identify::{LiveSession, SessionStore, Verifier},
    record::Recorder,
    shape::Signer,
    tls::refused_certificate,
};

/// The plan in force and all that the rooms need, once for each core.
pub struct Door {
    pub(super) verifier: Verifier,
    pub(super) sessions: Arc<dyn SessionStore>,
    pub(super) own: Arc<dyn OwnPages>,
    pub(super) apps: Apps,
    pub(super) signer: Arc<Signer>,
    pub(super) recorder: Recorder,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: Tasks,
    pub(super) forwarder: Forwarder,
    pub(super) in_force: Arc<InForce>,
}

/// Parts of a door, which the server makes.
pub struct DoorParts {
    /// Verifies handles and seals.
    pub keys: Arc<Keys>,
    /// Where sessions are.
    pub sessions: Arc<dyn SessionStore>,
    /// Answers for our own pages.
    pub own: Arc<dyn OwnPages>,
    /// What routes may name as their app.
    pub apps: Apps,
    /// Signs assertions.
    pub signer: Arc<Signer>,
    /// Writes records.
    pub recorder: Recorder,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What runs beside the accept loops.
    pub tasks: Tasks,
    /// What upstreams are verified against where a route says nothing else.
    pub trust: Trust,
}

/// The plan in force, and how often it has changed.
pub(super) struct InForce {
    plan: ArcSwap<Plan>,
    generation: AtomicU64,
    clock: Arc<dyn Clock>,
}

impl Door {
    /// A door that serves `plan`.
    pub fn new(plan: Arc<Plan>, parts: DoorParts) -> Self {
        let DoorParts { keys, sessions, own, apps, signer, recorder, clock, tasks, trust } = parts;
        let in_force = Arc::new(InForce {
            plan: ArcSwap::new(plan),
            generation: AtomicU64::new(0),
            clock: Arc::clone(&clock),
        });
        let recheck: SharedRecheck = Arc::<InForce>::clone(&in_force);
        let forwarder = Forwarder::new(trust, recheck, tasks.clone());
        forwarder.prepare(&in_force.plan.load());
        let verifier = Verifier::new(keys);
        note_panics();
        let (told, time) = (recorder.clone(), Arc::clone(&clock));
        tasks.on_panic(move |beside, panicked| {
            told.panicked_beside(beside, panicked, moment(&*time));
        });
        Self { verifier, sessions, own, apps, signer, recorder, clock, tasks, forwarder, in_force }
    }

    /// What routes may name as their app.
    pub(crate) const fn apps(&self) -> &Apps {
        &self.apps
    }

    /// The snapshot that is in force now. A request asks once (invariant 1).
    pub fn plan(&self) -> Arc<Plan> {
        self.in_force.plan.load_full()
    }

    /// Would a request have no record, by a plan by which it is served with one or not at all?
    pub(super) fn records_nothing(&self, plan: &Plan) -> bool {
        plan.refuses_unrecorded && self.recorder.is_stuck()
    }

    /// Puts another plan in force: requests that run keep theirs, streams are decided again.
    pub fn swap(&self, plan: Arc<Plan>) {
        self.forwarder.prepare(&plan);
        self.in_force.plan.store(plan);
        self.in_force.generation.fetch_add(1, Ordering::Release);
    }
}

impl Door {
    /// Asks upstreams whether they are well, and tells how they stand.
    pub(crate) async fn check_upstreams(self: Arc<Self>) {
        let door = Arc::clone(&self);
        let tell: TurnHeard = Arc::new(move |turned| door.tell_turned(turned));
        self.forwarder.check_upstreams(tell).await;
    }

    fn tell_turned(&self, turned: &Turned) {
        let (level, problem, effect) = match (turned.turn, turned.is_well) {
            (Some(Turn::Out), _) => (
                Level::Warn,
                "the upstream fails its health check",
                "it is left alone until it passes again, while another one is well",
            ),
            (Some(Turn::Back), _) => {
                (Level::Info, "the upstream passes its health checks again", "it is asked again")
            }
            (None, false) => {
                (Level::Info, "a health check of the upstream failed", "it stands as before")
            }
            (None, true) => {
                (Level::Info, "a health check of the upstream passed", "it stands as before")
            }
        };
        self.recorder
            .event(level, EventName::Upstream, moment(&*self.clock))
            .with(EventField::Route, &turned.route)
            .with(EventField::Upstream, &turned.upstream)
            .with(EventField::Problem, problem)
            .with(EventField::Cause, &turned.why)
            .with(EventField::Effect, effect)
            .write_if(&self.plan().log);
    }
}

impl Door {
    /// A handshake that failed for what the client showed leaves a line; other ones are noise.
    pub(crate) fn handshake_failed(&self, peer: SocketAddr, error: &io::Error) {
        if let Some(why) = refused_certificate(error) {
            self.recorder.handshake_refused(peer, why, moment(&*self.clock));
        }
    }
}

/// This moment; the beginning of time where the clock is what panicked.
pub(crate) fn moment(clock: &dyn Clock) -> Now {
    let nothing = || Now {
        wall: UnixTime::from_seconds(0),
        wall_millis: 0,
        monotonic: tokio::time::Instant::now().into_std(),
    };
    catch(|| clock.now()).unwrap_or_else(|_| nothing())
}

impl Recheck for InForce {
    fn generation(&self, standing: &Standing) -> u64 {
        let now = self.clock.now();
        let of_session =
            |session: &Arc<LiveSession>| session.renewals() + u64::from(session.is_over(now));
        let of_session = standing.session().map_or(0, of_session);
        // A film whose session has run out is looked at now and then: it may play on for a while.
        let minute = now.wall.seconds() / 60;
        self.generation.load(Ordering::Acquire).wrapping_add(of_session).wrapping_add(minute)
    }

    fn still_holds(&self, standing: &Standing, stream: Stream) -> Result<(), PermitEnd> {
        let plan = self.plan.load();
        standing.still_holds(&plan, self.clock.now(), stream)
    }
}

impl Serve for Arc<Door> {
    type Body = Body;

    /// The answer to one request. A panic in one request must not take the door down: it is
    /// that request's 500, and everybody else goes on. `handle` catches what the rooms do; what
    /// is caught here went wrong before or beside them, so nothing is known of the request.
    async fn serve(
        &self,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let answered = caught(pin!(Some(self.handle(connection, request)))).await;
        answered.unwrap_or_else(|panicked| self.last_resort(&panicked))
    }

    fn unread(&self, connection: &Connection, unread: &Unread) {
        self.recorder.unread(connection.peer.address, unread, moment(&*self.clock));
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}
