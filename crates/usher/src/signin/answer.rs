//! Answers, with the fields that each of ours carries.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use usher_pages::{ErrorPage, GoingOn, HTML, Language, Link, PLAIN_TEXT, Scripts, csp};
use usher_rules::{
    fields::Preference,
    session::{CookieLife, SetCookie},
    time::UnixTime,
};

use super::Ask;
use crate::request::{Body, error_page, identify::Identity, own_page};

/// A page.
pub(super) fn html(
    status: u16,
    page: String,
    scripts: Scripts,
    form_action: &[&str],
) -> Response<Body> {
    own_page(status, HTML, page, &csp(scripts, form_action))
}

/// An error, as its reader wants it.
pub(super) fn error(ask: &Ask, page: &impl ErrorPage) -> Response<Body> {
    error_for(ask.preference(), page)
}

pub(super) fn error_for(preference: Preference, page: &impl ErrorPage) -> Response<Body> {
    error_page(page, preference, &[])
}

/// Plain text that is the same for everybody.
pub(super) fn text(status: StatusCode, words: &'static str) -> Response<Body> {
    plain(status, words.to_owned())
}

pub(super) fn plain(status: StatusCode, words: String) -> Response<Body> {
    typed(status.as_u16(), PLAIN_TEXT, words)
}

/// JSON for programs.
pub(super) fn json(value: &serde_json::Value) -> Response<Body> {
    typed(200, "application/json", value.to_string())
}

/// 302: for a GET that goes on elsewhere, as Pomerium does.
pub(super) fn found(location: &str) -> Response<Body> {
    redirect(StatusCode::FOUND, location)
}

/// 303: from a POST on to a GET (RFC 9110 §15.4.4).
pub(super) fn see_other(location: &str) -> Response<Body> {
    redirect(StatusCode::SEE_OTHER, location)
}

/// 301: a spelling that is not used.
pub(super) fn moved(location: &str) -> Response<Body> {
    redirect(StatusCode::MOVED_PERMANENTLY, location)
}

/// A page that goes on by itself: no redirect, which browsers would hold against the page before.
pub(super) fn going_on(language: Language, location: &str) -> Response<Body> {
    let page = GoingOn { next: Link::new(location) };
    let mut response = html(200, page.render(language), Scripts::No, &[]);
    let refresh = HeaderValue::try_from(format!("0; url={location}"));
    response.headers_mut().extend(refresh.ok().map(|value| (header::REFRESH, value)));
    response
}

pub(super) fn redirect(status: StatusCode, location: &str) -> Response<Body> {
    // INVARIANT: what comes here was parsed by `rules::signin`, or is one of our own paths.
    let Ok(location) = HeaderValue::try_from(location) else {
        return text(StatusCode::BAD_REQUEST, "Bad Request\n");
    };
    let mut response = personal(Response::new(Body::Empty));
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

pub(super) fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Kept by nobody, guessed by nobody, and telling nobody where it came from.
pub(super) fn personal(mut response: Response<Body>) -> Response<Body> {
    const FIELDS: [(HeaderName, &str); 3] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin"),
    ];
    for (name, value) in FIELDS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn typed(status: u16, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Adds a `Set-Cookie` field.
pub(super) fn set_cookie(response: &mut Response<Body>, cookie: &SetCookie<'_>, now: UnixTime) {
    if let Ok(field) = HeaderValue::try_from(cookie.to_field(now)) {
        response.headers_mut().append(header::SET_COOKIE, field);
    }
}

/// A credential that is no good is taken away, so that it is not sent again and again; unless
/// this very answer brings a better one.
pub(super) fn clear_rejected(ask: &Ask, response: &mut Response<Body>) {
    if !matches!(ask.identity(), Identity::Rejected(_)) {
        return;
    }
    for over in SetCookie::session(&ask.plan().cookie, "", CookieLife::Over) {
        let begins = format!("{}=", over.name);
        let set = response.headers().get_all(header::SET_COOKIE);
        if !set.iter().any(|field| field.as_bytes().starts_with(begins.as_bytes())) {
            set_cookie(response, &over, ask.wall());
        }
    }
}
