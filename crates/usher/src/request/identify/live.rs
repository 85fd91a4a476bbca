use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;
use usher_rules::{
    people::Person,
    session::{Session, SignedIn},
    time::{Now, UnixTime},
};

use super::over::Over;

/// Hosts for which a session keeps its identity fields; a visitor has few.
const KEPT: usize = 8;

/// So many things are logged once of a session, and no more.
const MOST_LOGGED: usize = 32;

/// A session in memory, shared by everything that runs under it.
#[derive(Debug)]
pub struct LiveSession {
    signed_in: SignedIn,
    ended: CancellationToken,
    made: Mutex<Vec<MadeFields>>,
    logged: Mutex<Vec<Box<str>>>,
    over: Over,
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
        let (ended, made, logged) = (CancellationToken::new(), Mutex::default(), Mutex::default());
        Self { signed_in, ended, made, logged, over: Over::default() }
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
        self.ended.cancel();
    }

    /// Was it ended by sign-out or revocation?
    pub fn is_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Resolves when it is ended by sign-out or revocation; expiry is not an end.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Has it run out, or does it begin later, as far as our clock knows? See [`Over`].
    pub fn is_over(&self, now: Now) -> bool {
        self.over.judge(self.session(), now)
    }

    /// Is this the first time that something is to be logged of it? Bounded: what is too much is
    /// taken for logged.
    pub fn first_logged(&self, what: &str) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
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
