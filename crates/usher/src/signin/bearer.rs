//! Tokens of the provider's that programs bring in place of a session (`bearer_token_format`).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{Context, SHA256};
use tokio::sync::Semaphore;
use usher_rules::{
    plan::{Bearer, BearerFormat, OidcProvider, Plan, Provider},
    session::{Session, SessionId, SignedIn},
    signin::{BroughtToken, Vouched, vouched_by_access_token, vouched_by_identity_token},
    time::{Now, UnixTime},
};

use super::{
    SignInRoom,
    provider::{PATIENCE, ProviderError},
};
use crate::request::{
    Brought,
    identify::{LiveSession, StoreError, in_force},
};

/// So many tokens are remembered, good and bad.
const MOST: usize = 4096;
/// For so long what a provider said of a token is not asked again.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// The same of one that is no good.
const BAD_FOR: Duration = Duration::from_secs(10);
/// So many are asked about at once: who brings made-up tokens floods no provider.
const AT_ONCE: usize = 8;

/// What is known of tokens, by their digests.
pub(super) struct Bearers {
    known: Mutex<HashMap<[u8; 32], Known>>,
    turns: Semaphore,
}

/// What is known of one; `None` for one that is no good.
struct Known {
    live: Option<Arc<LiveSession>>,
    until: Instant,
}

impl Default for Bearers {
    fn default() -> Self {
        Self { known: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }
}

impl Bearers {
    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said of a token lately.
    fn lately(&self, digest: &[u8; 32], now: Now) -> Option<Option<Arc<LiveSession>>> {
        let known = self.known();
        let found = known.get(digest).filter(|found| now.monotonic < found.until)?;
        Some(found.live.clone())
    }

    /// What was said before, of a token that was good.
    fn before(&self, digest: &[u8; 32]) -> Option<Arc<LiveSession>> {
        self.known().get(digest).and_then(|found| found.live.clone())
    }

    /// Keeps what is said now. What ran under a token that is no good any more ends.
    fn keep(&self, digest: [u8; 32], live: Option<Arc<LiveSession>>, now: Now) {
        let good_for = if live.is_some() { GOOD_FOR } else { BAD_FOR };
        let mut known = self.known();
        if known.len() >= MOST && !known.contains_key(&digest) {
            known.retain(|_, found| now.monotonic < found.until);
            if known.len() >= MOST {
                known.retain(|_, found| found.live.is_some()); // strangers push out no one
            }
            if known.len() >= MOST {
                known.clear(); // asked about again when they come again
            }
        }
        let is_good = live.is_some();
        let was = known.insert(digest, Known { live, until: now.monotonic + good_for });
        if let Some(was) = was.and_then(|was| was.live).filter(|_| !is_good) {
            was.end();
        }
    }
}

/// Tells tokens apart, and what they are taken for.
fn digest(provider: &str, bearer: &Bearer, token: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let kind: &[u8] = match bearer.format {
        BearerFormat::AccessToken => b"access",
        BearerFormat::IdentityToken | BearerFormat::OfApp => b"identity",
    };
    let audiences = bearer.audiences.iter().flat_map(|some| some.iter());
    let parts = [provider.as_bytes(), kind].into_iter();
    let parts = parts.chain(audiences.map(|one| one.as_bytes())).chain([token.as_bytes()]);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    digest
}

impl SignInRoom {
    /// The session that a token stands for; `None` where it is no good.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where those who could say don't: it is neither good nor bad.
    pub(super) async fn by_token(
        &self,
        token: &str,
        brought: Brought<'_>,
    ) -> Result<Option<Arc<LiveSession>>, StoreError> {
        let Brought { plan, route, now, .. } = brought;
        let Some(bearer) = route.bearer.as_ref().filter(|_| BroughtToken::is_one(token)) else {
            return Ok(None);
        };
        let read = BroughtToken::read(token);
        let mut asked = plan.sign_in.providers.asked_by(route.sign_in_by.as_ref());
        // One that names its issuer is shown to no other; what says nothing, to the first.
        let provider = match &read {
            Some(read) => asked.filter_map(Provider::oidc).find(|provider| read.is_of(provider)),
            None => asked.next().and_then(Provider::oidc),
        };
        let Some(provider) = provider else { return Ok(None) };
        let digest = digest(&provider.id, bearer, token);
        let in_force = |live| in_force(plan, Some(live), now).ok();
        let lately = || self.bearers.lately(&digest, now).map(|live| live.and_then(in_force));
        if let Some(lately) = lately() {
            return Ok(lately);
        }
        let turn = tokio::time::timeout(PATIENCE, self.bearers.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(unavailable("too many tokens at once")) };
        if let Some(said_meanwhile) = lately() {
            return Ok(said_meanwhile);
        }
        let said = self.vouched((token, read.as_ref()), bearer, provider, (plan, now)).await;
        let vouched = said.map_err(|error| unavailable(&error.to_string()))?;
        let live = vouched.map(|vouched| {
            let before = self.bearers.before(&digest).and_then(in_force);
            Arc::new(self::live(vouched, (provider, digest), before, now, plan.cookie.expire))
        });
        self.bearers.keep(digest, live.clone(), now);
        Ok(live.and_then(in_force))
    }

    async fn vouched(
        &self,
        (token, read): (&str, Option<&BroughtToken>),
        bearer: &Bearer,
        provider: &OidcProvider,
        (plan, now): (&Plan, Now),
    ) -> Result<Option<Vouched>, ProviderError> {
        let none_where_refused = |error: ProviderError| match error.refuses_token() {
            true => Ok(None),
            false => Err(error),
        };
        let is_signed = async || self.providers.verified(plan, provider, token, now).await;
        if bearer.format != BearerFormat::AccessToken {
            let Some(read) = read else { return Ok(None) };
            return match is_signed().await {
                Ok(_) => Ok(vouched_by_identity_token(provider, read, now.wall).ok()),
                Err(error) => none_where_refused(error),
            };
        }
        let signed = match (&bearer.audiences, read) {
            (None, _) => None,
            (Some(_), None) => return Ok(None),
            (Some(_), Some(read)) => match is_signed().await {
                Ok(_) => Some(read),
                Err(error) => return none_where_refused(error),
            },
        };
        match self.providers.says_to(plan, provider, token, now).await {
            Ok(said) => {
                let allowed = bearer.audiences.as_deref();
                Ok(vouched_by_access_token(provider, &said, signed, allowed).ok())
            }
            Err(error) => none_where_refused(error),
        }
    }
}

/// The session of a token, which begins when it is first brought, and goes on as it was where it has
/// been.
fn live(
    Vouched { authentication, ends_at }: Vouched,
    (provider, digest): (&OidcProvider, [u8; 32]),
    before: Option<Arc<LiveSession>>,
    now: Now,
    longest: Duration,
) -> LiveSession {
    let end = now.wall.plus(longest).min(ends_at.unwrap_or(UnixTime::MAX));
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    let new = authentication.begin(SessionId::from_random(id), &provider.id, now.wall, end);
    let Some(before) = before.filter(|before| before.person().id == new.person.id) else {
        return LiveSession::new(new);
    };
    let Session { issued_at, expires_at, .. } = *before.session();
    let session = Session { issued_at, expires_at, ..new.session };
    before.renewed(SignedIn { session, person: new.person })
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(format!("a provider's token can't be judged: {why}").into())
}
