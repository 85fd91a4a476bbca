use std::fmt;

use super::{Authority, AuthorityError, Host};

/// What visitors type: always `https`, host and port only (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The host.
    pub host: Host,
    /// The port, 443 where none was written.
    pub port: u16,
}

/// Why a text is not an origin of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Another scheme than `https`, or none.
    #[error("it must begin with `https://`")]
    NotHttps,
    /// More than host and port.
    #[error("it ends after host and port: no path, query or user")]
    NotBare,
    /// Host or port are wrong.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

impl Origin {
    /// Reads `https://host[:port]`, with or without a final `/`.
    ///
    /// # Errors
    ///
    /// [`OriginError`], one variant per rule.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::NotHttps)?;
        if !scheme.eq_ignore_ascii_case("https") {
            return Err(OriginError::NotHttps);
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@', '\\']) {
            return Err(OriginError::NotBare);
        }
        let Authority { host, port } = Authority::parse(authority)?;
        Ok(Self { host, port: port.unwrap_or(443) })
    }

    /// The origin that a request for `authority` came to.
    pub fn of(authority: &Authority) -> Self {
        Self { host: authority.host.clone(), port: authority.port.unwrap_or(443) }
    }
}

impl fmt::Display for Origin {
    /// ASCII serialisation (RFC 6454 §6.2): the default port is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            443 => write!(f, "https://{}", self.host),
            port => write!(f, "https://{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn parse() {
        for (given, expected) in [
            ("https://TV.example", Some("https://tv.example")),
            ("https://tv.example/", Some("https://tv.example")),
            ("https://tv.example:443", Some("https://tv.example")),
            ("https://tv.example:8443", Some("https://tv.example:8443")),
            ("http://tv.example", None),
            ("tv.example", None),
            ("https://tv.example/web", None),
            ("https://u@tv.example", None),
            ("https://", None),
        ] {
            let shown = Origin::parse(given).ok().map(|origin| origin.to_string());
            assert_eq!(shown.as_deref(), expected, "{given:?}");
        }
    }
}
