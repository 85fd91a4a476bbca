//! Whom usher believes as a client: authorities, and certificates that the operator named.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_lc_rs::signature as legacy;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
    client::{
        WantsClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};
use x509_parser::{
    certificate::X509Certificate, prelude::FromDer as _, public_key::PublicKey, time::ASN1Time,
};

/// Authorities, and certificates that count by themselves.
///
/// A certificate that *is* one of those that the operator named is the right one, octet for octet,
/// whatever its extensions say: `openssl req -x509` writes `CA:TRUE`, with which path validation
/// (RFC 5280 §6) takes it for nobody's server. Its name and its dates have to hold all the same.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: RootCertStore,
    named: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// The system's roots, or Mozilla's where it has none (a bare container), and those of
    /// `certificate_authority` (PEM).
    ///
    /// The disk is read once, at the start: a serving thread that asks later does not wait for it.
    pub fn system(extra: &[Box<[u8]>]) -> Self {
        static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
        let roots = SYSTEM.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                let mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
                roots.add_parsable_certificates(mozilla);
            }
            roots
        });
        let mut trust = Self { roots: roots.clone(), named: Vec::new() };
        extra.iter().for_each(|pem| trust.add(pem));
        trust
    }

    /// These (PEM) and nobody else.
    pub fn only<'p>(pems: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut trust = Self { roots: RootCertStore::empty(), named: Vec::new() };
        pems.into_iter().for_each(|pem| trust.add(pem));
        trust
    }

    /// The certificates of a PEM text besides.
    pub fn add(&mut self, pem: &[u8]) {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).flatten().collect();
        self.roots.add_parsable_certificates(certificates.iter().cloned());
        self.named.extend(certificates);
    }

    /// The authorities alone.
    pub fn into_roots(self) -> RootCertStore {
        self.roots
    }

    /// Is there nobody in it?
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.roots.is_empty()
    }

    /// A client that believes these.
    ///
    /// # Errors
    ///
    /// The versions of TLS and the provider don't go together.
    pub fn client(&self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
        verified_by(|provider| Verifier::of(self, provider))
    }
}

/// A client that takes every certificate (`tls_skip_verify`).
///
/// # Errors
///
/// The versions of TLS and the provider don't go together.
pub(super) fn unverified() -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    verified_by(|provider| Verifier {
        believes: Believes::Everybody,
        algorithms: provider.signature_verification_algorithms,
    })
}

fn verified_by<V: ServerCertVerifier + 'static>(
    verifier: impl FnOnce(&Arc<CryptoProvider>) -> V,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(verifier(&provider));
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
}

/// Judges certificates and the signatures of handshakes.
#[derive(Debug)]
struct Verifier {
    believes: Believes,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Believes {
    /// Path validation first, then the certificates that were named.
    These {
        /// Absent where no authority can be read.
        authorities: Option<Arc<WebPkiServerVerifier>>,
        named: Vec<CertificateDer<'static>>,
    },
    /// `tls_skip_verify`: the operator said that nothing about this upstream's certificate counts.
    /// That the upstream has its key is verified where the key can be read and is strong enough.
    Everybody,
}

impl Verifier {
    fn of(trust: &Trust, provider: &Arc<CryptoProvider>) -> Self {
        let roots = Arc::new(trust.roots.clone());
        let authorities =
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
        let believes =
            Believes::These { authorities: authorities.ok(), named: trust.named.clone() };
        Self { believes, algorithms: provider.signature_verification_algorithms }
    }

    /// What a handshake's signature says when the usual way did not accept it.
    fn otherwise(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
        error: Error,
    ) -> Result<HandshakeSignatureValid, Error> {
        match (by_key(message, cert, dss, &self.algorithms), &self.believes) {
            (Some(valid), _) => Ok(valid),
            (None, Believes::Everybody) if is_beyond_us(cert) => {
                Ok(HandshakeSignatureValid::assertion())
            }
            (None, Believes::Everybody | Believes::These { .. }) => Err(error),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Believes::These { authorities, named } = &self.believes else {
            return Ok(ServerCertVerified::assertion());
        };
        let by_authority = match authorities {
            Some(authorities) => authorities.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        by_authority.or_else(|error| match named.contains(end_entity) {
            true => holds(end_entity, server_name, now),
            false => Err(error),
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
            .or_else(|error| self.otherwise(message, cert, dss, error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
            .or_else(|error| self.otherwise(message, cert, dss, error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Name and dates of a certificate that the operator named.
fn holds(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let at = ASN1Time::from_timestamp(seconds).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.validity();
    let moment = |at: ASN1Time| {
        let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    };
    if at < validity.not_before {
        let not_before = moment(validity.not_before);
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if at > validity.not_after {
        let not_after = moment(validity.not_after);
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    let by_extension = ParsedCertificate::try_from(certificate)
        .and_then(|parsed| verify_server_name(&parsed, name));
    match by_extension {
        Ok(()) => Ok(ServerCertVerified::assertion()),
        // Devices write themselves certificates without names but the common one. It was named
        // octet for octet: nobody else's can be mistaken for it.
        Err(_) if has_no_names(&parsed) && is_common_name(&parsed, name) => {
            Ok(ServerCertVerified::assertion())
        }
        Err(error) => Err(error),
    }
}

fn has_no_names(parsed: &X509Certificate<'_>) -> bool {
    matches!(parsed.subject_alternative_name(), Ok(None))
}

fn is_common_name(parsed: &X509Certificate<'_>, name: &ServerName<'_>) -> bool {
    let name = name.to_str();
    let mut names = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    names.any(|common| common.eq_ignore_ascii_case(&name))
}

/// The signature by the bare key: certificates of version 1 have no place for extensions, and the
/// usual way reads none of them.
fn by_key(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Option<HandshakeSignatureValid> {
    let (_, parsed) = X509Certificate::from_der(cert).ok()?;
    let key = &*parsed.public_key().subject_public_key.data;
    let (_, known) = algorithms.mapping.iter().find(|(scheme, _)| *scheme == dss.scheme)?;
    let holds = known.iter().any(|one| one.verify_signature(key, message, dss.signature()).is_ok())
        || weak(dss.scheme).is_some_and(|one| {
            legacy::UnparsedPublicKey::new(one, key).verify(message, dss.signature()).is_ok()
        });
    holds.then(HandshakeSignatureValid::assertion)
}

/// RSA under 2048 bits, which no client accepts from a certificate that counts.
fn weak(scheme: SignatureScheme) -> Option<&'static legacy::RsaParameters> {
    [
        (
            SignatureScheme::RSA_PKCS1_SHA256,
            &legacy::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA512,
            &legacy::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        ),
    ]
    .into_iter()
    .find_map(|(known, parameters)| (known == scheme).then_some(parameters))
}

/// A key that can't be read, or is too short for what is here to verify with.
fn is_beyond_us(cert: &CertificateDer<'_>) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(cert) else { return true };
    match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() < 2048,
        Ok(PublicKey::EC(_)) => false,
        Ok(_) | Err(_) => true,
    }
}
