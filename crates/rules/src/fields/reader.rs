use http::{HeaderMap, HeaderName, Method, header};

use super::{Preference, preference};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Who reads the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A person in front of a page load: a redirect to sign-in helps.
    Person,
    /// `fetch()`, a media element, a WebSocket, an app: a redirect to a page is noise to it.
    Program,
}

/// Decides from the request's head who reads the response.
///
/// Browsers say it (`Sec-Fetch-*`, W3C Fetch Metadata). Of the others, `GET` and `HEAD` that
/// would take a page are people, so that curl and pomerium-cli see the redirect that they expect.
pub fn reader(method: &Method, fields: &HeaderMap, upgrades: bool) -> Reader {
    let reads_pages = method == Method::GET || method == Method::HEAD;
    if upgrades || fields.contains_key(REQUESTED_WITH) || !reads_pages && !is_navigation(fields) {
        return Reader::Program;
    }
    match fields.get(SEC_FETCH_MODE) {
        Some(_) if is_navigation(fields) => Reader::Person,
        Some(_) => Reader::Program,
        None if is_grpc(fields) => Reader::Program,
        None => match preference(fields) {
            Preference::Html => Reader::Person,
            Preference::Json | Preference::Text => Reader::Program,
        },
    }
}

/// A top-level page load. A frame is not: a sign-in page refuses to be framed.
fn is_navigation(fields: &HeaderMap) -> bool {
    fields.get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate")
        && fields.get(SEC_FETCH_DEST).is_none_or(|dest| dest == "document")
}

fn is_grpc(fields: &HeaderMap) -> bool {
    fields
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method};

    use super::{Reader::*, reader};

    #[test]
    fn who_reads() {
        let page = "text/html,application/xhtml+xml,*/*;q=0.8";
        for (method, given, upgrades, expected, why) in [
            (
                "GET",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")][..],
                false,
                Person,
                "page",
            ),
            (
                "POST",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
                false,
                Person,
                "form",
            ),
            (
                "GET",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                false,
                Program,
                "frame",
            ),
            ("GET", &[("sec-fetch-mode", "cors"), ("accept", "*/*")], false, Program, "fetch()"),
            (
                "GET",
                &[("sec-fetch-mode", "cors"), ("accept", page)],
                false,
                Program,
                "fetch() that lies",
            ),
            (
                "GET",
                &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "video")],
                false,
                Program,
                "film",
            ),
            ("GET", &[("sec-fetch-mode", "websocket")], true, Program, "socket"),
            ("GET", &[], true, Program, "socket of an app"),
            ("GET", &[("accept", page)], false, Person, "an old browser"),
            ("GET", &[], false, Person, "curl"),
            ("GET", &[("accept", "*/*")], false, Person, "curl"),
            ("HEAD", &[], false, Person, "curl -I"),
            ("POST", &[("accept", "*/*")], false, Program, "its body would be lost"),
            ("GET", &[("accept", "application/json")], false, Program, "an API client"),
            (
                "GET",
                &[("accept", page), ("x-requested-with", "XMLHttpRequest")],
                false,
                Program,
                "old XHR",
            ),
            ("GET", &[("content-type", "application/grpc+proto")], false, Program, "gRPC"),
        ] {
            let mut fields = HeaderMap::new();
            for (name, value) in given {
                fields.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            let method: Method = method.parse().unwrap();
            assert_eq!(reader(&method, &fields, upgrades), expected, "{method} {given:?}: {why}");
        }
    }
}
