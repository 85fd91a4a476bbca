//! Where to listen: `:443`, `443`, `0.0.0.0:443`, `[::]:443`, `localhost:8443`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why a text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddressError {
    /// Behind the last colon stands no number from 0 to 65535.
    #[error("a port is a number from 1 to 65535")]
    BadPort,
    /// The host is a name or a broken IP address; names are not looked up at the start.
    #[error("its host is no IP address")]
    BadHost,
    /// There is no port, and none that would be usual.
    #[error("it names no port")]
    NoPort,
}

/// Reads an address as a config has it. `:443` and a bare `443` are every address of the machine,
/// port 0 is one that the system picks.
///
/// This is the one reader: what it takes the start can bind, as far as the text can tell.
///
/// # Errors
///
/// [`ListenAddressError`]; a missing port is one where `default_port` is `None`.
pub fn listen_address(
    text: &str,
    default_port: Option<u16>,
) -> Result<SocketAddr, ListenAddressError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        None if is_number => ("", Some(text)),
        Some(_) | None => (text, None),
    };
    let port = match port {
        Some(port) if !port.starts_with('+') => {
            port.parse().map_err(|_| ListenAddressError::BadPort)?
        }
        Some(_) => return Err(ListenAddressError::BadPort),
        None => default_port.ok_or(ListenAddressError::NoPort)?,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let ip = match (bare, host) {
        (Some(v6), _) => v6.parse().map(IpAddr::V6).map_err(|_| ListenAddressError::BadHost)?,
        (None, "" | "*") => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        (None, name) if name.eq_ignore_ascii_case("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (None, v4) => v4.parse().map(IpAddr::V4).map_err(|_| ListenAddressError::BadHost)?,
    };
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::listen_address;

    #[test]
    fn addresses_to_listen_on() {
        for (given, expected) in [
            (":443", Some("[::]:443")),
            ("25443", Some("[::]:25443")),
            ("", Some("[::]:80")),
            ("*:8443", Some("[::]:8443")),
            ("0.0.0.0:8443", Some("0.0.0.0:8443")),
            ("127.0.0.1", Some("127.0.0.1:80")),
            ("[::1]:80", Some("[::1]:80")),
            ("[::1]", Some("[::1]:80")),
            ("localhost:1", Some("127.0.0.1:1")),
            ("LOCALHOST:1", Some("127.0.0.1:1")),
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("host.example:1", None),
            ("host.example", None),
            ("[127.0.0.1]:1", None),
            ("::80", None),
            ("::1", None),
            (":", None),
            (":99999", None),
            ("99999", None),
            (":+80", None),
            ("127.0.0.1:http", None),
            ("https://127.0.0.1:80", None),
            ("127.0.0.1:80/", None),
            (" :80", None),
        ] {
            let got = listen_address(given, Some(80)).ok().map(|address| address.to_string());
            assert_eq!(got.as_deref(), expected, "{given:?}");
        }
        assert!(listen_address("127.0.0.1", None).is_err(), "no port, and none is usual");
        assert!(listen_address("9090", None).is_ok());
    }
}
