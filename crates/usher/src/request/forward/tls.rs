use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use usher_rules::plan::{Outbound, UpstreamTls, UpstreamVerify};

use super::trust::{Trust, unverified};

/// How connections to upstreams are made: client configurations by what they verify, each made once
/// and kept across reloads, and where from.
#[derive(Debug)]
pub(super) struct ClientConfigs {
    system: Trust,
    outbound: ArcSwap<Outbound>,
    made: Mutex<Vec<(UpstreamTls, Alpn, Arc<ClientConfig>)>>,
}

/// What is offered to an upstream (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpn {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2, else HTTP/1.1.
    Http2OrHttp1,
}

impl ClientConfigs {
    /// Verifies against `system` where a route says nothing else.
    pub(super) fn new(system: Trust) -> Self {
        Self {
            system,
            outbound: ArcSwap::from_pointee(Outbound::default()),
            made: Mutex::new(Vec::new()),
        }
    }

    /// Connections that are made from now on are made like this.
    pub(super) fn adopt(&self, outbound: Outbound) {
        self.outbound.store(Arc::new(outbound));
    }

    /// How connections are made.
    pub(super) fn outbound(&self) -> Arc<Outbound> {
        self.outbound.load_full()
    }

    /// The configuration for a route's settings.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings, in the words of the config.
    pub(super) fn for_route(
        &self,
        tls: &UpstreamTls,
        alpn: Alpn,
    ) -> Result<Arc<ClientConfig>, Box<str>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |made: &&(UpstreamTls, Alpn, _)| made.1 == alpn && same_settings(&made.0, tls);
        if let Some((_, _, config)) = made.iter().find(is_it) {
            return Ok(Arc::clone(config));
        }
        let mut config = client_config(&self.system, tls)?;
        config.alpn_protocols = match alpn {
            Alpn::Http1 => vec![b"http/1.1".to_vec()],
            Alpn::Http2OrHttp1 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        let config = Arc::new(config);
        made.push((tls.clone(), alpn, Arc::clone(&config)));
        Ok(config)
    }
}

/// What a route says of its upstream's certificate and of ours; `system` where it says nothing.
pub(super) fn client_config(system: &Trust, tls: &UpstreamTls) -> Result<ClientConfig, Box<str>> {
    let builder = match &tls.verify {
        UpstreamVerify::System => system.client(),
        UpstreamVerify::Custom(pem) => {
            let trust = Trust::only([&**pem]);
            if trust.is_empty() {
                return Err("`tls_custom_ca` holds no certificate".into());
            }
            trust.client()
        }
        UpstreamVerify::Skip => unverified(),
    };
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(match &tls.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).flatten().collect();
            let key = PrivateKeyDer::from_pem_slice(key.expose())
                .map_err(|_| "`tls_client_key` holds no private key")?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("`tls_client_cert` and `tls_client_key`: {error}"))?
        }
    })
}

/// Same roots, same name, same client certificate: only then may a connection be shared.
pub(super) fn same_settings(a: &UpstreamTls, b: &UpstreamTls) -> bool {
    let chain = |tls: &UpstreamTls| tls.client.as_ref().map(|(chain, _)| Arc::clone(chain));
    a.verify == b.verify && a.server_name == b.server_name && chain(a) == chain(b)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use usher_rules::{
        plan::{UpstreamTls, UpstreamVerify},
        secret::Secret,
    };

    use super::same_settings;

    /// A connection is one client's, to one name, believed for one reason: it serves no other.
    #[test]
    fn a_connection_is_shared_where_all_settings_are_the_same() {
        let plain = UpstreamTls { verify: UpstreamVerify::System, server_name: None, client: None };
        let client =
            |chain: &[u8]| Some((Arc::from(chain), Arc::new(Secret::new(b"key".as_slice()))));
        let kinds = [
            plain.clone(),
            UpstreamTls { verify: UpstreamVerify::Skip, ..plain.clone() },
            UpstreamTls { verify: UpstreamVerify::Custom(Arc::from(&b"a"[..])), ..plain.clone() },
            UpstreamTls { verify: UpstreamVerify::Custom(Arc::from(&b"b"[..])), ..plain.clone() },
            UpstreamTls { server_name: Some("nas.test".into()), ..plain.clone() },
            UpstreamTls { client: client(b"a"), ..plain.clone() },
            UpstreamTls { client: client(b"b"), ..plain },
        ];
        for (at, one) in kinds.iter().enumerate() {
            for (beside, other) in kinds.iter().enumerate() {
                assert_eq!(same_settings(one, &other.clone()), at == beside, "{one:?} {other:?}");
            }
        }
    }
}
