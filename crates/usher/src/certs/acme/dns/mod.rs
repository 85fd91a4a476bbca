//! Proof by DNS (RFC 8555 §8.4): a TXT record that is there while an authority looks.

mod cloudflare;
mod exec;
mod rfc2136;

use std::{fmt, time::Duration};

use usher_rules::{
    people::BoxFuture,
    plan::{Dns01, DnsProvider},
};

use crate::request::forward::Trust;

pub use cloudflare::Cloudflare;
pub use exec::Exec;
pub use rfc2136::Rfc2136;

/// A TXT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtRecord {
    /// The whole name, `_acme-challenge.HOST`, without a dot at its end.
    pub name: Box<str>,
    /// Its text.
    pub value: Box<str>,
}

impl TxtRecord {
    /// The record that proves control of `name`, a host or a wildcard.
    pub fn proof(name: &str, value: String) -> Self {
        let host = name.strip_prefix("*.").unwrap_or(name);
        Self { name: format!("_acme-challenge.{host}").into(), value: value.into() }
    }
}

impl From<(Box<str>, Box<str>)> for TxtRecord {
    fn from((name, value): (Box<str>, Box<str>)) -> Self {
        Self { name, value }
    }
}

/// Sets records and takes them away again.
pub trait DnsRecords: Send + Sync {
    /// Sets a record beside others of its name; when it resolves, the server has it.
    fn publish<'a>(&'a self, record: &'a TxtRecord) -> BoxFuture<'a, Result<(), DnsError>>;
    /// Takes exactly this record away; gone already is as good.
    fn withdraw<'a>(&'a self, record: &'a TxtRecord) -> BoxFuture<'a, Result<(), DnsError>>;
}

/// Why a record is not set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// No connection, no answer, or none that can be read.
    #[error("{server} can't be reached: {cause}")]
    Unreached {
        /// The server.
        server: Box<str>,
        /// Why.
        cause: Box<str>,
    },
    /// The server refuses.
    #[error("{server} refuses: {why}")]
    Refused {
        /// The server.
        server: Box<str>,
        /// Its words, and how to mend it.
        why: Box<str>,
    },
    /// Nothing says in which zone the name is.
    #[error("{server} has no zone for `{name}`")]
    NoZone {
        /// The server.
        server: Box<str>,
        /// The record's name.
        name: Box<str>,
    },
    /// The server took the record and does not give it out.
    #[error("{server} took the record for `{name}`, and does not give it out")]
    NotSeen {
        /// The server.
        server: Box<str>,
        /// The record's name.
        name: Box<str>,
    },
    /// The operator's own program failed.
    #[error("`{command}` {why}")]
    Hook {
        /// The program.
        command: Box<str>,
        /// How it ended.
        why: Box<str>,
    },
    /// A name or text that no DNS message can hold.
    #[error("`{0}` does not fit into a DNS message")]
    Unfit(Box<str>),
}

/// Whoever sets records for a config.
pub struct Solver {
    records: Box<dyn DnsRecords>,
    wait: Duration,
}

impl Solver {
    /// The one that the config asks for.
    pub fn of(dns: &Dns01, trust: Trust, patience: Duration) -> Result<Self, rustls::Error> {
        let records: Box<dyn DnsRecords> = match &dns.provider {
            DnsProvider::Rfc2136 { server, zone, key } => {
                Box::new(Rfc2136::new(server, zone.as_deref(), key.as_ref(), patience))
            }
            DnsProvider::Cloudflare { token } => {
                Box::new(Cloudflare::new(token, cloudflare::API, trust, patience)?)
            }
            DnsProvider::Exec { command } => Box::new(Exec::new(command, patience)),
        };
        Ok(Self { records, wait: dns.wait })
    }

    /// Sets a record, and waits until other servers may have it, too.
    pub async fn publish(&self, record: &TxtRecord) -> Result<(), DnsError> {
        self.records.publish(record).await?;
        tokio::time::sleep(self.wait).await;
        Ok(())
    }

    /// Takes it away again. What stays proves nothing to anybody later, so a failure is let be.
    pub async fn withdraw(&self, record: &TxtRecord) {
        let _stays = self.records.withdraw(record).await;
    }
}

impl fmt::Debug for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Solver(..)")
    }
}
