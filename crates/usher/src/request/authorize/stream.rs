//! What runs for long under a permit, and why that ends.

use usher_rules::plan::Route;

use crate::request::Details;

/// What runs for long under a permit, and so what becomes of it when its session runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// A request's answer, or its upload: a film. It has an end of its own and plays to it.
    Body,
    /// A WebSocket, which may never end by itself: it ends with its session, and who has a new
    /// one opens it again.
    Socket,
    /// A tunnel. It may go on for a while after its session, which its route bounds.
    Tunnel,
    /// A tunnel in that while.
    TunnelAfterSession,
}

impl Stream {
    /// What follows an upgrade on that route.
    pub const fn after_upgrade(route: &Route) -> Self {
        if route.tunnel.is_some() { Self::Tunnel } else { Self::Socket }
    }

    /// Could it be opened on that route?
    pub(super) fn is_open_on(self, route: &Route) -> bool {
        match self {
            Self::Body => true,
            Self::Socket => route.websockets,
            Self::Tunnel | Self::TunnelAfterSession => route.tunnel.is_some(),
        }
    }
}

/// Why a permit that was given ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermitEnd {
    /// Sign-out or revocation.
    #[error("the session was ended")]
    SessionEnded,
    /// The session, or how recent its sign-in has to be, ran out, and what runs is nothing that
    /// outlives it.
    #[error("the session ran out")]
    SessionExpired,
    /// The plan in force sends it nowhere, or to something that is no app.
    #[error("the config in force has no route for it")]
    RouteGone,
    /// The client's certificate has ended, was taken back, or is one of nobody's any more.
    #[error("the client certificate does not count any longer")]
    CertificateOver,
    /// The policy in force says no.
    #[error("the policy in force does not allow it")]
    PolicyChanged,
}

impl PermitEnd {
    /// What stands on the record.
    pub const fn details(self) -> Details {
        match self {
            Self::SessionEnded => Details::SessionEnded,
            Self::SessionExpired => Details::SessionExpired,
            Self::RouteGone => Details::RouteGone,
            Self::CertificateOver => Details::CertificateOver,
            Self::PolicyChanged => Details::PolicyChanged,
        }
    }
}
