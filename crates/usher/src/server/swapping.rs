use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{SignatureScheme, sign::CertifiedKey};
use usher_rules::plan::ClientAuth;

use crate::{
    certs::Certificates,
    request::{Anchor, LocalAuthority, tls::CertSource},
};

/// The certificates in force; a reload exchanges them.
#[derive(Debug)]
pub(super) struct Swapping(pub ArcSwap<Certificates>);

impl LocalAuthority for Swapping {
    fn anchor(&self, host: &str) -> Option<Anchor> {
        self.0.load().anchor(host)
    }
}

impl CertSource for Swapping {
    fn certificate(
        &self,
        server_name: Option<&str>,
        offered: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.load().certificate(server_name, offered)
    }

    fn proof(&self, server_name: &str) -> Option<Arc<CertifiedKey>> {
        self.0.load().proof(server_name)
    }

    fn asked(&self) -> Option<Arc<ClientAuth>> {
        self.0.load().asked()
    }
}
