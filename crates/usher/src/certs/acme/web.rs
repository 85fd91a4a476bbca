use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::request::forward::Trust;

/// Longest answer that is read, in octets: a chain is a few KiB.
const LONGEST: usize = 1 << 20;

/// Asks authorities and DNS providers. Bounded in time and size, and follows no redirect.
#[derive(Clone)]
pub struct Web {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    patience: Duration,
}

impl Web {
    /// Trusts these trust.
    pub fn new(trust: Trust, patience: Duration, https_only: bool) -> Result<Self, rustls::Error> {
        let tls = trust.client()?.with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(patience));
        let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls);
        let builder = if https_only { builder.https_only() } else { builder.https_or_http() };
        let connector = builder.enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, patience })
    }

    /// One request and its whole answer, or why there is none.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let exchange = async {
            let request = request.map(Full::new);
            let response = self.client.request(request).await.map_err(|error| cause(&error))?;
            let (head, body) = response.into_parts();
            let body =
                Limited::new(body, LONGEST).collect().await.map_err(|error| cause(&*error))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let answered = tokio::time::timeout(self.patience, exchange).await;
        answered.unwrap_or_else(|_| Err("it did not answer in time".into()))
    }
}

/// The innermost cause: the outer ones say "client error".
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let words = innermost.to_string();
    // What the TLS library says of a connection that broke ends in an address of its manual.
    words.split(": https://docs.rs/").next().unwrap_or_default().to_owned()
}
