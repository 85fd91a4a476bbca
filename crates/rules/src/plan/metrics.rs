use std::sync::Arc;

use crate::secret::Secret;

/// Where figures about the proxy can be read (`metrics_address` and what belongs to it,
/// `pomerium-config.md` §2.13).
#[derive(Clone, Debug)]
pub struct MetricsListen {
    /// `host:port`, an empty host for all addresses.
    pub address: Box<str>,
    /// `user:password` that a reader has to give (RFC 7617).
    pub basic_auth: Option<Arc<Secret>>,
    /// A chain and its key, PEM; plain HTTP without.
    pub certificate: Option<(Arc<[u8]>, Arc<Secret>)>,
    /// A reader has to show a certificate that one of these signed, PEM.
    pub client_roots: Option<Arc<[u8]>>,
}
