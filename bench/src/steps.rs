//! The pure path of a request, step by step, as often as is asked for, by the functions that serve.
//! Run under callgrind by `instructions`, which counts what a step costs.

use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http::{HeaderName, HeaderValue, Request, Response, header, request::Parts, response};
use tempfile::TempDir;
use usher::{
    request::{
        Seen,
        accept::{AskedFor, Connection, Presented, Protocol, Pulse, Shown},
        authorize::{self, Grounds, Permitted, Unbound},
        identify::{self, Asker, Identified, Identity, LiveSession, SessionStore as _, Verifier},
        record::{By, Decided, Format, Log, Recorder},
        route::{self, Routed},
        shape::{self, Signer, Upward},
    },
    store::Store,
};
use usher_rules::{
    config::{self, Environment, Input, NoFiles},
    fields::{join_cookies, one_length, reader},
    mcp::Message,
    people::Member,
    plan::{self, Plan, Route},
    secret::Secret,
    session::{Handle, Keys, Means, SessionId},
    signin::member_signs_in,
    time::{Now, UnixTime},
};

use crate::failure::Failure;

/// How many hosts take turns: one alone would be counted by its luck in the table of hosts.
pub const HOSTS: u8 = 16;
const PATH: &str = "/Videos/42/stream.mp4?mediaSourceId=42&static=true";
const REQUEST_ID: &str = "8d7c0c3e-6a52-4c8e-9a53-f1d2b0a94e11";
const POLICY: &str = include_str!("../ten-criteria.yaml");
const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const LIFE: Duration = Duration::from_secs(14 * 3600);

/// One step of the path, or what one of them does at times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    See,
    Route,
    Identify,
    Authorize,
    /// The decision line.
    Record,
    Shape,
    ShapeBack,
    /// An assertion is made and signed, as for a session's first request in half a minute.
    Assert,
}

/// Every step, in the order of the path.
const STEPS: [(&str, Step); 8] = [
    ("see", Step::See),
    ("route", Step::Route),
    ("identify", Step::Identify),
    ("authorize", Step::Authorize),
    ("record", Step::Record),
    ("shape", Step::Shape),
    ("shape-back", Step::ShapeBack),
    ("assert", Step::Assert),
];

/// What ends the names of steps over each HTTP.
const PROTOCOLS: [(&str, Protocol); 2] = [("h1", Protocol::Http1), ("h2", Protocol::Http2)];

/// What each step is called over each HTTP.
pub fn names() -> impl Iterator<Item = String> {
    let of = |(protocol, _)| STEPS.map(|(step, _)| format!("{step}-{protocol}"));
    PROTOCOLS.into_iter().flat_map(of)
}

fn named(name: &str) -> Option<(Step, Protocol)> {
    let (step, protocol) = name.rsplit_once('-')?;
    let step = STEPS.into_iter().find(|(known, _)| *known == step)?.1;
    Some((step, PROTOCOLS.into_iter().find(|(known, _)| *known == protocol)?.1))
}

/// Goes the whole way that often, and tells how long one step of it took each time.
pub fn repeat(name: &str, rounds: u32) -> Result<Vec<Duration>, Failure> {
    Way::prepare()?.repeat(name, rounds)
}

/// What is counted, by this name: see `instructions`. It does something behind the call, or the call
/// would be a jump, which callgrind takes for no end of it.
#[inline(never)]
fn counted_step(step: &mut dyn FnMut()) {
    step();
    black_box(());
}

/// Which step is counted, and how long it took so far.
struct Scales {
    counted: Option<Step>,
    taken: Vec<Duration>,
}

impl Scales {
    /// Takes a step, counted where it is the one.
    fn take<T>(&mut self, step: Step, work: impl FnOnce() -> Option<T>) -> Option<T> {
        if self.counted != Some(step) {
            return work();
        }
        let (mut work, mut given) = (Some(work), None);
        let mut once = || given = work.take().and_then(|work| work());
        let begun = Instant::now();
        counted_step(black_box(&mut once as &mut dyn FnMut()));
        self.taken.push(begun.elapsed());
        given
    }
}

/// What all requests have in common.
struct Way {
    plan: Arc<Plan>,
    keys: Arc<Keys>,
    verifier: Verifier,
    signer: Signer,
    store: Store,
    recorder: Recorder,
    now: Now,
    request_id: HeaderValue,
    answer: response::Parts,
    /// Kept for as long as the store is open.
    _folder: TempDir,
}

/// Somebody who is signed in on one host, and what they ask.
struct Visitor {
    connection: Arc<Connection>,
    head: Box<Parts>,
}

impl Way {
    /// A plan of a hundred hosts, and a session on each that is asked for.
    fn prepare() -> Result<Self, Failure> {
        let routes = (0..100).map(|at| {
            format!(
                "- {{from: 'https://app{at}.home.arpa', to: 'http://127.0.0.1:9', policy: *ten, \
                 pass_identity_headers: true}}\n"
            )
        });
        let text = POLICY.to_owned() + &routes.collect::<String>();
        let draft = config::read(Input { name: None, text: &text }, &Environment::new());
        let (plan, _) = plan::compile(draft, &NoFiles)
            .map_err(|_| Failure::Usage("the config has problems".into()))?;
        let keys = Keys::derive(&Secret::new([1; 32]), &Secret::new([2; 32]));
        let keys = Arc::new(keys.map_err(Failure::exchange("keys"))?);
        let pem = Signer::generate_pem().map_err(Failure::exchange("signer"))?;
        let signer = Signer::from_pem(pem.expose()).map_err(Failure::exchange("signer"))?;
        let folder = tempfile::tempdir().map_err(Failure::io("a folder"))?;
        let store = Store::open(folder.path()).map_err(Failure::exchange("store"))?;
        let provider = plan.sign_in.providers.first().id();
        let member = Member {
            id: "ann".into(),
            email: "ann@example.com".into(),
            groups: vec!["family".into()],
            ..Member::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(Failure::io("runtime"))?;
        for nth in 0..HOSTS {
            let told = member_signs_in(&member, Means::Password, NOW);
            let session = told.begin(session_of(nth), provider, NOW, NOW.plus(LIFE));
            runtime.block_on(store.insert(session)).map_err(Failure::exchange("a session"))?;
        }
        let now = Now { wall: NOW, wall_millis: 0, monotonic: Instant::now() };
        Ok(Self {
            plan: Arc::new(plan),
            verifier: Verifier::new(Arc::clone(&keys)),
            keys,
            signer,
            store,
            recorder: Recorder::new([Log::new(std::io::sink(), Format::Json)]),
            now,
            request_id: HeaderValue::from_static(REQUEST_ID),
            answer: answer().ok_or_else(|| Failure::Usage("an answer".into()))?,
            _folder: folder,
        })
    }

    fn repeat(&self, name: &str, rounds: u32) -> Result<Vec<Duration>, Failure> {
        let wrong =
            |what: &str| Failure::Program { program: name.to_owned(), what: what.to_owned() };
        let (step, protocol) = named(name).ok_or_else(|| wrong("no step is called that"))?;
        let visitors = (0..HOSTS).map(|nth| self.visitor(nth, protocol));
        let visitors = visitors.collect::<Option<Vec<_>>>();
        let visitors = visitors.ok_or_else(|| wrong("nobody can ask that"))?;
        let mut scales = Scales { counted: None, taken: Vec::new() };
        // Once with each for whatever is made at its first use: an assertion, what is kept of a cookie.
        let first = visitors.iter().map(|visitor| (visitor, None));
        let counted = (0..rounds).zip(visitors.iter().cycle());
        for (visitor, counted) in first.chain(counted.map(|(_, visitor)| (visitor, Some(step)))) {
            scales.counted = counted;
            self.go(visitor, &mut scales).ok_or_else(|| wrong("it measures something else"))?;
        }
        Ok(scales.taken)
    }

    /// The request of that host's visitor, as a browser sends it.
    fn visitor(&self, nth: u8, protocol: Protocol) -> Option<Visitor> {
        let host = format!("app{nth}.home.arpa");
        let handle = Handle {
            session: session_of(nth),
            subject: "ann".into(),
            idp_id: None,
            issuer: None,
            audience: vec![host.as_str().into()],
            issued_at: None,
            depends_on_time: false,
        };
        let session = format!("{}={}", self.plan.cookie.host_name, self.keys.sign_handle(&handle));
        let referer = format!("https://{host}/web/index.html");
        let mut head = match protocol {
            Protocol::Http1 => Request::get(PATH)
                .header("host", &host)
                .header("connection", "keep-alive")
                .header("cookie", format!("theme=dark; {session}")),
            // RFC 9113 §8.2.3: browsers send a field for each cookie
            Protocol::Http2 => Request::get(format!("https://{host}{PATH}"))
                .header("cookie", "theme=dark")
                .header("cookie", session),
        };
        for (name, value) in [
            (header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"),
            (header::ACCEPT, "video/webm,video/ogg,video/*;q=0.9,audio/*;q=0.6"),
            (header::ACCEPT_LANGUAGE, "en-GB,en;q=0.5"),
            (header::ACCEPT_ENCODING, "identity"),
            (header::RANGE, "bytes=0-"),
            (header::REFERER, &*referer),
            (HeaderName::from_static("sec-fetch-dest"), "video"),
            (HeaderName::from_static("sec-fetch-mode"), "no-cors"),
            (HeaderName::from_static("sec-fetch-site"), "same-origin"),
        ] {
            head = head.header(name, value);
        }
        let connection = Arc::new(Connection {
            peer: SocketAddr::from((Ipv4Addr::new(203, 0, 113, 7), 40_000)).into(),
            server_name: Some(host.into()),
            shown: Shown::default(),
            presented: Arc::new(Presented::default()),
            pulse: Pulse::new(protocol),
            asked_for: AskedFor::default(),
        });
        let (head, ()) = head.body(()).ok()?.into_parts();
        Some(Visitor { connection, head: Box::new(head) })
    }

    /// As `request/path.rs` goes it with what is for an app. What each step gives is looked at, so that
    /// it measures what it says.
    fn go(&self, visitor: &Visitor, scales: &mut Scales) -> Option<()> {
        let mut head = visitor.head.clone();
        let seen = scales.take(Step::See, || {
            join_cookies(&mut head.headers);
            let reader = reader(&head.method, &head.headers);
            let connection = Arc::clone(&visitor.connection);
            Some(Seen::of(&head, Arc::clone(&self.plan), connection, self.now, reader))
        })?;
        let routed = scales.take(Step::Route, || {
            one_length(&mut head.headers).ok()?;
            route::find(&seen, &head).ok()
        })?;
        let route = routed.route()?;
        let identity =
            scales.take(Step::Identify, || self.identify(&head, &routed))?.on(route, &self.plan);
        let (seen, routed, identity) = (&seen, &routed, &identity);
        let request = Identified { head, seen, routed, identity, message: Message::default() };
        let (permitted, grounds) = scales.take(Step::Authorize, || {
            authorize::permit(request, (route, None), |_| Unbound::No).ok()
        })?;
        let decided = self.decided(identity, (routed, route), (&permitted, &grounds));
        scales.take(Step::Record, || {
            self.recorder.decided(decided);
            Some(())
        })?;
        if scales.counted == Some(Step::Record) {
            self.recorder.flush(); // each line finds an empty queue, at the price of 20 ms
        }
        let shaped = scales.take(Step::Shape, || {
            self.shaped((routed, route), &visitor.connection.peer.text, permitted)
        })?;
        let fields = &shaped.request().headers;
        let is_told = fields.contains_key("x-pomerium-jwt-assertion");
        let mut answer = self.answer.clone();
        let public = &routed.authority_field;
        scales.take(Step::ShapeBack, || {
            shape::toward_client(&mut answer, &self.plan, route, public);
            if visitor.connection.protocol().is_multiplexed() {
                shape::apart(&mut answer.headers);
            }
            Some(())
        })?;
        if scales.counted == Some(Step::Assert) {
            // to whom nothing was given yet; the others need none, and it costs more than all of them
            let live = LiveSession::new(identity.session()?.signed_in().clone());
            let (signer, host) = (&self.signer, routed.authority.host.as_str());
            scales.take(Step::Assert, || {
                shape::identity_fields(&self.plan, signer, Some(&live), (host, route), NOW)
            })?;
        }
        let is_shaped = is_told && fields.get("x-forwarded-for").is_some();
        (is_shaped && !answer.headers.contains_key(header::CONNECTION)).then_some(())
    }

    /// Whoever is known without asking anybody.
    fn identify(&self, head: &Parts, routed: &Routed) -> Option<Identity> {
        let host = routed.sign_in_host().as_str();
        let asker = Asker { fields: &head.headers, uri: &head.uri, host, now: self.now };
        let who = pin!(identify::who(&self.plan, &self.verifier, &self.store, asker));
        match who.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(identity)) => Some(identity),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    /// As `journey` tells it of what a policy let in.
    fn decided<'a>(
        &'a self,
        identity: &'a Identity,
        (routed, route): (&'a Routed, &'a Route),
        (permitted, grounds): (&'a Permitted<Box<Parts>>, &'a Grounds),
    ) -> Decided<'a> {
        Decided {
            plan: &self.plan,
            request_id: REQUEST_ID,
            check_request_id: "",
            method: &permitted.request().method,
            host: routed.authority_field.to_str().unwrap_or_default(),
            path: routed.path.wire(),
            ip: "203.0.113.7",
            identity,
            route: Some(route),
            by: By::grounds(grounds, permitted.asked()),
            at: self.now,
        }
    }

    fn shaped(
        &self,
        (routed, route): (&Routed, &Route),
        peer: &HeaderValue,
        permitted: Permitted<Box<Parts>>,
    ) -> Option<Permitted<Box<Parts>>> {
        let path = shape::upstream_path(route, &routed.path)?;
        permitted.shaped(|head, standing| {
            let upward = Upward {
                plan: &self.plan,
                signer: &self.signer,
                verifier: &self.verifier,
                path,
                authority: &routed.authority_field,
                peer,
                request_id: &self.request_id,
                now: NOW,
            };
            shape::toward_upstream(head, standing, upward)
        })
    }
}

fn session_of(nth: u8) -> SessionId {
    SessionId::from_random([nth; 16])
}

/// As an app begins a film.
fn answer() -> Option<response::Parts> {
    let answer = Response::builder()
        .status(206)
        .header("content-type", "video/mp4")
        .header("content-length", "1048576")
        .header("content-range", "bytes 0-1048575/1048576")
        .header("accept-ranges", "bytes")
        .header("date", "Fri, 15 Jan 2027 08:00:00 GMT")
        .header("server", "Kestrel")
        .header("connection", "keep-alive")
        .header("set-cookie", "theme=dark; path=/")
        .header("last-modified", "Thu, 14 Jan 2027 08:00:00 GMT");
    answer.body(()).ok().map(|answer| answer.into_parts().0)
}

#[cfg(test)]
mod tests {
    use super::{Way, names};

    #[test]
    fn every_step_does_what_it_says() {
        let way = Way::prepare().unwrap();
        for step in names() {
            assert_eq!(way.repeat(&step, 32).unwrap().len(), 32, "{step}");
        }
        for step in ["another-h1", "route-h3", "route"] {
            assert!(way.repeat(step, 1).is_err(), "{step}");
        }
    }
}
