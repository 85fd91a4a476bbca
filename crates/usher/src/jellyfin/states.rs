use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use usher_rules::{jellyfin::ServerState, plan::Route};

/// How the server of each route stands, as far as it was asked.
#[derive(Debug, Default)]
pub struct States(Mutex<BTreeMap<Box<str>, ServerState>>);

impl States {
    /// `None` where nobody has asked yet.
    pub fn of(&self, route: &Route) -> Option<ServerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&route.id).copied()
    }

    /// Keeps what was found; gives what was known before.
    pub fn note(&self, route: &Route, state: ServerState) -> Option<ServerState> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(route.id.clone(), state)
    }
}
