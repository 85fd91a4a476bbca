//! What a tunnel leads to, and through which proxy.

use std::{fmt, str::FromStr};

use usher_rules::names::Authority;

/// `HOST:PORT`, `tcp+https://HOST:PORT` or `tcp+https://PROXY[:PORT]/HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Host of the proxy, which its certificate is for.
    pub proxy: Box<str>,
    /// Its port.
    pub port: u16,
    /// What CONNECT names.
    pub to: Box<str>,
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write HOST:PORT, or tcp+https://PROXY/HOST:PORT")]
pub(super) struct NoAddress;

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let rest = match text.split_once("://") {
            None => text,
            Some(("tcp+https", rest)) => rest,
            Some(_) => return Err(NoAddress),
        };
        let (proxy, to) = rest.split_once('/').map_or((None, rest), |(at, to)| (Some(at), to));
        let to = Authority::parse(to).map_err(|_| NoAddress)?;
        if to.port.is_none() {
            return Err(NoAddress);
        }
        let proxy = match proxy {
            Some(proxy) => Authority::parse(proxy).map_err(|_| NoAddress)?,
            None => Authority { host: to.host.clone(), port: None },
        };
        Ok(Self {
            proxy: proxy.host.as_str().into(),
            port: proxy.port.unwrap_or(443),
            to: to.to_string().into(),
        })
    }
}

impl Address {
    /// The proxy as a URL names it.
    pub(super) fn origin(&self) -> String {
        match self.port {
            443 => format!("https://{}", self.proxy),
            port => format!("https://{}:{port}", self.proxy),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn parse() {
        for (given, expected) in [
            ("ssh.test:22", Some(("https://ssh.test", "ssh.test:22"))),
            ("SSH.test:443", Some(("https://ssh.test", "ssh.test:443"))),
            ("tcp+https://ssh.test:22", Some(("https://ssh.test", "ssh.test:22"))),
            ("tcp+https://p.test/db.internal:5432", Some(("https://p.test", "db.internal:5432"))),
            ("tcp+https://p.test:8443/db:1", Some(("https://p.test:8443", "db:1"))),
            ("ssh.test", None),
            ("ssh.test:0", None),
            ("https://ssh.test:22", None),
            ("tcp+https://p.test/", None),
            ("a@ssh.test:22", None),
            ("", None),
        ] {
            let got = given.parse::<Address>().ok();
            let shown = got.as_ref().map(|address| (address.origin(), &*address.to));
            let shown = shown.as_ref().map(|(origin, to)| (&**origin, *to));
            assert_eq!(shown, expected, "{given:?}");
        }
    }
}
