//! Our own keys: the operator's, or made once and kept in a file of their own, so that a restart
//! signs nobody out.

use std::sync::Arc;

use usher_rules::{
    plan::Secrets,
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
        let made = match (&given.shared, &given.cookie, &given.signing) {
            (Some(_), Some(_), Some(_)) => Vec::new(),
            _ => {
                let fresh = fresh_keys()?;
                store.keys(given.file.as_deref(), || fresh)?
            }
        };
        let signer = match &given.signing {
            Some(pem) => Signer::from_pem(pem.expose())?,
            // The first signs, all are published: upstreams know the earlier ones.
            None => Signer::from_pem(&all_of(&made))?,
        };
        let mut shared =
            in_turn(&given.shared, &given.shared_previous, made.iter().map(|set| &set.shared));
        let mut cookie =
            in_turn(&given.cookie, &given.cookie_previous, made.iter().map(|set| &set.cookie));
        let hosted = hosted(&shared);
        let pairs = shared.len().max(cookie.len());
        // Of a key that nothing came before, the same stands beside each earlier other.
        for secrets in [&mut shared, &mut cookie] {
            let last = secrets.last().copied();
            secrets.extend(last.into_iter().cycle().take(pairs - secrets.len()));
        }
        let pairs = shared.iter().zip(&cookie).map(|(shared, cookie)| Keys::derive(shared, cookie));
        let mut pairs = pairs.collect::<Result<Vec<_>, _>>()?.into_iter();
        let newest = pairs.next().ok_or(KeysError::SharedLength)?;
        let keys = Arc::new(newest.with_previous(pairs.collect()));
        store.seal_with(Arc::clone(&keys))?;
        store.settle_keys(made, now)?;
        Ok(Self { keys, signer, hosted })
    }
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
