//! What becomes known of an app while it is somebody's, and what ends it without anybody's word.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use usher_rules::{
    jellyfin::TokenHash,
    session::{AppSeen, BoundApp, SessionId, SignedIn},
    time::UnixTime,
};

use super::BoundApps;
use crate::request::identify::{LiveSession, StoreError, look_up};

impl BoundApps {
    /// It is to be looked at from then on, whatever else becomes of it.
    pub(super) fn look_at(&self, token: TokenHash, from: u64) {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).insert((from, token));
    }

    /// Looks at the apps for which anything may have changed; those that are gone.
    pub(super) async fn look(&self, now: UnixTime) -> Vec<TokenHash> {
        let mut ended = Vec::new();
        let was_cut_off = self.is_looking.swap(true, Ordering::Relaxed);
        let changed = self.sessions.changed().filter(|_| !was_cut_off);
        for (token, known) in self.due_by(changed, now) {
            match look_up(&*self.sessions, &known.session.id).await {
                Ok(Some(live)) => {
                    let done = [
                        self.bring_up_to_date(&live).await,
                        self.write_down(&live).await,
                        self.give_up(&live, now).await,
                        self.leave(&live, now).await,
                    ];
                    if done.iter().any(Result::is_err) {
                        self.look_at(token, now.seconds());
                    }
                    self.know(token, live.newest());
                }
                Ok(None) => ended.push(token),
                Err(_) => self.look_at(token, now.seconds()), // nobody can say now
            }
        }
        self.is_looking.store(false, Ordering::Relaxed);
        ended
    }

    /// Whose time has come, and all of those for whom a session began, was renewed or is gone. Where
    /// nobody tells which those are, all that there are.
    pub(super) fn due_by(
        &self,
        changed: Option<Vec<Arc<SignedIn>>>,
        now: UnixTime,
    ) -> Vec<(TokenHash, Arc<SignedIn>)> {
        let mut tokens: BTreeSet<TokenHash> = {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let later = due.split_off(&(now.seconds().saturating_add(1), TokenHash([0; 32])));
            std::mem::replace(&mut *due, later).into_iter().map(|(_, token)| token).collect()
        };
        let people: BTreeSet<_> = changed.iter().flatten().map(|one| &*one.person.id).collect();
        let theirs = people.into_iter().flat_map(|person| self.sessions.of_person(person));
        tokens.extend(theirs.filter_map(|live| token_of(live.signed_in())));
        tokens.extend(changed.iter().flatten().filter_map(|one| token_of(one)));
        let by_token = self.by_token.read().unwrap_or_else(PoisonError::into_inner);
        match changed {
            None => by_token.iter().map(|(token, known)| (*token, Arc::clone(known))).collect(),
            Some(_) => {
                let found = |token| by_token.get(&token).map(|known| (token, Arc::clone(known)));
                tokens.into_iter().filter_map(found).collect()
            }
        }
    }

    /// So that what was known before is nowhere any more.
    fn know(&self, token: TokenHash, newest: Arc<SignedIn>) {
        let mut by_token = self.by_token.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = by_token.get_mut(&token).filter(|_| token_of(&newest) == Some(token)) {
            *known = newest;
        }
    }

    /// Ends an app whose browser's session was ended. One that ran out with it lets a film play on.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nobody can say now.
    async fn leave(&self, live: &LiveSession, now: UnixTime) -> Result<(), StoreError> {
        let is_over = now.seconds() >= live.newest().session.expires_at;
        if !is_over && self.was_left(live).await? {
            self.end(live).await?;
        }
        Ok(())
    }

    /// Ends an app that never fetched its token.
    async fn give_up(&self, live: &LiveSession, now: UnixTime) -> Result<(), StoreError> {
        let known = live.newest();
        let until = known.session.app.as_deref().and_then(|app| app.unfetched_until);
        if until.is_some_and(|until| until <= now.seconds()) {
            self.end(live).await?;
        }
        Ok(())
    }

    /// An app has fetched its token, and stays somebody's.
    pub(in crate::jellyfin) async fn was_fetched(&self, id: &SessionId) {
        // Where it is not written down, it holds while this process runs.
        while let Ok(Some(live)) = look_up(&*self.sessions, id).await {
            let known = live.newest();
            let Some(app) = known.session.app.as_deref() else { return };
            let mut new = SignedIn::clone(&known);
            new.session.app = Some(Box::new(BoundApp { unfetched_until: None, ..app.clone() }));
            match self.sessions.renew(&known, new).await {
                Ok(false) => {} // something else was noted of it at the same moment
                Ok(true) | Err(_) => return,
            }
        }
    }

    /// What its owner's provider said last, in any of their sessions.
    async fn bring_up_to_date(&self, app: &LiveSession) -> Result<(), StoreError> {
        let known = app.newest();
        let mut own = self.sessions.of_person(&known.person.id);
        own.retain(|one| {
            let session = one.session();
            session.app.is_none() && session.idp_id == known.session.idp_id
        });
        let newest = own.iter().map(|one| one.newest()).max_by_key(|it| it.session.vouched_at);
        let Some(newest) = newest else { return Ok(()) };
        if newest.session.vouched_at <= known.session.vouched_at {
            return Ok(());
        }
        let mut new = SignedIn::clone(&known);
        new.person = newest.person.clone();
        new.session.claims = newest.session.claims.clone();
        new.session.vouched_at = newest.session.vouched_at;
        // What was faster is told, too.
        self.sessions.renew(&known, new).await.map(drop)
    }

    /// When an app asked last is kept for the day of a restart, and for other processes.
    async fn write_down(&self, app: &LiveSession) -> Result<(), StoreError> {
        let (known, seen) = (app.newest(), app.app_seen());
        let Some((bound, seen)) = known.session.app.as_deref().zip(seen) else { return Ok(()) };
        if !is_to_be_written(app, seen) {
            return Ok(());
        }
        let mut new = SignedIn::clone(&known);
        new.session.app = Some(Box::new(BoundApp { seen: Some(seen), ..bound.clone() }));
        self.sessions.renew(&known, new).await.map(drop)
    }
}

/// Was it longer ago than that it is written down that an app asked?
pub(super) fn is_to_be_written(app: &LiveSession, seen: AppSeen) -> bool {
    let is_due = |written: AppSeen| seen.at.saturating_sub(written.at) >= BoundApp::WRITTEN_EVERY;
    app.newest().session.app.as_deref().is_some_and(|bound| bound.seen.is_none_or(is_due))
}

pub(super) fn token_of(known: &SignedIn) -> Option<TokenHash> {
    TokenHash::of_hex(&known.session.app.as_deref()?.token)
}
