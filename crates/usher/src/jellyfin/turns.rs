use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

/// So many are kept.
const MOST: usize = 4096;

/// Whoever is about the same thing comes one after the other.
pub(super) struct Turns<K>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>);

/// As long as it is here, nobody else is about it.
pub(super) struct Turn {
    _held: OwnedMutexGuard<()>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// Resolves when those who came before are done.
    pub(super) async fn take(&self, about: K) -> Turn {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= MOST {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(about).or_default())
        };
        Turn { _held: turn.lock_owned().await }
    }
}
