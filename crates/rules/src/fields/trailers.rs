use http::{HeaderMap, HeaderName};

use super::{foreign, forwarded, identity, spelling};

/// What never stands behind a body: what frames, routes, authenticates or steers a message, and
/// what must be known before the body is read (RFC 9110 §6.5.1). A `-` at the end: all of them.
const NOT_IN_TRAILERS: &[&str] = &[
    // framing and connection
    "transfer-encoding",
    "content-length",
    "trailer",
    "te",
    "connection",
    "keep-alive",
    "proxy-",
    "upgrade",
    "http2-settings",
    // routing
    "host",
    "location",
    "via",
    "forwarded",
    "x-forwarded-",
    "x-original-",
    "x-rewrite-",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "alt-svc",
    // authentication
    "authorization",
    "authentication-info",
    "www-authenticate",
    "cookie",
    "set-cookie",
    "x-request-id",
    // what modifies the request, and what is decided on before the body
    "expect",
    "max-forwards",
    "cache-control",
    "pragma",
    "range",
    "if-",
    "age",
    "expires",
    "date",
    "retry-after",
    "vary",
    "warning",
    "content-encoding",
    "content-type",
    "content-range",
    "content-disposition",
    "content-location",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-security-policy-",
    // what browsers are told about the origin
    "access-control-",
    "cross-origin-",
    "origin",
    "referer",
    "referrer-policy",
    "permissions-policy",
    "strict-transport-security",
    "x-frame-options",
    "x-content-type-options",
    "x-xss-protection",
    "clear-site-data",
    "service-worker-",
    "sec-",
    "refresh",
    "link",
];

/// Takes out of trailers what may not stand there: the same table as for heads, and what RFC 9110
/// §6.5.1 forbids. `owned` are the fields that the config sets or removes.
pub fn clean_trailers<'a>(
    trailers: &mut HeaderMap,
    claim_fields: &[(HeaderName, Box<str>)],
    owned: impl Iterator<Item = &'a HeaderName> + Clone,
) {
    let goes = |name: &HeaderName| {
        let name = name.as_str();
        is_forbidden(name)
            || identity::is_identity(name, claim_fields)
            || foreign::is_identity(name)
            || forwarded::is_theirs(name)
            || owned.clone().any(|owned| spelling::is_same(owned.as_str(), name))
    };
    let names: Vec<HeaderName> = trailers.keys().filter(|name| goes(name)).cloned().collect();
    for name in names {
        trailers.remove(name);
    }
}

/// May a field of that name stand behind a body at all (RFC 9110 §6.5.1), whosever it is?
pub fn may_stand_behind(name: &HeaderName) -> bool {
    !is_forbidden(name.as_str())
}

fn is_forbidden(name: &str) -> bool {
    NOT_IN_TRAILERS.iter().any(|theirs| {
        spelling::is_same(name, theirs) || theirs.ends_with('-') && spelling::begins(name, theirs)
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::clean_trailers;

    #[test]
    fn what_stands_in_trailers() {
        let claims = [(HeaderName::from_static("x-email"), "email".into())];
        let owned = [HeaderName::from_static("x-auth-team")];
        for (name, stays) in [
            ("grpc-status", true),
            ("grpc-message", true),
            ("grpc-status-details-bin", true),
            ("x-checksum", true),
            ("server-timing", true),
            ("digest", true),
            ("x-pomerium-jwt-assertion", false),
            ("x_pomerium_claim_email", false),
            ("x-email", false),
            ("x.email", false),
            ("x_auth_team", false),
            ("remote-user", false),
            ("x-forwarded-for", false),
            ("x-real-ip", false),
            ("authorization", false),
            ("cookie", false),
            ("set-cookie", false),
            ("content-length", false),
            ("transfer-encoding", false),
            ("host", false),
            ("if-match", false),
            ("location", false),
            ("content-type", false),
            ("access-control-allow-origin", false),
            ("x-request-id", false),
        ] {
            let mut trailers = HeaderMap::new();
            let field: HeaderName = name.parse().unwrap();
            trailers.insert(field, HeaderValue::from_static("x"));
            clean_trailers(&mut trailers, &claims, owned.iter());
            assert_eq!(!trailers.is_empty(), stays, "{name}");
        }
    }
}
