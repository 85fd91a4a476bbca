//! The apps that people let in: whose a token is.
//!
//! Each has a session of its own among all others, so that it ends as they do: by its owner, by who
//! looks after people, with its person; and with it whatever runs. Here stands which token leads to
//! which of them, and what its owner's newest session says of them.

mod known;

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use foldhash::fast::RandomState;
use usher_pages::Language;
use usher_rules::{
    jellyfin::{DeviceAt, EndedApp, EndedApps, TokenHash},
    plan::BUILTIN,
    session::{AppSeen, BoundApp, Session, SessionId, SignedIn},
    time::{Now, UnixTime},
};

use tokio::time::Instant;

use self::known::{is_to_be_written, token_of};
use super::{
    Whose,
    place::Place,
    turns::{Turn, Turns},
};
use crate::request::identify::{LiveSession, SessionStore, StoreError, end_with_replaced, look_up};

/// How long an app stays somebody's. Then they let it in again.
pub(super) const BOUND_FOR: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long without a word of its owner's provider, which may know nobody of that name any more. A
/// sign-in anywhere is one, and so is what it says when it is asked again.
const UNVOUCHED: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long after a server did not drop a device it is asked to again.
const AGAIN: Duration = Duration::from_secs(60);

/// Which token leads to which session.
pub(super) struct BoundApps {
    sessions: Arc<dyn SessionStore>,
    /// What was known of each when it was last looked at: of what never changes in it, all.
    by_token: RwLock<HashMap<TokenHash, Arc<SignedIn>, RandomState>>,
    /// Those that are to be looked at from then on, in seconds since 1970.
    due: Mutex<BTreeSet<(u64, TokenHash)>>,
    /// Are they being looked at? What panics while they are has lost what it was told.
    is_looking: AtomicBool,
    kept: Arc<dyn EndedApps>,
    /// Those that their server may still take: they count for nothing here, whatever comes with them.
    ended: RwLock<HashMap<TokenHash, DeviceAt, RandomState>>,
    /// When a server was last asked to drop a device.
    asked: Mutex<HashMap<DeviceAt, Instant>>,
    /// Those that are gone, and whose devices have not heard of it.
    untold: Mutex<Vec<(DeviceAt, Reader)>>,
    /// By the id of a device.
    turns: Turns<Box<str>>,
}

/// What an app gets once somebody has said yes to it, and its session.
pub(super) struct Made {
    /// As the server wrote it.
    pub answer: Bytes,
    /// Its session.
    pub session: SessionId,
}

/// Who reads what an app is told.
#[derive(Clone)]
pub(super) struct Reader {
    /// The id of the user that it is at its server.
    pub user: Box<str>,
    /// Their language.
    pub language: Language,
}

impl Reader {
    /// Nobody of a browser, which shows a page of ours.
    fn of(app: &BoundApp) -> Option<Self> {
        let language = app.language.as_deref().and_then(Language::of_tag).unwrap_or_default();
        app.seat.is_none().then(|| Self { user: app.user.clone(), language })
    }
}

impl BoundApps {
    /// Those that are let in.
    pub(super) fn new(sessions: Arc<dyn SessionStore>, kept: Arc<dyn EndedApps>) -> Self {
        let ended = kept.ended_before().into_iter().map(|EndedApp { token, at }| (token, at));
        let ended = RwLock::new(ended.collect());
        let (by_token, asked, untold) = (RwLock::default(), Mutex::default(), Mutex::default());
        let (due, is_looking, turns) = (Mutex::default(), AtomicBool::new(false), Turns::default());
        let bound = Self { sessions, by_token, due, is_looking, kept, ended, asked, untold, turns };
        let apps = bound.sessions.those(&|facts| facts.is_of_app);
        apps.iter().for_each(|live| bound.remember(live.newest()));
        bound
    }

    fn remember(&self, known: Arc<SignedIn>) {
        let Some(token) = token_of(&known) else { return };
        let unfetched_until = known.session.app.as_deref().and_then(|app| app.unfetched_until);
        if let Some(until) = unfetched_until {
            self.look_at(token, until);
        }
        self.by_token.write().unwrap_or_else(PoisonError::into_inner).insert(token, known);
    }

    fn find(&self, token: &TokenHash) -> Option<Arc<SignedIn>> {
        let by_token = self.by_token.read().unwrap_or_else(PoisonError::into_inner);
        by_token.get(token).cloned()
    }

    /// Whose a token is at this server.
    pub(super) async fn whose(
        &self,
        token: &TokenHash,
        place: Place<'_>,
        from: IpAddr,
        now: Now,
    ) -> Whose {
        let Some(known) = self.find(token) else {
            let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
            return if ended.contains_key(token) { Whose::Ended } else { Whose::Nobodys };
        };
        let Ok(live) = look_up(&*self.sessions, &known.session.id).await else {
            return Whose::Ended; // nobody can say now
        };
        let its_own = known.session.app.as_deref().map(|app| &app.token);
        let is_here = |app: &BoundApp| place.has(&app.server, &app.host);
        // One that was let in anew by the same password has another token now.
        let is_its = |app: &BoundApp| Some(&app.token) == its_own;
        let live = live.filter(|live| {
            live.session().app.as_deref().is_some_and(|app| is_here(app) && is_its(app))
        });
        let Some(live) = live.filter(|live| is_vouched_for(live, now)) else {
            return Whose::Ended;
        };
        if !matches!(self.was_left(&live).await, Ok(false)) {
            return Whose::Ended;
        }
        let seen = AppSeen { at: now.wall.seconds(), from };
        if is_to_be_written(&live, seen) {
            self.look_at(*token, seen.at);
        }
        live.app_asked(seen);
        Whose::Bound(live)
    }

    /// Was the browser's session ended with which an app ends, where there is one?
    async fn was_left(&self, live: &LiveSession) -> Result<bool, StoreError> {
        let newest = live.newest();
        match newest.session.app.as_deref().and_then(|app| app.seat.as_ref()) {
            None => Ok(false),
            Some(seat) => {
                let browser = look_up(&*self.sessions, seat).await?;
                Ok(browser.is_none_or(|browser| browser.is_ended()))
            }
        }
    }

    /// The app whose session this is, if it counts.
    pub(super) async fn of_id(&self, id: &SessionId, now: Now) -> Option<Arc<LiveSession>> {
        let live = look_up(&*self.sessions, id).await.ok().flatten();
        let live = live.filter(|live| is_vouched_for(live, now))?;
        matches!(self.was_left(&live).await, Ok(false)).then_some(live)
    }

    /// An app becomes somebody's, in the place of whatever its device was theirs by before. When it
    /// resolves, its token counts.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; its token counts for nothing then.
    pub(super) async fn bind(
        &self,
        new: SignedIn,
        by: &LiveSession,
    ) -> Result<Arc<LiveSession>, StoreError> {
        let older = self.of_device(&new);
        let live = self.sessions.insert(new).await?;
        // What ended all of somebody's sessions may have come in between.
        if by.is_ended() {
            self.sessions.end(&live.session().id).await?;
            return Err(StoreError::Refused("whoever let the app in is not signed in".into()));
        }
        self.takes_over(&live, older).await?;
        Ok(live)
    }

    /// An app becomes theirs by an app password, whose id its session has: where it was theirs by it
    /// before, that one is replaced, and its token counts for nothing. What ended the password
    /// meanwhile did not end this: ask for it again.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; its token counts for nothing then.
    pub(super) async fn bind_by_password(
        &self,
        new: SignedIn,
    ) -> Result<Arc<LiveSession>, StoreError> {
        let mut older = self.of_device(&new);
        older.retain(|one| one.session().id != new.session.id);
        let live = self.sessions.insert(new).await?;
        self.forget_tokens(&live);
        self.takes_over(&live, older).await?;
        Ok(live)
    }

    /// The app that an app password has let in, which has this id.
    pub(super) async fn by_password(&self, id: &SessionId) -> Option<Arc<LiveSession>> {
        look_up(&*self.sessions, id).await.ok().flatten()
    }

    fn forget_tokens(&self, live: &LiveSession) {
        let mut by_token = self.by_token.write().unwrap_or_else(PoisonError::into_inner);
        by_token.retain(|_, known| known.session.id != live.session().id);
    }

    async fn takes_over(
        &self,
        live: &LiveSession,
        older: Vec<Arc<LiveSession>>,
    ) -> Result<(), StoreError> {
        let known = live.newest();
        let token = token_of(&known);
        self.remember(known);
        if let Some(token) = token {
            self.look_at(token, 0); // what changed it before it was known here was told before
        }
        for one in older {
            self.sessions.end(&one.session().id).await?; // its token ended at the server, too
        }
        Ok(())
    }

    /// The same person's of the same device: a server gives a device one token for each user.
    fn of_device(&self, new: &SignedIn) -> Vec<Arc<LiveSession>> {
        let Some(app) = &new.session.app else { return Vec::new() };
        let mut all = self.sessions.of_person(&new.person.id);
        all.retain(|one| one.session().idp_id == new.session.idp_id);
        let is_same = |other: &BoundApp| {
            (&other.server, &other.user, &other.device_id)
                == (&app.server, &app.user, &app.device_id)
        };
        all.retain(|one| one.session().app.as_deref().is_some_and(is_same));
        all
    }

    /// The apps of whoever has this session, at this server.
    pub(super) fn of(&self, live: &LiveSession, place: Place<'_>) -> Vec<Arc<LiveSession>> {
        let mut own = self.sessions.of_person(&live.person().id);
        own.retain(|one| one.session().idp_id == live.session().idp_id);
        let is_here = |app: &BoundApp| place.has(&app.server, &app.host);
        own.retain(|one| one.session().app.as_deref().is_some_and(is_here));
        own.retain(|one| !is_seat(one)); // its browser stands for it
        own.sort_by_key(|one| std::cmp::Reverse(one.session().issued_at));
        own
    }

    /// Does somebody else have this device, or this user of its server? Theirs is who `is_theirs`
    /// says.
    pub(super) fn is_of_another(
        &self,
        is_meant: impl Fn(&BoundApp) -> bool,
        is_theirs: impl Fn(&LiveSession) -> bool,
    ) -> bool {
        let all = self.sessions.those(&|facts| facts.is_of_app);
        let mut meant = all.iter().filter(|one| {
            let app = one.session().app.as_deref();
            !one.is_ended() && app.is_some_and(&is_meant)
        });
        meant.any(|one| !is_theirs(one))
    }

    /// Ends an app, and the session of the browser with which it ends.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub(super) async fn leave_seat(&self, app: &LiveSession) -> Result<(), StoreError> {
        let newest = app.newest();
        if let Some(seat) = newest.session.app.as_deref().and_then(|app| app.seat.as_ref())
            && let Some(browser) = look_up(&*self.sessions, seat).await?
        {
            end_with_replaced(&*self.sessions, &browser).await?;
        }
        self.end(app).await
    }

    /// Ends one.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub(super) async fn end(&self, live: &LiveSession) -> Result<(), StoreError> {
        self.sessions.end(&live.session().id).await
    }

    /// Has each app know of its owner what their newest session does, and gives the devices on
    /// which nobody has an app any more, each once in [`AGAIN`], until [`BoundApps::dropped`]. To be
    /// called every second: a film goes on by what is known of its app.
    pub(super) async fn follow(&self, now: UnixTime) -> Vec<DeviceAt> {
        let ended = self.look(now).await;
        let mut by_token = self.by_token.write().unwrap_or_else(PoisonError::into_inner);
        let mut gone = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        for token in ended {
            // Known as ended before it is unknown as somebody's.
            let Some(known) = by_token.remove(&token) else { continue };
            let Some(app) = known.session.app.as_deref() else { continue };
            gone.insert(token, DeviceAt::of(app));
            untold.extend(Reader::of(app).map(|reader| (DeviceAt::of(app), reader)));
        }
        let is_free = |at: &&DeviceAt| by_token.values().all(|other| !is_on(other, at));
        let mut due: Vec<_> = gone.values().filter(is_free).cloned().collect();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, at| at.elapsed() < AGAIN);
        due.retain(|at| asked.insert(at.clone(), Instant::now()).is_none());
        // Where a device has another app, that one would be told.
        untold.retain(|(at, _)| due.contains(at));
        due
    }

    /// Nobody lets an app in on that device, or ends one at its server, while it is here.
    pub(super) async fn turn(&self, device_id: &str) -> Turn {
        self.turns.take(device_id.into()).await
    }

    /// Has nobody an app on that device? To be asked in its turn.
    pub(super) fn is_free(&self, at: &DeviceAt) -> bool {
        let by_token = self.by_token.read().unwrap_or_else(PoisonError::into_inner);
        by_token.values().all(|other| !is_on(other, at))
    }

    /// Who is to be told of the end of their app on that device, once.
    pub(super) fn untold(&self, at: &DeviceAt) -> Vec<Reader> {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.extract_if(.., |(other, _)| other == at).map(|(_, reader)| reader).collect()
    }

    /// Had somebody an app on that device whose token counts at the server yet, and nobody has now?
    pub(super) async fn is_left_over(&self, at: &DeviceAt) -> bool {
        let on_it: Vec<_> = {
            let by_token = self.by_token.read().unwrap_or_else(PoisonError::into_inner);
            by_token
                .values()
                .filter(|known| is_on(known, at))
                .map(|known| known.session.id.clone())
                .collect()
        };
        for session in &on_it {
            if !matches!(look_up(&*self.sessions, session).await, Ok(None)) {
                return false;
            }
        }
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        !on_it.is_empty() || ended.values().any(|other| other.is_one_with(at))
    }

    /// A server has dropped a device: nothing that it had there works any more.
    pub(super) async fn dropped(&self, at: &DeviceAt) {
        let tokens: Vec<_> = {
            let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
            ended.iter().filter(|(_, other)| *other == at).map(|(token, _)| *token).collect()
        };
        if self.kept.forget_ended(tokens.clone()).await.is_ok() {
            let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
            ended.retain(|token, _| !tokens.contains(token));
            // The next one that ends on it is told at once.
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(at);
        }
    }
}

/// Is it an app on that device?
fn is_on(known: &SignedIn, at: &DeviceAt) -> bool {
    known.session.app.as_deref().is_some_and(|app| at.is_of(app))
}

/// Is it the web client of a browser?
pub(super) fn is_seat(live: &LiveSession) -> bool {
    live.session().app.as_deref().is_some_and(|app| app.seat.is_some())
}

/// Our own people are always known; of others only their provider knows.
fn is_vouched_for(live: &LiveSession, now: Now) -> bool {
    let Session { idp_id, vouched_at, .. } = &live.newest().session;
    **idp_id == *BUILTIN || now.wall.is_within(UNVOUCHED, UnixTime::from_seconds(*vouched_at))
}

#[cfg(test)]
mod tests;
