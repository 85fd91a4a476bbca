//! What a client may ask to speak instead of HTTP.

use super::{Compiler, route::Defaults};
use crate::{
    config::{
        keys::{global, route},
        values::Text,
    },
    problem::Problem,
};

const WEBSOCKET: &str = "websocket";

impl Compiler<'_> {
    /// Do WebSockets pass? `allow_upgrades` of the route stands for the global one.
    pub(super) fn websockets(&mut self, defaults: &Defaults<'_>) -> bool {
        let own = self.keys.get(&route::ALLOW_UPGRADES);
        let named = self.named_websocket(own.unwrap_or_default());
        let by_default = own.is_none() && defaults.websockets;
        self.keys.value(&route::ALLOW_WEBSOCKETS) || named || by_default
    }

    /// The same for routes that do not say.
    pub(super) fn default_websockets(&mut self) -> bool {
        self.named_websocket(self.keys.value(&global::ALLOW_UPGRADES))
    }

    fn named_websocket(&mut self, upgrades: &[Text]) -> bool {
        let is_websocket = |upgrade: &&Text| upgrade.text.eq_ignore_ascii_case(WEBSOCKET);
        for other in upgrades.iter().filter(|upgrade| !is_websocket(upgrade)) {
            self.report(Problem::warning(
                "U519",
                other.at.clone(),
                format!("`allow_upgrades: {}` is not supported: only WebSockets pass", other.text),
                "delete it",
            ));
        }
        upgrades.iter().any(|upgrade| is_websocket(&upgrade))
    }
}
