//! ClientHello → certificate and ALPN. Owns [`CertSource`].

use std::{fmt, sync::Arc};

use rustls::sign::CertifiedKey;

/// Where certificates come from. Asked once per handshake, from memory. Implemented in `certs/`.
pub trait CertSource: Send + Sync + fmt::Debug {
    /// The certificate for a server name (SNI), or the one for clients that send none.
    fn certificate(&self, server_name: Option<&str>) -> Option<Arc<CertifiedKey>>;
}
