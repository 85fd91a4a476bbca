use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;
use usher_rules::{
    plan::{MetricsListen, Plan},
    secret::Secret,
};
use zeroize::Zeroizing;

/// Who may read figures, and over what: a plan's `metrics_*`.
#[derive(Clone)]
pub(in crate::server) struct Guard {
    plan: Arc<Plan>,
    /// Where this is so, as the config has it.
    address: Box<str>,
    basic_auth: Option<Arc<Secret>>,
    tls: Option<TlsAcceptor>,
}

/// Why figures are not served.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The certificate or its key can't be used.
    #[error("the certificate for `metrics_address` can't be used: {0}")]
    Certificate(Box<str>),
    /// The certificates of the client CA can't be used.
    #[error("`metrics_client_ca` can't be used: {0}")]
    ClientCa(Box<str>),
}

impl GuardError {
    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Certificate(_) => {
                "give a chain in PEM, leaf first, and the private key that belongs to the leaf"
            }
            Self::ClientCa(_) => "give the certificates of the authorities, in PEM",
        }
    }
}

impl Guard {
    /// As a plan wants it.
    ///
    /// # Errors
    ///
    /// [`GuardError`].
    pub(crate) fn new(plan: &Arc<Plan>, metrics: &MetricsListen) -> Result<Self, GuardError> {
        Ok(Self {
            plan: Arc::clone(plan),
            address: metrics.address.clone(),
            basic_auth: metrics.basic_auth.clone(),
            tls: tls(metrics)?,
        })
    }

    /// Could [`Guard::new`] make one?
    ///
    /// # Errors
    ///
    /// [`GuardError`].
    pub(crate) fn check(metrics: &MetricsListen) -> Result<(), GuardError> {
        tls(metrics).map(drop)
    }

    /// Takes over what a reload has changed. A plan without figures, or with figures elsewhere,
    /// changes nothing: the listener stays until a restart, and so does who may read.
    pub(crate) fn follow(&mut self, plan: &Arc<Plan>) -> Result<(), GuardError> {
        if Arc::ptr_eq(plan, &self.plan) {
            return Ok(());
        }
        self.plan = Arc::clone(plan); // looked at once, whether it is good or not
        // Another address waits for a restart, and with it who may read there.
        if let Some(metrics) =
            plan.listen.metrics.as_ref().filter(|one| one.address == self.address)
        {
            *self = Self::new(plan, metrics)?;
        }
        Ok(())
    }

    /// What ends TLS, if TLS is asked for.
    pub(crate) const fn tls(&self) -> Option<&TlsAcceptor> {
        self.tls.as_ref()
    }

    /// Is this an `Authorization` of somebody who may read (RFC 7617)?
    pub(crate) fn lets_in(&self, given: Option<&HeaderValue>) -> bool {
        let Some(wanted) = &self.basic_auth else { return true };
        let pair = given.and_then(|given| {
            let (scheme, pair) = given.to_str().ok()?.split_once(' ')?;
            let pair = pair.trim_start_matches(' ');
            scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(pair).ok())?
        });
        pair.is_some_and(|pair| wanted.same_as(&Zeroizing::new(pair)))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard(..)")
    }
}

fn tls(metrics: &MetricsListen) -> Result<Option<TlsAcceptor>, GuardError> {
    let Some((chain, key)) = &metrics.certificate else { return Ok(None) };
    let bad = |why: &dyn fmt::Display| GuardError::Certificate(why.to_string().into());
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|why| bad(&why))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|why| bad(&why))?;
    let builder = ServerConfig::builder();
    let builder = match &metrics.client_roots {
        Some(pem) => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots(pem)?));
            let verifier = verifier.build().map_err(|why| client_ca(&why))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|why| bad(&why))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A reader whose certificate was refused must not come back by a ticket.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn roots(pem: &[u8]) -> Result<RootCertStore, GuardError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|why| client_ca(&why))?).map_err(|why| client_ca(&why))?;
    }
    Ok(roots)
}

fn client_ca(why: &dyn fmt::Display) -> GuardError {
    GuardError::ClientCa(why.to_string().into())
}
