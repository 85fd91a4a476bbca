//! What a 401 asks for, and of whom.

use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use usher_rules::{
    fields::{app_passwords, bearer_tokens, brings_credentials},
    plan::Route,
};

use super::{Body, identify::Identity};

/// Does a request name a secret in a field, as no browser does by itself? No page to sign in on
/// helps who brought it.
pub(super) fn brings_secret(head: &Parts, route: Option<&Route>) -> bool {
    let takes_tokens = route.is_some_and(|route| route.bearer.is_some());
    brings_credentials(&head.headers)
        || takes_tokens && bearer_tokens(&head.headers).next().is_some()
}

/// Clients of WebDAV (RFC 4918 §9) bring a name and a password, and many when they are asked for it
/// alone. No browser is asked: it would open a window of its own beside our pages.
pub(super) fn ask_for_password(head: &Parts, response: &mut Response<Body>) {
    let is_webdav = ["PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"];
    let is_browser = head.headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"));
    let knows_it =
        is_webdav.contains(&head.method.as_str()) || app_passwords(&head.headers).next().is_some();
    if knows_it && !is_browser && response.status() == StatusCode::UNAUTHORIZED {
        let basic = HeaderValue::from_static("Basic realm=\"usher\", charset=\"UTF-8\"");
        response.headers_mut().append(header::WWW_AUTHENTICATE, basic);
    }
}

/// RFC 9110 §15.5.2: a 401 carries a challenge.
pub(super) fn challenge(identity: &Identity, response: &mut Response<Body>) {
    if response.status() != StatusCode::UNAUTHORIZED {
        return;
    }
    let challenge = match identity {
        Identity::Rejected(_) => "Bearer realm=\"usher\", error=\"invalid_token\"",
        // Who is somebody and gets a 401 signed in too long ago (RFC 9470 §3).
        Identity::Session(_) => {
            "Bearer realm=\"usher\", error=\"insufficient_user_authentication\", \
             error_description=\"a more recent sign-in is required\""
        }
        Identity::Anonymous => "Bearer realm=\"usher\"",
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
}
