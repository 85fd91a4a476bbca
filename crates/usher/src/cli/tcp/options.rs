//! How the proxy is believed, and who somebody is: the same for one tunnel and for many.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::{Failure, login::Opens, token};
use crate::{certs::is_encrypted, request::forward::Trust};

/// Options of every command that goes through a proxy.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Options {
    /// Where usher listens, when the name of the host does not lead there
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) proxy: Option<String>,
    /// Believe this authority, too (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A certificate of your own, for a proxy that asks for one (PEM)
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// A token in the place of a sign-in [default: $USHER_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print the address of the sign-in, and open no browser
    #[arg(long)]
    no_browser: bool,
}

impl Options {
    /// TLS as HTTP/1.1 speaks it.
    pub(super) fn tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        let mut trust = Trust::system(&[]);
        if let Some(file) = &self.ca {
            trust.add(&octets(file)?);
        }
        let client = trust.client().map_err(|error| Failure::Tls(error.to_string().into()))?;
        let mut tls = match (&self.client_cert, &self.client_key) {
            (Some(chain), Some(key)) => {
                let (certificates, key) = pair(chain, key)?;
                let client = client.with_client_auth_cert(certificates, key);
                client
                    .map_err(|_| unread(chain, &"it does not belong to the key of --client-key"))?
            }
            _ => client.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(tls))
    }

    /// The token that somebody gave, of a file or of the environment.
    pub(super) fn token(&self) -> Result<Option<String>, Failure> {
        match &self.token_file {
            Some(file) => match token::read(file) {
                Some(token) => Ok(Some(token)),
                None => Err(unread(file, &"it holds no token")),
            },
            None => Ok(std::env::var_os("USHER_TOKEN").and_then(|token| token.into_string().ok())),
        }
    }

    pub(super) const fn opens(&self) -> Opens {
        if self.no_browser { Opens::Reader } else { Opens::Browser }
    }
}

/// A certificate with its chain, and its key.
fn pair(
    chain: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let certificates = CertificateDer::pem_slice_iter(&octets(chain)?).collect::<Result<_, _>>();
    let certificates: Vec<_> = certificates.map_err(|error| unread(chain, &error))?;
    if certificates.is_empty() {
        return Err(unread(chain, &"it holds no certificate"));
    }
    let text = octets(key)?;
    if is_encrypted(&text) {
        let why = "it takes a passphrase; write one without it: openssl pkey -in FILE -out NEW";
        return Err(unread(key, &why));
    }
    let key_of = PrivateKeyDer::from_pem_slice(&text);
    Ok((certificates, key_of.map_err(|_| unread(key, &"it holds no private key"))?))
}

fn octets(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| unread(file, &error))
}

fn unread(file: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::File(file.to_owned(), why.to_string().into())
}
