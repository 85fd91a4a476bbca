use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use usher_rules::plan::{UpstreamTls, UpstreamVerify};

/// Client configurations by what they verify; made once each, kept across reloads.
#[derive(Debug)]
pub struct ClientConfigs {
    system: Arc<RootCertStore>,
    made: Mutex<Vec<(UpstreamTls, Alpn, Arc<ClientConfig>)>>,
}

/// What is offered to an upstream (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2, else HTTP/1.1.
    Http2OrHttp1,
}

/// Roots of the system; where it has none (a bare container), Mozilla's. Those of
/// `certificate_authority` (PEM) are added.
pub fn system_roots(extra: &[Box<[u8]>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    }
    for pem in extra {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    }
    roots
}

impl ClientConfigs {
    /// Verifies against `system` where a route says nothing else.
    pub fn new(system: RootCertStore) -> Self {
        Self { system: Arc::new(system), made: Mutex::new(Vec::new()) }
    }

    /// The configuration for a route's settings.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings, in the words of the config.
    pub fn for_route(&self, tls: &UpstreamTls, alpn: Alpn) -> Result<Arc<ClientConfig>, Box<str>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |made: &&(UpstreamTls, Alpn, _)| made.1 == alpn && same_settings(&made.0, tls);
        if let Some((_, _, config)) = made.iter().find(is_it) {
            return Ok(Arc::clone(config));
        }
        let mut config = self.build(tls)?;
        config.alpn_protocols = match alpn {
            Alpn::Http1 => vec![b"http/1.1".to_vec()],
            Alpn::Http2OrHttp1 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        let config = Arc::new(config);
        made.push((tls.clone(), alpn, Arc::clone(&config)));
        Ok(config)
    }

    fn build(&self, tls: &UpstreamTls) -> Result<ClientConfig, Box<str>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match &tls.verify {
            UpstreamVerify::System => builder.with_root_certificates(Arc::clone(&self.system)),
            UpstreamVerify::Custom(pem) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
                if roots.is_empty() {
                    return Err("`tls_custom_ca` holds no certificate".into());
                }
                builder.with_root_certificates(roots)
            }
            UpstreamVerify::Skip => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
            }
        };
        Ok(match &tls.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).flatten().collect();
                let key = PrivateKeyDer::from_pem_slice(key.expose())
                    .map_err(|_| "`tls_client_key` holds no private key")?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("`tls_client_cert` and `tls_client_key`: {error}"))?
            }
        })
    }
}

/// Same roots, same name, same client certificate: only then may a connection be shared.
pub fn same_settings(a: &UpstreamTls, b: &UpstreamTls) -> bool {
    let chain = |tls: &UpstreamTls| tls.client.as_ref().map(|(chain, _)| Arc::clone(chain));
    a.verify == b.verify && a.server_name == b.server_name && chain(a) == chain(b)
}

/// `tls_skip_verify`: the operator said that this upstream's certificate doesn't count.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
