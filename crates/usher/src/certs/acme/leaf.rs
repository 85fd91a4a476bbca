use std::{sync::Arc, time::Duration};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use usher_rules::{
    renewal::{CurrentCertificate, Window},
    time::UnixTime,
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// A certificate that an authority signed for us, with its key and chain.
#[derive(Clone, Debug)]
pub struct SignedCertificate {
    /// Ready to be served.
    pub key: Arc<CertifiedKey>,
    /// Names in it, lower case.
    pub names: Vec<Box<str>>,
    /// Who signed it: the issuer's common name, or all of its name.
    pub issuer: Box<str>,
    /// `notBefore`.
    pub not_before: UnixTime,
    /// `notAfter`.
    pub not_after: UnixTime,
}

impl SignedCertificate {
    /// Reads key and chain from one PEM text. `Err` says what is wrong with it.
    ///
    /// # Errors
    ///
    /// What a person should read about the text.
    pub fn parse(pem: &[u8]) -> Result<Self, &'static str> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "holds no private key")?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| "holds a damaged certificate")?;
        let first = chain.first().ok_or("holds no certificate")?;
        let (_, read) =
            X509Certificate::from_der(first).map_err(|_| "holds a damaged certificate")?;
        let names = names(&read);
        let moment = |at: i64| UnixTime::from_seconds(u64::try_from(at).unwrap_or_default());
        let not_before = moment(read.validity().not_before.timestamp());
        let not_after = moment(read.validity().not_after.timestamp());
        let issuer = read.issuer();
        let common = issuer.iter_common_name().next().and_then(|name| name.as_str().ok());
        let issuer = common.map_or_else(|| issuer.to_string(), str::to_owned).into();
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|_| "holds a key that is not the certificate's")?;
        Ok(Self { key: Arc::new(key), names, issuer, not_before, not_after })
    }

    /// Is it for this name? `*.` in it stands for one label.
    pub fn is_for(&self, name: &str) -> bool {
        self.names.iter().any(|own| **own == *name)
    }

    /// For the renewal schedule.
    pub fn held(&self, window: Option<Window>) -> CurrentCertificate {
        CurrentCertificate { not_before: self.not_before, not_after: self.not_after, window }
    }

    /// What is wrong with its time at `now`, and the moment that says so. It has just been signed by
    /// somebody who knows what time it is, but for a minute.
    pub fn untimely(&self, now: UnixTime) -> Option<(&'static str, UnixTime)> {
        if !now.is_within(Duration::MAX, self.not_before) {
            return Some(("does not count before", self.not_before));
        }
        (self.not_after <= now).then_some(("has ended on", self.not_after))
    }

    /// The certificate alone.
    pub fn der(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }
}

fn names(leaf: &X509Certificate<'_>) -> Vec<Box<str>> {
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return Vec::new() };
    names
        .value
        .general_names
        .iter()
        .filter_map(|name| {
            let GeneralName::DNSName(name) = name else { return None }; // only names are ordered
            Some(name.to_ascii_lowercase().into())
        })
        .collect()
}
