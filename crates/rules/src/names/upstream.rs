use std::fmt;

use super::Host;

/// Where bytes go: what we dial, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Plain or TLS, and what is spoken.
    pub scheme: Scheme,
    /// Host name or address to dial; IPv6 without brackets.
    pub host: Box<str>,
    /// Port to dial.
    pub port: u16,
    /// The path in the URL; it textually replaces the matched prefix (`pomerium-config.md` §3.2).
    pub path: Box<str>,
}

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 in the clear.
    Http,
    /// HTTP over TLS; ALPN says whether it is HTTP/2 or HTTP/1.1 (RFC 9113 §3.2).
    Https,
    /// HTTP/2 in the clear, known beforehand (RFC 9113 §3.3).
    H2c,
    /// Bytes: what a tunnel leads to.
    Tcp,
    /// Datagrams, likewise.
    Udp,
}

/// Why a text is not an upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No `scheme://`.
    #[error("it has no scheme")]
    NoScheme,
    /// A scheme that is not spoken here.
    #[error("`{0}` is not a scheme that usher can forward to")]
    UnknownScheme(Box<str>),
    /// It does not read as a URL with a host.
    #[error("it has no host")]
    NoHost,
    /// The port is no number from 1 to 65535.
    #[error("its port is not a number from 1 to 65535")]
    BadPort,
}

impl Upstream {
    /// Reads `http://host[:port][/path]`, `https://…`, `h2c://…`, `tcp://…` or
    /// `udp://…`. `localhost` is
    /// 127.0.0.1, and a tunnel's port 80 where none is written, as in Pomerium.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`], one variant per rule.
    pub fn parse(text: &str) -> Result<Self, UpstreamError> {
        let (scheme, rest) = text.split_once("://").ok_or(UpstreamError::NoScheme)?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            "h2c" => (Scheme::H2c, 80),
            "tcp" => (Scheme::Tcp, 80),
            "udp" => (Scheme::Udp, 80),
            other => return Err(UpstreamError::UnknownScheme(other.into())),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_user, host)| host);
        let (host, port) = split_port(authority)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_name = host.is_ascii() || Host::parse(host).is_ok();
        if host.is_empty() || host.contains(char::is_whitespace) || !is_name {
            return Err(UpstreamError::NoHost);
        }
        let host = if host.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { host };
        Ok(Self {
            scheme,
            host: Host::a_labels(host),
            port: port.unwrap_or(default_port),
            path: path.into(),
        })
    }

    /// `host` or `host:port`, as the `Host` field names it (default ports left out).
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_string()
        };
        match (self.scheme, self.port) {
            (Scheme::Http | Scheme::H2c, 80) | (Scheme::Https, 443) => host,
            (Scheme::Http | Scheme::Https | Scheme::H2c | Scheme::Tcp | Scheme::Udp, port) => {
                format!("{host}:{port}")
            }
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), UpstreamError> {
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority.get(after_host..).and_then(|rest| rest.rfind(':')) {
        Some(colon) => authority.split_at_checked(colon + after_host).unwrap_or((authority, "")),
        None => (authority, ""),
    };
    match port.strip_prefix(':') {
        None | Some("") => Ok((host, None)),
        Some(digits) => match digits.parse() {
            Ok(0) | Err(_) => Err(UpstreamError::BadPort),
            Ok(port) => Ok((host, Some(port))),
        },
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::H2c => "h2c",
            Scheme::Tcp => "tcp",
            Scheme::Udp => "udp",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::{Upstream, UpstreamError::*};

    #[test]
    fn parse() {
        for (given, expected) in [
            ("http://jellyfin:8096", Ok("http://jellyfin:8096")),
            ("https://nas.lan", Ok("https://nas.lan")),
            ("http://localhost:1/app/", Ok("http://127.0.0.1:1/app/")),
            ("http://[::1]:81", Ok("http://[::1]:81")),
            ("http://[::]:81", Ok("http://[::]:81")),
            ("http://[2001:db8::]", Ok("http://[2001:db8::]")),
            ("h2c://grpc:50051", Ok("h2c://grpc:50051")),
            ("h2c://grpc:80", Ok("h2c://grpc")),
            ("tcp://ssh:22", Ok("tcp://ssh:22")),
            ("TCP://[::1]:80", Ok("tcp://[::1]:80")),
            ("http://u:p@h/p?q#f", Ok("http://h/p")),
            ("jellyfin:8096", Err(NoScheme)),
            ("ftp://h", Err(UnknownScheme("ftp".into()))),
            ("http://", Err(NoHost)),
            ("http://h:99999", Err(BadPort)),
            ("http://h:0", Err(BadPort)),
        ] {
            let shown = Upstream::parse(given).map(|upstream| upstream.to_string());
            assert_eq!(shown, expected.map(String::from), "{given:?}");
        }
    }
}
