use std::net::{IpAddr, Ipv6Addr};

use usher_rules::plan::Plan;

use super::limits;

/// Sockets and octets of the process, and the part of them that one client can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Client connections and requests under way, of everybody: each may need a file.
    pub sockets: usize,
    /// Connections of one client.
    pub connections: usize,
    /// Bytes that wait for everybody, as [`limits::STREAM_COST`] counts them.
    pub bytes: usize,
}

impl Bounds {
    /// For a process that may open so many files. Half of what is not kept back is for clients
    /// and their requests; the other half for kept upstream connections.
    pub fn for_files(files: u64) -> Self {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let sockets = (files.saturating_sub(limits::FILES_KEPT_BACK) / 2)
            .clamp(limits::SOCKETS_AT_LEAST, 2 * limits::CONNECTIONS);
        let connections = (sockets / limits::CLIENT_PART).min(limits::CLIENT_CONNECTIONS);
        Self { sockets, connections, bytes: limits::WAITING_BYTES }
    }

    /// Bytes that wait for one client.
    pub(super) const fn client_bytes(&self) -> usize {
        self.bytes / limits::CLIENT_PART
    }
}

/// Who counts as one client: an IPv4 address, an IPv6 /64, or everybody behind a proxy that is
/// trusted to know them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// One subscriber's address or network.
    Client(IpAddr),
    /// A proxy in front of us: its visitors share its connections, and only the process's
    /// budget counts.
    Proxy,
}

impl Whose {
    /// Whose connection this is, as a plan has it: visitors behind a proxy that we were told to
    /// trust all come from its address.
    pub fn of(plan: &Plan, peer: IpAddr) -> Self {
        match plan.xff_num_trusted_hops > 0 || plan.listen.insecure {
            true => Self::Proxy,
            false => Self::client(peer),
        }
    }

    /// The client at this address. An IPv6 subscriber has a /64 at the least.
    pub fn client(address: IpAddr) -> Self {
        Self::Client(match address.to_canonical() {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                Ipv6Addr::from(network).into()
            }
        })
    }
}
