//! Credentials in the forms that servers of version 12 dropped, as every server reads them.

use http::{HeaderName, HeaderValue, Uri, header, request::Parts, uri::PathAndQuery};
use usher_rules::jellyfin::Credentials;

const EMBY_AUTHORIZATION: HeaderName = HeaderName::from_static("x-emby-authorization");
const OLD_FIELDS: [HeaderName; 3] = [
    EMBY_AUTHORIZATION,
    HeaderName::from_static("x-emby-token"),
    HeaderName::from_static("x-mediabrowser-token"),
];

/// Leaves what is new as it is. A token in the query stays there under its new name: playlists
/// repeat the query that they were asked with.
pub(super) fn translate(head: &mut Parts, found: &Credentials) {
    if !found.is_legacy {
        return;
    }
    let in_query = head.uri.query().is_some_and(has_token);
    let in_field =
        OLD_FIELDS.iter().any(|name| head.headers.contains_key(name)) || found.client.is_some();
    let token = found.token.as_ref().filter(|_| !in_query);
    let written = found.client.clone().unwrap_or_default().authorization(token);
    if in_field && let Ok(value) = HeaderValue::try_from(written) {
        head.headers.insert(header::AUTHORIZATION, value);
    }
    for name in OLD_FIELDS {
        head.headers.remove(name);
    }
    if let Some(uri) = renamed(&head.uri) {
        head.uri = uri;
    }
}

fn is_named(pair: &str, name: &str) -> bool {
    pair.split_once('=').is_some_and(|(it, _)| it.eq_ignore_ascii_case(name))
}

fn has_token(query: &str) -> bool {
    query.split('&').any(|pair| is_named(pair, "api_key") || is_named(pair, "ApiKey"))
}

/// `api_key` under its new name; gone where that is there, too.
fn renamed(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    if !query.split('&').any(|pair| is_named(pair, "api_key")) {
        return None;
    }
    let has_new = query.split('&').any(|pair| is_named(pair, "ApiKey"));
    let pairs = query.split('&').filter_map(|pair| match is_named(pair, "api_key") {
        true if has_new => None,
        true => Some(format!("ApiKey={}", pair.split_once('=').map_or("", |(_, value)| value))),
        false => Some(pair.to_owned()),
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(format!("{}?{query}", uri.path())).ok();
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use usher_rules::jellyfin::credentials;

    use super::translate;

    #[test]
    fn what_is_old_is_written_as_every_server_reads_it() {
        const OLD: &str = "Emby Client=\"Kodi\", Device=\"a b\", Token=\"t\"";
        const NEW: &str = "MediaBrowser Client=\"Kodi\", Device=\"a%20b\", Token=\"t\"";
        const TOKEN: &str = "MediaBrowser Token=\"t\"";
        for (field, value, target, expected, query) in [
            ("authorization", OLD, "/x", Some(NEW), None),
            ("x-emby-authorization", OLD, "/x", Some(NEW), None),
            ("x-emby-token", "t", "/x", Some(TOKEN), None),
            ("x-mediabrowser-token", "t", "/x?a=1", Some(TOKEN), Some("a=1")),
            ("x-other", "o", "/x?a=1&api_key=t", None, Some("a=1&ApiKey=t")),
            ("x-other", "o", "/x?API_KEY=t&apikey=t", None, Some("apikey=t")),
            ("x-other", "o", "/x?ApiKey=t", None, Some("ApiKey=t")),
            ("authorization", TOKEN, "/x", Some(TOKEN), None),
            ("authorization", "Basic eA==", "/x", Some("Basic eA=="), None),
        ] {
            let (mut head, ()) =
                Request::get(target).header(field, value).body(()).unwrap().into_parts();
            let found = credentials(&head.headers, head.uri.query()).unwrap();
            translate(&mut head, &found);
            let said = head.headers.get("authorization").map(|it| it.to_str().unwrap());
            assert_eq!((said, head.uri.query()), (expected, query), "{field}: {value} {target}");
            let is_old = field.starts_with("x-emby") || field.starts_with("x-media");
            assert!(!is_old || !head.headers.contains_key(field), "{field} is left");
        }
    }
}
