//! Static files: served before anything is asked of the caller, starting or not.

use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;

use crate::{
    answer::{self, Answer},
    film::built_in_changed,
    forwarded::Origin,
    media_server::{MediaServer, stable_id},
    options::JellyfinVersion,
    target::Target,
};

/// Name, content type, bytes.
const FILES: &[(&str, &str, &[u8])] = &[
    ("index.html", "text/html", include_bytes!("../../web/index.html")),
    ("cinema.js", "text/javascript", include_bytes!("../../web/cinema.js")),
    ("cinema.css", "text/css", include_bytes!("../../web/cinema.css")),
    ("icon.svg", "image/svg+xml", include_bytes!("../../web/icon.svg")),
    ("robots.txt", "text/plain", include_bytes!("../../web/robots.txt")),
];

/// The answer, where the path is `/`, `/web` or a file under it.
pub(crate) fn serve(
    server: &MediaServer,
    request: &Request<Incoming>,
    target: &Target,
    origin: &Origin,
) -> Option<Answer> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let is_web = |segment: &String| segment.eq_ignore_ascii_case("web");
    match target.segments.as_slice() {
        [] => Some(answer::redirect(StatusCode::FOUND, "web/")),
        [name] if name.eq_ignore_ascii_case("robots.txt") => {
            Some(answer::redirect(StatusCode::FOUND, "web/robots.txt"))
        }
        // Absolute, and built from what the request says: `http://` behind TLS, unless the proxy
        // in front is a known one.
        [folder] if is_web(folder) && !target.trailing_slash => {
            let location = format!("{}/web/", origin.base());
            Some(answer::redirect(StatusCode::MOVED_PERMANENTLY, &location))
        }
        [folder] if is_web(folder) => file(server, request, "index.html"),
        [folder, name] if is_web(folder) && !target.trailing_slash => file(server, request, name),
        _ => None,
    }
}

fn file(server: &MediaServer, request: &Request<Incoming>, name: &str) -> Option<Answer> {
    let (_, content_type, bytes) = FILES.iter().find(|(known, ..)| *known == name)?;
    let content = String::from_utf8_lossy(bytes);
    let tag = format!("\"{}\"", stable_id(&content).get(..15).unwrap_or_default());
    let known = request.headers().get(header::IF_NONE_MATCH);
    let unchanged = known.and_then(|value| value.to_str().ok()).is_some_and(|known| {
        known.split(',').any(|entry| matches!(entry.trim(), "*") || entry.trim() == tag)
    });
    let mut answer = if unchanged {
        answer::empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut answer = answer::text(content_type, *bytes);
        answer::set(&mut answer, header::ACCEPT_RANGES, "bytes");
        answer
    };
    answer::set(&mut answer, header::ETAG, &tag);
    let changed = httpdate::fmt_http_date(built_in_changed());
    answer::set(&mut answer, header::LAST_MODIFIED, &changed);
    match server.version {
        JellyfinVersion::V10_10 => {}
        JellyfinVersion::V10_11 | JellyfinVersion::V12 => {
            answer::set(&mut answer, header::CACHE_CONTROL, "no-cache");
        }
    }
    Some(answer)
}
