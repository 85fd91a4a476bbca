use std::{net::SocketAddr, sync::Arc};

use tokio::net::TcpStream;
use usher_rules::{names::Proxied, plan::ProxyProtocol};

use super::supervisor::Supervisor;
use crate::request::{
    Door,
    accept::{Admitted, Ended, Shares, Tasks, Unproxied, Unread, Whose, proxied},
    moment,
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

/// A connection that has come in.
pub(super) struct Arrived {
    /// What its client says, from the first octet on.
    pub stream: TcpStream,
    /// Whom it is from: behind a balancer with PROXY headers, whom that names.
    pub peer: SocketAddr,
    pub admitted: Admitted,
}

impl Core {
    /// Lets a connection in that came from there, whichever port it came to. `None` where there is
    /// no place, or where nobody who is believed says whom it is from.
    pub(super) async fn arrive(&self, mut stream: TcpStream, peer: SocketAddr) -> Option<Arrived> {
        let plan = self.door.plan();
        let mut peer = peer;
        if let Some(proxies) = &plan.listen.proxy_protocol {
            peer = self.named(proxies, &mut stream, peer).await?;
        }
        let admitted = self.admit(Whose::of(&plan, peer.ip())).await?;
        Some(Arrived { stream, peer, admitted })
    }

    /// Whom the PROXY header names. While it comes, its connection is one of the proxy's.
    async fn named(
        &self,
        proxies: &ProxyProtocol,
        stream: &mut TcpStream,
        peer: SocketAddr,
    ) -> Option<SocketAddr> {
        let named = if proxies.trusts(peer.ip()) {
            let admitted = self.admit(Whose::Proxy).await?;
            tokio::select! {
                named = proxied(stream) => named,
                () = self.tasks.draining() => return None,
                () = admitted.must_go() => return None,
            }
        } else {
            Err(Unproxied::Otherwise("`proxy_protocol_trusted` does not name it"))
        };
        match named {
            Ok(Proxied::Client(client)) => Some(client),
            Ok(Proxied::Itself) => Some(peer),
            Err(Unproxied::Left) => None,
            Err(Unproxied::Otherwise(problem)) => {
                let Supervisor { recorder, clock, .. } = &self.supervisor;
                let unread = Unread { status: None, problem, ended: Ended::Connection };
                recorder.unread(peer, &unread, moment(&**clock));
                None
            }
        }
    }

    async fn admit(&self, whose: Whose) -> Option<Admitted> {
        tokio::select! {
            admitted = self.shares.admit(whose) => admitted,
            () = self.tasks.draining() => None,
        }
    }
}
