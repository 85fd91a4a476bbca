use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use serde_json::json;
use usher_rules::{
    names::{Authority, Host, Origin, RequestPath},
    people::{BoxFuture, Member, PasswordCheck, PasswordRefusal, TypedPassword},
    plan::{Plan, Provider, Route},
    secret::Secret,
    session::{Credential, Keys, SignedIn, credential},
    signin::hosted::{HostedKey, PublicKey},
    time::{Now, UnixTime},
};

use super::forgetful::Forgetful;
use crate::{
    request::{
        Assertions, Body, OwnPages, OwnRequest, Prompt, SignInJournal, SignInNeeded, SignInNote,
        identify::{
            Found, Identity, LiveSession, Rejection, SessionStore, contract::end_each_of,
            memory::MemorySessions,
        },
    },
    signin::{SignInDeps, SignInRoom, provider::Providers},
};
use usher_lab::{no_accounts::NoAccounts, no_grants::NoGrants};

/// When each story begins.
pub const START: u64 = 1_700_000_000;
pub const ANN: (&str, &str) = ("ann@example.com", "open sesame");
pub const BOB: (&str, &str) = ("bob@example.com", "barley barley");

struct Passwords;

impl PasswordCheck for Passwords {
    fn check<'a>(
        &'a self,
        typed: TypedPassword<'a>,
    ) -> BoxFuture<'a, Result<Member, PasswordRefusal>> {
        let TypedPassword { email, password, .. } = typed;
        Box::pin(async move {
            let member = |id: &str, name: &str, groups: &[&str]| Member {
                id: id.into(),
                email: email.into(),
                name: name.into(),
                groups: groups.iter().map(|group| (*group).into()).collect(),
                ..Member::default()
            };
            match (email, password.expose_str().unwrap()) {
                ("many@example.com", _) => {
                    Err(PasswordRefusal::TooManyTries { retry_after: Duration::from_secs(90) })
                }
                ("down@example.com", _) => Err(PasswordRefusal::Unavailable),
                ANN => Ok(member("id-of-ann", "<b>Ann</b>", &["family", "<script>"])),
                BOB => Ok(member("id-of-bob", "Bob", &[])),
                _ => Err(PasswordRefusal::Wrong),
            }
        })
    }

    fn owner<'a>(&'a self, _email: &'a str) -> BoxFuture<'a, Option<Member>> {
        Box::pin(async { None })
    }
}

struct FixedAssertions;

impl Assertions for FixedAssertions {
    fn jwks(&self) -> Arc<[u8]> {
        Arc::from(*b"{\"keys\":[]}")
    }

    fn assertion(
        &self,
        _: &Plan,
        _: &LiveSession,
        _: (&str, &Route),
        _: UnixTime,
    ) -> Option<HeaderValue> {
        None
    }

    fn about(&self, _plan: &Plan, who: &SignedIn) -> serde_json::Value {
        json!({"sub": who.person.id, "email": who.person.email})
    }
}

#[derive(Default)]
pub struct Notes(Mutex<Vec<String>>);

impl SignInJournal for Notes {
    fn note(&self, _plan: &Plan, note: SignInNote<'_>) {
        let SignInNote { level, event, person, cause, .. } = note;
        let person = person.map(|person| person.id);
        let mut notes = self.0.lock().unwrap();
        if notes.len() > 10_000 {
            notes.clear(); // a machine with dice makes millions
        }
        notes.push(format!("{level:?} {} {person:?} {cause:?}", event.word()));
    }
}

impl Notes {
    pub fn last(&self) -> String {
        self.0.lock().unwrap().last().cloned().unwrap_or_default()
    }

    pub fn all(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// The room, two route hosts and an authenticate host around it.
pub struct TestRoom {
    pub room: SignInRoom,
    pub plan: Mutex<Arc<Plan>>,
    pub keys: Arc<Keys>,
    pub sessions: Arc<MemorySessions>,
    pub notes: Arc<Notes>,
    now: AtomicU64,
    monotonic: Instant,
}

pub fn plan(provider: Provider) -> Plan {
    let hosts = ["tv.example", "photos.example"].map(|host| Host::parse(host).unwrap());
    Plan::sketch(Origin::parse("https://auth.example").unwrap(), provider, hosts.to_vec())
}

impl TestRoom {
    pub fn new(provider: Provider) -> Self {
        Self::with(plan(provider))
    }

    pub fn with(plan: Plan) -> Self {
        let keys = Arc::new(Keys::derive(&Secret::new([1; 32]), &Secret::new([2; 32])).unwrap());
        let (sessions, notes) = (Arc::<MemorySessions>::default(), Arc::<Notes>::default());
        let none = Arc::<NoAccounts>::default();
        let mut room = SignInRoom::new(SignInDeps {
            sessions: Arc::clone(&sessions) as _,
            passwords: Arc::new(Passwords),
            accounts: Arc::clone(&none) as _,
            people_admin: Arc::clone(&none) as _,
            app_passwords: Arc::clone(&none) as _,
            enrolled: none,
            keys: Arc::clone(&keys),
            hosted: HostedKey::derive(&Secret::new([1; 32])),
            remembered: Arc::new(Forgetful),
            local: Arc::new(Forgetful),
            assertions: Arc::new(FixedAssertions),
            grants: Arc::new(NoGrants),
            logouts: Arc::new(NoGrants),
            id_token_keys: Arc::default(),
            journal: Arc::clone(&notes) as Arc<dyn SignInJournal>,
        });
        // Longer than any machine takes: a lie of silence is told with the clock stopped.
        room.providers = Providers::new(Duration::from_secs(60));
        let (now, monotonic) = (AtomicU64::new(START), Instant::now());
        let plan = Mutex::new(Arc::new(plan));
        Self { room, plan, keys, sessions, notes, now, monotonic }
    }

    pub fn later(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    fn now(&self) -> Now {
        let seconds = self.now.load(Ordering::Relaxed);
        let monotonic = self.monotonic + Duration::from_secs(seconds - START);
        Now { wall: UnixTime::from_seconds(seconds), wall_millis: 0, monotonic }
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser { room: self, jar: BTreeMap::new(), fields: Vec::new() }
    }

    /// Makes this the key of the hosted service, for good.
    pub fn pin(&self, key: PublicKey) {
        let plan = Arc::clone(&self.plan.lock().unwrap());
        self.room.service_keys.pin(&plan, key);
    }

    /// Forgets sessions that have ended by themselves, as the store does every minute.
    pub fn forget_expired(&self) {
        self.sessions.forget_expired(self.now().wall);
    }

    pub async fn end_all_of(&self, person: &str) {
        end_each_of(&*self.sessions, person).await;
    }

    /// How many sessions this person has.
    pub fn sessions_of(&self, person: &str) -> usize {
        self.sessions.of_person(person).len()
    }

    fn identity(&self, plan: &Plan, head: &http::request::Parts) -> Identity {
        let now = self.now().wall;
        let query = head.uri.query();
        match credential(&self.keys, &head.headers, query, &plan.cookie.host_name, now) {
            Credential::Absent => Identity::Anonymous,
            Credential::Bad(..) | Credential::Contradiction(_) => {
                Identity::Rejected(Rejection::Forged)
            }
            Credential::Good(handle, _) => match self.sessions.find(&handle.session) {
                Found::Ended | Found::Elsewhere => Identity::Rejected(Rejection::Unknown),
                Found::Live(live)
                    if live.session().expires_at().is_expired_at(now, Duration::ZERO) =>
                {
                    Identity::Rejected(Rejection::Expired)
                }
                Found::Live(live) => Identity::Session(live),
            },
        }
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        let plan = Arc::clone(&self.plan.lock().unwrap());
        let (head, body) = request.into_parts();
        let authority = Authority::parse(head.uri.authority().unwrap().as_str()).unwrap();
        let path = RequestPath::parse(head.uri.path()).unwrap();
        let identity = self.identity(&plan, &head);
        let now = self.now();
        let own = authority.host.as_str() == "auth.example"
            || ["/.pomerium", "/.well-known/pomerium", "/ping", "/healthz", "/oauth2/callback"]
                .iter()
                .any(|own| path.wire().starts_with(own));
        if own {
            let (visitor, request_id): (IpAddr, _) = ([127, 0, 0, 1].into(), "r-1".into());
            let request = OwnRequest {
                plan,
                head,
                body,
                authority,
                path,
                route: None,
                identity,
                source: visitor,
                visitor,
                presented: Arc::default(),
                request_id,
                now,
            };
            return self.room.answer(request).await;
        }
        match identity {
            Identity::Session(live) => {
                Response::new(Body::full(format!("the app, for {}", live.person().id)))
            }
            Identity::Anonymous | Identity::Rejected(_) => {
                let target = head.uri.path_and_query().unwrap().as_str();
                let (plan, head, authority) = (&plan, &head, &authority);
                let needed = SignInNeeded {
                    plan,
                    head,
                    authority,
                    target,
                    provider: plan.sign_in.providers.ids_asked_by(None),
                    prompt: Prompt::IfNeeded,
                    request_id: "r-1",
                    now,
                };
                self.room.sign_in_redirect(needed).await
            }
        }
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Seen {
    pub url: String,
    pub status: u16,
    pub head: http::HeaderMap,
    pub text: String,
}

impl Seen {
    pub fn field(&self, name: &str) -> &str {
        self.head.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        self.field("location")
    }

    pub fn cookies(&self) -> Vec<&str> {
        self.head.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// Does it set (not clear) the session cookie of its host?
    pub fn signs_in(&self) -> bool {
        self.cookies().iter().any(|cookie| {
            (cookie.starts_with("__Host-_pomerium=")
                || cookie.starts_with("__Host-_pomerium_authenticate="))
                && !cookie.contains("=;")
        })
    }

    /// The value of the hidden field that ties the form to the browser.
    pub fn flow(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"flow\" value=\"").expect("the form");
        rest.split('"').next().unwrap().to_owned()
    }
}

/// A cookie jar that follows redirects when it is told to.
#[derive(Clone)]
pub struct Browser<'a> {
    pub room: &'a TestRoom,
    pub jar: BTreeMap<(String, String), String>,
    /// Fields sent along every request.
    pub fields: Vec<(&'static str, String)>,
}

impl Browser<'_> {
    pub async fn get(&mut self, url: &str) -> Seen {
        self.send("GET", url, String::new(), &[]).await
    }

    pub async fn post(
        &mut self,
        url: &str,
        form: &[(&str, &str)],
        fields: &[(&'static str, &str)],
    ) -> Seen {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send("POST", url, body, fields).await
    }

    pub async fn send(
        &mut self,
        method: &str,
        url: &str,
        body: String,
        fields: &[(&'static str, &str)],
    ) -> Seen {
        let parsed = url::Url::parse(url).unwrap();
        let host = parsed.host_str().unwrap().to_owned();
        let cookies: Vec<String> = self
            .jar
            .iter()
            .filter(|((of, _), _)| *of == host)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        let mut request = Request::builder().method(method).uri(url);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in &self.fields {
            request = request.header(*name, value);
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let response = self.room.answer(request.body(Bytes::from(body)).unwrap()).await;
        let (head, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&text).into_owned();
        let seen = Seen { url: url.into(), status: head.status.as_u16(), head: head.headers, text };
        for cookie in seen.cookies() {
            let (name, rest) = cookie.split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            assert!(attributes.contains("Secure") && attributes.contains("Path=/"), "{cookie}");
            if name.starts_with("__Host-") {
                assert!(!attributes.contains("Domain"), "{cookie}");
            }
            let key = (host.clone(), name.to_owned());
            if attributes.contains("Max-Age=0") {
                self.jar.remove(&key);
            } else {
                self.jar.insert(key, value.to_owned());
            }
        }
        seen
    }

    /// Follows redirects between our hosts; stops at another host, or at an answer.
    pub async fn follow(&mut self, url: &str) -> Seen {
        let mut seen = self.get(url).await;
        for _ in 0..8 {
            let Some(next) = onward(&seen) else { return seen };
            seen = self.get(&next).await;
        }
        panic!("redirects without end at {}", seen.url)
    }

    /// Signs in on the built-in form, from a page of a route's host; ends at an answer.
    pub async fn sign_in(&mut self, url: &str, (email, password): (&str, &str)) -> Seen {
        let form = self.follow(url).await;
        let after = self.fill(&form, email, password).await;
        match onward(&after) {
            Some(next) => self.follow(&next).await,
            None => after,
        }
    }

    /// Sends the form that was seen.
    pub async fn fill(&mut self, form: &Seen, email: &str, password: &str) -> Seen {
        let flow = form.flow();
        let fields = [("email", email), ("password", password), ("flow", &*flow)];
        self.post(&form.url, &fields, &[("sec-fetch-site", "same-origin")]).await
    }
}

/// Where a redirect leads, if it is to a host of ours.
pub fn onward(seen: &Seen) -> Option<String> {
    let base = url::Url::parse(&seen.url).unwrap();
    let next = base.join(Some(seen.location()).filter(|to| !to.is_empty())?).unwrap();
    let ours = ["tv.example", "photos.example", "auth.example"];
    let written = Some(seen.location()).filter(|location| location.starts_with("https://"));
    ours.contains(&next.host_str()?).then(|| written.unwrap_or(next.as_str()).to_owned())
}

impl MemorySessions {
    /// Their newest session.
    pub fn of_person_now(&self, id: &str) -> SignedIn {
        let sessions = self.of_person(id);
        sessions.iter().max_by_key(|live| live.session().issued_at).unwrap().signed_in().clone()
    }
}
