//! `runtime_flags`.

use crate::{
    config::{
        Section,
        keys::{Bool, Typed, global, nested},
    },
    plan::{Flags, Ports},
};

/// Which of our own pages are there.
pub(super) fn pages(globals: &Section) -> Flags {
    Flags {
        routes_portal: flag(globals, &nested::ROUTES_PORTAL),
        jwt_endpoint: flag(globals, &nested::POMERIUM_JWT_ENDPOINT),
    }
}

/// At which ports routes answer that name none.
pub(super) fn ports(globals: &Section) -> Ports {
    if flag(globals, &nested::MATCH_ANY_INCOMING_PORT) { Ports::Any } else { Ports::Standard }
}

/// Is a changed file read at once, or at SIGHUP alone?
pub(super) fn hot_reload(globals: &Section) -> bool {
    flag(globals, &nested::FLAG_CONFIG_HOT_RELOAD)
}

/// Are routes with `mcp` servers of the Model Context Protocol?
pub(super) fn mcp(globals: &Section) -> bool {
    flag(globals, &nested::FLAG_MCP)
}

/// What is written, or else its default.
fn flag(globals: &Section, flag: &'static Typed<Bool>) -> bool {
    let written = globals.get(&global::FLAGS).and_then(|flags| flags.get(flag));
    written.unwrap_or(flag.default == "true")
}
