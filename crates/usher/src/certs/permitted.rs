//! What the local authority may sign for: people trust its root, so it is made as narrow as it can
//! be without being made anew for every new host (decision 0014).

use std::net::IpAddr;

use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};
use rustls::pki_types::CertificateDer;
use usher_rules::names::registrable_domain;
use x509_parser::{
    extensions::{GeneralSubtree as Subtree, ParsedExtension},
    prelude::{FromDer as _, GeneralName, X509Certificate},
};

/// Ends of names that nobody else can have (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`), and
/// what routers make of them.
const LOCAL_ENDS: &[&str] =
    &["localhost", "local", "internal", "test", "example", "home.arpa", "lan", "home"];

/// Private and loopback networks: address, and the length of its prefix.
const LOCAL_NETWORKS: &[(IpAddr, u8)] = &[
    (IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(std::net::Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(std::net::Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(std::net::Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

/// The constraints of a root that is made for these hosts.
pub(super) fn constraints(hosts: &[Box<str>]) -> NameConstraints {
    let mut domains: Vec<String> = LOCAL_ENDS.iter().map(|end| (*end).to_owned()).collect();
    let mut networks = LOCAL_NETWORKS.to_vec();
    for host in hosts {
        match host.parse::<IpAddr>() {
            Ok(address) => networks.push((address, if address.is_ipv4() { 32 } else { 128 })),
            Err(_) => domains.push(domain_of(host).to_owned()),
        }
    }
    domains.sort();
    domains.dedup();
    let mut permitted: Vec<GeneralSubtree> =
        domains.into_iter().map(GeneralSubtree::DnsName).collect();
    permitted.extend(networks.into_iter().map(|(address, prefix)| {
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, prefix))
    }));
    NameConstraints { permitted_subtrees: permitted, excluded_subtrees: Vec::new() }
}

/// The domain that a host's neighbours are in: `example.com` for `tv.example.com`. Never one that
/// strangers are in, too: who has `ann.duckdns.org` has no `duckdns.org`.
fn domain_of(host: &str) -> &str {
    let host = host.trim_start_matches("*.");
    match host.split_once('.') {
        Some((_, parent)) if registrable_domain(parent).is_some() => parent,
        Some(_) | None => host,
    }
}

/// May this root sign for this host? One without constraints, from before there were some, may.
pub(super) fn permits(root: &CertificateDer<'_>, host: &str) -> bool {
    let Ok((_, root)) = X509Certificate::from_der(root) else { return false };
    let constraints = root.extensions().iter().find_map(|one| {
        let ParsedExtension::NameConstraints(constraints) = one.parsed_extension() else {
            return None;
        };
        Some(constraints)
    });
    let permitted = constraints.and_then(|constraints| constraints.permitted_subtrees.as_ref());
    permitted.is_none_or(|subtrees| subtrees.iter().any(|subtree| takes(subtree, host)))
}

fn takes(subtree: &Subtree<'_>, host: &str) -> bool {
    let address = host.parse::<IpAddr>().ok();
    match (&subtree.base, address) {
        (GeneralName::DNSName(domain), None) => {
            let host = host.trim_start_matches("*.");
            host.strip_suffix(domain)
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        }
        (GeneralName::IPAddress(network), Some(IpAddr::V4(address))) => {
            within(network, &address.octets())
        }
        (GeneralName::IPAddress(network), Some(IpAddr::V6(address))) => {
            within(network, &address.octets())
        }
        (_, _) => false,
    }
}

/// `network` is an address and a mask of the same length (RFC 5280 §4.2.1.10).
fn within(network: &[u8], address: &[u8]) -> bool {
    let Some((base, mask)) = network.split_at_checked(address.len()) else { return false };
    mask.len() == address.len()
        && address.iter().zip(base).zip(mask).all(|((own, base), mask)| own & mask == base & mask)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::{constraints, domain_of, permits};

    #[test]
    fn a_root_signs_for_its_own_neighbourhood() {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let hosts = ["tv.films.net", "203.0.113.9", "*.photos.org"].map(Into::into);
        params.name_constraints = Some(constraints(&hosts));
        let root = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        for (host, permitted) in [
            ("tv.films.net", true),
            ("music.films.net", true),
            ("films.net", true),
            ("evilfilms.net", false),
            ("films.net.evil.org", false),
            ("bank.com", false),
            ("photos.org", true),
            ("a.photos.org", true),
            ("nas.local", true),
            ("localhost", true),
            ("box.home.arpa", true),
            ("192.168.1.7", true),
            ("203.0.113.9", true),
            ("203.0.113.10", false),
            ("8.8.8.8", false),
            ("::1", true),
            ("fd00::7", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(permits(root.der(), host), permitted, "{host}");
        }
    }

    #[test]
    fn neighbours_share_a_domain() {
        for (host, domain) in [
            ("tv.example.com", "example.com"),
            ("example.com", "example.com"),
            ("a.b.example.com", "b.example.com"),
            ("nas", "nas"),
            ("nas.attic.zone-of-nobody", "nas.attic.zone-of-nobody"),
            ("ann.duckdns.org", "ann.duckdns.org"),
            ("tv.ann.duckdns.org", "ann.duckdns.org"),
            ("example.co.uk", "example.co.uk"),
            ("*.example.com", "example.com"),
        ] {
            assert_eq!(domain_of(host), domain, "{host}");
        }
    }
}
