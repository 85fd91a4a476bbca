use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{crypto::aws_lc_rs, pki_types::PrivateKeyDer, sign::CertifiedKey};

/// Answers to the challenges of orders that are under way: what HTTP-01 finds under its path
/// (RFC 8555 §8.3) and TLS-ALPN-01 in a handshake (RFC 8737).
#[derive(Default)]
pub struct ChallengeResponses {
    by_token: RwLock<HashMap<Box<str>, Box<str>>>,
    by_host: RwLock<HashMap<Box<str>, Arc<CertifiedKey>>>,
}

/// The path under which tokens are looked for.
pub(super) const HTTP_01: &str = "/.well-known/acme-challenge/";

impl ChallengeResponses {
    /// What HTTP-01 has to find at `path`.
    pub fn http(&self, path: &str) -> Option<Box<str>> {
        let token = path.strip_prefix(HTTP_01)?;
        self.by_token.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// What TLS-ALPN-01 has to find for a host, lower case.
    pub fn tls(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        self.by_host.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    /// Answers HTTP-01 until the guard is dropped.
    pub(super) fn put_http(
        self: &Arc<Self>,
        token: &str,
        authorization: &str,
    ) -> ChallengeResponse {
        let mut by_token = self.by_token.write().unwrap_or_else(PoisonError::into_inner);
        by_token.insert(token.into(), authorization.into());
        ChallengeResponse { responses: Arc::clone(self), what: What::Token(token.into()) }
    }

    /// Answers TLS-ALPN-01 until the guard is dropped; `digest` is SHA-256 of the key
    /// authorization.
    pub(super) fn put_tls(
        self: &Arc<Self>,
        host: &str,
        digest: &[u8],
    ) -> Result<ChallengeResponse, rcgen::Error> {
        let key = Arc::new(challenge_certificate(host, digest)?);
        self.by_host.write().unwrap_or_else(PoisonError::into_inner).insert(host.into(), key);
        Ok(ChallengeResponse { responses: Arc::clone(self), what: What::Host(host.into()) })
    }
}

impl fmt::Debug for ChallengeResponses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeResponses(..)")
    }
}

/// An answer that is given while this lives.
#[derive(Debug)]
pub(super) struct ChallengeResponse {
    responses: Arc<ChallengeResponses>,
    what: What,
}

#[derive(Debug)]
enum What {
    Token(Box<str>),
    Host(Box<str>),
}

impl Drop for ChallengeResponse {
    fn drop(&mut self) {
        let ChallengeResponses { by_token, by_host } = &*self.responses;
        match &self.what {
            What::Token(token) => {
                by_token.write().unwrap_or_else(PoisonError::into_inner).remove(token);
            }
            What::Host(host) => {
                by_host.write().unwrap_or_else(PoisonError::into_inner).remove(host);
            }
        }
    }
}

/// Self-signed, for this host alone, with the digest in a critical extension (RFC 8737 §3).
fn challenge_certificate(host: &str, digest: &[u8]) -> Result<CertifiedKey, rcgen::Error> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    // Without the library's own look at the pair: it refuses a critical extension that only
    // authorities know.
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
    let key = key.map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}
