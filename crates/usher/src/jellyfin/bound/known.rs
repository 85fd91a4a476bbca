//! What becomes known of an app while it is somebody's, and what ends it without anybody's word.

use usher_rules::{
    session::{AppSeen, BoundApp, SessionId, SignedIn},
    time::UnixTime,
};

use super::BoundApps;
use crate::request::identify::{LiveSession, look_up};

impl BoundApps {
    /// Ends an app whose browser's session was ended. One that ran out with it lets a film play on.
    pub(super) async fn leave(&self, live: &LiveSession, now: UnixTime) {
        let is_over = now.seconds() >= live.newest().session.expires_at;
        if !is_over && matches!(self.was_left(live).await, Ok(true)) {
            let _again_in_a_second = self.end(live).await;
        }
    }

    /// Ends an app that never fetched its token.
    pub(super) async fn give_up(&self, live: &LiveSession, now: UnixTime) {
        let known = live.newest();
        let until = known.session.app.as_deref().and_then(|app| app.unfetched_until);
        if until.is_some_and(|until| until <= now.seconds()) {
            let _again_in_a_second = self.end(live).await;
        }
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
    pub(super) async fn bring_up_to_date(&self, app: &LiveSession) {
        let known = app.newest();
        let mut own = self.sessions.of_person(&known.person.id);
        own.retain(|one| {
            let session = one.session();
            session.app.is_none() && session.idp_id == known.session.idp_id
        });
        let newest = own.iter().map(|one| one.newest()).max_by_key(|it| it.session.vouched_at);
        let Some(newest) = newest else { return };
        if newest.session.vouched_at <= known.session.vouched_at {
            return;
        }
        let mut new = SignedIn::clone(&known);
        new.person = newest.person.clone();
        new.session.claims = newest.session.claims.clone();
        new.session.vouched_at = newest.session.vouched_at;
        let _again_in_a_second = self.sessions.renew(&known, new).await; // in memory at once
    }

    /// When an app asked last is kept for the day of a restart, and for other processes.
    pub(super) async fn write_down(&self, app: &LiveSession) {
        let (known, seen) = (app.newest(), app.app_seen());
        let Some((bound, seen)) = known.session.app.as_deref().zip(seen) else { return };
        let is_due =
            |written: AppSeen| seen.at.saturating_sub(written.at) >= BoundApp::WRITTEN_EVERY;
        if !bound.seen.is_none_or(is_due) {
            return;
        }
        let mut new = SignedIn::clone(&known);
        new.session.app = Some(Box::new(BoundApp { seen: Some(seen), ..bound.clone() }));
        let _again_in_a_second = self.sessions.renew(&known, new).await;
    }
}
