//! Certificates that are not shown to visitors: those for upstreams and for readers of figures, and
//! the authorities that are believed. Nothing here renews them, so the operator is told in time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use usher_rules::{
    plan::{Action, Plan, UpstreamVerify},
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
    /// A sentence about its time.
    pub what: String,
}

/// Every certificate of the plan that visitors don't see and that has ended, ends soon, or does not
/// count yet.
pub fn untimely(plan: &Plan, now: UnixTime) -> Vec<Shown> {
    if !now.is_plausible() {
        return Vec::new(); // a clock that is not set knows nothing of it, and is told of elsewhere
    }
    let mut found = Vec::new();
    for route in plan.routes.iter().filter(|route| matches!(route.action, Action::Forward(_))) {
        let of_route = |key: &str| format!("`{key}` of the route `{}`", route.name);
        if let Some((chain, _)) = &route.tls.client {
            found.extend(judged(chain, now).map(|what| (of_route("tls_client_cert"), what)));
        }
        if let UpstreamVerify::Custom(bundle) = &route.tls.verify {
            found.extend(believed(bundle, now).map(|what| (of_route("tls_custom_ca"), what)));
        }
    }
    found.extend(of_clients(plan, now));
    let extra = plan.extra_roots.iter().filter_map(|bundle| believed(bundle, now));
    found.extend(extra.map(|what| ("`certificate_authority`".to_owned(), what)));
    if let Some(metrics) = &plan.listen.metrics {
        let own = metrics.certificate.as_ref().and_then(|(chain, _)| judged(chain, now));
        found.extend(own.map(|what| ("`metrics_certificate`".to_owned(), what)));
        let readers = metrics.client_roots.as_ref().and_then(|bundle| believed(bundle, now));
        found.extend(readers.map(|what| ("`metrics_client_ca`".to_owned(), what)));
    }
    found.into_iter().map(|(whose, what)| Shown { whose, what }).collect()
}

/// Authorities of clients, and what these have taken back.
fn of_clients(plan: &Plan, now: UnixTime) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let shared = plan.mtls.trust.as_ref();
    if let Some(what) = shared.and_then(|trust| believed(trust.pem(), now)) {
        found.push(("`downstream_mtls: ca`".to_owned(), what));
    }
    for route in &plan.routes {
        let own = route.client_trust.as_ref();
        let own = own.filter(|own| shared.is_none_or(|shared| !Arc::ptr_eq(own, shared)));
        if let Some(what) = own.and_then(|trust| believed(trust.pem(), now)) {
            let whose = format!("`tls_downstream_client_ca` of the route `{}`", route.name);
            found.push((whose, what));
        }
    }
    for list in &plan.mtls.constraints.revoked {
        let end = list.next_update().filter(|end| *end < now);
        found.extend(end.map(|end| {
            let name = list.issuer_name();
            let what =
                format!("holds a list of {name}, whose successor was due on {}", moment(end));
            ("`downstream_mtls: crl`".to_owned(), what)
        }));
    }
    found
}

/// The first certificate of the chain whose time is not now (RFC 5280 §4.1.2.5).
fn judged(chain: &[u8], now: UnixTime) -> Option<String> {
    CertificateDer::pem_slice_iter(chain).flatten().find_map(|der| {
        let (_, read) = X509Certificate::from_der(&der).ok()?;
        Term::of(&read).told(now)
    })
}

/// The first authority of the bundle that nobody is believed for now, or soon. One that has a
/// successor of the same name in it is replaced already, and nothing is said of it.
fn believed(bundle: &[u8], now: UnixTime) -> Option<String> {
    let mut last: BTreeMap<String, Term> = BTreeMap::new();
    for der in CertificateDer::pem_slice_iter(bundle).flatten() {
        let Ok((_, read)) = X509Certificate::from_der(&der) else { continue };
        let term = Term::of(&read);
        let known = last.entry(read.subject().to_string()).or_insert(term);
        if known.told(now).is_some() && (term.told(now).is_none() || known.end < term.end) {
            *known = term;
        }
    }
    last.iter().find_map(|(name, term)| Some(format!("holds {name}, which {}", term.told(now)?)))
}

/// How long a certificate counts.
#[derive(Clone, Copy, Debug)]
struct Term {
    from: UnixTime,
    end: UnixTime,
}

impl Term {
    fn of(read: &X509Certificate<'_>) -> Self {
        let at = |seconds| UnixTime::from_seconds(u64::try_from(seconds).unwrap_or_default());
        let validity = read.validity();
        Self { from: at(validity.not_before.timestamp()), end: at(validity.not_after.timestamp()) }
    }

    fn told(self, now: UnixTime) -> Option<String> {
        let Self { from, end } = self;
        if end < now {
            return Some(format!("has ended on {}", moment(end)));
        }
        if now < from {
            return Some(format!("does not count before {}", moment(from)));
        }
        let soon = SOON.min(end.since(from) / 3);
        (end.since(now) < soon).then(|| format!("ends on {}", moment(end)))
    }
}
