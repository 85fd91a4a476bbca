//! How long sessions live, and when their providers are asked again.

use super::globals::some_time;
use crate::{
    config::{Section, keys::global},
    plan::SessionLife,
    session::RecheckPolicy,
};

pub(super) fn session_life(globals: &Section) -> SessionLife {
    let grace = globals.value(&global::SESSION_RECHECK_GRACE);
    let every = some_time(globals.value(&global::SESSION_RECHECK_INTERVAL));
    SessionLife {
        recheck: every.map(|every| RecheckPolicy { every, grace }),
        playing: globals.value(&global::STREAM_EXPIRY_LIMIT),
    }
}
