use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use usher_pages::{Link, NotNow, Receipt, StoreTrouble};
use usher_rules::{
    people::BoxFuture,
    session::{SessionId, SignedIn},
    signin::{Replay, ReplayRefusal},
    time::UnixTime,
};

use super::{LiveSession, SessionFacts};

/// How long a request waits for what another node knows of its session. Whoever shares sessions
/// answers in milliseconds, and a person who waits for longer takes the site for dead.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a store knows of a session without asking anybody.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is here. It may have run out: `expires_at` is the caller's to judge.
    Live(Arc<LiveSession>),
    /// It was ended, or never was. Only then may a cookie be cleared.
    Ended,
    /// Others may know it: "not here" is not "no". A store of one node never says so.
    Elsewhere,
}

/// Sessions that outlive the process and can be ended. Implemented in `store/`.
pub trait SessionStore: Send + Sync {
    /// What is known of the session, from memory: this is asked on every request.
    fn find(&self, id: &SessionId) -> Found;
    /// What the others know of a session that is [`Found::Elsewhere`]; `None` when it was ended or
    /// never was. Asked with a deadline, see [`look_up`].
    fn fetch<'a>(
        &'a self,
        _id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Arc<LiveSession>>, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable("there is nobody to ask".into())) })
    }
    /// Remembers a session. When it resolves, a crash no longer loses it.
    fn insert(&self, new: SignedIn) -> BoxFuture<'_, Result<Arc<LiveSession>, StoreError>>;
    /// Replaces what is known of a session, for whatever runs under it as well. It holds in memory
    /// at once, and is durable when it resolves. `false`: `before` is not what is known of it by now,
    /// or it was ended, and all is as it was.
    fn renew<'a>(
        &'a self,
        before: &'a Arc<SignedIn>,
        new: SignedIn,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Ends a session. Idempotent. When it resolves, `find` answers [`Found::Ended`] for good and
    /// whatever runs under it has been told.
    fn end<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Every session of a person (by [`usher_rules::people::Person::id`]) that is in memory.
    fn of_person(&self, person_id: &str) -> Vec<Arc<LiveSession>>;
    /// Every session that is in memory.
    fn all(&self) -> Vec<Arc<LiveSession>>;
    /// Those of which `wanted` says so: for whoever looks at all of them by itself, again and again.
    /// The others lie as they lay, where a store keeps apart what nobody asks about.
    fn those(&self, wanted: &dyn Fn(&SessionFacts) -> bool) -> Vec<Arc<LiveSession>> {
        let mut all = self.all();
        all.retain(|live| wanted(&SessionFacts::of(live.session())));
        all
    }
    /// The sessions that began, were renewed or are gone since this was asked last, as they were
    /// known; `None` where that is not told one by one, as at first. One asks: whoever follows them.
    fn changed(&self) -> Option<Vec<Arc<SignedIn>>> {
        None
    }
    /// Uses what counts once (a signed link, a provider's answer) and is good until `over_at`.
    /// Called after all else was checked, so that only what we signed takes up room.
    fn once(
        &self,
        what: [u8; 32],
        over_at: UnixTime,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<(), NotOnce>>;
}

/// Why something does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOnce {
    /// It has counted.
    #[error("it was used before")]
    Used,
    /// That it counts only once can't be promised now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was used once, in memory: all that a store of one node needs, since what counts once is
/// good for minutes.
#[derive(Debug, Default)]
pub(crate) struct UsedHere(Mutex<Replay>);

impl UsedHere {
    pub(crate) fn once(
        &self,
        what: [u8; 32],
        over_at: UnixTime,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<(), NotOnce>> {
        // A panic while it was held can't have left it half changed in a way that lets more in.
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner).once(what, over_at, now);
        let used = used.map_err(|refusal| match refusal {
            ReplayRefusal::Used => NotOnce::Used,
            ReplayRefusal::Full => StoreError::Full(refusal.to_string().into()).into(),
        });
        Box::pin(async { used })
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// The session, wherever it is kept; `None` when it was ended or never was.
///
/// # Errors
///
/// [`StoreError`] when those who may know it don't say: then nothing is known of the session, and
/// its cookie is kept.
pub async fn look_up(
    sessions: &dyn SessionStore,
    id: &SessionId,
) -> Result<Option<Arc<LiveSession>>, StoreError> {
    match sessions.find(id) {
        Found::Live(live) => Ok(Some(live)),
        Found::Ended => Ok(None),
        Found::Elsewhere => in_time(sessions.fetch(id)).await,
    }
}

/// The session in whose place this one is. One that ran out has none: it would have, too.
///
/// # Errors
///
/// As [`look_up`].
pub async fn replaced_by(
    sessions: &dyn SessionStore,
    id: &SessionId,
) -> Result<Option<SessionId>, StoreError> {
    let live = look_up(sessions, id).await?;
    Ok(live.and_then(|live| live.session().replaces.clone()))
}

/// Ends a session, and then those in whose place it is: nothing is left behind that a copied cookie
/// leads to.
///
/// # Errors
///
/// [`StoreError`] when one of them could not be ended: those before it are.
pub async fn end_with_replaced(
    sessions: &dyn SessionStore,
    live: &LiveSession,
) -> Result<(), StoreError> {
    sessions.end(&live.session().id).await?;
    let mut next = live.session().replaces.clone();
    while let Some(id) = next {
        next = replaced_by(sessions, &id).await?;
        sessions.end(&id).await?;
    }
    Ok(())
}

/// The answer of whoever else keeps sessions, if it comes in time.
pub(super) async fn in_time<T>(
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| StoreError::Unavailable(format!("no answer within {PATIENCE:?}").into());
    Box::pin(tokio::time::timeout(PATIENCE, answer)).await.map_err(late)?
}

/// Why something could not be kept or found. Every kind fails closed; they differ in who can
/// mend it, and whether waiting does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not answer now.
    #[error("not possible now: {0}")]
    Unavailable(Box<str>),
    /// It takes no more sessions until some end or there is space.
    #[error("no room: {0}")]
    Full(Box<str>),
    /// What it holds is not what was written; waiting mends nothing.
    #[error("damaged: {0}")]
    Damaged(Box<str>),
    /// It is well and does not take this session.
    #[error("not kept: {0}")]
    Refused(Box<str>),
}

impl StoreError {
    /// What visitors read: page, status and `Retry-After` follow from the kind, here alone.
    pub(crate) fn page<'a>(
        &self,
        heading: &'static str,
        try_again: Option<Link<'a>>,
        receipt: Receipt<'a>,
    ) -> NotNow<'a> {
        let trouble = match self {
            Self::Unavailable(_) => StoreTrouble::Unavailable,
            Self::Full(_) => StoreTrouble::Full,
            Self::Damaged(_) => StoreTrouble::Damaged,
            Self::Refused(_) => StoreTrouble::Refused,
        };
        NotNow { trouble, heading, try_again, receipt }
    }
}
