//! One leaf certificate for everything that listens here.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::failure::Failure;

/// A self-signed P-256 leaf in two PEM files, and clients that trust it alone.
#[derive(Debug)]
pub struct Certificate {
    /// The certificate, PEM.
    pub chain: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    roots: Arc<RootCertStore>,
}

impl Certificate {
    /// Makes one for `hosts` and writes it into `folder`.
    pub fn make(folder: &Path, hosts: &[&str]) -> Result<Self, Failure> {
        let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names)?;
        let (chain, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&chain, made.cert.pem()).map_err(Failure::io("cert.pem"))?;
        std::fs::write(&key, made.signing_key.serialize_pem()).map_err(Failure::io("key.pem"))?;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone())?;
        Ok(Self { chain, key, roots: roots.into() })
    }

    /// One that was made before, for a client in another process.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let (chain, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let der = CertificateDer::from_pem_file(&chain).map_err(Failure::exchange("cert.pem"))?;
        let mut roots = RootCertStore::empty();
        roots.add(der)?;
        Ok(Self { chain, key, roots: roots.into() })
    }

    /// What trusts it and nothing else.
    pub fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }

    /// A client that speaks this protocol only.
    pub fn client(&self, alpn: &[u8]) -> Result<Arc<ClientConfig>, Failure> {
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        Ok(config.into())
    }
}
