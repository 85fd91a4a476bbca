use std::{collections::HashMap, fmt};

use crate::names::{Authority, Host};

/// The hosts that a route answers for (`from`).
#[derive(Clone, Debug)]
pub enum HostPattern {
    /// One host; without a port, any port (`pomerium-config.md` §3.1).
    Exact {
        /// The host.
        host: Host,
        /// The port, where one was written that is not 443.
        port: Option<u16>,
    },
    /// `*` somewhere: any characters, dots included. Compared without case.
    Wildcard {
        /// As written, lower case.
        text: Box<str>,
        /// The whole host, anchored.
        regex: regex::Regex,
        /// The port, where one was written that is not 443.
        port: Option<u16>,
    },
}

/// Which ports a route without port answers on (`match_any_incoming_port`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// On every port.
    #[default]
    Any,
    /// Where no port is written, or 443.
    Standard,
}

/// Host names to routes, by index into `Plan::routes`, each list in matching order.
///
/// An exact host that exists captures the request: no fall-through to wildcards, and a host
/// with port owns its paths (`pomerium-policy-measured.md` 60, 61).
///
/// Nobody but the operator fills it, so that its seed need be no secret (decision 0101).
#[derive(Debug, Default)]
pub struct HostTable {
    ports: Ports,
    with_port: HashMap<Authority, Vec<usize>, foldhash::fast::FixedState>,
    any_port: HashMap<Host, Vec<usize>, foldhash::fast::FixedState>,
    wildcards: Vec<usize>,
    /// Those of `wildcards` that name a port.
    wildcards_with_port: Vec<usize>,
    /// What CONNECT may ask for, by its authority; each has a port.
    tunnels: HashMap<Authority, Vec<usize>, foldhash::fast::FixedState>,
    /// The same, with `*` in the host.
    tunnel_wildcards: Vec<(HostPattern, usize)>,
}

impl HostTable {
    /// A table without hosts.
    pub fn new(ports: Ports) -> Self {
        Self { ports, ..Self::default() }
    }

    /// Adds a route; call in matching order.
    pub fn add(&mut self, index: usize, from: &HostPattern) {
        match from {
            HostPattern::Wildcard { port, .. } => {
                self.wildcards.push(index);
                if port.is_some() {
                    self.wildcards_with_port.push(index);
                }
            }
            HostPattern::Exact { .. } => self.entry(from).extend([index]),
        }
    }

    /// Keeps a host for a route of other requests than HTTP's: no wildcard takes its requests.
    pub fn keep(&mut self, from: &HostPattern) {
        self.entry(from);
    }

    /// Adds a route that CONNECT asks for under any of these; call in matching order.
    pub fn add_tunnel(&mut self, index: usize, ends: &[HostPattern]) {
        for end in ends {
            match end {
                HostPattern::Exact { host, port } => {
                    let authority = Authority { host: host.clone(), port: *port };
                    self.tunnels.entry(authority).or_default().push(index);
                }
                HostPattern::Wildcard { .. } => {
                    self.tunnel_wildcards.push((end.clone(), index));
                }
            }
        }
    }

    /// Routes to try for a CONNECT to `to`. An exact one that exists captures it, as for HTTP; there
    /// is no port that need not be written (RFC 9110 §9.3.6).
    pub fn tunnels<'t>(&'t self, to: &'t Authority) -> impl Iterator<Item = usize> + 't {
        let exact = self.tunnels.get(to).map(Vec::as_slice);
        let wildcards = self.tunnel_wildcards.iter().filter(move |(end, _)| {
            exact.is_none() && to.port.is_some() && end.port() == to.port && end.takes(to)
        });
        exact.unwrap_or_default().iter().copied().chain(wildcards.map(|(_, index)| *index))
    }

    /// The routes of one host. A wildcard has no list of its own.
    fn entry(&mut self, from: &HostPattern) -> &mut Vec<usize> {
        match from {
            HostPattern::Exact { host, port: Some(port) } => {
                let authority = Authority { host: host.clone(), port: Some(*port) };
                self.with_port.entry(authority).or_default()
            }
            HostPattern::Exact { host, port: None } => {
                self.any_port.entry(host.clone()).or_default()
            }
            HostPattern::Wildcard { .. } => &mut self.wildcards,
        }
    }

    /// Routes to try for `authority`.
    ///
    /// An IPv6 address is no host of a route, as in Pomerium, which compares the bare address of
    /// `from` with the bracketed one of requests.
    pub fn candidates(&self, authority: &Authority) -> &[usize] {
        let is_left = self.ports == Ports::Standard && authority.port.is_some_and(|it| it != 443);
        let (any_port, wildcards) = if is_left {
            (None, &self.wildcards_with_port)
        } else {
            (self.any_port.get(&authority.host), &self.wildcards)
        };
        let exact = self.with_port.get(authority).or(any_port);
        exact.filter(|_| !authority.host.is_ipv6()).map_or(wildcards, Vec::as_slice)
    }

    /// Every exact host, for certificates.
    pub fn exact_hosts(&self) -> impl Iterator<Item = &Host> {
        self.any_port.keys().chain(self.with_port.keys().map(|authority| &authority.host))
    }
}

impl HostPattern {
    /// Does it stand for many hosts?
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Wildcard { .. })
    }

    /// Does it take this host (lower case), on whatever port?
    pub fn takes_host(&self, host: &str) -> bool {
        match self {
            Self::Exact { host: own, .. } => own.as_str() == host,
            Self::Wildcard { regex, .. } => regex.is_match(host),
        }
    }

    /// The port that was written, where it is not 443.
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Exact { port, .. } | Self::Wildcard { port, .. } => *port,
        }
    }

    /// Does it take `authority`, at whatever port where it names none?
    pub fn takes(&self, authority: &Authority) -> bool {
        match self {
            Self::Exact { host, port } => {
                *host == authority.host && port.is_none_or(|port| Some(port) == authority.port)
            }
            Self::Wildcard { regex, port, .. } => {
                regex.is_match(authority.host.as_compared())
                    && port.is_none_or(|port| Some(port) == authority.port)
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = match self {
            Self::Exact { host, port } => (host.as_str(), port),
            Self::Wildcard { text, port, .. } => (&**text, port),
        };
        match port {
            Some(port) => write!(f, "{host}:{port}"),
            None => f.write_str(host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HostPattern;
    use crate::names::{Authority, Host};

    /// Whoever finds a pattern in the table asks it once more, with host and port.
    #[test]
    fn a_pattern_takes_its_host_at_its_port_and_no_other() {
        let exact = |port| HostPattern::Exact { host: Host::parse("tv.example").unwrap(), port };
        let regex = regex::Regex::new("^.*\\.tv\\.example$").unwrap();
        let wild = |port| HostPattern::Wildcard { text: "".into(), regex: regex.clone(), port };
        for (pattern, taken, left) in [
            (
                exact(None),
                &["tv.example", "tv.example:8443"][..],
                &["a.tv.example", "evil.test"][..],
            ),
            (exact(Some(8443)), &["tv.example:8443"], &["tv.example", "evil.test:8443"]),
            (wild(None), &["a.tv.example", "b.a.tv.example:1"], &["tv.example", "evil.test"]),
            (wild(Some(8443)), &["a.tv.example:8443"], &["a.tv.example", "evil.test:8443"]),
        ] {
            for (authorities, takes) in [(taken, true), (left, false)] {
                for text in authorities {
                    let authority = Authority::parse(text).unwrap();
                    assert_eq!(pattern.takes(&authority), takes, "{pattern:?} {text}");
                }
            }
        }
    }
}
