//! Certificates that are shown to others than visitors: to upstreams, and to readers of figures.
//! Nothing here renews them, so the operator is told in time.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use usher_rules::{
    plan::{Action, Plan},
    time::UnixTime,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::request::record::moment;

/// So long before its end a certificate is told of; one of a short life in its last third.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// One that does not count, or not for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Key of the config, and of which route.
    pub whose: String,
    /// What is the matter with its time.
    pub what: String,
}

/// Every certificate of the plan that has ended, ends soon, or does not count yet.
pub fn untimely(plan: &Plan, now: UnixTime) -> Vec<Shown> {
    if !now.is_plausible() {
        return Vec::new(); // a clock that is not set knows nothing of it, and is told of elsewhere
    }
    let of_routes = plan.routes.iter().filter_map(|route| {
        let Action::Forward(_) = route.action else { return None };
        let (chain, _) = route.tls.client.as_ref()?;
        let whose = format!("`tls_client_cert` of the route `{}`", route.name);
        Some(Shown { whose, what: judged(chain, now)? })
    });
    let of_metrics = plan.listen.metrics.as_ref().and_then(|metrics| {
        let (chain, _) = metrics.certificate.as_ref()?;
        let whose = "`metrics_certificate`".to_owned();
        Some(Shown { whose, what: judged(chain, now)? })
    });
    of_routes.chain(of_metrics).collect()
}

/// The first certificate of the chain whose time is not now (RFC 5280 §4.1.2.5).
fn judged(chain: &[u8], now: UnixTime) -> Option<String> {
    CertificateDer::pem_slice_iter(chain).flatten().find_map(|der| {
        let (_, read) = X509Certificate::from_der(&der).ok()?;
        let at = |seconds| UnixTime::from_seconds(u64::try_from(seconds).unwrap_or_default());
        let (from, end) =
            (at(read.validity().not_before.timestamp()), at(read.validity().not_after.timestamp()));
        if end < now {
            Some(format!("has ended on {}", moment(end)))
        } else if now < from {
            Some(format!("does not count before {}", moment(from)))
        } else {
            let soon = SOON.min(end.since(from) / 3);
            (end.since(now) < soon).then(|| format!("ends on {}", moment(end)))
        }
    })
}
