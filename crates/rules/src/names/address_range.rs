use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// An address or a range; host bits may be set (`192.0.2.10/24`), and IPv4 inside IPv6 is IPv4.
pub fn address_range(text: &str) -> Option<IpNet> {
    let range: IpNet = match text.parse() {
        Ok(range) => range,
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    Some(
        match range {
            IpNet::V6(mapped) if is_mapped(mapped.addr()) && mapped.prefix_len() >= 96 => {
                let v4 = mapped.addr().to_ipv4_mapped()?;
                IpNet::V4(Ipv4Net::new(v4, mapped.prefix_len() - 96).ok()?)
            }
            IpNet::V4(_) | IpNet::V6(_) => range,
        }
        .trunc(),
    )
}

fn is_mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}
