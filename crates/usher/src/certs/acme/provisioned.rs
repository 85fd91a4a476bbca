//! What handshakes and challenges ask, from memory.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;
use usher_rules::time::UnixTime;

use super::{ChallengeResponses, SignedCertificate};
use crate::certs::wildcard_over;

/// Certificates that authorities signed for us, by name; each handshake asks.
#[derive(Default)]
pub struct Issued(ArcSwap<HashMap<Box<str>, SignedCertificate>>);

impl Issued {
    /// Is there one for this name?
    pub fn has(&self, name: &str) -> bool {
        self.0.load().contains_key(name)
    }

    /// The certificate for exactly this name, and whether it counts.
    pub fn exact(&self, name: &str, now: UnixTime) -> Option<(bool, Arc<CertifiedKey>)> {
        let issued = self.0.load();
        let leaf = issued.get(name)?;
        Some((leaf.held(None).counts(now), Arc::clone(&leaf.key)))
    }

    /// A wildcard's certificate that takes this host, and whether it counts.
    pub fn wildcard(&self, host: &str, now: UnixTime) -> Option<(bool, Arc<CertifiedKey>)> {
        self.exact(&wildcard_over(host)?, now)
    }

    pub(super) fn put(&self, name: &str, leaf: &SignedCertificate) {
        self.0.rcu(|issued| {
            let mut issued = HashMap::clone(issued);
            issued.insert(name.into(), leaf.clone());
            issued
        });
    }

    pub(super) fn replace(&self, issued: HashMap<Box<str>, SignedCertificate>) {
        self.0.store(Arc::new(issued));
    }

    pub(super) fn get(&self, name: &str) -> Option<SignedCertificate> {
        self.0.load().get(name).cloned()
    }
}

/// What handshakes and challenges ask: certificates that were signed for us, and proofs.
#[derive(Clone, Debug, Default)]
pub struct Provisioned {
    /// Certificates by name.
    pub issued: Arc<Issued>,
    /// Answers to challenges.
    pub challenges: Arc<ChallengeResponses>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issued(..)")
    }
}
