use std::{net::SocketAddr, sync::Arc};

use super::supervisor::Supervisor;
use crate::request::{
    Door,
    accept::{Admitted, Shares, Tasks, Whose},
    tls::Tls,
};

/// What each core shares with the others.
#[derive(Clone)]
pub(super) struct Core {
    pub door: Arc<Door>,
    /// Absent where a terminator stands in front (`insecure_server`).
    pub tls: Option<Tls>,
    pub tasks: Tasks,
    pub supervisor: Supervisor,
    pub shares: Arc<Shares>,
}

impl Core {
    /// A part of its client's share for a connection from there, whichever port it came to.
    pub(super) async fn admit(&self, peer: SocketAddr) -> Option<Admitted> {
        let whose = Whose::of(&self.door.plan(), peer.ip());
        tokio::select! {
            admitted = self.shares.admit(whose) => admitted,
            () = self.tasks.draining() => None,
        }
    }
}
