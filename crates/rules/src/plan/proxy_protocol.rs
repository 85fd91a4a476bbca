use std::net::IpAddr;

use ipnet::IpNet;

/// Who says in front of each connection whom it is from (`use_proxy_protocol`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// `proxy_protocol_trusted`; empty where everybody is believed, as in Pomerium.
    pub(super) trusted: Box<[IpNet]>,
}

impl ProxyProtocol {
    /// Is what this peer says believed?
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.is_empty() || self.trusted.iter().any(|range| range.contains(&peer))
    }
}
