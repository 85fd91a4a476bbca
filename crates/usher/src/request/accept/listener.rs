use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener},
};

use socket2::{Domain, Protocol, Socket, Type};
use usher_rules::names;

use super::limits;

/// A bound address, ready to be shared by one accept loop per core.
#[derive(Debug)]
pub struct Listener {
    /// The address as it was bound; the port is the real one where 0 was asked for.
    pub address: SocketAddr,
    sockets: Vec<StdListener>,
}

/// Why an address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// It does not read as `host:port`.
    #[error("`{0}` is not an address to listen on")]
    BadAddress(Box<str>),
    /// The system says no.
    #[error("can't listen on {address}: {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
}

impl ListenError {
    /// One sentence for the operator.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadAddress(_) => "write `:443`, `0.0.0.0:443` or `[::]:443`",
            Self::Refused { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                "ports under 1024 need a capability: setcap cap_net_bind_service=+ep on the \
                 usher binary; or give it another port with `address: :8443`"
            }
            Self::Refused { source, .. } if source.kind() == ErrorKind::AddrInUse => {
                "something else listens there: find it with `ss -ltnp`, stop it, or give usher \
                 another port with `address`"
            }
            Self::Refused { .. } => "check that the address belongs to this machine",
        }
    }
}

/// Reads an address as the config has it: `:443` and `443` mean every address of the machine.
///
/// # Errors
///
/// [`ListenError::BadAddress`] when host or port can't be read.
pub fn parse_address(text: &str, default_port: u16) -> Result<SocketAddr, ListenError> {
    names::listen_address(text, Some(default_port))
        .map_err(|_| ListenError::BadAddress(text.into()))
}

impl Listener {
    /// Binds `address` `cores` times (`SO_REUSEPORT`): the kernel spreads new connections.
    ///
    /// The unspecified IPv6 address takes IPv4 as well; where IPv6 is off, IPv4 alone is bound.
    ///
    /// # Errors
    ///
    /// [`ListenError::Refused`] with what the system says.
    pub fn bind(address: SocketAddr, cores: usize) -> Result<Self, ListenError> {
        let refused = |source| ListenError::Refused { address, source };
        if address.port() != 0 {
            alone_on(address).map_err(refused)?;
        }
        let first = match bind_one(address) {
            Err(_) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
                bind_one(v4).map_err(refused)?
            }
            other => other.map_err(refused)?,
        };
        let bound = first.local_addr().map_err(refused)?;
        let mut sockets = vec![first];
        for _ in 1..cores {
            sockets.push(bind_one(bound).map_err(refused)?);
        }
        Ok(Self { address: bound, sockets })
    }

    /// One socket per core.
    pub fn into_sockets(self) -> Vec<StdListener> {
        self.sockets
    }
}

/// Fails when somebody listens there already: `SO_REUSEPORT` alone would share the port with a
/// forgotten usher of the same user, and every second visitor would meet the old one.
fn alone_on(address: SocketAddr) -> std::io::Result<()> {
    let probe = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    probe.set_reuse_address(true)?;
    match probe.bind(&address.into()).and_then(|()| probe.listen(1)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(error),
        Ok(()) | Err(_) => Ok(()), // what else is wrong shows at the real bind
    }
}

fn bind_one(address: SocketAddr) -> std::io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Whoever is accepted has both, too. A tunnel is silent for hours, and its client may be gone.
    let _asked_or_not = socket.set_tcp_keepalive(&limits::KEEP_ALIVE);
    let _slower = socket.set_tcp_nodelay(true); // works without
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use socket2::SockRef;

    use super::Listener;

    /// `[::]` is every address of the machine, of both families, on each core's socket.
    #[test]
    fn every_address_means_both_families() {
        let listener = Listener::bind("[::]:0".parse().unwrap(), 2).unwrap();
        let port = listener.address.port();
        let sockets = listener.into_sockets();
        assert_eq!(sockets.len(), 2);
        for address in ["127.0.0.1", "::1"] {
            let address = SocketAddr::new(address.parse().unwrap(), port);
            TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        }
    }

    /// What is set for a listener holds for whoever it accepts: none is asked for it again.
    #[test]
    fn who_is_accepted_waits_for_no_more_to_send_and_is_looked_after() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let _client = TcpStream::connect(listener.address).unwrap();
        let socket = listener.into_sockets().pop().unwrap();
        socket.set_nonblocking(false).unwrap();
        let (accepted, _) = socket.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert!(accepted.keepalive().unwrap());
    }

    /// Whoever names one address is not heard on all of them instead.
    #[test]
    fn an_address_of_another_machine_is_no_every_address() {
        for address in ["192.0.2.1:0", "[2001:db8::1]:0"] {
            assert!(Listener::bind(address.parse().unwrap(), 1).is_err(), "{address}");
        }
        let own = Listener::bind("[::1]:0".parse().unwrap(), 1).unwrap().address;
        assert_eq!(own.ip().to_string(), "::1");
    }

    #[test]
    fn a_port_in_use_is_an_error_with_a_way_out() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let second = Listener::bind(first.address, 1).unwrap_err();
        assert!(second.hint().contains("ss -ltnp"), "{second}");
    }
}
