//! `metrics_*` (`pomerium-config.md` §2.13).

use std::sync::Arc;

use super::{
    Ground,
    files::{self, Pem},
};
use crate::{names::listen_address, plan::MetricsListen, secret::Secret};

const ADDRESS: &str = "metrics_address";
const BASIC_AUTH: &str = "metrics_basic_auth";
const CERTIFICATE: [&str; 2] = ["metrics_certificate", "metrics_certificate_file"];
const KEY: [&str; 2] = ["metrics_certificate_key", "metrics_certificate_key_file"];
const CLIENT_CA: [&str; 2] = ["metrics_client_ca", "metrics_client_ca_file"];

impl Ground<'_> {
    /// `None` when nobody asked for it, or a problem was found.
    pub(super) fn metrics(&mut self) -> Option<MetricsListen> {
        let Some(address) = self.address(ADDRESS, None) else {
            self.metrics_without_address();
            return None;
        };
        let given = self.keys.given(ADDRESS)?;
        let basic_auth = self.metrics_basic_auth();
        let certificate = self.metrics_certificate();
        let client_roots = self.pem(CLIENT_CA[0], CLIENT_CA[1], Pem::Certificate);
        let client_ca = CLIENT_CA.into_iter().find_map(|key| self.given_text(key));
        if let Some(key) = client_ca.filter(|_| certificate.is_none())
            && let Some(given) = self.keys.given(key)
        {
            self.report(given.error(
                "U442",
                format!("`{key}` checks certificates of readers, and without TLS they show none"),
                format!("add `{}` and `{}`, or delete `{key}`", CERTIFICATE[1], KEY[1]),
            ));
        }
        let is_open = basic_auth.is_none() && client_roots.is_none();
        let is_far = listen_address(&address, None).is_ok_and(|at| !at.ip().is_loopback());
        if is_open && is_far {
            self.report(given.warning(
                "U444",
                format!("everybody who reaches `{address}` can read the names of your hosts and how much they are used"),
                format!("write `127.0.0.1:PORT`, or set `{BASIC_AUTH}`"),
            ));
        }
        Some(MetricsListen {
            address,
            basic_auth,
            certificate,
            client_roots: client_roots.map(|pem| Arc::from(pem.expose())),
        })
    }

    fn given_text(&self, key: &'static str) -> Option<&'static str> {
        self.keys.given(key).filter(|given| !given.text().is_empty()).map(|_| key)
    }

    fn metrics_basic_auth(&mut self) -> Option<Arc<Secret>> {
        let given = self.keys.given(BASIC_AUTH).filter(|given| !given.text().is_empty())?;
        let pair = self.keep(files::base64(given))?;
        if pair.expose().contains(&b':') {
            return Some(Arc::new(pair));
        }
        self.report(given.error(
            "U441",
            format!("`{BASIC_AUTH}` holds no `user:password`"),
            "write what `printf '%s' user:password | base64` prints",
        ));
        None
    }

    /// Half a pair is an error: the listener would be plain where its operator wants TLS.
    fn metrics_certificate(&mut self) -> Option<(Arc<[u8]>, Arc<Secret>)> {
        let cert = self.pem(CERTIFICATE[0], CERTIFICATE[1], Pem::Certificate);
        let key = self.pem(KEY[0], KEY[1], Pem::PrivateKey);
        if let (Some(cert), Some(key)) = (cert, key) {
            let given = |[inline, file]: [&'static str; 2]| {
                let written = self.keys.text(file).is_some_and(|file| !file.is_empty());
                if written { file } else { inline }
            };
            let (cert_key, key_key) = (given(CERTIFICATE), given(KEY));
            self.want_pair(&cert, &key, cert_key, key_key);
            return Some((Arc::from(cert.expose()), Arc::new(key)));
        }
        let given = |keys: [&'static str; 2]| keys.into_iter().find_map(|key| self.given_text(key));
        match (given(CERTIFICATE), given(KEY)) {
            (Some(cert), None) => {
                self.want_both(cert, if cert.ends_with("_file") { KEY[1] } else { KEY[0] })
            }
            (None, Some(key)) => {
                self.want_both(
                    key,
                    if key.ends_with("_file") { CERTIFICATE[1] } else { CERTIFICATE[0] },
                );
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        None
    }

    fn metrics_without_address(&mut self) {
        let others = [BASIC_AUTH].into_iter().chain(CERTIFICATE).chain(KEY).chain(CLIENT_CA);
        for key in others {
            let Some(given) = self.keys.given(key).filter(|_| self.keys.given(ADDRESS).is_none())
            else {
                continue;
            };
            self.report(given.warning(
                "U443",
                format!("`{key}` does nothing without `{ADDRESS}`"),
                format!("add `{ADDRESS}: 127.0.0.1:9090`, or delete it"),
            ));
        }
    }
}
