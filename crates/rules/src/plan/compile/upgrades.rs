//! What a client may ask to speak instead of HTTP.

use super::Compiler;
use crate::{
    config::{
        keys::{List, Typed},
        upgrades,
    },
    problem::Problem,
};

impl Compiler<'_> {
    /// Tells of upgrades that are none here.
    pub(super) fn other_upgrades(&mut self, key: &'static Typed<List>) {
        let others = self.keys.value(key).iter().filter(|upgrade| !upgrades::is_websocket(upgrade));
        for other in others {
            self.report(Problem::warning(
                "U519",
                other.at.clone(),
                format!("`allow_upgrades: {}` is not supported: only WebSockets pass", other.text),
                "delete it",
            ));
        }
    }
}
