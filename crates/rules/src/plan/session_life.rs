use std::time::Duration;

use crate::session::RecheckPolicy;

/// What a session's life depends on beside [`CookiePolicy::expire`](super::CookiePolicy::expire).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLife {
    /// When providers are asked again; `None`: never.
    pub recheck: Option<RecheckPolicy>,
    /// How long what plays goes on when the session has run out (`stream_expiry_limit`).
    pub playing: Duration,
}
