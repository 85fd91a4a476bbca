use std::net::IpAddr;

use super::{Answer, Reason, RequestFacts};
use crate::policy::matcher::{AddressMatch, TextMatch};

/// A question about what is asked.
///
/// Each looks at its own field and no other. In Pomerium 0.32.7 `http_path` and `http_method`
/// pass when any field does, the query included (`pomerium-policy-measured.md` 1).
#[derive(Clone, Debug)]
pub(in crate::policy) enum AboutRequest {
    /// `http_method`.
    Method(TextMatch),
    /// `http_path`: decoded, never the query.
    Path(TextMatch),
    /// `source_ip`: the peer, whatever `X-Forwarded-For` says.
    Source(AddressMatch),
    /// `cors_preflight` (Fetch §3.2.2): `OPTIONS` with the two fields that make it one.
    Preflight,
}

impl AboutRequest {
    pub(super) fn ask(&self, request: &RequestFacts<'_>) -> Answer {
        use Reason as R;
        match self {
            Self::Method(want) => {
                Answer::new(want.takes(request.method), R::HttpMethodOk, R::HttpMethodUnauthorized)
            }
            Self::Path(want) => {
                Answer::new(want.takes(request.path), R::HttpPathOk, R::HttpPathUnauthorized)
            }
            Self::Source(want) => {
                Answer::new(want.takes(request.source), R::SourceIpOk, R::SourceIpUnauthorized)
            }
            Self::Preflight => {
                Answer::new(is_preflight(request), R::CorsRequest, R::NonCorsRequest)
            }
        }
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Method(want) => format!("method {}", want.in_words()),
            Self::Path(want) => format!("path {}", want.in_words()),
            Self::Source(want) => format!("address {}", want.in_words()),
            Self::Preflight => "it is a CORS preflight".into(),
        }
    }

    pub(super) fn found(&self, request: &RequestFacts<'_>) -> String {
        match self {
            Self::Method(_) => format!("method is `{}`", request.method),
            Self::Path(_) => format!("path is `{}`", request.path),
            Self::Source(_) => format!("address is `{}`", IpAddr::to_canonical(&request.source)),
            Self::Preflight if is_preflight(request) => "it is a CORS preflight".into(),
            Self::Preflight => "it is no CORS preflight".into(),
        }
    }
}

fn is_preflight(request: &RequestFacts<'_>) -> bool {
    let given = |field: Option<&str>| field.is_some_and(|value| !value.is_empty());
    request.method == "OPTIONS"
        && given(request.origin)
        && given(request.access_control_request_method)
}
