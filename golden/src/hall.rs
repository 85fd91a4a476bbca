//! One usher without listeners: the whole way of a request, with the peers that a case names.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher::{
    request::{
        Anchor, Apps, Assertions, Door, DoorParts, LocalAuthority, Remembered, SignInJournal,
        SignInNote,
        accept::{AskedFor, Connection, Presented, Protocol, Pulse, Shown, Tasks, serve},
        forward::Trust,
        identify::{Found, LiveSession, NotOnce, SessionStore, StoreError},
        record::Recorder,
        shape::Signer,
    },
    server::SystemClock,
    signin::{SignInDeps, SignInRoom},
};
use usher_lab::{no_accounts::NoAccounts, no_grants::NoGrants};
use usher_rules::{
    people::{BoxFuture, Member, PasswordCheck, PasswordRefusal, TypedPassword},
    plan::Plan,
    secret::Secret,
    session::{CookieNames, Handle, Keys, SessionId, SignedIn},
    signin::hosted::HostedKey,
    time::UnixTime,
};

/// A door with its plan.
pub(crate) struct Hall {
    door: Arc<Door>,
    keys: Arc<Keys>,
    sessions: Arc<OneSession>,
    tasks: Tasks,
}

/// What came back for one request.
pub(crate) struct Reply {
    /// Of the answer.
    pub status: u16,
    /// Fields of the answer, names in small letters.
    pub fields: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Reply {
    fn read(said: &str) -> Self {
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or((said, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let fields = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.unwrap_or(0),
            fields: fields.map(|(name, value)| (name.to_ascii_lowercase(), value.into())).collect(),
            body: body.into(),
        }
    }

    /// The first value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// The session of the request under way.
#[derive(Default)]
struct OneSession(Mutex<Option<Arc<LiveSession>>>);

impl OneSession {
    fn kept(&self) -> Option<Arc<LiveSession>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SessionStore for OneSession {
    fn find(&self, id: &SessionId) -> Found {
        let kept = self.kept().filter(|live| live.session().id == *id);
        kept.map_or(Found::Ended, Found::Live)
    }

    fn insert(&self, new: SignedIn) -> BoxFuture<'_, Result<Arc<LiveSession>, StoreError>> {
        let live = Arc::new(LiveSession::new(new));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&live));
        Box::pin(async { Ok(live) })
    }

    fn renew<'a>(
        &'a self,
        _: &'a Arc<SignedIn>,
        _: SignedIn,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async { Ok(true) })
    }

    fn end<'a>(&'a self, _: &'a SessionId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn all(&self) -> Vec<Arc<LiveSession>> {
        Vec::new()
    }

    fn of_person(&self, _: &str) -> Vec<Arc<LiveSession>> {
        Vec::new()
    }

    fn once(&self, _: [u8; 32], _: UnixTime, _: UnixTime) -> BoxFuture<'_, Result<(), NotOnce>> {
        Box::pin(async { Ok(()) })
    }
}

/// Nobody has a password, and nothing is kept.
struct Nobody;

impl PasswordCheck for Nobody {
    fn check<'a>(&'a self, _: TypedPassword<'a>) -> BoxFuture<'a, Result<Member, PasswordRefusal>> {
        Box::pin(async { Err(PasswordRefusal::Wrong) })
    }

    fn owner<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<Member>> {
        Box::pin(async { None })
    }
}

impl Remembered for Nobody {
    fn recall<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn remember<'a>(&'a self, _: &'a str, _: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

impl LocalAuthority for Nobody {
    fn anchor(&self, _: &str) -> Option<Anchor> {
        None
    }
}

impl SignInJournal for Nobody {
    fn note(&self, _: &Plan, _: SignInNote<'_>) {}
}

/// Where the plan names no secret.
const SECRET: [u8; 32] = [7; 32];

impl Hall {
    /// A door that serves a plan.
    pub(crate) fn open(plan: Plan, recorder: Recorder) -> Result<Self, String> {
        let why = |error: &dyn std::error::Error| error.to_string();
        let secret = |given: Option<&Arc<Secret>>| {
            Secret::new(given.map_or(&SECRET[..], |given| given.expose()))
        };
        let (shared, cookie) =
            (secret(plan.secrets.shared.as_ref()), secret(plan.secrets.cookie.as_ref()));
        let keys = Arc::new(Keys::derive(&shared, &cookie).map_err(|error| why(&error))?);
        let pem = match &plan.secrets.signing {
            Some(pem) => Signer::from_pem(pem.expose()),
            None => Signer::generate_pem().and_then(|pem| Signer::from_pem(pem.expose())),
        };
        let signer = Arc::new(pem.map_err(|error| why(&error))?);
        let tasks = Tasks::default();
        let sessions = Arc::new(OneSession::default());
        let own = SignInRoom::new(SignInDeps {
            sessions: Arc::<OneSession>::clone(&sessions),
            passwords: Arc::new(Nobody),
            accounts: Arc::new(NoAccounts::default()),
            people_admin: Arc::new(NoAccounts::default()),
            app_passwords: Arc::new(NoAccounts::default()),
            enrolled: Arc::new(NoAccounts::default()),
            keys: Arc::clone(&keys),
            hosted: HostedKey::derive(&shared),
            remembered: Arc::new(Nobody),
            local: Arc::new(Nobody),
            assertions: Arc::<Signer>::clone(&signer) as Arc<dyn Assertions>,
            grants: Arc::new(NoGrants),
            logouts: Arc::new(NoGrants),
            id_token_keys: Arc::default(),
            journal: Arc::new(Nobody),
        });
        let parts = DoorParts {
            keys: Arc::clone(&keys),
            sessions: Arc::<OneSession>::clone(&sessions),
            own: Arc::new(own),
            signer,
            recorder,
            clock: Arc::new(SystemClock),
            tasks: tasks.clone(),
            trust: Trust::only([]),
            apps: Apps::default(),
        };
        let door = Arc::new(Door::new(Arc::new(plan), parts));
        Ok(Self { door, keys, sessions, tasks })
    }

    /// What it serves.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        self.door.plan()
    }

    /// The provider that sessions have to come from.
    pub(crate) fn provider(&self) -> String {
        self.door.plan().sign_in.providers.first().id().to_string()
    }

    /// A `Cookie` that leads to no session.
    pub(crate) fn cookie_of_nobody(&self) -> String {
        format!("{}=nobody", CookieNames::of(&self.door.plan().cookie).own())
    }

    /// The `Cookie` that the session's browser sends to a host.
    pub(crate) async fn cookie(&self, who: SignedIn, host: &str) -> Result<String, String> {
        let plan = self.door.plan();
        let names = CookieNames::of(&plan.cookie);
        let live = self.sessions.insert(who).await.map_err(|error| error.to_string())?;
        let handle = Handle::to(live.signed_in(), "authenticate.example.com", vec![host.into()]);
        Ok(format!("{}={}", names.own(), self.keys.sign_handle(&handle)))
    }

    /// What is answered to these octets, from this peer, over TLS, after this certificate.
    pub(crate) async fn ask(
        &self,
        peer: SocketAddr,
        presented: Presented,
        octets: &[u8],
    ) -> Result<Reply, String> {
        let why = |error: io::Error| error.to_string();
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let connection = Connection {
            peer: peer.into(),
            server_name: None,
            shown: Shown::new(None),
            presented: Arc::new(presented),
            pulse: Pulse::new(Protocol::Http1),
            asked_for: AskedFor::default(),
        };
        let served = serve(server, Arc::new(connection), Arc::clone(&self.door), &self.tasks, None);
        let asked = async {
            client.write_all(octets).await?;
            let mut said = Vec::new();
            while !is_whole(octets, &said) && client.read_buf(&mut said).await? > 0 {}
            drop(client); // it lingers for the rest of a request that it refused
            Ok(said)
        };
        let ((), said) = tokio::join!(served, asked);
        let said = String::from_utf8_lossy(&said.map_err(why)?).into_owned();
        Ok(Reply::read(&said))
    }
}

/// Is an answer with a length here in full? Of others the end of the connection is the end, but that
/// of a tunnel that opens has no body (RFC 9110 §9.3.6).
fn is_whole(asked: &[u8], said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said);
    let Some((head, body)) = said.split_once("\r\n\r\n") else { return false };
    if asked.starts_with(b"CONNECT ") && head.starts_with("HTTP/1.1 2") {
        return true;
    }
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.is_some_and(|(_, length)| length.parse() == Ok(body.len()))
}
