//! What a tunnel leads to, and through which proxy.

use std::fmt;

use usher_rules::{names::Authority, plan::Carried};

/// `HOST:PORT`, `tcp+https://HOST:PORT` or `tcp+https://PROXY[:PORT]/HOST:PORT`; with `udp+https`
/// for datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// What goes through.
    pub carried: Carried,
    /// Host of the proxy, which its certificate is for.
    pub proxy: Box<str>,
    /// Its port.
    pub port: u16,
    /// What the proxy is asked for.
    pub to: Box<str>,
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write HOST:PORT, or tcp+https://PROXY/HOST:PORT")]
pub(super) struct NoAddress;

impl Address {
    /// Where no scheme says what is carried it is `plain`.
    pub(super) fn parse(text: &str, plain: Carried) -> Result<Self, NoAddress> {
        let (carried, rest) = match text.split_once("://") {
            None => (plain, text),
            Some(("tcp+https", rest)) => (Carried::Tcp, rest),
            Some(("udp+https", rest)) => (Carried::Udp, rest),
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
            carried,
            proxy: proxy.host.as_str().into(),
            port: proxy.port.unwrap_or(443),
            to: to.to_string().into(),
        })
    }

    /// `HOST[:PORT]`, or the same behind `https://`; no tunnel is meant.
    pub(super) fn of_proxy(text: &str) -> Result<Self, NoAddress> {
        let host = text.strip_prefix("https://").unwrap_or(text);
        let proxy =
            Authority::parse(host.strip_suffix('/').unwrap_or(host)).map_err(|_| NoAddress)?;
        Ok(Self {
            carried: Carried::Tcp,
            proxy: proxy.host.as_str().into(),
            port: proxy.port.unwrap_or(443),
            to: proxy.to_string().into(),
        })
    }

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
    use super::{Address, Carried};

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
            let got = Address::parse(given, Carried::Tcp).ok();
            let shown = got.as_ref().map(|address| (address.origin(), &*address.to));
            let shown = shown.as_ref().map(|(origin, to)| (&**origin, *to));
            assert_eq!(shown, expected, "{given:?}");
        }
    }
    #[test]
    fn a_scheme_says_what_is_carried() {
        for (given, plain, expected) in [
            ("dns.test:53", Carried::Udp, Carried::Udp),
            ("udp+https://dns.test:53", Carried::Tcp, Carried::Udp),
            ("tcp+https://p.test/dns.test:53", Carried::Udp, Carried::Tcp),
        ] {
            let carried = Address::parse(given, plain).map(|address| address.carried);
            assert_eq!(carried, Ok(expected), "{given}");
        }
    }

    #[test]
    fn a_proxy_is_named_by_its_host() {
        for (given, expected) in [
            ("tv.test", Some("https://tv.test")),
            ("https://TV.test/", Some("https://tv.test")),
            ("https://tv.test:8443", Some("https://tv.test:8443")),
            ("tcp+https://tv.test", None),
            ("tv.test/path", None),
            ("", None),
        ] {
            let origin = Address::of_proxy(given).map(|address| address.origin()).ok();
            assert_eq!(origin.as_deref(), expected, "{given:?}");
        }
    }
}
