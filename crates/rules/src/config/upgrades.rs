//! `allow_websockets` and `allow_upgrades`: one question with two keys. And what a Jellyfin wants on
//! without being asked.

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
    let usual = route.get(&route::JELLYFIN).is_some(); // its clients hold one
    route.get(&route::ALLOW_WEBSOCKETS).unwrap_or(usual) || upgrades.iter().any(is_websocket)
}

/// Does the upstream see the visitor's `Host`? A Jellyfin writes it into addresses.
pub(crate) fn preserves_host(route: &Section) -> bool {
    let usual = route.get(&route::JELLYFIN).is_some();
    route.get(&route::PRESERVE_HOST_HEADER).unwrap_or(usual)
}
