//! `metrics_*` (`pomerium-config.md` §2.13).

use std::sync::Arc;

use super::{
    Compiler,
    files::{self, Pem},
};
use crate::{
    config::keys::{Key, global},
    names::listen_address,
    plan::MetricsListen,
    secret::Secret,
};

/// Each inline, and in a file.
const CERTIFICATE: [&Key; 2] =
    [&global::METRICS_CERTIFICATE.key, &global::METRICS_CERTIFICATE_FILE.key];
const KEY: [&Key; 2] =
    [&global::METRICS_CERTIFICATE_KEY.key, &global::METRICS_CERTIFICATE_KEY_FILE.key];
const CLIENT_CA: [&Key; 2] = [&global::METRICS_CLIENT_CA.key, &global::METRICS_CLIENT_CA_FILE.key];

impl Compiler<'_> {
    /// `None` when nobody asked for it, or a problem was found.
    pub(super) fn metrics(&mut self) -> Option<MetricsListen> {
        let basic_auth = self.metrics_basic_auth();
        let Some(address) = self.address(&global::METRICS_ADDRESS, None) else {
            self.metrics_without_address();
            return None;
        };
        let given = self.keys.given(&global::METRICS_ADDRESS)?;
        let certificate = self.metrics_certificate();
        let client_roots = self.pem(CLIENT_CA[0], CLIENT_CA[1], Pem::Certificate);
        let client_ca = CLIENT_CA.into_iter().find_map(|key| self.keys.given(key));
        if let Some(given) = client_ca.filter(|_| certificate.is_none()) {
            let key = given.key.name;
            self.report(given.error(
                "U442",
                format!("`{key}` checks certificates of readers, and without TLS they show none"),
                format!("add `{}` and `{}`, or delete `{key}`", CERTIFICATE[1].name, KEY[1].name),
            ));
        }
        let is_open = basic_auth.is_none() && client_roots.is_none();
        let is_far = listen_address(&address, None).is_ok_and(|at| !at.ip().is_loopback());
        if is_open && is_far {
            self.report(given.warning(
                "U444",
                format!("everybody who reaches `{address}` can read the names of your hosts and how much they are used"),
                "write `127.0.0.1:PORT`, or set `metrics_basic_auth`",
            ));
        }
        Some(MetricsListen {
            address,
            basic_auth,
            certificate,
            client_roots: client_roots.map(|pem| Arc::from(pem.expose())),
        })
    }

    fn metrics_basic_auth(&mut self) -> Option<Arc<Secret>> {
        let given = self.keys.given(&global::METRICS_BASIC_AUTH)?;
        let pair = self.keep(files::base64(given))?;
        if pair.expose().contains(&b':') {
            return Some(Arc::new(pair));
        }
        self.report(given.error(
            "U441",
            "`metrics_basic_auth` holds no `user:password`",
            "write what `printf '%s' user:password | base64` prints",
        ));
        None
    }

    /// Half a pair is an error: the listener would be plain where its operator wants TLS.
    fn metrics_certificate(&mut self) -> Option<(Arc<[u8]>, Arc<Secret>)> {
        let cert = self.pem(CERTIFICATE[0], CERTIFICATE[1], Pem::Certificate);
        let key = self.pem(KEY[0], KEY[1], Pem::PrivateKey);
        if let (Some(cert), Some(key)) = (cert, key) {
            let wins = |[inline, file]: [&'static Key; 2]| {
                if self.keys.given(file).is_some() { file } else { inline }
            };
            let (cert_key, key_key) = (wins(CERTIFICATE), wins(KEY));
            self.want_pair(&cert, &key, cert_key, key_key);
            return Some((Arc::from(cert.expose()), Arc::new(key)));
        }
        let is_given =
            |keys: [&'static Key; 2]| keys.iter().any(|key| self.keys.given(key).is_some());
        if is_given(CERTIFICATE) != is_given(KEY) {
            for (cert, key) in CERTIFICATE.into_iter().zip(KEY) {
                self.want_both(cert, key);
            }
        }
        None
    }

    fn metrics_without_address(&mut self) {
        let basic_auth: &Key = &global::METRICS_BASIC_AUTH;
        let others = [basic_auth].into_iter().chain(CERTIFICATE).chain(KEY).chain(CLIENT_CA);
        for key in others {
            let Some(given) = self
                .keys
                .given(key)
                .filter(|_| self.keys.given(&global::METRICS_ADDRESS).is_none())
            else {
                continue;
            };
            self.report(given.warning(
                "U443",
                format!("`{}` does nothing without `metrics_address`", key.name),
                "add `metrics_address: 127.0.0.1:9090`, or delete it",
            ));
        }
    }
}
