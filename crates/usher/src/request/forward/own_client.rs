use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Builder, Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use rustls::{ClientConfig, pki_types::ServerName};
use usher_rules::plan::UpstreamTls;

use super::{
    Trust,
    tls::{client_config, same_settings},
};

/// An HTTP client for what usher asks by itself: providers, authorities, DNS providers. Nobody's
/// request goes through it.
pub type OwnClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Makes one that believes `trust` and waits so long for each connection; `keep` says how many
/// connections stay open for the next request.
///
/// # Errors
///
/// When the TLS library has none of the versions that we speak.
pub fn own_client(
    trust: &Trust,
    patience: Duration,
    keep: impl FnOnce(&mut Builder),
) -> Result<OwnClient, rustls::Error> {
    let tls = trust.client()?.with_no_client_auth();
    Ok(client((tls, None), patience, keep))
}

fn client(
    (tls, name): (ClientConfig, Option<ServerName<'static>>),
    patience: Duration,
    keep: impl FnOnce(&mut Builder),
) -> OwnClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(patience));
    let mut connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = name {
        connector = connector.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let mut builder = Client::builder(TokioExecutor::new());
    keep(&mut builder);
    builder.build(connector.enable_http1().wrap_connector(tcp))
}

/// Clients for what usher itself asks upstreams: each judges certificates as a route says, and is
/// made once. None keeps a connection: those belong to the runtime that opened them.
pub struct UpstreamClients {
    system: Trust,
    patience: Duration,
    made: Mutex<Vec<(UpstreamTls, OwnClient)>>,
}

impl UpstreamClients {
    /// That believe `system` where a route says nothing else, and wait so long for each connection.
    pub fn new(system: Trust, patience: Duration) -> Self {
        Self { system, patience, made: Mutex::default() }
    }

    /// The one for a route's settings.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings, in the words of the config.
    pub fn of(&self, tls: &UpstreamTls) -> Result<OwnClient, Box<str>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = made.iter().find(|(other, _)| same_settings(other, tls)) {
            return Ok(client.clone());
        }
        let name = tls.server_name.as_deref().map(|name| ServerName::try_from(name.to_owned()));
        let name = name.transpose().map_err(|_| "`tls_server_name` is no name of a server")?;
        let config = client_config(&self.system, tls)?;
        let new = client((config, name), self.patience, |keep| {
            keep.pool_max_idle_per_host(0);
        });
        made.push((tls.clone(), new.clone()));
        Ok(new)
    }
}
