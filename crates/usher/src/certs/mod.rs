//! Certificates: pairs from files and from the config; for every other host, the local authority.
//!
//! | takes | a plan, the data directory |
//! |---|---|
//! | gives | [`Certificates`], the [`CertSource`] that each handshake asks |
//! | never | reads a file during a handshake, or lets one bad pair take other hosts down |
//!
//! A name is served by what an authority signed for it ([`acme`]), else by the first pair that names it, then by the first whose wildcard takes it,
//! then, if a route is for it, by a leaf of the [`Authority`]. Anybody else gets the first pair, so
//! that a wrong name is answered with 404 or 421 and not with a broken handshake.

pub mod acme;
mod authority;
pub mod clients;
mod error;
mod file;
mod folder;
mod pair;
mod permitted;
pub mod report;
mod shown;
mod staple;
#[cfg(test)]
mod tests;
mod unfit;

use std::{
    collections::HashSet,
    fmt,
    net::IpAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustls::{SignatureScheme, sign::CertifiedKey};
use usher_rules::{
    plan::{ClientAuth, HostPattern, Plan},
    time::UnixTime,
};

pub use authority::Authority;
pub use error::{CertError, Pem};
pub use pair::is_encrypted;
pub use shown::{Shown, untimely};
pub use unfit::{Unfit, unfit};

use self::{
    acme::{AcmeClient, Provisioned},
    pair::Pair,
    report::Served,
};
use crate::request::{Anchor, forward::Trust, tls::CertSource};

/// What each handshake asks. Immutable: a reload makes another one.
pub struct Certificates {
    pairs: Vec<Arc<Pair>>,
    authority: Arc<Authority>,
    provisioned: Provisioned,
    /// Hosts of routes and of sign-in, lower case.
    hosts: HashSet<Box<str>>,
    wildcards: Vec<HostPattern>,
    /// For clients that name no host: the first one of ours, and every address that is a host.
    unnamed: Vec<Box<str>>,
    /// What clients are asked for.
    asked: Option<Arc<ClientAuth>>,
    now: AtomicU64,
}

impl Certificates {
    /// Reads every pair that the plan names. What is wrong with one is told, and the others serve.
    ///
    /// Blocks on the disk.
    pub fn load(
        plan: &Plan,
        authority: Arc<Authority>,
        provisioned: &Provisioned,
        before: Option<&Self>,
        now: UnixTime,
    ) -> (Self, Vec<CertError>) {
        let (pairs, mut troubles) = read_pairs(plan, before, now);
        let (hosts, wildcards) = names(plan);
        let unnamed = unnamed(plan, &hosts);
        let now = AtomicU64::new(now.seconds());
        let (provisioned, asked) = (provisioned.clone(), plan.mtls.asked.clone());
        let certificates =
            Self { pairs, authority, provisioned, hosts, wildcards, unnamed, asked, now };
        // Those that `autocert` looks after are told of where orders are.
        let managed = |host: &str| {
            let wildcard = wildcard_over(host);
            let mut names = plan.autocert.iter().flat_map(|autocert| autocert.names.iter());
            names.any(|name| **name == *host || Some(&**name) == wildcard.as_deref())
        };
        if !certificates.pairs.is_empty() || !troubles.is_empty() {
            let uncovered = certificates.uncovered().filter(|host| !managed(host));
            let mut uncovered: Vec<_> = uncovered.map(CertError::uncovered).collect();
            uncovered.sort_by_key(ToString::to_string);
            troubles.extend(uncovered);
        }
        troubles.extend(certificates.not_permitted(managed));
        (certificates, troubles)
    }

    /// The local authority's certificate, if it signs for this host.
    pub fn anchor(&self, host: &str) -> Option<Anchor> {
        let signs = self.is_ours(host) && self.chosen(host, &[], self.now()).is_none();
        if !signs {
            return None;
        }
        self.authority.anchor() // from memory: no visitor waits for the disk
    }

    /// Hosts that the local authority signs for and may not.
    fn not_permitted(&self, managed: impl Fn(&str) -> bool) -> impl Iterator<Item = CertError> {
        let refused = self.uncovered().filter(|host| !managed(host));
        let refused = refused.filter(|host| !self.authority.permits(host));
        let mut refused: Vec<Box<str>> = refused.map(Into::into).collect();
        refused.sort();
        let file = self.authority.ca_file().to_owned();
        refused.into_iter().map(move |host| CertError::NotPermitted { host, file: file.clone() })
    }

    /// Is any host served by the local authority?
    pub fn uses_authority(&self) -> bool {
        self.uncovered().next().is_some() || !self.wildcards.is_empty()
    }

    /// Tells the time, so that leaves in the last third of their life are signed anew when they
    /// are next asked for. Called now and then.
    pub fn renew(&self, now: UnixTime) {
        self.now.store(now.seconds(), Ordering::Relaxed);
    }

    /// Has the operator brought a certificate for this name that counts, and for days yet?
    pub fn covers(&self, name: &str, now: UnixTime) -> bool {
        covers(&self.pairs, name, now)
    }

    /// What each host of `plan` is served with now.
    ///
    /// Blocks on the disk: what becomes of orders lies there.
    pub fn served(&self, plan: &Plan, acme: &AcmeClient, now: UnixTime) -> Vec<Served> {
        report::served(plan, &self.pairs, Some(&acme.store().only_looking()), now)
    }

    /// Hosts whose certificate is the operator's and ends soon, or has ended, in order.
    pub fn endings(&self, now: UnixTime) -> Vec<Ending> {
        let ending = |host: &str| {
            let Chosen::Brought(pair) = self.chosen(host, &[], now)? else { return None };
            if !pair.ends_soon(now) {
                return None;
            }
            let (host, not_after) = (host.into(), pair.not_after());
            Some(Ending { host, not_after, cause: format!("nobody has renewed {}", pair.cert()) })
        };
        let wildcards = self.wildcards.iter().filter_map(|from| match from {
            HostPattern::Wildcard { text, .. } => Some(&**text),
            HostPattern::Exact { .. } => None,
        });
        let hosts = self.hosts.iter().map(|host| &**host);
        let mut endings: Vec<Ending> = hosts.chain(wildcards).filter_map(ending).collect();
        endings.sort_by(|a, b| a.host.cmp(&b.host));
        endings
    }

    /// When the local authority ends, if that is less than a year from now and hosts need it.
    pub fn authority_ends(&self, now: UnixTime) -> Option<UnixTime> {
        let end = self.authority.not_after()?;
        (self.uses_authority() && end.since(now) < YEAR).then_some(end)
    }

    fn uncovered(&self) -> impl Iterator<Item = &str> {
        let has_pair =
            |host: &str| self.pairs.iter().any(|pair| pair.names(host) || pair.takes(host));
        self.hosts.iter().map(|host| &**host).filter(move |host| !has_pair(host))
    }

    /// None: the local authority signs for it.
    fn chosen(&self, name: &str, offered: &[SignatureScheme], now: UnixTime) -> Option<Chosen<'_>> {
        let issued = |one: (bool, Arc<CertifiedKey>)| (one.0, Chosen::Issued(one.1));
        let brought = |pair: &'_ Pair| pair.counts(now);
        let pair = |fits: &dyn Fn(&Pair) -> bool| {
            let pair = best(&self.pairs, fits, offered, now)?;
            Some((brought(pair), Chosen::Brought(pair)))
        };
        first_that_counts([
            self.provisioned.issued.exact(name, now).map(issued),
            pair(&|one| one.names(name)),
            self.provisioned.issued.wildcard(name, now).map(issued),
            pair(&|one| one.takes(name)),
        ])
    }

    fn is_ours(&self, name: &str) -> bool {
        self.hosts.contains(name) || self.wildcards.iter().any(|pattern| pattern.takes_host(name))
    }

    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.now.load(Ordering::Relaxed))
    }
}

/// The wildcard whose certificate takes a host (RFC 9525 §6.3): one label, and no more.
fn wildcard_over(host: &str) -> Option<String> {
    host.split_once('.').map(|(_, domain)| format!("*.{domain}"))
}

/// So long before its end a new root is asked for: every phone has to be told by hand.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A certificate that nears its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Whom browsers will refuse.
    pub host: Box<str>,
    /// From when on.
    pub not_after: UnixTime,
    /// Why there is no other one.
    pub cause: String,
}

/// A certificate that is not the local authority's.
enum Chosen<'a> {
    Issued(Arc<CertifiedKey>),
    Brought(&'a Pair),
}

/// Of what there is for a host, in this order: what was issued for exactly this name (which is only
/// there where no pair covers it), a pair that names it, an issued wildcard, a pair's wildcard. One
/// that counts goes before all that do not.
fn first_that_counts<T>(candidates: [Option<(bool, T)>; 4]) -> Option<T> {
    let candidates = candidates.into_iter().flatten();
    candidates.min_by_key(|(counts, _)| !counts).map(|(_, one)| one) // the first of equals
}

/// Of the pairs that fit the first that counts and whose key the client can check, or what comes
/// nearest to that: an old file beside a new one must not win by its name.
fn best<'a>(
    pairs: &'a [Arc<Pair>],
    fits: &dyn Fn(&Pair) -> bool,
    offered: &[SignatureScheme],
    now: UnixTime,
) -> Option<&'a Pair> {
    let fitting = pairs.iter().map(|pair| &**pair).filter(|pair| fits(pair));
    fitting.min_by_key(|pair| (!pair.counts(now), !pair.suits(offered)))
}

/// Does one of the pairs cover the name, so that nothing has to be ordered for it?
fn covers(pairs: &[Arc<Pair>], name: &str, now: UnixTime) -> bool {
    let fits = |pair: &Arc<Pair>| pair.names(name) || pair.takes(name);
    pairs.iter().any(|pair| fits(pair) && pair.counts(now) && !pair.is_abandoned(now))
}

impl CertSource for Certificates {
    fn certificate(
        &self,
        server_name: Option<&str>,
        offered: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = server_name {
            // DNS names are compared without case (RFC 4343); handshakes are few.
            let name = name.to_ascii_lowercase();
            match self.chosen(&name, offered, self.now()) {
                Some(Chosen::Issued(key)) => return Some(key),
                Some(Chosen::Brought(pair)) => return Some(pair.served(self.now())),
                None => {}
            }
            if self.is_ours(&name) {
                return self.authority.leaf(&[name.into()], self.now());
            }
        }
        match self.pairs.first() {
            Some(pair) => Some(pair.served(self.now())),
            None => self.authority.leaf(&self.unnamed, self.now()),
        }
    }

    fn proof(&self, server_name: &str) -> Option<Arc<CertifiedKey>> {
        self.provisioned.challenges.tls(server_name)
    }

    fn asked(&self) -> Option<Arc<ClientAuth>> {
        self.asked.clone()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("pairs", &self.pairs.len()).finish_non_exhaustive()
    }
}

/// Reads every pair. One that can't be used stays as it was in `before`, if it was there: a file
/// that is exchanged badly takes nobody down.
fn read_pairs(
    plan: &Plan,
    before: Option<&Certificates>,
    now: UnixTime,
) -> (Vec<Arc<Pair>>, Vec<CertError>) {
    let (mut pairs, mut troubles) = (Vec::new(), Vec::new());
    let mut take = |read: Result<Pair, CertError>, file: Option<&Path>| match read {
        Ok(pair) => {
            troubles.extend(pair.judge(now));
            troubles.extend(pair.gap(|| Trust::system(&plan.extra_roots).into_roots()));
            pairs.push(Arc::new(pair));
        }
        Err(trouble) => {
            let old = before.zip(file).and_then(|(before, file)| {
                before.pairs.iter().find(|pair| pair.is_from(file)).cloned()
            });
            troubles.push(match &old {
                Some(_) => CertError::OldServes { cause: Box::new(trouble) },
                None => trouble,
            });
            pairs.extend(old);
        }
    };
    for (cert, key) in &plan.listen.certificates_inline {
        take(Pair::inline(cert, key), None);
    }
    let folder = plan.listen.certificates_dir.as_deref().map(folder::pairs).transpose();
    let (folder, folder_trouble) = match folder {
        Ok(pairs) => (pairs.unwrap_or_default(), None),
        Err(trouble) => (Vec::new(), Some(trouble)),
    };
    for files in plan.listen.certificate_files.iter().chain(&folder) {
        take(Pair::from_files(files, now), Some(&files.cert));
    }
    troubles.extend(folder_trouble);
    (pairs, troubles)
}

/// Mistakes in the pairs that a plan names, beyond those that compiling it finds.
///
/// Blocks on the disk.
pub fn diagnose(plan: &Plan, now: UnixTime) -> Vec<CertError> {
    let (_, mut troubles) = read_pairs(plan, None, now);
    // What the config itself names is told with its place there.
    let named = |file: &Path| {
        let mut pairs = plan.listen.certificate_files.iter();
        pairs.any(|pair| pair.cert == *file || pair.key == *file)
    };
    troubles.retain(|trouble| !trouble.is_told_of(named));
    troubles
}

/// Does a pair that the plan names cover the name, so that nothing is ordered for it?
///
/// Blocks on the disk.
pub fn is_covered(plan: &Plan, name: &str, now: UnixTime) -> bool {
    let (pairs, _told_elsewhere) = read_pairs(plan, None, now);
    covers(&pairs, name, now)
}

/// Is there, or may there be, any certificate but the local authority's?
pub fn has_certificates(plan: &Plan) -> bool {
    let listen = &plan.listen;
    let brings = !listen.certificate_files.is_empty()
        || !listen.certificates_inline.is_empty()
        || listen.certificates_dir.is_some();
    brings || plan.autocert.is_some() || listen.insecure
}

/// The names that a local authority made for this plan may sign for (RFC 5280 §4.2.1.10).
pub fn neighbourhood(plan: &Plan) -> Vec<Box<str>> {
    let (hosts, wildcards) = names(plan);
    let wildcards = wildcards.iter().filter_map(|from| match from {
        HostPattern::Wildcard { text, .. } => text.strip_prefix("*.").map(Into::into),
        HostPattern::Exact { .. } => None,
    });
    hosts.into_iter().chain(wildcards).collect()
}

/// Hosts that a certificate is for: those of routes, and the one for signing in.
fn names(plan: &Plan) -> (HashSet<Box<str>>, Vec<HostPattern>) {
    let mut hosts: HashSet<Box<str>> =
        plan.hosts.exact_hosts().map(|host| bare(host.as_str())).collect();
    if let Some(own) = plan.sign_in.own().filter(|_| plan.sign_in.dedicated_host) {
        hosts.insert(bare(own.host.as_str()));
    }
    let is_wildcard = |from: &&HostPattern| matches!(from, HostPattern::Wildcard { .. });
    let wildcards = plan.routes.iter().map(|route| &route.from).filter(is_wildcard);
    (hosts, wildcards.cloned().collect())
}

/// A client that opens `https://192.0.2.7` sends no name (RFC 6066 §3): the certificate for the
/// nameless has every address that is a host.
fn unnamed(plan: &Plan, hosts: &HashSet<Box<str>>) -> Vec<Box<str>> {
    let first = plan.routes.iter().find_map(|route| match &route.from {
        HostPattern::Exact { host, .. } => Some(bare(host.as_str())),
        HostPattern::Wildcard { .. } => None,
    });
    let mut names = vec![first.unwrap_or_else(|| "localhost".into())];
    let mut addresses: Vec<_> =
        hosts.iter().filter(|host| host.parse::<IpAddr>().is_ok()).collect();
    addresses.sort();
    for address in addresses {
        if !names.contains(address) {
            names.push(address.clone());
        }
    }
    names
}

/// Without the brackets of an IPv6 host.
fn bare(host: &str) -> Box<str> {
    host.trim_start_matches('[').trim_end_matches(']').into()
}
