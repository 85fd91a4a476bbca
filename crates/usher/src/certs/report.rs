//! Which certificate each host of a plan is served with, as it lies on the disk now.

use std::{fmt, path::Path, sync::Arc};

use rustls::{pki_types::CertificateDer, sign::CertifiedKey};
use usher_rules::{
    plan::{HostPattern, Plan},
    time::UnixTime,
};
use x509_parser::{
    prelude::{FromDer as _, X509Certificate},
    public_key::PublicKey,
};

use super::{
    Pem,
    acme::{AcmeClient, CertificateStore},
    bare, best, covers, file, first_that_counts,
    pair::Pair,
    read_pairs, wildcard_over,
};

/// A host of the plan, and what it is served with.
#[derive(Clone, Debug)]
pub struct Served {
    /// The host, or a wildcard's text.
    pub host: Box<str>,
    /// Where the certificate comes from.
    pub source: Source,
    /// The certificate itself; the local authority signs when it is asked, so it has none here.
    pub leaf: Option<Leaf>,
    /// When the next one is ordered.
    pub next_at: Option<UnixTime>,
    /// Why the last order failed; empty when it did not.
    pub last_error: Box<str>,
    /// The same in a word that stays the same.
    pub last_problem: Box<str>,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The operator brought it.
    Brought(Pem),
    /// An authority signed it, by ACME; its directory.
    Acme(Box<str>),
    /// The local authority, until an authority on the internet has signed one.
    Meanwhile,
    /// The local authority.
    Local,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brought(pem) => write!(f, "{pem}"),
            Self::Acme(directory) => {
                write!(f, "ACME, {}", directory.split('/').nth(2).unwrap_or(directory))
            }
            Self::Meanwhile => f.write_str("the local authority, until one is issued"),
            Self::Local => f.write_str("the local authority"),
        }
    }
}

/// A certificate as clients judge it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Who signed it.
    pub issuer: Box<str>,
    /// Its key: `ECDSA P-256`, `RSA 2048` …
    pub key: Key,
    /// It is signed with SHA-1.
    pub sha1: bool,
    /// It signed itself.
    pub self_signed: bool,
    /// How many certificates are sent.
    pub chain: usize,
    /// `notBefore`.
    pub not_before: UnixTime,
    /// `notAfter`.
    pub not_after: UnixTime,
}

impl Leaf {
    /// Is it in force?
    pub fn counts(&self, now: UnixTime) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

/// A certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// ECDSA, and the size of its curve in bits.
    Ecdsa(usize),
    /// RSA, and its size in bits.
    Rsa(usize),
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ecdsa(bits) => write!(f, "ECDSA P-{bits}"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// The pair of the operator's that a handshake for `host` would send.
///
/// Blocks on the disk.
pub fn brought_chain(plan: &Plan, host: &str, now: UnixTime) -> Vec<CertificateDer<'static>> {
    let (pairs, _told_elsewhere) = read_pairs(plan, None, now);
    let pair = best(&pairs, &|pair| pair.names(host), &[], now)
        .or_else(|| best(&pairs, &|pair| pair.takes(host), &[], now));
    pair.map(|pair| pair.key.cert.clone()).unwrap_or_default()
}

/// Looks at the disk: each host of the plan in order, the host for signing in last.
pub fn report(plan: &Plan, data_dir: &Path, now: UnixTime) -> Vec<Served> {
    let (pairs, _told_elsewhere) = read_pairs(plan, None, now);
    let folder = AcmeClient::folder(plan, data_dir);
    // Only looked at: a folder that is not there is not made.
    let store =
        folder.join("names").is_dir().then(|| CertificateStore::open(folder).ok()).flatten();
    let store = store.map(|store| store.only_looking());
    served(plan, &pairs, store.as_ref(), now)
}

/// Each host of the plan in order, the host for signing in last: with which of the pairs, or of
/// what is in the store.
pub(super) fn served(
    plan: &Plan,
    pairs: &[Arc<Pair>],
    store: Option<&CertificateStore>,
    now: UnixTime,
) -> Vec<Served> {
    let managed = |name: &str| {
        let mut names = plan.autocert.iter().flat_map(|autocert| autocert.names.iter());
        names.any(|one| **one == *name) && !covers(pairs, name, now)
    };
    let of = |host: Box<str>| {
        let own = managed(&host).then(|| by_acme(host.clone(), &host, store));
        let wild = wildcard_over(&host)
            .filter(|wildcard| managed(wildcard))
            .map(|wildcard| by_acme(host.clone(), &wildcard, store));
        let brought = |pair: &Pair| (pair.counts(now), brought(host.clone(), pair));
        let issued = |one: &Option<Served>| {
            let one = one.clone().filter(|one| one.leaf.is_some())?;
            let counts = one.leaf.as_ref().is_some_and(|leaf| leaf.counts(now));
            Some((counts, one))
        };
        // As a handshake looks for it.
        let chosen = first_that_counts([
            issued(&own),
            best(pairs, &|pair| pair.names(&host), &[], now).map(brought),
            issued(&wild),
            best(pairs, &|pair| pair.takes(&host), &[], now).map(brought),
        ]);
        let chosen = chosen.unwrap_or_else(|| nobody(host.clone(), Source::Local));
        // What is served meanwhile, and what becomes of the order for something better.
        match own.or(wild) {
            Some(Served { next_at, last_error, last_problem, source, .. }) => {
                let source = if chosen.leaf.is_some() { chosen.source } else { source };
                Served { source, next_at, last_error, last_problem, ..chosen }
            }
            None => chosen,
        }
    };
    hosts(plan).into_iter().map(of).collect()
}

/// The hosts of the plan in order, wildcards as they were written, the one for signing in last.
pub fn hosts(plan: &Plan) -> Vec<Box<str>> {
    let mut hosts: Vec<Box<str>> = Vec::new();
    let own = plan.sign_in.own().filter(|_| plan.sign_in.dedicated_host);
    let routes = plan.routes.iter().map(|route| match &route.from {
        HostPattern::Exact { host, .. } => bare(host.as_str()),
        HostPattern::Wildcard { text, .. } => text.clone(),
    });
    for host in routes.chain(own.map(|own| bare(own.host.as_str()))) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

fn nobody(host: Box<str>, source: Source) -> Served {
    Served {
        host,
        source,
        leaf: None,
        next_at: None,
        last_error: Box::default(),
        last_problem: Box::default(),
    }
}

fn brought(host: Box<str>, pair: &Pair) -> Served {
    let source = Source::Brought(pair.cert().clone());
    Served { leaf: look(&pair.key), ..nobody(host, source) }
}

fn by_acme(host: Box<str>, name: &str, store: Option<&CertificateStore>) -> Served {
    let state = store.and_then(|store| store.state(name).ok()).unwrap_or_default();
    let leaf = store.and_then(|store| store.leaf(name).ok().flatten());
    let source = match leaf {
        Some(_) => Source::Acme(state.issued_by),
        None => Source::Meanwhile,
    };
    let next_at = (state.next_at > 0).then(|| UnixTime::from_seconds(state.next_at));
    let leaf = leaf.and_then(|leaf| look(&leaf.key));
    let (last_error, last_problem) = (state.last_error, state.last_problem);
    Served { leaf, next_at, last_error, last_problem, ..nobody(host, source) }
}

pub(super) fn look(key: &CertifiedKey) -> Option<Leaf> {
    look_at(&key.cert)
}

/// The first of `chain`, which is the leaf.
pub fn look_at(chain: &[CertificateDer<'_>]) -> Option<Leaf> {
    let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
    let moment = |at: i64| UnixTime::from_seconds(u64::try_from(at).unwrap_or_default());
    let issuer = leaf.issuer();
    let common = issuer.iter_common_name().next().and_then(|name| name.as_str().ok());
    let algorithm = leaf.signature_algorithm.algorithm.to_id_string();
    #[expect(clippy::wildcard_enum_match_arm, reason = "rustls takes one more kind only")]
    let key_kind = match leaf.public_key().parsed().ok()? {
        PublicKey::RSA(rsa) => Key::Rsa(rsa.key_size()),
        PublicKey::EC(point) => Key::Ecdsa(point.key_size()),
        _ => Key::Ed25519,
    };
    Some(Leaf {
        issuer: common.map_or_else(|| issuer.to_string(), str::to_owned).into(),
        key: key_kind,
        sha1: ["1.2.840.113549.1.1.5", "1.2.840.10045.4.1"].contains(&algorithm.as_str()),
        self_signed: leaf.issuer() == leaf.subject(),
        chain: chain.len(),
        not_before: moment(leaf.validity().not_before.timestamp()),
        not_after: moment(leaf.validity().not_after.timestamp()),
    })
}

/// The local authority's own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// SHA-256, as phones and browsers show it.
    pub fingerprint: String,
    /// `notAfter`.
    pub not_after: UnixTime,
}

/// Looks at the local authority's certificate; `None` before the first start.
pub fn root(ca_file: &Path) -> Option<Root> {
    use rustls::pki_types::pem::PemObject as _;
    let pem = file::read(ca_file).ok().flatten()?;
    let der = CertificateDer::from_pem_slice(&pem).ok()?;
    let (_, read) = X509Certificate::from_der(&der).ok()?;
    let not_after = u64::try_from(read.validity().not_after.timestamp()).unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    let octets: Vec<String> = digest.as_ref().iter().map(|octet| format!("{octet:02X}")).collect();
    let (fingerprint, not_after) = (octets.join(":"), UnixTime::from_seconds(not_after));
    Some(Root { fingerprint, not_after })
}

/// SHA-256 of the local authority's certificate; `None` before the first start.
pub fn fingerprint(ca_file: &Path) -> Option<String> {
    root(ca_file).map(|root| root.fingerprint)
}
