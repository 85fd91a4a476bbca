//! App passwords: clients that know only a name and a password bring one with each request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use usher_rules::{
    accounts::{AccountRefusal, TypedWrong},
    app_passwords::AppPassword,
    names::Host,
    people::{Member, PeopleError},
    plan::{BUILTIN, HostPattern, Plan},
    secret::Secret,
    session::{Means, SessionId, SignedIn},
    signin::member_signs_in,
    time::{Now, UnixTime},
};

use super::{Ask, NO_RANDOM, SignInRoom, random};
use crate::request::{
    Brought,
    identify::{LiveSession, StoreError, in_force, look_up},
};

/// So many are remembered.
const MOST: usize = 4096;
/// How often it is looked anew where the password or its owner was changed meanwhile.
const MOST_CHANGES: usize = 3;
/// As what wrong ones are counted: none says whose it would be. No client of OpenID is called so.
const ANY: &str = "app password";
/// For so long one counts that somebody makes for themselves: a year.
const LIFE: Duration = Duration::from_secs(365 * 86_400);

/// App passwords whose sessions are in memory.
#[derive(Default)]
pub(super) struct AppSessions {
    known: Mutex<HashMap<[u8; 32], AppPassword>>,
    /// One is looked up at a time: two requests of a client that come at once make one session.
    turn: tokio::sync::Mutex<()>,
}

impl AppSessions {
    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], AppPassword>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, digest: [u8; 32], kept: AppPassword) {
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear(); // looked up again when they come again
        }
        known.insert(digest, kept);
    }
}

impl SignInRoom {
    /// The session that an app password leads to; `None` where it is no good here.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where it can't be looked up: it is neither good nor bad.
    pub(super) async fn by_app_password(
        &self,
        password: &str,
        brought: Brought<'_>,
    ) -> Result<Option<Arc<LiveSession>>, StoreError> {
        let Brought { plan, host, visitor, now, .. } = brought;
        let digest = AppPassword::digest(password);
        if let Some(live) = self.app_session(plan, &digest, (host, now)).await? {
            return Ok(Some(live));
        }
        if self.wrong_secrets.wait(ANY, visitor, now).is_some() {
            return Ok(None);
        }
        let _turn = self.app_sessions.turn.lock().await;
        if let Some(live) = self.app_session(plan, &digest, (host, now)).await? {
            return Ok(Some(live));
        }
        let live = self.begin_by_app_password(digest, (host, now)).await?;
        if live.is_none() {
            self.wrong_secrets.was_wrong(ANY, visitor, now);
        }
        Ok(live.and_then(|live| in_force(plan, Some(live), now).ok()))
    }

    /// The one that it led to before, while that is in force.
    async fn app_session(
        &self,
        plan: &Plan,
        digest: &[u8; 32],
        (host, now): (&str, Now),
    ) -> Result<Option<Arc<LiveSession>>, StoreError> {
        let known = self.app_sessions.known().get(digest).cloned();
        let known = known.filter(|kept| kept.is_for(host, now.wall));
        let Some(id) = known.and_then(|kept| SessionId::parse(&kept.id)) else { return Ok(None) };
        let live = look_up(&*self.sessions, &id).await?;
        let live = live.filter(|live| live.session().app.is_none()); // an app's has its token
        Ok(in_force(plan, live, now).ok())
    }

    /// Another session of the person as they are now. They may be changed, or the password ended,
    /// while it is made: then it is made anew, or is none.
    async fn begin_by_app_password(
        &self,
        digest: [u8; 32],
        (host, now): (&str, Now),
    ) -> Result<Option<Arc<LiveSession>>, StoreError> {
        let mut found = self.app_password(digest).await?;
        for _ in 0..MOST_CHANGES {
            let Some((kept, owner)) = &found else { return Ok(None) };
            let is_for = kept.is_for(host, now.wall) && kept.app.is_none();
            let Some(new) = session(kept, owner, now.wall).filter(|_| is_for) else {
                self.app_sessions.known().remove(&digest);
                return Ok(None);
            };
            let live = match self.sessions.insert(new).await {
                Err(StoreError::Refused(_)) => {
                    found = self.app_password(digest).await?; // an app's by now, or nobody's
                    continue;
                }
                begun => begun?,
            };
            let again = self.app_password(digest).await?;
            if again == found {
                self.app_sessions.keep(digest, kept.clone());
                return Ok(Some(live));
            }
            if again.is_none() {
                self.sessions.end(&live.session().id).await?;
            }
            found = again;
        }
        Ok(None)
    }

    async fn app_password(
        &self,
        digest: [u8; 32],
    ) -> Result<Option<(AppPassword, Member)>, StoreError> {
        let found = self.app_passwords.app_password(digest).await;
        found.map_err(|error| StoreError::Unavailable(error.to_string().into()))
    }
}

impl SignInRoom {
    /// Keeps a new one for somebody, for a host where a route answers, called so.
    pub(super) async fn make_app_password(
        &self,
        ask: &Ask,
        owner: &Member,
        (host, label): (&str, &str),
    ) -> Result<Secret, AccountRefusal> {
        let host = Host::parse(host.trim().trim_start_matches("https://").trim_end_matches('/'));
        let is_here = |host: &Host| {
            let routes = ask.plan().routes.iter().filter(|route| route.tunnel.is_none());
            routes.into_iter().any(|route| route.from.takes_host(host.as_compared()))
        };
        let host = host.ok().filter(is_here).ok_or(TypedWrong::AppSite)?;
        let label = label.trim();
        if !AppPassword::is_label(label) {
            return Err(TypedWrong::AppLabel.into());
        }
        let (Some(id), Some(secret)) = (random(), random()) else {
            return Err(PeopleError::Store(NO_RANDOM.into()).into());
        };
        let secret = AppPassword::secret(secret);
        let new = AppPassword {
            id: SessionId::from_random(id).as_str().into(),
            owner: owner.id.clone(),
            label: label.into(),
            host: host.as_str().into(),
            added_at: ask.wall().seconds(),
            over_at: ask.wall().plus(LIFE).seconds(),
            app: None,
        };
        let digest = AppPassword::digest(secret.expose_str().unwrap_or_default());
        match self.app_passwords.add_app_password(digest, new).await? {
            true => Ok(secret),
            false => Err(TypedWrong::TooManyAppPasswords.into()),
        }
    }
}

/// The hosts that one can be made for, as they are offered.
pub(super) fn hosts(plan: &Plan) -> Vec<&str> {
    let routes = plan.routes.iter().filter(|route| route.tunnel.is_none());
    let mut hosts: Vec<&str> = routes
        .filter_map(|route| match &route.from {
            HostPattern::Exact { host, .. } => Some(host.as_str()),
            HostPattern::Wildcard { .. } => None,
        })
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// Nothing for a guest whose time is over.
fn session(kept: &AppPassword, owner: &Member, now: UnixTime) -> Option<SignedIn> {
    let end = owner.until.map_or(kept.over_at, |until| until.min(kept.over_at));
    let mut told = member_signs_in(owner, Means::AppPassword, now);
    told.sign_in.at = None; // nobody signed in
    let end = UnixTime::from_seconds(end);
    let mut new = told.begin(SessionId::parse(&kept.id)?, BUILTIN, now, end);
    new.session.browser = Some(format!("App password: {}", kept.label).into());
    (now < end).then_some(new)
}
