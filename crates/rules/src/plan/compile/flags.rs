//! `runtime_flags`.

use crate::{
    config::{
        Section,
        keys::{Bool, Typed, global, nested},
    },
    plan::IncomingPorts,
};

/// At which ports routes answer that name none.
pub(super) fn incoming_ports(globals: &Section) -> IncomingPorts {
    match flag(globals, &nested::FLAG_MATCH_ANY_INCOMING_PORT) {
        true => IncomingPorts::Any,
        false => IncomingPorts::AsWritten,
    }
}

/// Is a changed file read at once, or at SIGHUP alone?
pub(super) fn hot_reload(globals: &Section) -> bool {
    flag(globals, &nested::FLAG_CONFIG_HOT_RELOAD)
}

/// What is written, or else its default.
fn flag(globals: &Section, flag: &'static Typed<Bool>) -> bool {
    let written = globals.get(&global::RUNTIME_FLAGS).and_then(|flags| flags.get(flag));
    written.unwrap_or(flag.default == "true")
}
