use std::fmt;

use super::{Host, HostError};

/// Whom a request is for: host and, if it was given, port (RFC 9110 §7.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    /// The host, as it is compared.
    pub host: Host,
    /// The port, if it was written.
    pub port: Option<u16>,
}

/// Why a text is not an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The host part is no host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The port part is no number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    BadPort,
    /// A colon, and no port behind it.
    #[error("nothing stands behind the colon, where a port should be")]
    NoPort,
}

impl AuthorityError {
    /// Is it a name that no route can have, and no mistake: nothing (RFC 9112 §3.2), or a colon without
    /// a port (RFC 3986 §3.2.3)?
    pub const fn is_no_name(&self) -> bool {
        matches!(self, Self::NoPort | Self::Host(HostError::Empty))
    }
}

impl Authority {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`. User information is never part of it.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`], one variant per rule.
    pub fn parse(text: &str) -> Result<Self, AuthorityError> {
        let after_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
        let colon = text.get(after_host..).and_then(|rest| rest.find(':')).map(|i| i + after_host);
        let Some((host, port)) = colon.and_then(|at| text.split_at_checked(at)) else {
            return Ok(Self { host: Host::parse(text)?, port: None });
        };
        let digits = port.strip_prefix(':').unwrap_or(port);
        if digits.is_empty() {
            Host::parse(host)?;
            return Err(AuthorityError::NoPort);
        }
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AuthorityError::BadPort); // `parse` would take a sign
        }
        match digits.parse() {
            Ok(0) | Err(_) => Err(AuthorityError::BadPort),
            Ok(port) => Ok(Self { host: Host::parse(host)?, port: Some(port) }),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Authority;

    #[test]
    fn parse() {
        for (given, expected) in [
            ("TV.example", Some("tv.example")),
            ("tv.example:8443", Some("tv.example:8443")),
            ("tv.example.:443", Some("tv.example.:443")),
            ("[::1]:80", Some("[::1]:80")),
            ("[::1]", Some("[::1]")),
            ("[::]:8443", Some("[::]:8443")),
            ("[2001:db8::]", Some("[2001:db8::]")),
            ("tv.example:", None),
            ("tv.example:+80", None),
            ("tv.example:0", None),
            ("tv.example:65536", None),
            ("::1", None),
            ("user@tv.example", None),
            ("user:pw@tv.example", None),
            ("", None),
        ] {
            let shown = Authority::parse(given).ok().map(|authority| authority.to_string());
            assert_eq!(shown.as_deref(), expected, "{given:?}");
        }
    }
}
