use std::collections::HashMap;

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

/// Host names to routes, by index into `Plan::routes`, each list in matching order.
///
/// An exact host that exists captures the request: no fall-through to wildcards, and a host
/// with port owns its paths (`pomerium-policy-measured.md` 60, 61).
#[derive(Debug, Default)]
pub struct HostTable {
    with_port: HashMap<Authority, Vec<usize>, foldhash::fast::RandomState>,
    any_port: HashMap<Host, Vec<usize>, foldhash::fast::RandomState>,
    wildcards: Vec<usize>,
    ports: IncomingPorts,
}

/// At which ports a route answers whose `from` names none (`match_any_incoming_port`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncomingPorts {
    /// At every one.
    #[default]
    Any,
    /// At 443 alone.
    AsWritten,
}

impl HostTable {
    /// Adds a route; call in matching order.
    pub fn add(&mut self, index: usize, from: &HostPattern) {
        match from {
            HostPattern::Exact { host, port: Some(port) } => {
                let authority = Authority { host: host.clone(), port: Some(*port) };
                self.with_port.entry(authority).or_default().push(index);
            }
            HostPattern::Exact { host, port: None } => {
                self.any_port.entry(host.clone()).or_default().push(index);
            }
            HostPattern::Wildcard { .. } => self.wildcards.push(index),
        }
    }

    /// An empty one.
    pub fn with(ports: IncomingPorts) -> Self {
        Self { ports, ..Self::default() }
    }

    /// Routes to try for `authority`; each is asked with [`Self::takes`].
    pub fn candidates(&self, authority: &Authority) -> &[usize] {
        let without_port =
            || self.any_port.get(&authority.host).filter(|_| self.is_open(authority));
        self.with_port.get(authority).or_else(without_port).map_or(&self.wildcards, Vec::as_slice)
    }

    /// Does a route of this pattern answer for `authority`?
    pub fn takes(&self, from: &HostPattern, authority: &Authority) -> bool {
        from.takes(authority) && (from.port().is_some() || self.is_open(authority))
    }

    /// May a route without a port answer at this one?
    fn is_open(&self, authority: &Authority) -> bool {
        match self.ports {
            IncomingPorts::Any => true,
            IncomingPorts::AsWritten => authority.port.is_none_or(|port| port == 443),
        }
    }

    /// Every exact host, for certificates.
    pub fn exact_hosts(&self) -> impl Iterator<Item = &Host> {
        self.any_port.keys().chain(self.with_port.keys().map(|authority| &authority.host))
    }
}

impl HostPattern {
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
                regex.is_match(authority.host.as_str())
                    && port.is_none_or(|port| Some(port) == authority.port)
            }
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
