use std::time::Duration;

use crate::session::RecheckPolicy;

/// How many sessions there may be where `max_sessions` says nothing.
pub const MOST_SESSIONS: usize = 50_000;

/// What a session's life depends on beside [`CookiePolicy::expire`](super::CookiePolicy::expire),
/// and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLife {
    /// When providers are asked again; `None`: never.
    pub recheck: Option<RecheckPolicy>,
    /// Without a request for so long it is over (`session_idle_timeout`); `None` is no limit.
    pub idle: Option<Duration>,
    /// How long what plays goes on when the session has run out (`stream_expiry_limit`).
    pub playing: Duration,
    /// So many there may be, of everybody's (`max_sessions`).
    pub most: usize,
}
