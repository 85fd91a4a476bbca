use std::io;

use crate::request::{Details, authorize::PermitEnd};

/// Why we cut a response that had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// `timeout`: it was not complete by then.
    #[error("the response took longer than its timeout")]
    Timeout,
    /// `idle_timeout`: the upstream fell silent.
    #[error("the upstream was silent for longer than the idle timeout")]
    Idle,
    /// The session was ended, or the policy changed.
    #[error("what permitted it no longer holds: {0}")]
    PermitEnded(PermitEnd),
}

impl Cut {
    /// Its word on the access line.
    pub const fn details(self) -> Details {
        match self {
            Self::Timeout => Details::ResponseTimeout,
            Self::Idle => Details::IdleTimeout,
            Self::PermitEnded(why) => why.details(),
        }
    }

    /// The cut that an error of a body is, if it is one.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<Cut> for io::Error {
    fn from(cut: Cut) -> Self {
        Self::other(cut)
    }
}
