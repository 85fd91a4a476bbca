//! A request for one connection, and for another one after it.

use http::{HeaderValue, Request, Uri, Version, header, uri::Scheme as UriScheme};
use usher_rules::{names::Scheme, plan::Target};

use super::{ForwardError, RequestBody, attempt::Carrier, exchange::Failure, shared::Repeatable};
use crate::request::shape::NamedByClient;

/// The form in which this connection takes a request: HTTP/2 has `:authority` (RFC 9113 §8.3.1).
pub(super) fn for_carrier(
    mut request: Box<Request<RequestBody>>,
    carrier: &Carrier,
    target: &Target,
) -> Box<Request<RequestBody>> {
    match carrier {
        Carrier::Http1(_) => *request.version_mut() = Version::HTTP_11,
        Carrier::Http2(_) => {
            *request.version_mut() = Version::HTTP_2;
            let scheme = match target.upstream.scheme {
                Scheme::Http | Scheme::H2c | Scheme::Tcp | Scheme::Udp => UriScheme::HTTP,
                Scheme::Https => UriScheme::HTTPS,
            };
            let host = request.headers().get(header::HOST).unwrap_or(&target.host).as_bytes();
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build();
            if let Ok(uri) = uri {
                *request.uri_mut() = uri;
                request.headers_mut().remove(header::HOST);
            }
        }
    }
    request
}

/// A request that HTTP/2 gave back, as any connection takes it.
pub(super) fn origin_form(mut request: Box<Request<RequestBody>>) -> Box<Request<RequestBody>> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = authority.and_then(|authority| HeaderValue::try_from(authority).ok());
    let path = request.uri().path_and_query().cloned();
    if let (Some(host), Some(path)) = (host, path) {
        request.headers_mut().insert(header::HOST, host);
        *request.uri_mut() = Uri::from(path);
    }
    request
}

/// Methods that may be sent twice (RFC 9110 §9.2.2, and the registry of methods), without a body:
/// what was streamed is gone.
pub(super) fn repeatable(request: &Request<RequestBody>) -> Repeatable {
    const WEBDAV: [&str; 8] =
        ["PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "UNLOCK", "REPORT", "SEARCH"];
    let method = request.method();
    let is_idempotent = method.is_idempotent() || WEBDAV.contains(&method.as_str());
    match request.body() {
        RequestBody::Empty if is_idempotent => Repeatable::Yes,
        RequestBody::Empty | RequestBody::Whole(_) | RequestBody::Streamed { .. } => Repeatable::No,
    }
}

/// The same once more, where there is no body.
pub(super) fn copy(request: &Request<RequestBody>) -> Option<Box<Request<RequestBody>>> {
    matches!(request.body(), RequestBody::Empty).then(|| {
        let mut again = Box::new(Request::new(RequestBody::Empty));
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        if let Some(named) = request.extensions().get::<NamedByClient>() {
            again.extensions_mut().insert(*named);
        }
        again
    })
}

impl Failure {
    /// Takes what may be sent again for what was not sent. What may have been done is sent again where
    /// that is `left`, which is for one time, whoever takes it then.
    pub(super) fn into_repeated(self, left: &mut Repeatable) -> Self {
        let Self { error, mut unsent, begun } = self;
        if unsent.is_none() && begun.is_some() {
            let again = match (&error, *left) {
                (ForwardError::Refused { .. }, _) => begun, // not begun with over there
                (ForwardError::Closed { .. }, Repeatable::Yes) => {
                    *left = Repeatable::No;
                    begun
                }
                (_, Repeatable::Yes | Repeatable::No) => None,
            };
            unsent = again;
        }
        Self { error, unsent, begun: None }
    }
}
