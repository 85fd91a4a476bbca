use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;
use usher_rules::{
    people::Person,
    session::{Answer, AppSeen, Outcome, Recheck, RecheckPolicy, Session, SignedIn},
    time::{Now, UnixTime},
};

use super::over::Over;

/// Hosts for which a session keeps its identity fields; a visitor has few.
const KEPT: usize = 8;

/// So many things are logged once of a session, and no more.
const MOST_LOGGED: usize = 32;

/// A session in memory, shared by everything that runs under it: what was known of its person when
/// a request came. Where the provider says something new of them another one takes its place,
/// with the same life; a stream that is decided again asks [`LiveSession::newest`].
#[derive(Debug)]
pub struct LiveSession {
    signed_in: Arc<SignedIn>,
    made: Mutex<Vec<MadeFields>>,
    life: Arc<Life>,
}

/// What all that was ever known of a session has in common.
#[derive(Debug)]
struct Life {
    newest: ArcSwap<SignedIn>,
    renewals: AtomicU64,
    /// Most sessions of apps are read from the disk, and nobody asks anything for days.
    begun: OnceLock<Box<Begun>>,
}

/// What there is of a session from when it was first asked about, or ended.
#[derive(Debug, Default)]
struct Begun {
    /// Once somebody waits for its end, or it came.
    ended: OnceLock<CancellationToken>,
    logged: Mutex<Vec<Box<str>>>,
    over: Over,
    /// Of those that a provider was asked about again.
    recheck: Mutex<Option<Box<Recheck>>>,
    used: Mutex<Used>,
    seen: Mutex<Option<AppSeen>>,
}

/// How often the use of a session is written down in the time for which it may be idle.
const WRITTEN_PER_IDLE: u32 = 4;

/// What is to be done about a session's use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nothing.
    Recent,
    /// This moment is to be written down as its last use, for the day of a restart.
    Unwritten(UnixTime),
    /// It is over, and to be ended.
    TooLongAgo,
}

/// When a session was last used, by the clock that can't be set. At a restart it is what was written
/// down of it.
#[derive(Clone, Copy, Debug, Default)]
enum Used {
    #[default]
    NotYet,
    At(Instant),
    /// Too long ago: nothing revives it.
    Over,
}

/// Identity fields that `shape` made for one session, host and plan, kept beside the session.
#[derive(Clone, Debug)]
pub struct MadeFields {
    /// The plan's id.
    pub plan: Box<str>,
    /// The host they name as audience.
    pub host: Box<str>,
    /// How the issuer is written.
    pub issuer_is_uri: bool,
    /// From this second on they are made anew.
    pub until: UnixTime,
    /// The fields.
    pub fields: Arc<[(HeaderName, HeaderValue)]>,
}

impl LiveSession {
    /// Takes a session into memory.
    pub fn new(signed_in: SignedIn) -> Self {
        let signed_in = kept(signed_in);
        let life = Arc::new(Life {
            newest: ArcSwap::new(Arc::clone(&signed_in)),
            renewals: AtomicU64::new(0),
            begun: OnceLock::new(),
        });
        Self { signed_in, made: Mutex::default(), life }
    }

    /// The same session as it is known from now on. Called by the store, which keeps this one.
    #[must_use]
    pub fn renewed(&self, signed_in: SignedIn) -> Self {
        let signed_in = kept(signed_in);
        self.life.newest.store(Arc::clone(&signed_in));
        self.life.renewals.fetch_add(1, Ordering::Release);
        Self { signed_in, made: Mutex::default(), life: Arc::clone(&self.life) }
    }

    fn begun(&self) -> &Begun {
        self.life.begun.get_or_init(Box::default)
    }

    fn ends(&self) -> &CancellationToken {
        self.begun().ended.get_or_init(CancellationToken::new)
    }

    /// What is known of it now, whatever was when this one was looked up.
    pub fn newest(&self) -> Arc<SignedIn> {
        self.life.newest.load_full()
    }

    /// Is that still what is known of it?
    pub fn is_as(&self, known: &Arc<SignedIn>) -> bool {
        Arc::ptr_eq(&self.life.newest.load(), known)
    }

    /// How often something new was known of it.
    pub fn renewals(&self) -> u64 {
        self.life.renewals.load(Ordering::Acquire)
    }

    /// Is something running under it, or about to, beside whoever holds this one?
    pub fn is_held(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || Arc::strong_count(&self.life) > 1
    }

    /// Does something run under it, beside the store and whoever looks?
    pub fn runs(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 2 || Arc::strong_count(&self.life) > 1
    }

    /// Has nobody asked anything of it since it was read, and has nobody hold of anything of it beside
    /// the store, which asks this while nobody else can get hold of it?
    pub fn rests(self: &Arc<Self>) -> bool {
        let is_asked = self.life.begun.get().is_some()
            || !self.made.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        // What is known of it is held here, and once more as the newest.
        !is_asked && !self.is_held() && Arc::strong_count(&self.signed_in) == 2
    }

    /// Uses it, if the last use was not longer ago than `idle`.
    pub fn is_used(&self, idle: Duration, now: Now) -> bool {
        let mut used = self.begun().used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = match *used {
            Used::At(last) if now.monotonic.saturating_duration_since(last) >= idle => Used::Over,
            Used::NotYet if self.was_left_before(idle, now) => Used::Over,
            Used::Over => Used::Over,
            Used::At(_) | Used::NotYet => Used::At(now.monotonic),
        };
        matches!(*used, Used::At(_))
    }

    /// Whoever looks at every session now and then tells: what runs under one uses it, and so does
    /// its begin. What is found has to be written down, or ended.
    pub fn is_looked_at(self: &Arc<Self>, idle: Duration, now: Now) -> Use {
        let used = *self.begun().used.lock().unwrap_or_else(PoisonError::into_inner);
        if self.runs() || matches!(used, Used::NotYet) {
            self.is_used(idle, now);
        }
        let used = *self.begun().used.lock().unwrap_or_else(PoisonError::into_inner);
        let Used::At(last) = used else { return Use::TooLongAgo };
        let unused = now.monotonic.saturating_duration_since(last);
        if unused >= idle {
            return Use::TooLongAgo;
        }
        let last = now.wall.minus(unused);
        let written =
            self.newest().session.used_at.map_or(UnixTime::EARLIEST, UnixTime::from_seconds);
        match last >= written.plus(idle / WRITTEN_PER_IDLE) {
            true => Use::Unwritten(last),
            false => Use::Recent,
        }
    }

    /// Was it left alone for too long before this process began? Its last use may be later than
    /// what was written of it.
    fn was_left_before(&self, idle: Duration, now: Now) -> bool {
        let written = self.signed_in.session.used_at.map(UnixTime::from_seconds);
        written.is_some_and(|at| at.plus(idle + idle / WRITTEN_PER_IDLE) <= now.wall)
    }

    /// Begins to ask the provider about it, if that is due and not under way.
    pub fn asks(&self, policy: RecheckPolicy, now: Now) -> bool {
        let vouched_at = UnixTime::from_seconds(self.newest().session.vouched_at);
        let mut recheck = self.begun().recheck.lock().unwrap_or_else(PoisonError::into_inner);
        let age = age(vouched_at, now.wall);
        let first = || Box::new(Recheck::vouched_ago(age, now.monotonic));
        recheck.get_or_insert_with(first).ask(policy, now.monotonic)
    }

    /// What becomes of it by the provider's answer.
    pub fn answered(&self, answer: Answer, policy: RecheckPolicy, now: Now) -> Outcome {
        let mut recheck = self.begun().recheck.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = recheck.as_mut().map(|one| one.answered(answer, policy, now.monotonic));
        answered.unwrap_or(Outcome::GoesOn)
    }

    /// The app whose session it is asked something.
    pub fn app_asked(&self, seen: AppSeen) {
        *self.begun().seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    /// When the app whose session it is asked last: in this process, else as it is written down.
    pub fn app_seen(&self) -> Option<AppSeen> {
        let begun = self.life.begun.get();
        let here = begun.and_then(|it| *it.seen.lock().unwrap_or_else(PoisonError::into_inner));
        here.or_else(|| self.newest().session.app.as_deref().and_then(|app| app.seen))
    }

    /// All that is remembered of the sign-in.
    pub fn signed_in(&self) -> &SignedIn {
        &self.signed_in
    }

    /// The session alone.
    pub fn session(&self) -> &Session {
        &self.signed_in.session
    }

    /// Whose it is.
    pub fn person(&self) -> &Person {
        &self.signed_in.person
    }

    /// Ends it for everything that runs under it. Called by the store, after it has forgotten it.
    pub fn end(&self) {
        self.ends().cancel();
    }

    /// Was it ended by sign-out or revocation?
    pub fn is_ended(&self) -> bool {
        let ended = self.life.begun.get().and_then(|begun| begun.ended.get());
        ended.is_some_and(CancellationToken::is_cancelled)
    }

    /// Resolves when it is ended by sign-out or revocation; expiry is not an end.
    pub async fn ended(&self) {
        self.ends().cancelled().await;
    }

    /// Has it run out, or does it begin later, as far as our clock knows? See [`Over`].
    pub fn is_over(&self, now: Now) -> bool {
        self.begun().over.judge(self.session(), now)
    }

    /// The same, for a list of sessions: it asks nothing of one of which nobody has asked anything.
    pub fn is_over_in_list(&self, now: Now) -> bool {
        let over = self.life.begun.get().map(|begun| begun.over.judge(self.session(), now));
        over.unwrap_or_else(|| Over::default().judge(self.session(), now))
    }

    /// Did it run out longer ago than `playing`? See [`Over`].
    pub fn is_over_for(&self, playing: Duration, now: Now) -> bool {
        self.begun().over.judge_after(self.session(), playing, now)
    }

    /// Is this the first time that something is to be logged of it? Bounded: what is too much is
    /// taken for logged.
    pub fn first_logged(&self, what: &str) -> bool {
        let mut logged = self.begun().logged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = logged.len() < MOST_LOGGED && logged.iter().all(|one| **one != *what);
        if is_new {
            logged.push(what.into());
        }
        is_new
    }

    /// Fields that were made before, if some fit.
    pub fn made_fields(
        &self,
        fits: impl Fn(&MadeFields) -> bool,
    ) -> Option<Arc<[(HeaderName, HeaderValue)]>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().find(|made| fits(made)).map(|made| Arc::clone(&made.fields))
    }

    /// Keeps fields for the next requests, in the place of older ones for the same host.
    pub fn keep_fields(&self, new: MadeFields) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|old| old.host != new.host || old.issuer_is_uri != new.issuer_is_uri);
        if made.len() >= KEPT {
            made.remove(0);
        }
        made.push(new);
    }
}

/// For as long as it lives: what was read back from the disk may have room for more than there is.
fn kept(mut signed_in: SignedIn) -> Arc<SignedIn> {
    if let Some(person) = Arc::get_mut(&mut signed_in.person)
        && let Some(groups) = &mut person.directory_groups
    {
        groups.shrink_to_fit();
    }
    Arc::new(signed_in)
}

/// How long ago that was. A moment that is to come, by a clock that was set back, is none.
fn age(at: UnixTime, now: UnixTime) -> Duration {
    if at > now { Duration::MAX } else { now.since(at) }
}
