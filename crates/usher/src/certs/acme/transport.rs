use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};

use super::{
    AcmeError,
    web::{Schemes, Web},
};
use crate::request::forward::Trust;

/// Speaks with one authority, for one order; connections are kept for its time. Notes what the
/// library leaves out of its errors.
#[derive(Clone)]
pub(super) struct Transport {
    web: Web,
    seen: Arc<Seen>,
}

/// Header fields of the last answers.
#[derive(Default)]
struct Seen {
    retry_after: Mutex<Option<Duration>>,
    broken: Mutex<Option<Box<str>>>,
}

impl Transport {
    pub(super) fn new(trust: &Trust, patience: Duration) -> Result<Self, rustls::Error> {
        // RFC 8555 §6.1: HTTPS, always
        Ok(Self { web: Web::new(trust, patience, Schemes::Https)?, seen: Arc::default() })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else it is, there is no answer")]
    pub(super) fn error(&self, directory: &str, error: Error) -> AcmeError {
        let unreached = |cause: String| AcmeError::Unreached {
            directory: directory.into(),
            cause: cause.into(),
            retry_after: self.waited(),
        };
        let broken = self.seen.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(cause) = broken {
            return unreached(cause.into());
        }
        match error {
            Error::Api(problem) => self.refused(directory, &problem),
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

    fn refused(&self, directory: &str, problem: &Problem) -> AcmeError {
        let status = problem.status.unwrap_or_default();
        let kind = problem.r#type.as_deref().unwrap_or("about:blank");
        let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
        if status >= 500 || kind == "serverInternal" {
            let detail = problem.detail.as_deref().unwrap_or("an error of its own");
            let (directory, retry_after) = (directory.into(), self.waited());
            return AcmeError::Unreached { directory, cause: detail.into(), retry_after };
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
        let after = after.and_then(|after| span(after.to_str().ok()?.trim(), response.headers()));
        *self.seen.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = after;
    }

    async fn exchange(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let answered = self.web.send(Request::from_parts(head, body)).await;
        match answered {
            Ok(response) => {
                self.note(&response);
                Ok(BytesResponse::from(response.map(Full::new)))
            }
            Err(cause) => {
                let cause = format!("{host}: {cause}");
                *self.seen.broken.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(cause.clone().into());
                Err(Error::Other(cause.into()))
            }
        }
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move { client.exchange(request).await })
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110 §10.2.3), which is read by the authority's own clock.
fn span(after: &str, fields: &HeaderMap) -> Option<Duration> {
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let now = fields.get(DATE).and_then(|now| date(now.to_str().ok()?))?;
    date(after)?.duration_since(now).ok()
}

/// With its subproblems about single names (RFC 8555 §6.7.1).
pub(super) fn words(problem: &Problem) -> Box<str> {
    let mut words = problem.detail.clone().unwrap_or_else(|| "it does not say why".into());
    for sub in problem.subproblems.iter().filter_map(|sub| sub.detail.as_deref()) {
        words.push_str("; ");
        words.push_str(sub);
    }
    words.into()
}
