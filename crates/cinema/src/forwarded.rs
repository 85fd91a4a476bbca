//! `X-Forwarded-*`, believed only from known proxies.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};
use ipnet::IpNet;

/// Where a request comes from and what it was addressed to, after forwarding headers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    pub remote: IpAddr,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and port as the client knows them.
    pub authority: String,
    /// The networks that are local; where there are none, the private ones.
    pub local: Vec<IpNet>,
}

impl Origin {
    /// An empty list of proxies ignores the headers; any other one trusts loopback as well.
    pub(crate) fn read(peer: IpAddr, headers: &HeaderMap, known: &[IpAddr]) -> Self {
        let mut origin = Self {
            remote: peer,
            scheme: "http".to_owned(),
            authority: text(headers.get(header::HOST)).unwrap_or_default(),
            local: Vec::new(),
        };
        let is_known = |address: IpAddr| {
            !known.is_empty() && (address.is_loopback() || known.contains(&address))
        };
        if !is_known(peer) {
            return origin;
        }
        if let Some(scheme) = last(headers, "x-forwarded-proto") {
            origin.scheme = scheme;
        }
        if let Some(authority) = last(headers, "x-forwarded-host") {
            origin.authority = authority;
        }
        // From the right, for as long as the address so far is a proxy's. What does not parse ends
        // the walk and is forgotten: garbage makes the peer itself the client.
        for entry in list(headers, "x-forwarded-for").iter().rev() {
            match (is_known(origin.remote), address(entry)) {
                (true, Some(address)) => origin.remote = address,
                _ => break,
            }
        }
        origin
    }

    /// Whether the address belongs to the local network.
    pub(crate) fn is_in_network(&self) -> bool {
        if !self.local.is_empty() {
            return self.local.iter().any(|network| network.contains(&self.remote));
        }
        match self.remote.to_canonical() {
            IpAddr::V4(address) => {
                address.is_loopback() || address.is_private() || address.is_link_local()
            }
            IpAddr::V6(address) => {
                address.is_loopback()
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
            }
        }
    }

    /// `scheme://host:port`.
    pub(crate) fn base(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }
}

fn text(value: Option<&http::HeaderValue>) -> Option<String> {
    value.and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn list(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|entry| entry.trim().to_owned()).collect()
}

fn last(headers: &HeaderMap, name: &str) -> Option<String> {
    list(headers, name).pop().filter(|entry| !entry.is_empty())
}

/// An address with or without a port.
fn address(entry: &str) -> Option<IpAddr> {
    let plain = entry.trim_start_matches('[').trim_end_matches(']');
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    plain.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let loopback = "127.0.0.1";
        for (lines, known, peer, expected, in_network, why) in [
            (&["8.8.8.8"][..], "", loopback, "127.0.0.1", true, "no proxy is known"),
            (&["8.8.8.8"], "10.1.1.1", loopback, "8.8.8.8", false, "any list trusts loopback"),
            (&["8.8.8.8"], "10.1.1.1", "10.1.1.1", "8.8.8.8", false, "the peer itself"),
            (&["8.8.8.8"], "10.1.1.1", "10.1.1.2", "10.1.1.2", true, "another peer"),
            (&["192.168.1.5"], loopback, loopback, "192.168.1.5", true, "private"),
            (&["8.8.8.8, 192.168.1.5"], loopback, loopback, "192.168.1.5", true, "the last one"),
            (&["192.168.1.5, 8.8.8.8"], loopback, loopback, "8.8.8.8", false, "not the first"),
            (&["8.8.8.8, 127.0.0.1"], loopback, loopback, "8.8.8.8", false, "past a proxy"),
            (&["8.8.8.8", "192.168.1.5"], loopback, loopback, "192.168.1.5", true, "two lines"),
            (&["garbage"], loopback, loopback, "127.0.0.1", true, "the peer counts as local"),
            (&["8.8.8.8:5555"], loopback, loopback, "8.8.8.8", false, "with a port"),
            (&["[2001:db8::1]:443"], loopback, loopback, "2001:db8::1", false, "IPv6 and port"),
            (&["2001:db8::1"], loopback, loopback, "2001:db8::1", false, "IPv6"),
            (&["::1"], loopback, loopback, "::1", true, "loopback of the other family"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let known: Vec<IpAddr> = known.parse().into_iter().collect();
            let origin = Origin::read(peer.parse().unwrap(), &headers, &known);
            assert_eq!(origin.remote.to_string(), expected, "{lines:?}: {why}");
            assert_eq!(origin.is_in_network(), in_network, "{lines:?}: {why}");
        }
    }
}
