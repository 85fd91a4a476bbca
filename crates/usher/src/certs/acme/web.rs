use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};

use crate::request::{
    forward::{OwnClient, Trust, own_client},
    tls_error, tls_words,
};

/// Longest answer that is read, in octets: a chain is a few KiB.
const LONGEST: usize = 1 << 20;

/// Which addresses may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schemes {
    Https,
    HttpsAndHttp,
}

/// Asks authorities and DNS providers. Bounded in time and size, and follows no redirect.
#[derive(Clone)]
pub(super) struct Web {
    client: OwnClient,
    schemes: Schemes,
    patience: Duration,
}

impl Web {
    pub(super) fn new(
        trust: &Trust,
        patience: Duration,
        schemes: Schemes,
    ) -> Result<Self, rustls::Error> {
        Ok(Self { client: own_client(trust, patience, |_| {})?, schemes, patience })
    }

    /// One request and its whole answer, or why there is none.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        if self.schemes == Schemes::Https && request.uri().scheme_str() != Some("https") {
            return Err("its address is not https".into());
        }
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
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(tls) = tls_error(error) {
        return tls_words(tls);
    }
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let words = innermost.to_string();
    // What the TLS library says of a connection that broke ends in an address of its manual.
    words.split(": https://docs.rs/").next().unwrap_or_default().to_owned()
}
