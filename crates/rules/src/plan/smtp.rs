use std::{fmt, sync::Arc};

pub use crate::config::words::SmtpTls;
use crate::{names::Host, secret::Secret};

/// The server that takes mail for us (`smtp`).
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Where it is, and the name in its certificate.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// When TLS begins.
    pub tls: SmtpTls,
    /// Who we are there; `None` where it asks nobody.
    pub login: Option<SmtpLogin>,
    /// Whom mail comes from.
    pub from: Sender,
}

/// Name and password for a server that takes mail.
#[derive(Clone, Debug)]
pub struct SmtpLogin {
    /// The name.
    pub username: Box<str>,
    /// The password.
    pub password: Arc<Secret>,
}

/// Whom a mail comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// What is shown; may be empty.
    pub name: Box<str>,
    /// The address, before and behind its `@`.
    pub address: (Box<str>, Host),
}

impl Sender {
    /// Reads `ADDRESS` or `NAME <ADDRESS>` (RFC 5322 §3.4, without quotes and comments). `None` for
    /// what is none, and for what could end a line or begin another address.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, address) = match text.trim().strip_suffix('>') {
            Some(named) => named.split_once('<')?,
            None => ("", text.trim()),
        };
        let name = name.trim();
        let is_odd = |c: char| c.is_control() || "<>\"\\".contains(c);
        let (local, domain) = address.split_once('@')?;
        // a dot-atom (RFC 5322 §3.2.3)
        let is_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        let is_local = local.len() <= 64
            && local.split('.').all(|part| !part.is_empty() && part.chars().all(is_atom));
        let domain = Host::parse(domain).ok().filter(|_| !domain.starts_with('['))?;
        (is_local && name.len() <= 100 && !name.contains(is_odd))
            .then(|| Self { name: name.into(), address: (local.into(), domain) })
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = &self.address;
        match &*self.name {
            "" => write!(f, "{local}@{domain}"),
            name => write!(f, "{name} <{local}@{domain}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sender;

    #[test]
    fn senders() {
        for (text, read, why) in [
            ("tv@example.com", Some("tv@example.com"), "an address"),
            (" Our TV <tv@example.com> ", Some("Our TV <tv@example.com>"), "with a name"),
            (
                "Küche <tv+k@home.example>",
                Some("Küche <tv+k@home.example>"),
                "letters of the world",
            ),
            ("<tv@example.com>", Some("tv@example.com"), "no name"),
            ("tv@localhost", Some("tv@localhost"), "at home"),
            ("tv", None, "no address"),
            ("", None, "nothing"),
            ("tv@", None, "nowhere"),
            ("@example.com", None, "nobody"),
            ("a.@example.com", None, "an empty part"),
            ("a b@example.com", None, "a blank"),
            ("a@b@example.com", None, "two domains"),
            ("a@example.com, b@example.com", None, "two"),
            ("A <a@example.com> <b@example.com>", None, "two with a name"),
            ("A\r\nBcc: b@example.com <a@example.com>", None, "a line of its own"),
            ("\"A <a@example.com>", None, "an open quote"),
            ("a@[192.0.2.7]", None, "a literal"),
        ] {
            let found = Sender::parse(text).map(|sender| sender.to_string());
            assert_eq!(found.as_deref(), read, "{text:?}: {why}");
        }
    }
}
