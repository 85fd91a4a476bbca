use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use usher_rules::plan::Plan;

use super::ProviderError;
use crate::request::{
    forward::{OwnClient, Trust, own_client},
    tls_error, tls_words,
};

/// Longest answer of a provider that is read, in octets.
const LONGEST: usize = 1 << 20;

/// How many redirects of a document are followed.
const MOST_REDIRECTS: usize = 3;

/// How long a provider may take for one answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Speaks with one provider: bounded in time and size.
///
/// Connections are not kept: each belongs to the runtime that opened it, several runtimes share
/// this client, and a provider is spoken with a few times per sign-in.
pub(crate) struct Http {
    client: OwnClient,
    secure_only: bool,
    patience: Duration,
}

impl Http {
    /// Trusts the system's roots and `certificate_authority`. `secure_only` refuses `http:`: a
    /// provider with an https issuer must not name an endpoint in the clear.
    pub(crate) fn new(
        plan: &Plan,
        secure_only: bool,
        patience: Duration,
    ) -> Result<Self, ProviderError> {
        let trust = Trust::system(&plan.extra_roots);
        let client = own_client(&trust, patience, |keep| {
            keep.pool_max_idle_per_host(0);
        });
        let client =
            client.map_err(|error| ProviderError::Unreachable(error.to_string().into()))?;
        Ok(Self { client, secure_only, patience })
    }

    /// One request and its whole answer, whatever its status.
    pub(crate) async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, ProviderError> {
        if self.secure_only && request.uri().scheme_str() != Some("https") {
            return Err(ProviderError::InTheClear);
        }
        let exchange = async {
            let request = request.map(|body| Full::new(Bytes::from(body)));
            let response = self.client.request(request).await.map_err(|error| no_answer(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LONGEST).collect().await;
            let body = body.map_err(|error| no_answer(&*error))?;
            Ok(http::Response::from_parts(head, body.to_bytes().to_vec()))
        };
        tokio::time::timeout(self.patience, exchange).await.unwrap_or(Err(ProviderError::Slow))
    }

    /// The body of a GET that is answered with 200. A few redirects are followed where no token
    /// is sent, and never from https to http.
    pub(crate) async fn get(
        &self,
        document: &'static str,
        url: &str,
        bearer: Option<&str>,
    ) -> Result<Vec<u8>, ProviderError> {
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.get_once(&url, bearer).await?;
            let status = response.status().as_u16();
            let location = response.headers().get(http::header::LOCATION);
            let onward = location
                .filter(|_| bearer.is_none() && matches!(status, 301 | 302 | 303 | 307 | 308))
                .and_then(|location| location.to_str().ok())
                .and_then(|location| url::Url::parse(&url).ok()?.join(location).ok());
            match (status, onward) {
                (200, _) => return Ok(response.into_body()),
                (_, Some(onward)) => {
                    let steps_down = url.starts_with("https:") && onward.scheme() != "https";
                    if steps_down {
                        return Err(ProviderError::InTheClear);
                    }
                    if !matches!(onward.scheme(), "https" | "http") {
                        return Err(ProviderError::Unreadable("a redirect to no web address"));
                    }
                    url = onward.into();
                }
                (status, None) => return Err(ProviderError::Status { document, status }),
            }
        }
        Err(ProviderError::Unreadable("a chain of redirects that does not end"))
    }

    /// One GET, whatever its answer.
    pub(crate) async fn get_once(
        &self,
        url: &str,
        bearer: Option<&str>,
    ) -> Result<http::Response<Vec<u8>>, ProviderError> {
        // GitHub answers nobody who does not say what it is.
        let mut request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::USER_AGENT, "usher");
        if let Some(token) = bearer {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request =
            request.body(Vec::new()).map_err(|_| ProviderError::Unreadable("an address"))?;
        self.send(request).await
    }
}

/// What a minute may mend, and what it will not: TLS, and what speaks no HTTP.
fn no_answer(error: &(dyn std::error::Error + 'static)) -> ProviderError {
    if let Some(tls) = tls_error(error) {
        return ProviderError::Tls(tls_words(tls).into());
    }
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return ProviderError::NotHttp;
        }
        next = error.source();
    }
    ProviderError::Unreachable(cause(error))
}

/// The innermost cause: the outer ones say "client error".
fn cause(error: &dyn std::error::Error) -> Box<str> {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().into()
}
