use std::sync::Arc;

/// The local authority's certificate, for those who may come to trust it.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The certificate, PEM.
    pub pem: Arc<[u8]>,
    /// The same, DER.
    pub der: Arc<[u8]>,
}

/// Knows for which hosts the local authority signs. Implemented where certificates are chosen.
pub trait LocalAuthority: Send + Sync {
    /// Its certificate, if it signs for this host (without a port, lower case).
    fn anchor(&self, host: &str) -> Option<Anchor>;
}
