//! What would a browser make of what each host is served with?

use std::{net::SocketAddr, path::Path, sync::Arc};

use rustls::{
    CertificateError,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{CertificateDer, ServerName},
};
use usher_rules::{plan::Plan, problem::Severity, time::UnixTime};

use super::{Code, PATIENCE, Tried, code, door::Door};
use crate::{
    certs::report::{Leaf, Served, Source, brought_chain, hosts, look_at, report},
    request::{
        forward::{Trust, shown_chain},
        record::moment,
    },
};

const ABOUT: &Code = code::CERTIFICATE;

/// Who signs where nobody else did.
const LOCAL_AUTHORITY: &str = "usher local authority";

/// What browsers have to be told before they believe the local authority.
const TRUST: &str = "browsers warn until the authority is trusted: `sudo usher trust` here, \
                     /.pomerium/trust on phones";

/// Each host of the plan: as it is shown by the usher that runs, else as the files have it.
pub(super) async fn tried(
    plan: &Plan,
    data_dir: Option<&Path>,
    door: Option<&Door>,
    now: UnixTime,
) -> Vec<Tried> {
    if plan.listen.insecure {
        return Vec::new();
    }
    let judge = Judge { trust: Trust::system(&plan.extra_roots), now };
    let Some(door) = door.map(|door| door.address) else {
        let served = data_dir.map(|dir| report(plan, dir, now)).unwrap_or_default();
        return served.iter().map(|one| judge.by_the_files(plan, one)).collect();
    };
    let mut all = Vec::new();
    for host in hosts(plan) {
        let name = match host.strip_prefix("*.") {
            Some(domain) => format!("usher-check.{domain}"),
            None if host.contains('*') => continue,
            None => host.to_string(),
        };
        all.push(judge.as_shown(door, &host, &name).await);
    }
    all
}

struct Judge {
    trust: Trust,
    now: UnixTime,
}

impl Judge {
    async fn as_shown(&self, door: SocketAddr, host: &str, name: &str) -> Tried {
        match shown_chain(door, name, PATIENCE).await {
            Ok(chain) => self.judged(host, name, &chain, "shown"),
            Err(error) => Tried::bad(
                Severity::Error,
                ABOUT,
                host,
                (format!("no handshake with the usher that runs ({error})"), "look at its log"),
            ),
        }
    }

    fn by_the_files(&self, plan: &Plan, served: &Served) -> Tried {
        let host = &*served.host;
        match (&served.source, &served.leaf) {
            (Source::Brought(pem), _) => {
                let chain = brought_chain(plan, host, self.now);
                let name = host.replace('*', "usher-check");
                self.judged(host, &name, &chain, &pem.to_string())
            }
            (Source::Acme(_), Some(leaf)) if leaf.counts(self.now) => {
                Tried::good(ABOUT, host, format!("{}, {}", served.source, life(leaf)))
            }
            (Source::Acme(_) | Source::Meanwhile, _) if served.last_error.is_empty() => {
                Tried::good(
                    ABOUT,
                    host,
                    "is ordered when usher runs; until it is there, the local authority signs",
                )
            }
            (Source::Acme(_) | Source::Meanwhile, _) => Tried::bad(
                Severity::Error,
                ABOUT,
                host,
                (
                    format!("the last order failed: {}", served.last_error),
                    "`usher status` says more",
                ),
            ),
            (Source::Local, _) => {
                Tried::bad(Severity::Warning, ABOUT, host, ("the local authority will sign", TRUST))
            }
        }
    }

    fn judged(
        &self,
        host: &str,
        name: &str,
        chain: &[CertificateDer<'static>],
        from: &str,
    ) -> Tried {
        let bad = |severity, what: String, help: &str| {
            Tried::bad(severity, ABOUT, host, (format!("{from}: {what}"), help))
        };
        let Some(leaf) = look_at(chain) else {
            return bad(Severity::Error, "it can't be read".to_owned(), "give another one");
        };
        let renew = "renew it, and give usher the new file";
        if !leaf.counts(self.now) {
            let what = format!("it does not count today, {}", life(&leaf));
            return bad(Severity::Error, what, renew);
        }
        match self.verified(name, chain) {
            Ok(()) => Tried::good(
                ABOUT,
                host,
                format!("{from}: signed by {}, {}", leaf.issuer, life(&leaf)),
            ),
            Err(_) if *leaf.issuer == *LOCAL_AUTHORITY => bad(
                Severity::Warning,
                format!("signed by the local authority, {}", life(&leaf)),
                TRUST,
            ),
            Err(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => bad(
                Severity::Error,
                format!("it is not for {name}"),
                "add a certificate that names the host, or leave it to `autocert`",
            ),
            Err(CertificateError::UnknownIssuer) => bad(
                Severity::Warning,
                format!("signed by {}, whom this machine does not trust", leaf.issuer),
                "browsers will warn: put the whole chain into the file (fullchain.pem), or make \
                 them trust that authority",
            ),
            Err(other) => bad(Severity::Error, format!("browsers refuse it ({other})"), renew),
        }
    }

    fn verified(
        &self,
        name: &str,
        chain: &[CertificateDer<'static>],
    ) -> Result<(), CertificateError> {
        let (Some((leaf, rest)), Ok(name)) = (chain.split_first(), ServerName::try_from(name))
        else {
            return Err(CertificateError::BadEncoding);
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = Arc::new(self.trust.clone().into_roots());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier.map_err(|_| CertificateError::UnknownIssuer)?;
        let now = rustls::pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            self.now.seconds(),
        ));
        match verifier.verify_server_cert(leaf, rest, &name, &[], now) {
            Ok(_) => Ok(()),
            Err(rustls::Error::InvalidCertificate(problem)) => Err(problem),
            Err(_) => Err(CertificateError::BadEncoding),
        }
    }
}

fn life(leaf: &Leaf) -> String {
    format!("from {} to {}", moment(leaf.not_before), moment(leaf.not_after))
}
