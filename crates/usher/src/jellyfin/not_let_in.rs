//! Who says yes to an app, and why it may be let in all the same by nobody.

use usher_rules::jellyfin::pairing::{NotClaimed, Owner};

use super::api::NotDone;
use crate::request::identify::{LiveSession, StoreError};

/// Why an app is still nobody's.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotLetIn {
    /// It does not wait any more, or they thought for too long.
    #[error("the app does not wait any more")]
    Gone,
    /// Nothing that is proven of them names an account.
    #[error("nothing that is proven of them names a user of the server")]
    NoName,
    /// Their name leads to the account of somebody else, who uses it.
    #[error("the account of their name is somebody else's")]
    Taken,
    /// They came again and again.
    #[error("too many tokens were made for one browser")]
    Often,
    /// They are none of ours any more.
    #[error("they are not here any more")]
    NotKnown,
    /// The server did not do its part.
    #[error(transparent)]
    NotDone(#[from] NotDone),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NotClaimed> for NotLetIn {
    fn from(_: NotClaimed) -> Self {
        Self::Gone
    }
}

/// Whose an app becomes.
pub(super) fn owner(live: &LiveSession) -> Owner {
    Owner { provider: live.session().idp_id.clone(), person: live.person().id.clone() }
}
