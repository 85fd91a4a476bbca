use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

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

/// Decides from the request's head who reads the response. Everything that depends on it asks
/// here: the way to sign-in, our own pages, errors and refusals.
///
/// Browsers say it (`Sec-Fetch-*`, W3C Fetch Metadata), and no page can make them say something
/// else. Without it the fields that scripts set count; and of the rest `GET` and `HEAD` that would
/// take a page are people, so that curl and pomerium-cli see the redirect that they expect.
pub fn reader(method: &Method, fields: &HeaderMap) -> Reader {
    match load(fields) {
        Load::Page if is_ahead_of_its_person(fields) => Reader::Program,
        Load::Page => Reader::Person,
        Load::Part => Reader::Program,
        // A page can't be given back to what posted something: its body would be lost.
        Load::Unsaid if method != Method::GET && method != Method::HEAD => Reader::Program,
        Load::Unsaid => match preference(fields) {
            Preference::Html => Reader::Person,
            Preference::Json | Preference::Text => Reader::Program,
        },
    }
}

/// Does a browser load a page with this, so that what is in its address can be seen and shared?
///
/// Unlike [`reader`] it takes curl for what it is.
pub fn is_page_load(fields: &HeaderMap) -> bool {
    load(fields) == Load::Page
}

/// Did a service worker pass this page load on? Then it reads the answer and what is typed on it.
///
/// `fetch(event.request)` keeps the mode of a page load, and its destination becomes empty
/// (seen in Chromium; no page can make a request of this kind otherwise).
pub fn passed_a_worker(fields: &HeaderMap) -> bool {
    is_page_load(fields) && fields.get(SEC_FETCH_DEST).is_some_and(|dest| dest == "empty")
}

/// A page that is loaded in case somebody opens it (`Sec-Purpose`, Fetch §2.2.5, and what browsers said
/// before). A sign-in that began there would be nobody's; what is refused is asked for again.
fn is_ahead_of_its_person(fields: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"].into_iter().any(|name| {
        let mut said = fields.get_all(name).iter();
        said.any(|said| said.as_bytes().trim_ascii().starts_with(b"prefetch"))
    })
}

/// In which form `reader` reads an error best.
pub fn error_form(reader: Reader, fields: &HeaderMap) -> Preference {
    match (reader, preference(fields)) {
        (Reader::Person, preference) => preference,
        (Reader::Program, Preference::Text) => Preference::Text,
        (Reader::Program, Preference::Html | Preference::Json) => Preference::Json,
    }
}

/// What a client loads, as far as its fields say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    /// A page, into a tab or a frame.
    Page,
    /// What scripts and elements load.
    Part,
    /// It does not say.
    Unsaid,
}

fn load(fields: &HeaderMap) -> Load {
    match fields.get(SEC_FETCH_MODE).map(HeaderValue::as_bytes) {
        Some(b"navigate") => return Load::Page,
        // A service worker may pass a page load on under another mode (`new Request(request, …)`
        // makes `same-origin` of it, Fetch §5.4): its `Accept` is still the page load's.
        Some(b"same-origin") if has_no_destination(fields) && names_pages(fields) => {
            return Load::Page;
        }
        Some(_) => return Load::Part,
        None => {}
    }
    if is_grpc(fields) || is_ajax(fields) {
        Load::Part
    } else if names_pages(fields) && preference(fields) == Preference::Html {
        Load::Page // browsers before Fetch Metadata, WebViews among them
    } else {
        Load::Unsaid
    }
}

fn has_no_destination(fields: &HeaderMap) -> bool {
    fields.get(SEC_FETCH_DEST).is_none_or(|dest| dest == "empty" || dest == "document")
}

/// The value that scripts set. A WebView writes the name of its app there, on every page load.
fn is_ajax(fields: &HeaderMap) -> bool {
    let mut said = fields.get_all(REQUESTED_WITH).iter();
    said.any(|said| said.as_bytes().trim_ascii().eq_ignore_ascii_case(b"xmlhttprequest"))
}

/// Does `Accept` name HTML? Every page load does so; curl and `fetch()` write `*/*`.
fn names_pages(fields: &HeaderMap) -> bool {
    let ranges = fields.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    ranges.flat_map(|line| line.split(',')).any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page))
    })
}

fn is_grpc(fields: &HeaderMap) -> bool {
    fields
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method};

    use super::{Reader::*, is_page_load, passed_a_worker, reader};

    #[test]
    fn a_page_that_is_loaded_ahead_has_no_reader() {
        for (name, value, expected) in [
            ("sec-purpose", "prefetch", Program),
            ("sec-purpose", "prefetch;prerender", Program),
            ("sec-purpose", "prefetch;anonymous-client-ip", Program),
            ("purpose", "prefetch", Program),
            ("x-moz", "prefetch", Program),
            ("sec-purpose", "something else", Person),
            ("purpose", "", Person),
        ] {
            let mut fields = http::HeaderMap::new();
            fields.insert("sec-fetch-mode", "navigate".parse().unwrap());
            fields.insert("accept", "text/html".parse().unwrap());
            fields.insert(name, value.parse().unwrap());
            assert_eq!(reader(&http::Method::GET, &fields), expected, "{name}: {value}");
        }
    }

    #[test]
    fn page_loads_that_passed_a_worker() {
        for (mode, dest, expected, why) in [
            ("navigate", "document", false, "the browser itself"),
            ("navigate", "empty", true, "fetch(event.request)"),
            ("same-origin", "empty", true, "fetch(new Request(event.request, …))"),
            ("navigate", "iframe", false, "a frame"),
            ("cors", "empty", false, "a script's own fetch"),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert("sec-fetch-mode", mode.parse().unwrap());
            fields.insert("sec-fetch-dest", dest.parse().unwrap());
            fields.insert("accept", "text/html".parse().unwrap());
            assert_eq!(passed_a_worker(&fields), expected, "{why}");
        }
    }

    /// A session in a link is for programs: a browser that loads a page shows its address.
    #[test]
    fn page_loads_are_told_from_programs() {
        for (given, expected, why) in [
            (&[("sec-fetch-mode", "navigate")][..], true, "a browser"),
            (&[("accept", "text/html")], true, "an older one"),
            (&[], false, "curl"),
            (&[("accept", "*/*")], false, "curl"),
            (&[("sec-fetch-mode", "cors"), ("accept", "text/html")], false, "fetch()"),
        ] {
            let mut fields = HeaderMap::new();
            for (name, value) in given {
                fields.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            assert_eq!(is_page_load(&fields), expected, "{why}");
        }
    }

    #[test]
    fn who_reads() {
        let page = "text/html,application/xhtml+xml,*/*;q=0.8";
        for (method, given, expected, why) in [
            (
                "GET",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")][..],
                Person,
                "page",
            ),
            (
                "POST",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
                Person,
                "form",
            ),
            (
                "GET",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                Person,
                "a frame shows a page, and whoever has signed in elsewhere comes through",
            ),
            ("GET", &[("sec-fetch-mode", "cors"), ("accept", "*/*")], Program, "fetch()"),
            ("GET", &[("sec-fetch-mode", "cors"), ("accept", page)], Program, "fetch() that lies"),
            ("GET", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "video")], Program, "film"),
            ("GET", &[("accept", page)], Person, "an old browser"),
            ("GET", &[], Person, "curl"),
            ("GET", &[("accept", "*/*")], Person, "curl"),
            ("HEAD", &[], Person, "curl -I"),
            ("POST", &[("accept", "*/*")], Program, "its body would be lost"),
            ("GET", &[("accept", "application/json")], Program, "an API client"),
            (
                "GET",
                &[("accept", page), ("x-requested-with", "XMLHttpRequest")],
                Program,
                "old XHR",
            ),
            ("GET", &[("content-type", "application/grpc+proto")], Program, "gRPC"),
            (
                "GET",
                &[
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                    ("accept", page),
                    ("x-requested-with", "org.example.webview"),
                ],
                Person,
                "Android's WebView names its app",
            ),
            (
                "GET",
                &[("accept", page), ("x-requested-with", "org.example.webview")],
                Person,
                "an older WebView",
            ),
            (
                "GET",
                &[("sec-fetch-mode", "navigate"), ("x-requested-with", "XMLHttpRequest")],
                Person,
                "the browser knows better than an app that hides its name",
            ),
            (
                "GET",
                &[("sec-fetch-mode", "cors"), ("x-requested-with", "org.example.webview")],
                Program,
                "fetch() in a WebView",
            ),
            ("GET", &[("x-requested-with", "xmlhttprequest")], Program, "any case"),
            ("GET", &[("x-requested-with", "")], Person, "no value says nothing"),
            (
                "GET",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty"), ("accept", "*/*")],
                Person,
                "a service worker passes a page load on",
            ),
            (
                "GET",
                &[("sec-fetch-mode", "same-origin"), ("sec-fetch-dest", "empty"), ("accept", page)],
                Person,
                "a service worker makes a request of its own of it",
            ),
            (
                "GET",
                &[("sec-fetch-mode", "same-origin"), ("sec-fetch-dest", "image"), ("accept", page)],
                Program,
                "an image that a page of the same origin loads",
            ),
            (
                "GET",
                &[
                    ("sec-fetch-mode", "same-origin"),
                    ("sec-fetch-dest", "document"),
                    ("accept", page),
                ],
                Person,
                "a worker that copied the destination, too",
            ),
            (
                "GET",
                &[("sec-fetch-mode", "same-origin"), ("accept", "*/*")],
                Program,
                "a script's own",
            ),
            (
                "GET",
                &[("sec-fetch-mode", "same-origin"), ("sec-fetch-dest", "serviceworker")],
                Program,
                "a worker's script",
            ),
            ("GET", &[("sec-fetch-mode", "navigate")], Person, "no destination"),
            ("POST", &[("accept", page)], Person, "a form, before Fetch Metadata"),
            ("POST", &[("accept", "application/json")], Program, "an API client"),
            (
                "GET",
                &[("accept", "application/json, text/html;q=0.5")],
                Program,
                "JSON is preferred",
            ),
        ] {
            let mut fields = HeaderMap::new();
            for (name, value) in given {
                fields.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            let method: Method = method.parse().unwrap();
            assert_eq!(reader(&method, &fields), expected, "{method} {given:?}: {why}");
        }
    }
}
