//! `/.pomerium/forgot`: asks for an address, and says the same whoever is known. What was typed is
//! looked up when the answer has been given (`mail`): it takes no longer for those who are here.

use http::{HeaderValue, Method, Response, header};
use usher_pages::{
    EMAIL_FIELD, FLOW_FIELD, ForeignForm, Forgot, ForgotError, ForgotStep, Link, NotFound, Scripts,
};
use usher_rules::{
    secret::Secret,
    signin::{BindingUse, BrowserBinding, SIGN_IN, same_origin},
};

use super::{
    Ask, NO_RANDOM, SignInRoom, answer, binding,
    mail::{Full, Wish},
    passkeys::has_own_people,
    random, workers,
};
use crate::request::{Body, identify::StoreError};

pub(super) const PAGE: &str = "/.pomerium/forgot";
/// The longest address that is looked at, in octets.
const LONGEST: usize = 1024;

/// Where somebody asks for it from here; `None` where no mail is sent.
pub(super) fn way(ask: &Ask) -> Option<Link<'static>> {
    ask.plan().smtp.as_ref().map(|_| Link::new(ask.with_query(PAGE)))
}

impl SignInRoom {
    pub(super) fn forgot(&self, ask: &Ask) -> Response<Body> {
        if !has_own_people(ask) || ask.plan().smtp.is_none() {
            return answer::error(ask, &NotFound { host: ask.host(), receipt: ask.receipt() });
        }
        let is_post = *ask.method() == Method::POST;
        if is_post && same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        if let Some(response) = workers::in_between(ask) {
            return response;
        }
        if is_post { self.forgot_posted(ask) } else { self.forgot_form(ask, "", None) }
    }

    fn forgot_form(&self, ask: &Ask, email: &str, error: Option<ForgotError>) -> Response<Body> {
        let Some(random) = random() else {
            return self.unknown(ask, &StoreError::Unavailable(NO_RANDOM.into()));
        };
        let binding = BrowserBinding::new(random, ask.wall());
        let step = ForgotStep::Asks { email, error, flow: &binding.id };
        let mut response = page(ask, step, error.map_or(200, ForgotError::status));
        let held = (ask.cookie_name(), ask.fields());
        binding::set(&mut response, (BindingUse::Form, &binding), held, ask.wall());
        response
    }

    fn forgot_posted(&self, ask: &Ask) -> Response<Body> {
        let form = ask.form().unwrap_or_default();
        let text = |name| form.text(name).filter(|text| text.len() <= LONGEST).unwrap_or_default();
        let (email, flow, name) = (text(EMAIL_FIELD), text(FLOW_FIELD), ask.cookie_name());
        if !BrowserBinding::is_held(ask.fields(), name, BindingUse::Form, flow, ask.wall()) {
            return self.forgot_form(ask, email, Some(ForgotError::Expired));
        }
        if let Err(wait) = self.accounts.may_ask_for_link(ask.visitor(), ask.now()) {
            let minutes = wait.as_secs().div_ceil(60);
            let error = Some(ForgotError::TooManyTries { minutes });
            let mut response = self.forgot_form(ask, email, error);
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            return response;
        }
        let wish = Wish {
            typed: Secret::new(email.as_bytes()),
            language: ask.language(),
            request_id: ask.request_id().into(),
            from: ask.visitor(),
        };
        if let Err(Full) = self.outbox.wish(wish) {
            return self.forgot_form(ask, email, Some(ForgotError::Unavailable));
        }
        let mut response = page(ask, ForgotStep::Sent, 200);
        binding::over(&mut response, (BindingUse::Form, flow), name, ask.wall());
        response
    }
}

fn page(ask: &Ask, step: ForgotStep<'_>, status: u16) -> Response<Body> {
    let page = Forgot { step, back: Link::new(ask.with_query(SIGN_IN)), contact: ask.contact() };
    answer::html(status, page.render(ask.language()), Scripts::No, &[])
}
