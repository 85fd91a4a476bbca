//! Tokens that nobody here knows may be API keys that the config does not name: each opens the whole
//! server, and is nobody's. Only their server knows which they are.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use usher_rules::jellyfin::TokenHash;

use super::api::IsKey;

/// So many answers are kept. Whoever asks for more has the server asked again.
const MOST: usize = 10_000;

/// What servers said of tokens.
#[derive(Default)]
pub(super) struct Keys(Mutex<HashMap<(Box<str>, TokenHash), IsKey>>);

impl Keys {
    /// What a server said; `None` where it was not asked, or did not answer.
    pub(super) fn of(&self, server: &str, token: TokenHash) -> Option<IsKey> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.get(&(server.into(), token)).copied()
    }

    /// Keeps it. No token becomes a key later: servers draw them.
    pub(super) fn keep(&self, server: &str, token: TokenHash, said: IsKey) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert((server.into(), token), said);
    }
}
