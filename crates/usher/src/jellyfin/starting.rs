//! What a browser shows while a library starts, in the place of what its server says, which stays on
//! the screen. Apps get the server's own answer.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header, response};
use usher_pages::{HTML, Link, Scripts, Starting, csp};

use super::shield::{is_document, is_window_of_an_app};
use crate::request::{AppRequest, BodyNeed, own_page, reader_language};

/// A browser looks again after so many seconds.
const AGAIN: &str = "5";
/// Octets of the longest page that its server has for this.
const LONGEST: usize = 1 << 20;

/// Is it a page of a server that starts, on its way to a browser? Servers refuse in other ways
/// without a word.
pub(super) fn is_shown(asked: AppRequest<'_>, head: &response::Parts) -> bool {
    let is_page = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"))
    });
    head.status == StatusCode::SERVICE_UNAVAILABLE
        && is_page
        && !head.headers.contains_key(header::CONTENT_ENCODING)
        && is_for_browser(asked)
}

/// Will a browser show the answer as a page?
pub(super) fn is_for_browser(asked: AppRequest<'_>) -> bool {
    let fields = &asked.head.headers;
    asked.head.method == Method::GET && is_document(fields) && !is_window_of_an_app(fields)
}

/// Our page in its place.
pub(super) fn page(asked: AppRequest<'_>) -> BodyNeed<response::Parts> {
    let language = reader_language(&asked.head.headers);
    let (host, again) = (asked.authority.to_string(), Link::new(asked.head.uri.path()));
    let text = Starting { host: &host, again }.render(language);
    let rewrite = Box::new(move |head: &mut response::Parts, _: Bytes| {
        let ours = own_page(503, HTML, String::new(), &csp(Scripts::No, &[]));
        let later = head.headers.remove(header::RETRY_AFTER);
        head.headers = ours.headers().clone();
        head.headers.extend(later.map(|later| (header::RETRY_AFTER, later)));
        head.headers.insert(header::REFRESH, HeaderValue::from_static(AGAIN));
        Ok(text.into())
    });
    BodyNeed::Whole { at_most: LONGEST, rewrite }
}
