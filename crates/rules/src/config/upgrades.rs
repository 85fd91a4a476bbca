//! `allow_websockets` and `allow_upgrades`: one question with two keys.

use super::{
    Section,
    keys::{global, route},
    values::Text,
};

/// Is this an upgrade that can be served?
pub(crate) fn is_websocket(upgrade: &Text) -> bool {
    upgrade.text.eq_ignore_ascii_case("websocket")
}

/// Do WebSockets pass on a route? `allow_upgrades` of the route stands for the global one.
pub(crate) fn websockets(route: &Section, globals: &Section) -> bool {
    let upgrades = match route.get(&route::ALLOW_UPGRADES) {
        Some(own) => own,
        None => globals.value(&global::ALLOW_UPGRADES),
    };
    route.value(&route::ALLOW_WEBSOCKETS) || upgrades.iter().any(is_websocket)
}
