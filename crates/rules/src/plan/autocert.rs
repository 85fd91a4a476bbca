use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use crate::{config::words::TsigAlgorithm, secret::Secret};

/// Let's Encrypt, whose certificates everybody trusts.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Its twin for trying things out: nobody trusts it, and it refuses less.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Certificates by ACME (RFC 8555): `autocert` and what belongs to it.
#[derive(Debug)]
pub struct Autocert {
    /// The authorities, the first choice first (`autocert_ca`, `autocert_use_staging`, and ours:
    /// `autocert_fallback_cas`).
    pub authorities: Vec<AcmeAuthority>,
    /// Where an authority writes to when something is wrong (`autocert_email`).
    pub email: Option<Box<str>>,
    /// Ask for certificates that count only with an OCSP staple (RFC 7633).
    pub must_staple: bool,
    /// Roots for the talk with the authorities, instead of the system's, PEM.
    pub trusted_ca: Option<Arc<[u8]>>,
    /// Where accounts and certificates are kept, if not in the data directory.
    pub dir: Option<PathBuf>,
    /// Ours: whoever sets DNS records for proof by DNS-01.
    pub dns: Option<Dns01>,
    /// Ours: which of an authority's profiles is asked for, `shortlived` for instance.
    pub profile: Option<Box<str>>,
    /// Names to have certificates for, in the order of the routes; `*.` begins a wildcard.
    pub names: Vec<Box<str>>,
}

/// An authority that speaks ACME.
#[derive(Debug)]
pub struct AcmeAuthority {
    /// The address of its directory.
    pub directory: Box<str>,
    /// An account elsewhere that ours is bound to (RFC 8555 §7.3.4).
    pub external_account: Option<ExternalAccount>,
}

impl Autocert {
    /// The directories of the authorities, in the same order.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.authorities.iter().map(|authority| &*authority.directory)
    }

    /// The account that ours has to be bound to at a directory.
    pub fn external_account(&self, directory: &str) -> Option<&ExternalAccount> {
        let authority = self.authorities.iter().find(|one| *one.directory == *directory)?;
        authority.external_account.as_ref()
    }
}

/// Proof by DNS-01 (`autocert_dns_*`, ours).
#[derive(Debug)]
pub struct Dns01 {
    /// Who sets the records.
    pub provider: DnsProvider,
    /// How long to wait after a record was set, for other servers to have it, too.
    pub wait: Duration,
}

/// Who sets DNS records.
#[derive(Debug)]
pub enum DnsProvider {
    /// A DNS server that takes dynamic updates (RFC 2136).
    Rfc2136 {
        /// `HOST:PORT`.
        server: Box<str>,
        /// The zone; the server is asked for it when it is not named.
        zone: Option<Box<str>>,
        /// With which updates are signed.
        key: Option<TsigKey>,
    },
    /// Cloudflare's API.
    Cloudflare {
        /// A token that may edit DNS.
        token: Secret,
    },
    /// A program of the operator's.
    Exec {
        /// The program and its first arguments.
        command: Vec<Box<str>>,
    },
}

/// A key for signed updates (RFC 8945).
#[derive(Debug)]
pub struct TsigKey {
    /// Its name on the server.
    pub name: Box<str>,
    /// `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
    pub algorithm: TsigAlgorithm,
    /// Its octets.
    pub secret: Secret,
}

/// `autocert_eab_key_id` and `autocert_eab_mac_key`.
pub struct ExternalAccount {
    /// The key's id.
    pub key_id: Box<str>,
    /// The key itself, decoded.
    pub mac_key: Secret,
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
