//! Which sessions somebody means by a word: the beginning of an id, or a person.

use std::sync::Arc;

use crate::request::identify::LiveSession;

/// So much of an id is enough to name a session, a device or an app password.
pub(super) const SHORT: usize = 8;

/// Why nobody knows which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotMeant {
    /// There is none.
    Nobody,
    /// They are of several people.
    Several,
}

/// All of a person's, by their address or id; else the one whose id begins so.
pub(super) fn meant<'a>(
    all: &'a [Arc<LiveSession>],
    which: &str,
) -> Result<Vec<&'a Arc<LiveSession>>, NotMeant> {
    let of = |live: &&Arc<LiveSession>| {
        let person = live.person();
        *person.id == *which || person.email.eq_ignore_ascii_case(which)
    };
    let by_id = |live: &&Arc<LiveSession>| {
        which.len() >= SHORT && live.session().id.as_str().starts_with(which)
    };
    let mut meant: Vec<_> = all.iter().filter(of).collect();
    if meant.is_empty() {
        meant = all.iter().filter(by_id).collect();
    }
    let mut ids = meant.iter().map(|live| &live.person().id);
    let Some(first) = ids.next() else { return Err(NotMeant::Nobody) };
    if ids.any(|id| id != first) {
        return Err(NotMeant::Several);
    }
    Ok(meant)
}
