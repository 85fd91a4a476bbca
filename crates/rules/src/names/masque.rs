use super::Authority;

/// Where UDP is asked for, before host and port (RFC 9298 §3, the default template).
pub const UDP_PREFIX: &str = "/.well-known/masque/udp/";

/// The host and port that a path asks for UDP to (RFC 9298 §3). The colons of an IPv6 address are
/// encoded, and nothing else need be.
pub fn udp_target(path: &str) -> Option<Authority> {
    let (host, rest) = path.strip_prefix(UDP_PREFIX)?.split_once('/')?;
    let port = rest.strip_suffix('/')?;
    let host = host.replace("%3A", ":").replace("%3a", ":");
    let authority = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    Authority::parse(&authority).ok().filter(|authority| authority.port.is_some())
}

/// The path that asks for UDP to `host:port`.
pub fn udp_path(authority: &str) -> String {
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let host = host.trim_start_matches('[').trim_end_matches(']').replace(':', "%3A");
    format!("{UDP_PREFIX}{host}/{port}/")
}

#[cfg(test)]
mod tests {
    use super::{udp_path, udp_target};

    #[test]
    fn what_a_path_asks_udp_to_is_a_host_and_a_port() {
        for (path, expected) in [
            ("/.well-known/masque/udp/dns.test/53/", Some("dns.test:53")),
            ("/.well-known/masque/udp/DNS.test/53/", Some("dns.test:53")),
            ("/.well-known/masque/udp/192.0.2.6/443/", Some("192.0.2.6:443")),
            ("/.well-known/masque/udp/2001%3Adb8%3A%3A1/443/", Some("[2001:db8::1]:443")),
            ("/.well-known/masque/udp/dns.test/53", None),
            ("/.well-known/masque/udp/dns.test/", None),
            ("/.well-known/masque/udp/dns.test//", None),
            ("/.well-known/masque/udp/dns.test/0/", None),
            ("/.well-known/masque/udp/dns.test/65536/", None),
            ("/.well-known/masque/udp/dns.test/53/x/", None),
            ("/.well-known/masque/udp//53/", None),
            ("/.well-known/masque/udp/a@dns.test/53/", None),
            ("/.well-known/masque/udp/dns%2Etest/53/", None),
            ("/.well-known/masque/udp/*/*/", None),
            ("/dns.test/53/", None),
        ] {
            let got = udp_target(path).map(|target| target.to_string());
            assert_eq!(got.as_deref(), expected, "{path}");
            if let Some(expected) = expected {
                assert_eq!(udp_path(expected).to_lowercase(), path.to_lowercase());
            }
        }
    }
}
