use std::io;

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
    #[error("what permitted it no longer holds")]
    PermitEnded,
}

impl Cut {
    /// The word on the record (`response-code-details`).
    pub const fn word(self) -> &'static str {
        match self {
            Self::Timeout => "response_timeout",
            Self::Idle => "stream_idle_timeout",
            Self::PermitEnded => "permit_ended",
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
