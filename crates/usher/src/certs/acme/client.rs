use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header::RETRY_AFTER};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use rustls::RootCertStore;

use super::AcmeError;

/// Longest answer of an authority, in octets: a chain is a few KiB.
const LONGEST: usize = 1 << 20;

/// Speaks with one authority, for one errand. Bounded in time and size; connections are kept for
/// the errand's time. Notes what the library leaves out of its errors.
#[derive(Clone)]
pub struct AcmeClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    patience: Duration,
    seen: Arc<Seen>,
}

/// What the last answers said beside their bodies.
#[derive(Default)]
struct Seen {
    retry_after: Mutex<Option<Duration>>,
    broken: Mutex<Option<Box<str>>>,
}

impl AcmeClient {
    /// Trusts these roots.
    pub fn new(roots: RootCertStore, patience: Duration) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(patience));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only() // RFC 8555 §6.1
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, patience, seen: Arc::default() })
    }

    /// What an error of the library means.
    pub fn error(&self, directory: &str, error: Error) -> AcmeError {
        let unreached = |cause: String| AcmeError::Unreached {
            directory: directory.into(),
            cause: cause.into(),
        };
        let broken = self.seen.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(cause) = broken {
            return unreached(cause.into());
        }
        match error {
            Error::Api(problem) => self.refused(&problem),
            Error::Timeout(_) => AcmeError::Slow,
            Error::Json(_) => unreached("its answer is not ACME's".into()),
            Error::Unsupported(what) => AcmeError::Refused {
                kind: "unsupported".into(),
                detail: format!("it has no {what}").into(),
                retry_after: None,
            },
            other => unreached(other.to_string()),
        }
    }

    fn refused(&self, problem: &Problem) -> AcmeError {
        let status = problem.status.unwrap_or_default();
        let kind = problem.r#type.as_deref().unwrap_or("about:blank");
        let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
        if status >= 500 || kind == "serverInternal" {
            let detail = problem.detail.as_deref().unwrap_or("an error of its own");
            return AcmeError::Unreached { directory: kind.into(), cause: detail.into() };
        }
        AcmeError::Refused { kind: kind.into(), detail: words(problem), retry_after: self.waited() }
    }

    fn waited(&self) -> Option<Duration> {
        self.seen.retry_after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, response: &Response<Bytes>) {
        let late = matches!(
            response.status(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        let after = response.headers().get(RETRY_AFTER).filter(|_| late);
        let after = after.and_then(|after| after.to_str().ok()?.trim().parse().ok());
        *self.seen.retry_after.lock().unwrap_or_else(PoisonError::into_inner) =
            after.map(Duration::from_secs);
    }

    async fn exchange(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let uri = request.uri().clone();
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let exchange = async {
            let request = Request::from_parts(head, Full::new(body));
            let response = self.client.request(request).await.map_err(|error| cause(&error))?;
            let (head, body) = response.into_parts();
            let body =
                Limited::new(body, LONGEST).collect().await.map_err(|error| cause(&*error))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let answered = tokio::time::timeout(self.patience, exchange).await;
        let answered: Result<Response<Bytes>, String> =
            answered.unwrap_or_else(|_| Err("it did not answer in time".into()));
        match answered {
            Ok(response) => {
                self.note(&response);
                Ok(BytesResponse::from(response.map(Full::new)))
            }
            Err(cause) => {
                let cause = format!("{}: {cause}", host(&uri));
                *self.seen.broken.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(cause.clone().into());
                Err(Error::Other(cause.into()))
            }
        }
    }
}

impl HttpClient for AcmeClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move { client.exchange(request).await })
    }
}

/// What a problem says, with what it says about single names.
pub fn words(problem: &Problem) -> Box<str> {
    let mut words = problem.detail.clone().unwrap_or_else(|| "it does not say why".into());
    for sub in problem.subproblems.iter().filter_map(|sub| sub.detail.as_deref()) {
        words.push_str("; ");
        words.push_str(sub);
    }
    words.into()
}

fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default()
}

/// The innermost cause: the outer ones say "client error".
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
