//! What a process keeps for as long as it runs: where it listens, and its keys.

use std::path::{Path, PathBuf};

use usher_rules::plan::{Listen, Plan, Protocols, Secrets};

use super::keys::same_secrets;

/// What the server was started with, and no reload changes.
pub(super) struct Started {
    listeners: Listeners,
    secrets: Secrets,
    extra_roots: Vec<Box<[u8]>>,
    acme_dir: Option<PathBuf>,
}

#[derive(PartialEq)]
struct Listeners {
    address: Box<str>,
    insecure: bool,
    http_redirect: Option<Box<str>>,
    metrics: Option<Box<str>>,
    probes: Option<Box<str>>,
    protocols: Protocols,
}

impl Listeners {
    fn of(listen: &Listen) -> Self {
        Self {
            address: listen.address.clone(),
            insecure: listen.insecure,
            http_redirect: listen.http_redirect.clone(),
            metrics: listen.metrics.as_ref().map(|metrics| metrics.address.clone()),
            probes: listen.probes.clone(),
            protocols: listen.protocols,
        }
    }
}

impl Started {
    pub(super) fn with(plan: &Plan) -> Self {
        Self {
            listeners: Listeners::of(&plan.listen),
            secrets: plan.secrets.clone(),
            extra_roots: plan.extra_roots.clone(),
            acme_dir: acme_dir(plan).map(Into::into),
        }
    }

    /// What of this plan is not in force before a restart. Compared with the start and not with
    /// the plan before: what was put back waits no more.
    pub(super) fn waits(&self, plan: &Plan) -> Vec<&'static str> {
        let waits = [
            ("addresses", self.listeners != Listeners::of(&plan.listen)),
            ("keys", !same_secrets(&self.secrets, &plan.secrets)),
            ("certificate_authority", self.extra_roots != plan.extra_roots),
            ("autocert_dir", self.acme_dir.as_deref() != acme_dir(plan)),
        ];
        waits.into_iter().filter(|(_, waits)| *waits).map(|(what, _)| what).collect()
    }
}

/// Where the plan wants accounts and certificates kept, if it does.
fn acme_dir(plan: &Plan) -> Option<&Path> {
    plan.autocert.as_ref().and_then(|autocert| autocert.dir.as_deref())
}
