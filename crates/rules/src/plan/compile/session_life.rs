//! How long sessions live, when their providers are asked again, and how many there may be.

use super::globals::some_time;
use crate::{
    config::{Section, keys::global},
    plan::{MOST_SESSIONS, SessionLife},
    session::RecheckPolicy,
};

pub(super) fn session_life(globals: &Section) -> SessionLife {
    let grace = globals.value(&global::SESSION_RECHECK_GRACE);
    let every = some_time(globals.value(&global::SESSION_RECHECK_INTERVAL));
    SessionLife {
        recheck: every.map(|every| RecheckPolicy { every, grace }),
        idle: some_time(globals.value(&global::SESSION_IDLE_TIMEOUT)),
        playing: globals.value(&global::STREAM_EXPIRY_LIMIT),
        most: globals.value(&global::MAX_SESSIONS).try_into().unwrap_or(MOST_SESSIONS),
    }
}

/// Empty names are nobody's.
pub(super) fn admin_groups(globals: &Section) -> Vec<Box<str>> {
    let named = globals.get(&global::ADMIN_GROUPS).into_iter().flatten();
    named.map(|group| group.text.trim()).filter(|group| !group.is_empty()).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_is_said_so_many_are_admitted() {
        assert_eq!(global::MAX_SESSIONS.default.parse(), Ok(MOST_SESSIONS));
    }
}
