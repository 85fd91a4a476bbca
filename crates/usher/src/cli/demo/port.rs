//! Which port the demo takes.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

/// Where the search begins when no port was asked for.
const FIRST: u16 = 8443;

/// How many ports are tried.
const TRIES: u16 = 100;

/// Why there is no port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The one that was asked for.
    #[error("can't listen on {address}")]
    Asked {
        /// Loopback and the port.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// None of those that were tried.
    #[error("none of the ports {FIRST} to {} is free", FIRST + TRIES - 1)]
    NoneFree,
}

/// The port that was asked for, if it is free; else the first free one from 8443 on. 0 lets the
/// system choose.
///
/// # Errors
///
/// [`PortError`]: a port that was asked for is never exchanged for another one.
pub fn choose(asked: Option<u16>) -> Result<SocketAddr, PortError> {
    if let Some(port) = asked {
        return free(port).map_err(|source| PortError::Asked { address: loopback(port), source });
    }
    (FIRST..FIRST + TRIES).find_map(|port| free(port).ok()).ok_or(PortError::NoneFree)
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Listens for a moment, to see whether one can.
fn free(port: u16) -> io::Result<SocketAddr> {
    TcpListener::bind(loopback(port))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_or_free() {
        let taken = TcpListener::bind(loopback(0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(matches!(choose(Some(port)), Err(PortError::Asked { .. })), "not another one");
        assert_ne!(choose(Some(0)).unwrap().port(), 0, "the system's choice");

        let blocked = TcpListener::bind(loopback(FIRST)); // or somebody else has it
        assert_ne!(choose(None).unwrap().port(), FIRST);
        drop(blocked);
    }
}
