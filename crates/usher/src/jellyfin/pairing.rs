//! How apps get in: Quick Connect as they know it, answered here.
//!
//! | asked | by | answer |
//! |---|---|---|
//! | `/QuickConnect/Enabled` | strangers | `true` |
//! | `/QuickConnect/Initiate` | strangers | a code and a secret of ours |
//! | `/QuickConnect/Connect` | strangers | whether somebody has said yes |
//! | `/Users/AuthenticateWithQuickConnect` | strangers | what was made for this secret, once |
//! | `/Users/AuthenticateByName` | strangers | what is made for an app password, or once somebody says yes (`hold.rs`) |
//! | `/QuickConnect/Authorize` | somebody, from an app of theirs or the web client | it is theirs |
//! | `/link` | somebody, in a browser | the page for it |

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use url::form_urlencoded;
use usher_rules::{
    app_passwords::AppPasswords,
    jellyfin::{
        DeviceAt, Door, EndedApps, Opening, Token, TokenHash,
        grants::{About, Grants, about},
        pairing::{AppNames, Network, NoApp, NotAsked, Pairings, Polled, TooMany},
    },
    names::Origin,
    people::{BoxFuture, People},
    plan::{Level, Plan, Route},
    secret::Secret,
    session::LetInBy,
    signin::same_origin,
    time::Now,
};

use super::{
    Devices, Whose,
    asked::{Asked, SMALL, answered_here, is_of_another_site},
    bound::{BoundApps, Made},
    by_password::ByPassword,
    farewell::tell,
    held::Held,
    keys::Keys,
    not_let_in::{NotLetIn, owner},
    place::{leads_to, place_of, server_of, servers_of},
    quick_connect::{drawn, told},
    read::read,
    seat::{Asked as AskedOfSeat, Seats, is_library},
    users::Users,
};
use crate::request::{
    Answers, AppRequest, Body, EventName, Named, Remembered, SignInJournal, SignInNote,
    accept::Tasks,
    forward::{Trust, UpstreamClients},
    identify::{LiveSession, SessionStore},
};

/// How long a connection to a server may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// So long may each thing be that an app says of itself, in characters; it stands on a page.
const LONGEST_NAME: usize = 64;
/// Octets of the longest id of a device. Web clients make theirs of their browser's name and the
/// time: what is cut off is what tells two of them apart.
const LONGEST_ID: usize = 1024;

/// Lets apps in.
pub struct Pairing {
    pub(super) bound: BoundApps,
    pub(super) people: Arc<dyn People>,
    pub(super) users: Users,
    pub(super) keys: Keys,
    pub(super) clients: UpstreamClients,
    journal: Arc<dyn SignInJournal>,
    /// By server: two routes may lead to the same one.
    waiting: Mutex<BTreeMap<Box<str>, Pairings<Made>>>,
    grants: Mutex<BTreeMap<Box<str>, Grants>>,
    pub(super) seats: Seats,
    pub(super) by_password: ByPassword,
    pub(super) held: Held,
}

/// What the rest of usher gives to it.
pub struct PairingDeps {
    /// Where apps have their sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Those whose sessions have ended.
    pub ended: Arc<dyn EndedApps>,
    /// Our own people.
    pub people: Arc<dyn People>,
    /// The passwords that they made for apps.
    pub app_passwords: Arc<dyn AppPasswords>,
    /// Whose each of a server's users is.
    pub remembered: Arc<dyn Remembered>,
    /// What is told to operators.
    pub journal: Arc<dyn SignInJournal>,
    /// What servers' certificates are judged by.
    pub trust: Trust,
}

impl Pairing {
    /// Knows the apps that were let in before.
    pub fn new(deps: PairingDeps) -> Self {
        let PairingDeps { sessions, ended, people, app_passwords, remembered, journal, trust } =
            deps;
        let users = Users::new(remembered, Arc::clone(&people));
        let clients = UpstreamClients::new(trust, PATIENCE);
        let bound = BoundApps::new(sessions, ended);
        let (waiting, grants) = (Mutex::default(), Mutex::default());
        let (keys, seats, held) = (Keys::default(), Seats::default(), Held::default());
        let by_password = ByPassword::new(app_passwords);
        Self {
            bound,
            people,
            users,
            keys,
            clients,
            journal,
            waiting,
            grants,
            seats,
            by_password,
            held,
        }
    }

    /// What somebody does with the apps that wait at a server.
    pub(super) fn with<T>(&self, server: &str, act: impl FnOnce(&mut Pairings<Made>) -> T) -> T {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        act(all.entry(server.into()).or_default())
    }

    fn grants<T>(&self, server: &str, act: impl FnOnce(&mut Grants) -> T) -> T {
        let mut all = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(server) {
            Some(known) => act(known),
            None => act(all.entry(server.into()).or_default()),
        }
    }

    pub(super) fn note(&self, asked: AppRequest<'_>, event: EventName, cause: String) {
        let person = asked.identity.session().map(|live| live.person().into());
        self.note_of(asked, event, person, cause);
    }

    /// Of somebody whom the request itself does not name, or of nobody.
    pub(super) fn note_of(
        &self,
        asked: AppRequest<'_>,
        event: EventName,
        person: Option<Named<'_>>,
        cause: String,
    ) {
        let note = SignInNote {
            level: Level::Info,
            event,
            now: asked.now,
            request_id: asked.request_id,
            person,
            from: Some(asked.visitor),
            cause: Some(cause),
            client_authentication: None,
        };
        self.journal.note(asked.plan, note);
    }

    /// Has apps follow what is known of their owners, and ends at the server what has ended here.
    /// To be called every second, and waits for no server: who looks after sessions calls it.
    pub async fn follow(self: &Arc<Self>, plan: &Arc<Plan>, tasks: &Tasks, now: Now) {
        for ended in self.bound.follow(now.wall).await {
            let (pairing, plan) = (Arc::clone(self), Arc::clone(plan));
            tasks.spawn_whole(async move { pairing.end_there(&plan, &ended).await });
        }
    }

    async fn end_there(&self, plan: &Plan, ended: &DeviceAt) {
        let is_there = |route: &&Arc<Route>| leads_to(route, &ended.server, &ended.host);
        let Some(route) = plan.routes.iter().find(is_there) else { return };
        let servers = servers_of(route);
        // The one that made its token, or whichever stands in its place now.
        let server = servers.iter().find(|one| **one == ended.server).or(servers.first());
        let Some(Ok(api)) = server.map(|server| self.api(route, server)) else { return };
        for reader in self.bound.untold(ended) {
            tell(&api, ended, &reader).await;
        }
        let _nobody_else_is_let_in = self.bound.turn(&ended.device_id).await;
        if !self.bound.is_free(ended) {
            return; // somebody was, since it was due: theirs would go with it
        }
        // Where it does not answer it is asked again; the token is refused here all the same.
        if api.end_device(&ended.device_id).await.is_ok() {
            self.bound.dropped(ended).await;
        }
    }

    async fn answer_to(&self, asked: AppRequest<'_>, body: Bytes) -> Response<Body> {
        if let Some(what) = AskedOfSeat::of(asked) {
            return self.answer_at_seat(asked, what, &body).await;
        }
        let Some((what, server)) = Asked::of(asked).zip(server_of(asked.route)) else {
            return empty(StatusCode::NOT_FOUND);
        };
        match what {
            Asked::Enabled => json(StatusCode::OK, &true.into()),
            Asked::Initiate => self.initiate(asked, server),
            Asked::Connect => self.connect(asked, server),
            Asked::Exchange => self.exchange(asked, server, &body).await,
            Asked::SignIn => self.sign_in(asked, server, &body).await,
            Asked::Authorize => self.authorize(asked, server).await,
            Asked::Page => self.page(asked, server, &body).await,
        }
    }

    fn initiate(&self, asked: AppRequest<'_>, server: &str) -> Response<Body> {
        if is_of_another_site(asked) {
            return failed(StatusCode::FORBIDDEN);
        }
        let Some(app) = names(asked) else { return failed(StatusCode::BAD_REQUEST) };
        let Some((codes, secret)) = drawn() else {
            return failed(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let (from, now) = (asked.visitor, asked.now.monotonic);
        let kept = Secret::new(secret.as_bytes());
        let begun = self.with(server, |all| all.begin(app.clone(), from, (&codes, kept), now));
        match begun {
            Ok(code) => {
                let begun = Polled { app, code, age: Duration::ZERO, is_bound: false };
                json(StatusCode::OK, &told(&begun, &secret, asked.now.wall))
            }
            Err(TooMany { retry_after }) => too_many(retry_after),
        }
    }

    fn connect(&self, asked: AppRequest<'_>, server: &str) -> Response<Body> {
        let secret = parameter(asked, "secret").unwrap_or_default();
        let polled = self.with(server, |all| all.poll(secret.as_bytes(), asked.now.monotonic));
        match polled {
            Ok(polled) => json(StatusCode::OK, &told(&polled, &secret, asked.now.wall)),
            Err(NotAsked::Unknown) => json(StatusCode::NOT_FOUND, &"Unknown secret".into()),
            Err(NotAsked::TooOften) => too_many(Duration::from_secs(1)),
        }
    }

    /// An app has fetched what was made for it.
    pub(super) async fn handed_out(&self, made: Made) -> Bytes {
        self.bound.was_fetched(&made.session).await;
        made.answer
    }

    async fn exchange(&self, asked: AppRequest<'_>, server: &str, body: &[u8]) -> Response<Body> {
        let given: Value = serde_json::from_slice(body).unwrap_or_default();
        // Members of what is sent have no case there.
        let members = given.as_object().into_iter().flatten();
        let mut secrets = members.filter(|(name, _)| name.eq_ignore_ascii_case("secret"));
        let secret = secrets.next().and_then(|(_, value)| value.as_str()).unwrap_or_default();
        let now = asked.now.monotonic;
        match self.with(server, |all| all.exchange(secret.as_bytes(), now)) {
            Some(made) => of_type(StatusCode::OK, self.handed_out(made).await),
            None => failed(StatusCode::NOT_FOUND),
        }
    }

    /// From an app of theirs: whose it is asked to be, it becomes theirs.
    async fn authorize(&self, asked: AppRequest<'_>, server: &str) -> Response<Body> {
        let Some(live) = asked.identity.session().cloned() else {
            return empty(StatusCode::UNAUTHORIZED);
        };
        // A browser adds the cookie to what another site's page sends; no page has an app's token.
        let is_app = live.session().app.is_some();
        if !is_app && same_origin(&asked.head.headers, &Origin::of(asked.authority)).is_err() {
            return failed(StatusCode::FORBIDDEN);
        }
        let typed = parameter(asked, "code").unwrap_or_default();
        let reader = owner(&live);
        let now = asked.now.monotonic;
        let found = self.with(server, |all| all.look(&typed, &reader, now));
        let waiting = match found {
            Ok(waiting) => waiting,
            Err(NoApp::Unknown) => return failed(StatusCode::NOT_FOUND),
            Err(NoApp::Locked { retry_after }) => return too_many(retry_after),
        };
        let by = if is_app { LetInBy::App } else { LetInBy::Page };
        match self.let_in(asked, server, (&live, by), waiting.id).await {
            Ok(_) => json(StatusCode::OK, &true.into()),
            Err(why) => failed(match why {
                NotLetIn::Gone => StatusCode::NOT_FOUND,
                NotLetIn::NotDone(_) | NotLetIn::Store(_) => StatusCode::BAD_GATEWAY,
                NotLetIn::NoName | NotLetIn::Taken | NotLetIn::NotKnown => StatusCode::FORBIDDEN,
                NotLetIn::Often => StatusCode::TOO_MANY_REQUESTS,
            }),
        }
    }
}

impl Devices for Pairing {
    fn whose<'a>(&'a self, token: TokenHash, asked: AppRequest<'a>) -> BoxFuture<'a, Whose> {
        Box::pin(async move {
            self.bound.whose(&token, place_of(asked), asked.visitor, asked.now).await
        })
    }

    fn learn_of<'a>(&'a self, token: &'a Token, asked: AppRequest<'a>) -> BoxFuture<'a, ()> {
        Box::pin(Pairing::learn_of(self, token, asked.route))
    }

    fn is_no_key(&self, token: TokenHash, asked: AppRequest<'_>) -> bool {
        self.is_no_key_at(token, asked.route)
    }

    fn answers(&self, opening: Opening, asked: AppRequest<'_>) -> Answers {
        if opening == Opening::Web {
            return self.answers_in_front(asked);
        }
        answered_here(opening, asked)
    }

    fn granted<'a>(
        &'a self,
        door: Door,
        asked: AppRequest<'a>,
    ) -> BoxFuture<'a, Option<Arc<LiveSession>>> {
        Box::pin(async move {
            let about = about_of(asked).filter(|about| about.is_behind(door))?;
            let server = server_of(asked.route)?;
            let (at, now) = (Network::of(asked.visitor), asked.now);
            let by = self.grants(server, |all| all.used(at, about, now.monotonic))?;
            self.bound.of_id(&by, now).await
        })
    }

    fn passed(&self, asked: AppRequest<'_>) {
        let Some(live) = asked.identity.session() else { return };
        let Some(server) = server_of(asked.route) else { return };
        if live.session().app.is_some() {
            let (at, about) = (Network::of(asked.visitor), about_of(asked));
            let now = asked.now.monotonic;
            self.grants(server, |all| all.opened(at, &live.session().id, about, now));
        } else if is_library(asked) {
            self.seats.came_in(&live.session().id, server, asked.now.monotonic);
        }
    }

    fn answers_somebody(&self, asked: AppRequest<'_>) -> Answers {
        match Asked::of(asked) {
            Some(Asked::Authorize | Asked::Page) => Answers::Own { at_most: SMALL },
            None if AskedOfSeat::of(asked).is_some() => Answers::Own { at_most: SMALL },
            Some(_) | None => Answers::Upstream,
        }
    }

    fn answer<'a>(&'a self, asked: AppRequest<'a>, body: Bytes) -> BoxFuture<'a, Response<Body>> {
        Box::pin(self.answer_to(asked, body))
    }
}

impl fmt::Debug for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pairing").finish_non_exhaustive()
    }
}

/// What a request is about, by the one reading of its path.
fn about_of(asked: AppRequest<'_>) -> Option<About> {
    let settings = asked.route.jellyfin.as_deref()?;
    if !asked.path.other_readings().is_empty() {
        return None;
    }
    let query = asked.head.uri.query().unwrap_or_default();
    about(&asked.head.method, asked.path, query, &settings.small_base)
}

/// What an app says of itself; `None` where it leaves something out.
pub(super) fn names(asked: AppRequest<'_>) -> Option<AppNames> {
    let read = read(asked);
    let client = read.credentials.as_ref().ok()?.client.as_ref()?;
    let device_id = client.device_id.clone();
    let [client, device, version] = [&client.name, &client.device, &client.version].map(|said| {
        // The server's own limit is none; a page and a row of a table have one.
        let shown = said.chars().filter(|c| !c.is_control()).take(LONGEST_NAME);
        shown.collect::<String>().into_boxed_str()
    });
    let all = [&client, &device, &device_id, &version];
    let is_whole = all.iter().all(|one| !one.trim().is_empty()) && device_id.len() <= LONGEST_ID;
    is_whole.then_some(AppNames { client, device, device_id, version })
}

/// A parameter, whose name has no case. Doubled ones were refused before.
fn parameter(asked: AppRequest<'_>, name: &str) -> Option<String> {
    let query = asked.head.uri.query().unwrap_or_default();
    let mut all = form_urlencoded::parse(query.as_bytes());
    let found = all.find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.into_owned())
}

fn json(status: StatusCode, value: &Value) -> Response<Body> {
    of_type(status, value.to_string().into())
}

/// Its pages of other origins (TVs, receivers) read it; the server says the same.
pub(super) fn of_type(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    of_type(status, Bytes::new())
}

/// As the server says it, whatever was wrong.
pub(super) fn failed(status: StatusCode) -> Response<Body> {
    let mut response = of_type(status, "Error processing request.".into());
    let text = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

pub(super) fn too_many(retry_after: Duration) -> Response<Body> {
    let mut response = failed(StatusCode::TOO_MANY_REQUESTS);
    let seconds = HeaderValue::from(retry_after.as_secs().max(1));
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}
