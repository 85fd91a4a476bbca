use std::{fmt, sync::Arc};

use rustls::{client::verify_server_name, server::ParsedCertificate, sign::CertifiedKey};
use rustls_pki_types::ServerName;

/// The certificate that a client was shown on its connection.
#[derive(Clone, Default)]
pub struct Shown(Option<Arc<CertifiedKey>>);

impl Shown {
    /// What the handshake settled; `None` where there was none.
    pub const fn new(shown: Option<Arc<CertifiedKey>>) -> Self {
        Self(shown)
    }

    /// Does it speak for this host? Then clients may send requests for the host here
    /// (RFC 9113 §9.1.1), and some browsers do not come back after a 421.
    pub fn covers(&self, host: &str) -> bool {
        let leaf = self.0.as_ref().and_then(|shown| shown.end_entity_cert().ok());
        let (Some(leaf), Ok(name)) = (leaf, ServerName::try_from(host)) else { return false };
        ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Shown(..)" } else { "Shown(none)" })
    }
}
