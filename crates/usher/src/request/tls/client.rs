use std::{fmt, io, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use usher_rules::{
    client_certificate::ClientChain, plan::ClientAuth, policy::WrongCertificate, time::Clock,
};

/// Asks clients for a certificate, and lets the handshake fail only where `reject_connection` says so:
/// everywhere else what was shown is judged on each request.
pub(super) struct Verifier {
    auth: Arc<ClientAuth>,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    pub(super) fn new(auth: Arc<ClientAuth>, clock: Arc<dyn Clock>) -> Self {
        let hints = auth.hints().iter().map(|name| DistinguishedName::in_sequence(name));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Self {
            hints: hints.collect(),
            algorithms: provider.signature_verification_algorithms,
            auth,
            clock,
        }
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.auth.refuses()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime, // the machine's; everything else here goes by the one clock
    ) -> Result<ClientCertVerified, Error> {
        if self.auth.refuses() {
            let chain: Vec<_> = [end_entity].into_iter().chain(intermediates).cloned().collect();
            let chain = ClientChain::read(&chain).ok_or(CertificateError::BadEncoding)?;
            self.auth.judge(&chain, self.clock.now().wall).map_err(alert)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Each way in which a certificate is wrong, in words.
const WRONG: [(WrongCertificate, &str); 5] = [
    (WrongCertificate::Unreadable, "what it showed can't be read as a certificate"),
    (WrongCertificate::OutOfTime, "its certificate is out of its time"),
    (WrongCertificate::Revoked, "its certificate is revoked"),
    (WrongCertificate::OtherUse, "its certificate is for another use"),
    (WrongCertificate::Untrusted, "no authority of `downstream_mtls` vouches for its certificate"),
];

/// What was wrong with what the client showed, where that is what ended a handshake.
pub fn refused_certificate(error: &io::Error) -> Option<&'static str> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    if *error == Error::NoCertificatesPresented {
        return Some("it showed no certificate");
    }
    let Error::InvalidCertificate(found) = error else { return None };
    let known = WRONG.iter().find(|(wrong, _)| alert(*wrong) == *found);
    Some(known.map_or("its certificate is wrong", |(_, words)| words))
}

/// As rustls ends a handshake, for one that it would have let pass.
pub(super) fn refused(wrong: Option<WrongCertificate>) -> io::Error {
    let error = match wrong {
        None => Error::NoCertificatesPresented,
        Some(wrong) => alert(wrong).into(),
    };
    io::Error::new(io::ErrorKind::PermissionDenied, error)
}

/// The alert (RFC 8446 §6.2).
const fn alert(wrong: WrongCertificate) -> CertificateError {
    match wrong {
        WrongCertificate::Unreadable => CertificateError::BadEncoding,
        WrongCertificate::Untrusted => CertificateError::UnknownIssuer,
        WrongCertificate::OutOfTime => CertificateError::Expired,
        WrongCertificate::Revoked => CertificateError::Revoked,
        WrongCertificate::OtherUse => CertificateError::InvalidPurpose,
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("auth", &self.auth).finish_non_exhaustive()
    }
}
