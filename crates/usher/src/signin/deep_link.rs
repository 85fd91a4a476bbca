//! Addresses that are too long to travel through a sign-in wait in the browser.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, Response};
use usher_pages::NotKept;
use usher_rules::{
    names::{Authority, ReturnTo},
    plan::{Plan, SameSite},
    session::{CookieLife, SetCookie},
    signin::{DeepLink, Target},
    time::UnixTime,
};

use super::{Ask, SignInRoom, answer, random};
use crate::request::Body;

/// Where a sign-in leads, and what waits for its end.
pub(super) struct Wanted {
    /// The page that travels.
    pub page: String,
    waits: Vec<(String, String)>,
    over: Vec<String>,
}

impl Wanted {
    /// The page `target` on this host; `None` for a host that is not served.
    pub(super) fn new(
        plan: &Plan,
        authority: &Authority,
        target: &str,
        fields: &HeaderMap,
    ) -> Option<Self> {
        let page = Target::asked_for(plan, authority, target).ok()?;
        if target.len() <= DeepLink::TRAVELS {
            return Some(Self { page: page.to_string(), waits: Vec::new(), over: Vec::new() });
        }
        let id = BASE64_URL_SAFE_NO_PAD.encode(random::<12>()?);
        let name = &plan.cookie.name;
        let kept = ReturnTo::parse(target).is_ok();
        let waits = if kept { DeepLink::cookies(name, &id, target) } else { Vec::new() };
        Some(Self {
            page: format!("{}{}{id}", page.origin(), DeepLink::PATH),
            waits,
            over: DeepLink::waiting(fields, name), // one at a time, or heads get too large
        })
    }

    /// Lets it wait in the browser that `response` goes to.
    pub(super) fn set(&self, response: &mut Response<Body>, now: UnixTime) {
        for name in &self.over {
            let over = SetCookie::flow(name, "", SameSite::Lax, CookieLife::Over);
            answer::set_cookie(response, &over, now);
        }
        for (name, value) in &self.waits {
            let life = CookieLife::For(DeepLink::LIFE);
            answer::set_cookie(response, &SetCookie::flow(name, value, SameSite::Lax, life), now);
        }
    }
}

impl SignInRoom {
    /// On to the page that waits.
    pub(super) fn deep_link(&self, ask: &Ask) -> Response<Body> {
        let id = ask.path().strip_prefix(DeepLink::PATH).unwrap_or_default();
        let name = ask.cookie_name();
        let target = DeepLink::target(ask.fields(), name, id);
        let target = target.and_then(|target| {
            Target::parse(ask.plan(), &format!("{}{target}", ask.origin())).ok()
        });
        let Some(target) = target else {
            return answer::error(ask, &NotKept { receipt: ask.receipt() });
        };
        let mut response = answer::found(&target.to_string());
        for name in DeepLink::waiting(ask.fields(), name) {
            let over = SetCookie::flow(&name, "", SameSite::Lax, CookieLife::Over);
            answer::set_cookie(&mut response, &over, ask.wall());
        }
        response
    }
}
