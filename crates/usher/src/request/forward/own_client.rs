use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Builder, Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::Trust;

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
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(patience));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let mut builder = Client::builder(TokioExecutor::new());
    keep(&mut builder);
    Ok(builder.build(connector.enable_http1().wrap_connector(tcp)))
}
