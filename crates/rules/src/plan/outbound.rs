use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// How connections to upstreams are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// `dns_lookup_family`.
    pub family: LookupFamily,
    /// Who is asked in the place of the system's resolver.
    pub name_servers: Option<Arc<NameServers>>,
    /// `dns_query_timeout`: how long a resolver may take, and a name server for each try.
    pub query_timeout: Duration,
    /// `dns_refresh_rate`: how long what it said is believed.
    pub refresh_rate: Duration,
    /// `envoy_bind_config_source_address`: from which address they leave.
    pub source: Option<IpAddr>,
    /// `envoy_bind_config_freebind`: even where this machine does not have it yet.
    pub freebind: bool,
}

/// Name servers that usher asks itself (`dns_resolvers`, `dns_use_tcp`, `dns_query_tries`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServers {
    /// Where they are and how each is asked; none: those that the system names.
    pub named: Box<[(SocketAddr, Transport)]>,
    /// How those of the system are asked.
    pub transport: Transport,
    /// How often one that is silent is asked, at least once.
    pub tries: u32,
}

/// How a name server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Over UDP, and over TCP where an answer was too long (RFC 1035 §4.2.1).
    Udp,
    /// Over TCP (RFC 7766).
    Tcp,
}

/// Which addresses of a name are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LookupFamily {
    /// Both in turn, IPv4 first, raced with each other (RFC 8305).
    #[default]
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            family: LookupFamily::default(),
            name_servers: None,
            query_timeout: Duration::from_secs(5),
            refresh_rate: Duration::from_secs(5),
            source: None,
            freebind: false,
        }
    }
}

impl Outbound {
    /// May this address of a name be tried?
    pub fn takes(&self, address: &SocketAddr) -> bool {
        match self.family {
            LookupFamily::Both => true,
            LookupFamily::V4 => address.is_ipv4(),
            LookupFamily::V6 => address.is_ipv6(),
        }
    }

    /// Can it be reached from the address that connections leave from?
    pub fn reaches(&self, address: &SocketAddr) -> bool {
        self.source.is_none_or(|source| source.is_ipv4() == address.is_ipv4())
    }
}
