use http::{HeaderName, HeaderValue, header, response::Parts};
use usher_rules::{
    fields::{one_length, remove_hop_by_hop, remove_set_cookie},
    plan::{Plan, Route},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fields that speak for the listener and the keys of the app itself, where visitors never are:
/// another port or protocol, and pins of its certificate.
const OF_THE_APP_S_LISTENER: [HeaderName; 5] = [
    header::ALT_SVC,
    HeaderName::from_static("public-key-pins"),
    HeaderName::from_static("public-key-pins-report-only"),
    HeaderName::from_static("expect-ct"),
    HeaderName::from_static("alternate-protocol"),
];

/// Turns the upstream's response head into the client's.
///
/// `public` is the address that the visitor uses, host and port. It is one of TLS: a plain listener
/// stands behind a terminator.
pub fn toward_client(
    head: &mut Parts,
    plan: &Plan,
    route: &Route,
    public: &HeaderValue,
    request_id: &HeaderValue,
) {
    let fields = &mut head.headers;
    if fields.contains_key(header::TRANSFER_ENCODING) {
        fields.remove(header::CONTENT_LENGTH); // it does not count beside it, RFC 9112 §6.3
    }
    remove_hop_by_hop(fields);
    remove_set_cookie(fields, &plan.cookie.name);
    for name in &OF_THE_APP_S_LISTENER {
        fields.remove(name);
    }
    if one_length(fields).is_err() {
        fields.remove(header::CONTENT_LENGTH); // it was framed in another way, or not read at all
    }
    if head.status.is_redirection() {
        upgrade_location(fields, public);
    }
    for (name, value) in &route.set_response {
        fields.insert(name.clone(), value.clone());
    }
    for (name, value) in &route.default_response {
        // Apps on TVs show a public app in a frame of a `file://` page.
        let may_be_framed = route.is_public && *name == header::X_FRAME_OPTIONS;
        if !may_be_framed && !fields.contains_key(name) {
            fields.insert(name.clone(), value.clone());
        }
    }
    fields.insert(REQUEST_ID, request_id.clone());
}

/// An app that doesn't know that TLS ends before it sends people to `http://` of the same
/// address (Jellyfin's `/web`, `jellyfin.md` §11.2): they stay on `https`.
fn upgrade_location(fields: &mut http::HeaderMap, public: &HeaderValue) {
    let Some(location) = fields.get(header::LOCATION) else { return };
    let rest = location
        .as_bytes()
        .strip_prefix(b"http://")
        .filter(|rest| rest.starts_with(public.as_bytes()))
        .filter(|rest| matches!(rest.get(public.len()), None | Some(b'/' | b'?' | b'#')));
    if let Some(rest) = rest
        && let Ok(secure) = HeaderValue::from_bytes(&[&b"https://"[..], rest].concat())
    {
        fields.insert(header::LOCATION, secure);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::upgrade_location;

    #[test]
    fn locations() {
        let public = HeaderValue::from_static("tv.example:8443");
        for (given, expected) in [
            ("http://tv.example:8443/web/", "https://tv.example:8443/web/"),
            ("http://tv.example:8443", "https://tv.example:8443"),
            ("http://tv.example:84433/", "http://tv.example:84433/"),
            ("http://other.example/", "http://other.example/"),
            ("https://tv.example:8443/", "https://tv.example:8443/"),
            ("/web/", "/web/"),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::LOCATION, HeaderValue::from_static(given));
            upgrade_location(&mut fields, &public);
            assert_eq!(fields[header::LOCATION], expected, "{given}");
        }
    }
}
