//! What is asked of us, and by whom.

use http::{HeaderMap, Method};

use crate::request::{AppRequest, identify::LiveSession};

/// Below the server's own prefix. Jellyfin has nothing there.
pub(super) const PAGE: &str = "/seat";

/// What is asked of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Asked {
    /// The web client, in a browser.
    Library,
    /// The page that seats somebody, or its script.
    Seat,
    /// That an app's token ends.
    SignOut,
}

impl Asked {
    /// Servers read paths without their case.
    pub(in super::super) fn of(asked: AppRequest<'_>) -> Option<Self> {
        let settings = asked.route.jellyfin.as_deref()?;
        if !asked.path.other_readings().is_empty() {
            return None;
        }
        let path = asked.path.small();
        let path = match path.strip_prefix(&*settings.small_base) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => return None,
        };
        let old = ["/emby", "/mediabrowser"].iter().find_map(|old| path.strip_prefix(old));
        let is_app = asked.identity.session().is_some_and(|live| live.session().app.is_some());
        let method = &asked.head.method;
        match (path, old.unwrap_or(path).trim_end_matches('/')) {
            ("" | "/" | "/web" | "/web/" | "/web/index.html", _) if *method == Method::GET => {
                Some(Self::Library)
            }
            (PAGE, _) if settings.people.sign_in => Some(Self::Seat),
            (_, "/sessions/logout") if *method == Method::POST && is_app => Some(Self::SignOut),
            _ => None,
        }
    }
}

/// Does a browser open the web client?
pub(in super::super) fn is_library(asked: AppRequest<'_>) -> bool {
    asked.head.method == Method::GET
        && is_page(&asked.head.headers)
        && Asked::of(asked) == Some(Asked::Library)
}

/// Does a browser show it as a page of its own, and in no frame? (Fetch Metadata §2.1, §2.3; those
/// that say none ask for HTML.)
fn is_page(fields: &HeaderMap) -> bool {
    match fields.contains_key("sec-fetch-mode") {
        true => {
            says(fields, "sec-fetch-mode", "navigate") && says(fields, "sec-fetch-dest", "document")
        }
        false => says(fields, "accept", "text/html"),
    }
}

pub(super) fn says(fields: &HeaderMap, name: &str, what: &str) -> bool {
    let holds = |value: &http::HeaderValue| {
        let mut parts = value.as_bytes().windows(what.len());
        parts.any(|part| part.eq_ignore_ascii_case(what.as_bytes()))
    };
    fields.get_all(name).iter().any(holds)
}

/// Somebody who signed in in a browser: what a program brings ends with it, and an app has its own.
pub(super) fn is_browser(live: &LiveSession) -> bool {
    !live.session().is_of_program() && live.session().app.is_none()
}
