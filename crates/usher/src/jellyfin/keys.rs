//! Tokens that nobody here knows may be API keys that the config does not name: each opens the whole
//! server, and is nobody's. Only their server knows which they are.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use usher_rules::{
    jellyfin::{Token, TokenHash},
    plan::Route,
};

use super::{api::is_key, pairing::Pairing, place::server_of};

/// So many answers are kept. Whoever asks for more has the server asked again.
const MOST: usize = 10_000;

/// What servers said of tokens.
#[derive(Default)]
pub(super) struct Keys(Mutex<HashMap<(Box<str>, TokenHash), IsKey>>);

/// Is it an API key?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IsKey {
    /// It is nobody's.
    Yes,
    /// Somebody's, or it counts for nothing.
    No,
}

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

impl Pairing {
    /// Has the server say it, where it has not yet.
    pub(super) async fn learn_of(&self, token: &Token, route: &Route) {
        let Some(server) = server_of(route) else { return };
        if self.keys.of(&server, token.hash()).is_some() {
            return;
        }
        let Ok(client) = self.client(route) else { return };
        if let Ok(said) = is_key(&client, &server, token).await {
            self.keys.keep(&server, token.hash(), said);
        }
    }

    /// Did the server say that it is none? Where it does not answer nobody knows.
    pub(super) fn is_no_key_at(&self, token: TokenHash, route: &Route) -> bool {
        let said = server_of(route).and_then(|server| self.keys.of(&server, token));
        said == Some(IsKey::No)
    }
}
