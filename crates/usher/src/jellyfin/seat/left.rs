//! Signing out in the library: it is signing out here, and nobody is led back in unasked.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use usher_rules::session::cookies;

use super::super::{
    pairing::{Pairing, empty, failed},
    read::read,
};
use crate::request::{AppRequest, Body, EventName};

/// Says that somebody signed out in the library. A provider may still know their browser, and would
/// sign them in again without a word.
const LEFT: &str = "__Host-usher_left";
const SET: &str = "__Host-usher_left=1; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax";
const CLEARED: &str = "__Host-usher_left=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax";

/// Did somebody sign out in the library, and nobody come back on purpose since?
pub(super) fn has_left(asked: AppRequest<'_>) -> bool {
    cookies(&asked.head.headers, LEFT).next().is_some()
}

/// Somebody comes back on purpose.
pub(super) fn comes_back(asked: AppRequest<'_>, response: &mut Response<Body>) {
    if has_left(asked) {
        set(response, header::SET_COOKIE, CLEARED);
    }
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    response.headers_mut().append(name, HeaderValue::from_static(value));
}

impl Pairing {
    /// An app's token ends at the server, and the app here; with the web client its browser's
    /// session does.
    pub(super) async fn sign_out(&self, asked: AppRequest<'_>, server: &str) -> Response<Body> {
        let read = read(asked);
        let Some((live, (token, _))) = asked.identity.session().cloned().zip(read.token()) else {
            return empty(StatusCode::UNAUTHORIZED);
        };
        if let Ok(api) = self.api(asked.route, server) {
            let secret = usher_rules::secret::Secret::new(token.expose().as_bytes());
            let _refused_here_from_now_on = api.log_out(&secret).await;
        }
        if self.bound.leave_seat(&live).await.is_err() {
            return failed(StatusCode::SERVICE_UNAVAILABLE);
        }
        self.note(asked, EventName::SignOut, "signed out in the library".into());
        let mut response = empty(StatusCode::NO_CONTENT);
        if super::super::bound::is_seat(&live) {
            set(&mut response, header::SET_COOKIE, SET);
        }
        response
    }
}
