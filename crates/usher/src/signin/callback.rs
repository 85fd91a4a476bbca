//! `/.pomerium/callback/` at a route's host: the handle arrives.

use std::time::Duration;

use http::Response;
use usher_rules::{
    session::{CookieLife, Handle, Purpose, SetCookie},
    signin::{
        BindingUse, BrowserBinding, CALLBACK, Dependents, Target, UrlRefusal, param, verify_url,
    },
};

use super::{Ask, SignInRoom, answer, binding};
use crate::request::{Body, identify::NotOnce};

pub(super) const USED: &str = "This link has signed somebody in already.";

/// Another browser brings a callback than the one that began the sign-in.
pub(super) struct NotThisBrowser {
    /// For the log.
    pub cause: &'static str,
    /// For the page.
    pub why: &'static str,
}

/// Did this browser begin the sign-in that a callback ends?
pub(super) fn begun_here(ask: &Ask, flow: &str) -> Result<(), NotThisBrowser> {
    let (fields, cookie) = (ask.fields(), ask.cookie_name());
    match BrowserBinding::is_held(fields, cookie, BindingUse::Hop, flow, ask.wall()) {
        true => Ok(()),
        false => Err(NotThisBrowser {
            cause: "the browser does not hold the binding",
            why: "This sign-in did not begin in this browser, was finished already, or cookies \
                  are blocked.",
        }),
    }
}

/// A step of a sign-in that is finished, late, or was begun elsewhere, where somebody holds a
/// session of this host: on to the page that was signed along. It makes nothing and lets nobody
/// in; a browser that goes back comes here.
pub(super) fn already_in(ask: &Ask, page: Option<&str>) -> Option<Response<Body>> {
    let target = Target::parse(ask.plan(), page?).ok()?;
    let here = *target.origin() == ask.origin() && ask.identity().session().is_some();
    here.then(|| answer::found(&target.to_string()))
}

/// Why a callback is not followed.
#[derive(Debug)]
struct Refused {
    cause: String,
    why: &'static str,
}

impl SignInRoom {
    pub(super) async fn callback(&self, ask: &Ask) -> Response<Body> {
        let base = format!("{}{CALLBACK}", ask.origin());
        let url = match verify_url(&self.keys, &base, ask.query(), ask.wall(), Duration::ZERO) {
            Ok(url) => url,
            Err(refusal) => {
                if let UrlRefusal::Expired(params) = &refusal
                    && let Some(response) = already_in(ask, params.text(param::REDIRECT_URI))
                {
                    return response;
                }
                let why = "This link does not sign anybody in: it is too old, for another host, or \
                           was changed on the way.";
                return self.failed(ask, refusal.to_string(), why, "/");
            }
        };
        let text = |name| url.params.text(name).unwrap_or_default();
        let target = Target::parse(ask.plan(), text(param::REDIRECT_URI));
        let target = match target {
            Ok(target) if *target.origin() == ask.origin() => target,
            Ok(_) | Err(_) => {
                let why = "What this link leads to is not served here.";
                return self.failed(ask, "the target is not of this host".into(), why, "/");
            }
        };
        let mut arrived = self.arrive(ask, text(param::FLOW), text(param::SESSION_ENCRYPTED));
        if arrived.is_ok() {
            // Last, so that only callbacks that would work take up room.
            match self.sessions.once(url.signature, url.over_at, ask.wall()).await {
                Ok(()) => {}
                Err(NotOnce::Store(error)) => return self.not_begun(ask, &error),
                Err(used @ NotOnce::Used) => {
                    arrived = Err(Refused { cause: used.to_string(), why: USED });
                }
            }
        }
        match arrived {
            Ok(handle) => self.let_in(ask, &handle, text(param::FLOW), &target).await,
            Err(Refused { cause, why }) => already_in(ask, Some(&target.to_string()))
                .unwrap_or_else(|| self.failed(ask, cause, why, &target.to_string())),
        }
    }

    fn arrive(&self, ask: &Ask, flow: &str, sealed: &str) -> Result<Handle, Refused> {
        let refused = |cause: &str, why| Refused { cause: cause.into(), why };
        begun_here(ask, flow).map_err(|NotThisBrowser { cause, why }| refused(cause, why))?;
        let why = "The sign-in does not count any more.";
        let handle = self.keys.open(Purpose::Callback, flow.as_bytes(), sealed).ok();
        let handle = handle.and_then(|handle| String::from_utf8(handle).ok());
        let handle = handle.ok_or_else(|| refused("the handle was not sealed for this", why))?;
        let handle = self.keys.verify_handle(&handle, ask.wall());
        handle.map_err(|error| refused(&error.to_string(), why))
    }

    async fn let_in(
        &self,
        ask: &Ask,
        handle: &Handle,
        flow: &str,
        target: &Target,
    ) -> Response<Body> {
        let live = match self.in_force(ask, &handle.session).await {
            Ok(Some(live)) => live,
            Ok(None) => {
                let cause = "the session is not in force".into();
                let why = "You have been signed out meanwhile.";
                return self.failed(ask, cause, why, &target.to_string());
            }
            Err(error) => return self.not_begun(ask, &error),
        };
        if let Some(old) = ask.identity().session() {
            self.displace(ask, old, &live).await;
        }
        let mut response = answer::found(&Dependents::of(ask.plan(), target.clone()).next());
        let value = self.keys.sign_handle(handle);
        let life = CookieLife::Until(live.session().expires_at());
        for cookie in SetCookie::session(&ask.plan().cookie, &value, life) {
            answer::set_cookie(&mut response, &cookie, ask.wall());
        }
        binding::over(&mut response, (BindingUse::Hop, flow), ask.cookie_name(), ask.wall());
        response
    }
}
