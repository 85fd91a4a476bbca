use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use usher_rules::{jellyfin::ServerState, plan::Route};

/// How the server of each route stands, as far as it was asked. Every request looks at it, some
/// three times, and each core with it: nobody waits there.
#[derive(Debug, Default)]
pub struct States(ArcSwap<BTreeMap<Box<str>, ServerState>>);

impl States {
    /// `None` where nobody has asked yet.
    pub fn of(&self, route: &Route) -> Option<ServerState> {
        self.0.load().get(&route.id).copied()
    }

    /// Keeps what was found; gives what was known before.
    pub fn note(&self, route: &Route, state: ServerState) -> Option<ServerState> {
        let before = self.0.rcu(|known| {
            let mut states = BTreeMap::clone(known);
            states.insert(route.id.clone(), state);
            Arc::new(states)
        });
        before.get(&route.id).copied()
    }
}
