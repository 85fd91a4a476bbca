//! Our own keys: the operator's, or made once and kept in a file of their own, so that a restart
//! signs nobody out.

use std::sync::{Arc, OnceLock};

use usher_rules::{
    plan::{Plan, Secrets},
    secret::Secret,
    session::{Keys, KeysError},
    signin::hosted::HostedKey,
    time::UnixTime,
};
use zeroize::Zeroizing;

use crate::{
    request::shape::{Signer, SignerError},
    store::{KeyFileError, KeySet, Store, StoreFailure},
};

/// Everything that signs and seals.
pub(super) struct OwnKeys {
    pub keys: Arc<Keys>,
    pub signer: Signer,
    /// With which hosted sign-ins are sealed.
    pub hosted: HostedKey,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFailure {
    /// The store can't keep what is sealed with them.
    #[error("the keys can't be kept: {0}")]
    Store(#[from] StoreFailure),
    /// Those that were made here are not there.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The secrets of the config don't fit.
    #[error(transparent)]
    Secrets(#[from] KeysError),
    /// The signing key does not fit.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The system's randomness failed.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl OwnKeys {
    /// The config's keys, and of those that it does not give the ones that were made here. What the
    /// store keeps is sealed with them from then on.
    pub(super) fn of(given: &Secrets, store: &Store, now: UnixTime) -> Result<Self, KeyFailure> {
        let made = made_here(given, store)?;
        let signer = match &given.signing {
            Some(pem) => Signer::from_pem(pem.expose())?,
            // The first signs, all are published: upstreams know the earlier ones.
            None => Signer::from_pem(&all_of(&made))?,
        };
        let keys = Arc::new(derived(given, &made)?);
        let hosted = hosted(&shared_in_turn(given, &made));
        store.seal_with(Arc::clone(&keys))?;
        store.settle_keys(&made, now)?;
        Ok(Self { keys, signer, hosted })
    }
}

/// The keys that sign ID tokens for apps: others than those of assertions, so that neither is ever
/// taken for the other. Made when a config first names such apps.
#[derive(Clone)]
pub(super) struct IdTokenKeys {
    store: Arc<Store>,
    /// What signs, once it is there.
    pub signer: Arc<OnceLock<Signer>>,
}

impl IdTokenKeys {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, signer: Arc::default() }
    }

    /// Makes or reads them, if this plan needs them.
    pub(super) fn prepare(&self, plan: &Plan, now: UnixTime) -> Result<(), KeyFailure> {
        if plan.openid_clients.is_empty() || self.signer.get().is_some() {
            return Ok(());
        }
        let fresh = Signer::generate_rsa_pem()?;
        let pem = self.store.id_token_keys(now, || fresh)?;
        let _first = self.signer.set(Signer::from_pem(pem.expose())?);
        Ok(())
    }
}

/// With which a server on this store signs handles, also one that runs: it knows new keys only when
/// it is started.
///
/// # Errors
///
/// [`KeyFailure`].
pub fn session_keys(given: &Secrets, store: &Store) -> Result<Keys, KeyFailure> {
    let mut made = made_here(given, store)?;
    if made.iter().any(|set| set.since.is_some()) {
        made.retain(|set| set.since.is_some());
    }
    derived(given, &made)
}

/// The keys that were made for what the config does not give; the newest first.
fn made_here(given: &Secrets, store: &Store) -> Result<Vec<KeySet>, KeyFailure> {
    if given.shared.is_some() && given.cookie.is_some() && given.signing.is_some() {
        return Ok(Vec::new());
    }
    let fresh = fresh_keys()?;
    Ok(store.keys(given.file.as_deref(), || fresh)?)
}

fn derived(given: &Secrets, made: &[KeySet]) -> Result<Keys, KeyFailure> {
    let mut shared = shared_in_turn(given, made);
    let mut cookie =
        in_turn(&given.cookie, &given.cookie_previous, made.iter().map(|set| &set.cookie));
    let pairs = shared.len().max(cookie.len());
    // Of a key that nothing came before, the same stands beside each earlier other.
    for secrets in [&mut shared, &mut cookie] {
        let last = secrets.last().copied();
        secrets.extend(last.into_iter().cycle().take(pairs - secrets.len()));
    }
    let pairs = shared.iter().zip(&cookie).map(|(shared, cookie)| Keys::derive(shared, cookie));
    let mut pairs = pairs.collect::<Result<Vec<_>, _>>()?.into_iter();
    let newest = pairs.next().ok_or(KeysError::SharedLength)?;
    Ok(newest.with_previous(pairs.collect()))
}

fn shared_in_turn<'a>(given: &'a Secrets, made: &'a [KeySet]) -> Vec<&'a Secret> {
    in_turn(&given.shared, &given.shared_previous, made.iter().map(|set| &set.shared))
}

/// The one that seals, then those that open: what the config says, or else what was made here.
fn in_turn<'a>(
    given: &'a Option<Arc<Secret>>,
    previous: &'a Option<Arc<Secret>>,
    made: impl Iterator<Item = &'a Secret>,
) -> Vec<&'a Secret> {
    match given {
        Some(given) => {
            [Some(given), previous.as_ref()].into_iter().flatten().map(|key| &**key).collect()
        }
        None => made.chain(previous.as_deref()).collect(),
    }
}

fn hosted(shared: &[&Secret]) -> HostedKey {
    let mut keys = shared.iter().map(|shared| HostedKey::derive(shared));
    let newest = keys.next();
    // INVARIANT: of each kind there is one, given or made; no key fits a zeroed one's seals.
    let newest = newest.unwrap_or_else(|| HostedKey::derive(&Secret::new([0; 32])));
    newest.with_previous(keys.collect())
}

fn all_of(made: &[KeySet]) -> Zeroizing<Vec<u8>> {
    let all = made.iter().flat_map(|set| set.signing.expose().iter().chain(b"\n"));
    Zeroizing::new(all.copied().collect())
}

/// Keys that were never used.
///
/// # Errors
///
/// [`KeyFailure::NoRandomness`].
pub fn fresh_keys() -> Result<KeySet, KeyFailure> {
    let octets = || {
        let mut fresh = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut fresh).map_err(|_| KeyFailure::NoRandomness)?;
        Ok::<_, KeyFailure>(Secret::new(fresh))
    };
    Ok(KeySet {
        shared: octets()?,
        cookie: octets()?,
        signing: Signer::generate_pem()?,
        since: None,
    })
}

/// Are the operator's keys the ones that we started with?
pub(super) fn same_secrets(old: &Secrets, new: &Secrets) -> bool {
    let same = |old: &Option<Arc<Secret>>, new: &Option<Arc<Secret>>| match (old, new) {
        (None, None) => true,
        (Some(old), Some(new)) => old.same_as(new.expose()),
        (None, Some(_)) | (Some(_), None) => false,
    };
    same(&old.shared, &new.shared)
        && same(&old.shared_previous, &new.shared_previous)
        && same(&old.cookie_previous, &new.cookie_previous)
        && old.file == new.file
        && same(&old.cookie, &new.cookie)
        && same(&old.signing, &new.signing)
}
