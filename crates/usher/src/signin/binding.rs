//! The cookies of a [`BrowserBinding`]: what ties a form, or a hop between hosts, to one browser.

use std::time::Duration;

use http::{HeaderMap, Response};
use usher_rules::{
    plan::SameSite,
    session::{CookieLife, SetCookie},
    signin::{BindingUse, BrowserBinding, surplus_cookies},
    time::UnixTime,
};

use super::answer;

/// How long the page may stay open before the form is sent.
pub(super) const FORM_LIFE: Duration = Duration::from_secs(3600);
use crate::request::Body;

/// Marks the browser that `response` goes to; the oldest of too many give way.
pub(super) fn set(
    response: &mut Response<Body>,
    (what_for, binding): (BindingUse, &BrowserBinding),
    (session_cookie, fields): (&str, &HeaderMap),
    now: UnixTime,
) {
    let (same_site, life) = of(what_for);
    for name in surplus_cookies(fields, &BrowserBinding::cookie_prefix(session_cookie, what_for)) {
        let over = SetCookie::flow(&name, "", same_site, CookieLife::Over);
        answer::set_cookie(response, &over, now);
    }
    let name = BrowserBinding::cookie_name(session_cookie, what_for, &binding.id);
    let cookie = SetCookie::flow(&name, &binding.value, same_site, CookieLife::For(life));
    answer::set_cookie(response, &cookie, now);
}

/// It has counted: it does not count again.
pub(super) fn over(
    response: &mut Response<Body>,
    (what_for, id): (BindingUse, &str),
    session_cookie: &str,
    now: UnixTime,
) {
    let name = BrowserBinding::cookie_name(session_cookie, what_for, id);
    let over = SetCookie::flow(&name, "", of(what_for).0, CookieLife::Over);
    answer::set_cookie(response, &over, now);
}

const fn of(what_for: BindingUse) -> (SameSite, Duration) {
    match what_for {
        // Lax, not Strict: the way back comes along a navigation that another host began.
        BindingUse::Hop => (SameSite::Lax, BrowserBinding::LIFE),
        BindingUse::Form => (SameSite::Strict, FORM_LIFE),
    }
}
