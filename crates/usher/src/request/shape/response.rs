use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
    response::Parts,
};
use usher_rules::{
    fields::{one_length, remove_hop_by_hop, remove_set_cookie},
    plan::{Plan, ResponseRewrite, Route},
};

/// Fields that speak for the listener and the keys of the app itself, where visitors never are:
/// another port or protocol, and pins of its certificate.
static OF_THE_APP_S_LISTENER: [HeaderName; 5] = [
    header::ALT_SVC,
    HeaderName::from_static("public-key-pins"),
    HeaderName::from_static("public-key-pins-report-only"),
    HeaderName::from_static("expect-ct"),
    HeaderName::from_static("alternate-protocol"),
];

/// Fields of an answer that are looked for by one look at each name: most answers have none of them.
#[derive(Default)]
struct Found {
    transfer_encoding: bool,
    set_cookie: bool,
    of_the_app_s_listener: bool,
}

impl Found {
    fn of(fields: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in fields.keys() {
            match name.as_str() {
                "transfer-encoding" => found.transfer_encoding = true,
                "set-cookie" => found.set_cookie = true,
                "alt-svc"
                | "public-key-pins"
                | "public-key-pins-report-only"
                | "expect-ct"
                | "alternate-protocol" => found.of_the_app_s_listener = true,
                _ => {}
            }
        }
        found
    }
}

/// Turns the upstream's response head into the client's.
///
/// `public` is the address that the visitor uses, host and port. It is one of TLS: a plain listener
/// stands behind a terminator.
pub fn toward_client(head: &mut Parts, plan: &Plan, route: &Route, public: &HeaderValue) {
    let fields = &mut head.headers;
    let found = Found::of(fields);
    if found.transfer_encoding {
        fields.remove(header::CONTENT_LENGTH); // it does not count beside it, RFC 9112 §6.3
    }
    remove_hop_by_hop(fields);
    if found.set_cookie {
        remove_set_cookie(fields, &plan.cookie.name);
    }
    if found.of_the_app_s_listener {
        for name in &OF_THE_APP_S_LISTENER {
            fields.remove(name);
        }
    }
    rewrite(fields, &route.rewrite_response);
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
        if !may_be_framed && let Entry::Vacant(place) = fields.entry(name) {
            place.insert(value.clone());
        }
    }
    index_no_date(fields);
}

/// One each second: in the table of HPACK they push out what comes again, and each answer looks
/// through all of them (RFC 7541 §6.2.3).
fn index_no_date(fields: &mut HeaderMap) {
    if let Some(date) = fields.get_mut(header::DATE) {
        date.set_sensitive(true);
    }
}

/// `rewrite_response_headers`: of what the app said, before anything of ours. Each line stays one.
fn rewrite(fields: &mut HeaderMap, rewrites: &[ResponseRewrite]) {
    for ResponseRewrite { field, prefix, value } in rewrites {
        let (Some(prefix), Entry::Occupied(mut lines)) = (prefix, fields.entry(field)) else {
            continue;
        };
        for line in lines.iter_mut() {
            let rest = line.as_bytes().strip_prefix(prefix.as_bytes());
            let new = rest.map(|rest| [value.as_bytes(), rest].concat());
            if let Some(Ok(new)) = new.map(|new| HeaderValue::from_bytes(&new)) {
                *line = new;
            }
        }
    }
}

/// An app that doesn't know that TLS ends before it sends people to `http://` of the same
/// address (Jellyfin's `/web`, `jellyfin.md` §11.2): they stay on `https`.
fn upgrade_location(fields: &mut HeaderMap, public: &HeaderValue) {
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
    use usher_rules::plan::ResponseRewrite;

    use super::{Found, OF_THE_APP_S_LISTENER, index_no_date, rewrite, upgrade_location};

    #[test]
    fn every_field_of_the_app_s_listener_is_found() {
        for name in &OF_THE_APP_S_LISTENER {
            let mut fields = HeaderMap::new();
            assert!(!Found::of(&fields).of_the_app_s_listener);
            fields.insert(name, HeaderValue::from_static(""));
            assert!(Found::of(&fields).of_the_app_s_listener, "{name}");
        }
    }

    #[test]
    fn response_fields_are_rewritten_by_their_prefix() {
        let rewrites = |field: &str, prefix: Option<&str>, value: &str| ResponseRewrite {
            field: field.parse().unwrap(),
            prefix: prefix.map(Into::into),
            value: value.into(),
        };
        for (prefix, value, given, expected, why) in [
            (
                Some("http://app/"),
                "https://tv.example/",
                "http://app/x",
                "https://tv.example/x",
                "the prefix",
            ),
            (
                Some("http://app/"),
                "https://tv.example/",
                "http://App/x",
                "http://App/x",
                "case counts",
            ),
            (Some("http://app/"), "", "http://app/x", "x", "nothing in its place"),
            (Some(""), "/sub", "/x", "/sub/x", "an empty prefix is in front of everything"),
            (None, "/sub", "/x", "/x", "without a prefix nothing is replaced"),
            (Some("/x"), "/y", "/a/x", "/a/x", "a prefix and nothing else"),
        ] {
            let mut fields = HeaderMap::new();
            fields.append("location", given.parse().unwrap());
            fields.append("location", "other".parse().unwrap());
            rewrite(&mut fields, &[rewrites("Location", prefix, value)]);
            let lines: Vec<_> = fields.get_all("location").iter().collect();
            assert_eq!(lines[0], expected, "{why}");
            assert_eq!(lines.len(), 2, "each line stays one: {why}");
        }
        let mut fields = HeaderMap::new();
        rewrite(&mut fields, &[rewrites("Location", Some(""), "/x")]);
        assert!(fields.is_empty(), "a field that is not there is not made");
    }

    #[test]
    fn a_date_stands_in_no_table() {
        let mut fields = HeaderMap::new();
        fields.insert(header::DATE, HeaderValue::from_static("Sat, 28 Nov 2026 15:00:00 GMT"));
        fields.insert(header::SERVER, HeaderValue::from_static("app"));
        index_no_date(&mut fields);
        assert!(fields[header::DATE].is_sensitive() && !fields[header::SERVER].is_sensitive());
    }

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
