//! argon2id, as many at once as there are cores.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use argon2::{
    ARGON2ID_IDENT, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::phc::{Output, ParamsString, Salt},
};
use tokio::task;
use usher_rules::secret::Secret;

use super::line::{Line, Tried};

/// The shortest password, in octets.
pub const SHORTEST_PASSWORD: usize = 8;
/// The longest password, in octets.
pub const LONGEST_PASSWORD: usize = 1024;
/// How many checks may wait for a core. Beyond, whoever has tried most is turned away: each waits
/// with its connection, and at that length somebody is not signing in but attacking.
const MOST_WAITING: usize = 64;

/// Memory and passes of one password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
    pub const DEFAULT: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
}

/// Why a password could not be hashed or checked. Not "wrong": nobody is let in by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Too many wait already.
    #[error("{MOST_WAITING} password checks are waiting")]
    Busy,
    /// The cost is out of argon2's range, memory ran out, or there are no random numbers.
    #[error("argon2id failed")]
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// The password is theirs, and its hash has today's cost.
    Yes,
    /// The password is theirs; its hash was made at another cost.
    YesAtOldCost,
    /// It is not theirs.
    No,
}

/// Hashes passwords and checks them, on threads that may block.
#[derive(Clone)]
pub struct Passwords {
    params: Params,
    /// For unknown addresses, which must cost as much as known ones: no password has this hash.
    pub(super) nobody: Arc<str>,
    cores: Arc<Line>,
    checks: Arc<AtomicU64>,
}

impl Passwords {
    /// Hashes at `cost`, with at most `at_once` hashes in memory at a time.
    ///
    /// # Errors
    ///
    /// [`HashingError::Failed`] when argon2 has no such cost.
    pub fn new(cost: Cost, at_once: usize) -> Result<Self, HashingError> {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
            .map_err(|_out_of_range| HashingError::Failed)?;
        let nobody = nobody(&params)?.to_string().into();
        let cores = Line::new(at_once, MOST_WAITING);
        Ok(Self { params, nobody, cores, checks: Arc::default() })
    }

    /// How many checks were made: the work that tries have cost, for known addresses and unknown.
    pub fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    /// The PHC string of a password, with a fresh salt.
    ///
    /// # Errors
    ///
    /// [`HashingError`].
    pub async fn hash(&self, password: Secret) -> Result<Secret, HashingError> {
        let params = self.params.clone();
        self.on_a_core(Tried::NOTHING, move || {
            let hash = Argon2::from(params).hash_password(password.expose());
            let hash = hash.map_err(|_failed| HashingError::Failed)?;
            Ok(Secret::new(hash.to_string().into_bytes()))
        })
        .await
    }

    /// Checks a password against somebody's hash, or, with the same work, against nobody's, once
    /// nobody waits who has tried less.
    pub(super) async fn check(
        &self,
        password: Secret,
        hash: Option<&Secret>,
        tried: Tried,
    ) -> Result<Match, HashingError> {
        let hash = match hash {
            Some(hash) => hash.expose_str().ok_or(HashingError::Failed)?,
            None => &self.nobody,
        };
        let hash = PasswordHash::new(hash).map_err(|_not_phc| HashingError::Failed)?;
        let (params, checks) = (self.params.clone(), Arc::clone(&self.checks));
        self.on_a_core(tried, move || {
            checks.fetch_add(1, Ordering::Relaxed);
            match Argon2::from(&params).verify_password(password.expose(), &hash) {
                Ok(()) if is_at(&params, &hash) => Ok(Match::Yes),
                Ok(()) => Ok(Match::YesAtOldCost),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Match::No),
                Err(_) => Err(HashingError::Failed),
            }
        })
        .await
    }

    /// The turn goes with the work: a visitor who hangs up does not free the core before it is.
    async fn on_a_core<T: Send + 'static>(
        &self,
        tried: Tried,
        work: impl FnOnce() -> Result<T, HashingError> + Send + 'static,
    ) -> Result<T, HashingError> {
        let turn = self.cores.turn(tried).await.map_err(|_full| HashingError::Busy)?;
        let done = task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.unwrap_or(Err(HashingError::Failed))
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("params", &self.params).finish_non_exhaustive()
    }
}

/// A hash of no password: salt and output are random.
fn nobody(params: &Params) -> Result<PasswordHash, HashingError> {
    let mut random = [0; 48];
    getrandom::fill(&mut random).map_err(|_no_random| HashingError::Failed)?;
    let (salt, output) = random.split_at(16);
    Ok(PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(argon2::Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_odd| HashingError::Failed)?,
        salt: Some(Salt::new(salt).map_err(|_odd| HashingError::Failed)?),
        hash: Some(Output::new(output).map_err(|_odd| HashingError::Failed)?),
    })
}

fn is_at(today: &Params, hash: &PasswordHash) -> bool {
    hash.algorithm == ARGON2ID_IDENT
        && hash.version == Some(argon2::Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(|then| {
            (then.m_cost(), then.t_cost(), then.p_cost())
                == (today.m_cost(), today.t_cost(), today.p_cost())
        })
}
