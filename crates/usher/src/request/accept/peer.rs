use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;

/// How a connection carries requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One after the other (RFC 9112).
    Http1,
    /// As streams beside each other (RFC 9113).
    Http2,
}

impl Protocol {
    /// May requests be under way beside each other, each to be taken back by itself?
    pub const fn is_multiplexed(self) -> bool {
        match self {
            Self::Http1 => false,
            Self::Http2 => true,
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Address and port.
    pub address: SocketAddr,
    /// The address as fields and records have it; made once.
    pub text: HeaderValue,
}

impl Peer {
    /// The address as it is compared: IPv4 is IPv4, whatever it came through.
    pub const fn ip(&self) -> IpAddr {
        self.address.ip().to_canonical()
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        let text = address.ip().to_canonical().to_string();
        let text = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        Self { address, text }
    }
}
