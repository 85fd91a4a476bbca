//! Our own keys: the operator's, or made once and kept in the data directory, so that a restart
//! signs nobody out.

use std::sync::{Arc, OnceLock};

use usher_rules::{
    plan::{Plan, Secrets},
    secret::Secret,
    session::{Keys, KeysError},
    signin::hosted::HostedKey,
};

use crate::{
    request::shape::{Signer, SignerError},
    store::{Store, StoreFailure},
};

/// Everything that signs and seals.
pub(super) struct OwnKeys {
    pub keys: Keys,
    pub signer: Signer,
    /// With which hosted sign-ins are sealed.
    pub hosted: HostedKey,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFailure {
    /// The store can't keep or give one.
    #[error("the keys can't be kept: {0}")]
    Store(#[from] StoreFailure),
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
    pub(super) fn of(given: &Secrets, store: &Store) -> Result<Self, KeyFailure> {
        let keys = session_keys(given, store)?;
        let shared = of_32_bytes(given.shared.as_ref(), store, "shared_secret")?;
        let signer = match &given.signing {
            Some(pem) => Signer::from_pem(pem.expose())?,
            None => {
                let fresh = Signer::generate_pem()?;
                Signer::from_pem(store.secret("signing_key", || fresh)?.expose())?
            }
        };
        Ok(Self { keys, signer, hosted: HostedKey::derive(&shared) })
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
    pub(super) fn prepare(&self, plan: &Plan) -> Result<(), KeyFailure> {
        if plan.openid_clients.is_empty() || self.signer.get().is_some() {
            return Ok(());
        }
        let fresh = Signer::generate_rsa_pem()?;
        let pem = self.store.secret("openid_signing_key", || fresh)?;
        let _first = self.signer.set(Signer::from_pem(pem.expose())?);
        Ok(())
    }
}

/// With which a server on this store signs handles.
///
/// # Errors
///
/// [`KeyFailure`].
pub fn session_keys(given: &Secrets, store: &Store) -> Result<Keys, KeyFailure> {
    let shared = of_32_bytes(given.shared.as_ref(), store, "shared_secret")?;
    let cookie = of_32_bytes(given.cookie.as_ref(), store, "cookie_secret")?;
    Ok(Keys::derive(&shared, &cookie)?)
}

fn of_32_bytes(
    given: Option<&Arc<Secret>>,
    store: &Store,
    name: &str,
) -> Result<Arc<Secret>, KeyFailure> {
    if let Some(given) = given {
        return Ok(Arc::clone(given));
    }
    let mut fresh = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut fresh).map_err(|_| KeyFailure::NoRandomness)?;
    Ok(Arc::new(store.secret(name, || Secret::new(fresh))?))
}

/// Are the operator's keys the ones that we started with?
pub(super) fn same_secrets(old: &Secrets, new: &Secrets) -> bool {
    let same = |old: &Option<Arc<Secret>>, new: &Option<Arc<Secret>>| match (old, new) {
        (None, None) => true,
        (Some(old), Some(new)) => old.same_as(new.expose()),
        (None, Some(_)) | (Some(_), None) => false,
    };
    same(&old.shared, &new.shared)
        && same(&old.cookie, &new.cookie)
        && same(&old.signing, &new.signing)
}
