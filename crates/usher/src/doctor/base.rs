//! Where a Jellyfin says that it is, when it is not where the route says.

use http::header;
use usher_rules::jellyfin::ServerState;

use super::server::{Question, Server};

/// Where its web client is, below its base path.
const WEB: &str = "/web";

/// Does a Jellyfin answer?
pub(super) const fn is_one(state: ServerState) -> bool {
    matches!(state, ServerState::Ready(_) | ServerState::SetupOpen | ServerState::TooOld(_))
}

/// The base path below which it is, where that is another than the route's: its own redirect from
/// `/` tells, and then it is asked there who it is.
pub(super) async fn found(server: &Server<'_>) -> Option<String> {
    let mut places = vec![String::new()];
    if let Ok(answered) = server.ask_below("", Question::get("/")).await {
        let location = answered.fields.get(header::LOCATION).and_then(|to| to.to_str().ok());
        places.extend(location.and_then(above_web));
    }
    places.retain(|place| place != server.base());
    for place in places {
        if is_one(server.state_below(&place).await) {
            return Some(place);
        }
    }
    None
}

/// What was seen, and what to do.
pub(super) fn told(base: &str) -> (String, String) {
    match base {
        "" => (
            "it has no base path, and the route says that it has one".into(),
            "delete `jellyfin.base_path`, or set Base URL at Dashboard > Networking".into(),
        ),
        base => (
            format!("it is a Jellyfin below `{base}`, and the route does not say so"),
            format!("write `base_path: {base}` into `jellyfin`; visitors get the same path"),
        ),
    }
}

/// The base path of a Jellyfin that redirects there from `/`.
fn above_web(location: &str) -> Option<String> {
    let path = match location.split_once("://") {
        Some((_scheme, rest)) => rest.split_once('/').map_or("", |(_host, path)| path),
        None => location,
    };
    let path = path.split(['?', '#']).next()?.trim_start_matches('/');
    let path = format!("/{}", path.trim_end_matches("index.html").trim_end_matches('/'));
    let base = path.strip_suffix(WEB)?;
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "/-_.~".contains(one);
    (base.chars().all(is_plain) && !base.contains("..") && !base.contains("//"))
        .then(|| base.to_owned())
}

#[cfg(test)]
mod tests {
    use super::above_web;

    #[test]
    fn a_redirect_to_the_web_client_tells_the_base_path() {
        for (location, expected, why) in [
            ("/jf/web/", Some("/jf"), "as it is"),
            ("jf/web/", Some("/jf"), "relative to /"),
            ("/web/", Some(""), "none"),
            ("web/index.html", Some(""), "none, by the page"),
            ("https://tv.example/media/jf/web/index.html?x=/a/web", Some("/media/jf"), "whole"),
            ("/login", None, "another app's"),
            ("https://tv.example", None, "another host"),
            ("/../web/", None, "no path of a server"),
            ("/a\"b/web/", None, "nor this"),
        ] {
            assert_eq!(above_web(location).as_deref(), expected, "{location}: {why}");
        }
    }
}
