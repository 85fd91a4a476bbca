//! A program asks for a handle: the person says whether it gets one. A link alone must not do it,
//! since whoever made the link may be who listens.

use http::Response;
use usher_pages::{
    FLOW_FIELD, ForeignForm, Link, PROGRAM_ALLOW, PROGRAM_FIELD, PostForm, ProgramConsent, Scripts,
};
use usher_rules::{
    people::Person,
    signin::{BindingUse, BrowserBinding, Goal, Params, SIGN_IN, param, same_origin, sign_url},
};

use super::{
    Ask, SignInRoom, answer,
    binding::{self, FORM_LIFE},
    random,
};
use crate::request::{Body, identify::LiveSession};

impl SignInRoom {
    /// Asks, on a page whose form only this browser can post.
    pub(super) fn ask_for_program(
        &self,
        ask: &Ask,
        live: &LiveSession,
        goal: &Goal,
        program: &str,
    ) -> Option<Response<Body>> {
        let binding = BrowserBinding::new(random()?, ask.wall());
        let action = match goal {
            Goal::Program { redirect, host, .. } => {
                let params = [
                    (param::IDP_ID, &*live.session().idp_id),
                    (param::REDIRECT_URI, redirect),
                    (param::CALLBACK_URI, host),
                    (param::PROGRAMMATIC, "true"),
                ];
                let base = format!("{}{SIGN_IN}", ask.authenticate());
                sign_url(&self.keys, &base, &params, ask.wall())
            }
            Goal::Proxy { query, .. } => format!("{SIGN_IN}?{query}"),
            Goal::Page { .. } | Goal::Here => return None,
        };
        let page = Consent { program, host: &goal.host(ask.plan()), person: live.person(), action };
        let onward = goal.origins(ask.plan());
        let onward: Vec<&str> = onward.iter().map(String::as_str).collect();
        Some(consent_page(ask, page, &binding, &onward))
    }

    /// The person said yes. `None` when this is another form.
    pub(super) fn program_allowed(&self, ask: &Ask) -> Option<Response<Body>> {
        let form: Params = ask.form().unwrap_or_default();
        if form.text(PROGRAM_FIELD) != Some(PROGRAM_ALLOW) {
            return None;
        }
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return Some(answer::error(ask, &ForeignForm { receipt: ask.receipt() }));
        }
        let goal = match self.goal(ask, FORM_LIFE) {
            Ok(goal) => goal,
            Err(not_from_here) => return Some(self.not_from_here(ask, &not_from_here)),
        };
        let flow = form.text(FLOW_FIELD).unwrap_or_default();
        let (fields, cookie) = (ask.fields(), ask.cookie_name());
        let held = BrowserBinding::is_held(fields, cookie, BindingUse::Form, flow, ask.wall());
        let live = ask.known_here().filter(|_| held && goal.program().is_some());
        let Some(live) = live else {
            // Asked again: by whom, and for what, is shown anew.
            return Some(answer::see_other(&ask.with_query(SIGN_IN)));
        };
        let mut response = self.hand_over_now(ask, &live, &goal)?;
        binding::over(&mut response, (BindingUse::Form, flow), ask.cookie_name(), ask.wall());
        Some(response)
    }
}

pub(super) struct Consent<'a> {
    /// Where the program listens.
    pub program: &'a str,
    /// The host that it wants to speak with.
    pub host: &'a str,
    /// As whom.
    pub person: &'a Person,
    /// Where a yes is posted to.
    pub action: String,
}

/// The page, and the cookie without which its form counts for nothing.
pub(super) fn consent_page(
    ask: &Ask,
    consent: Consent<'_>,
    binding: &BrowserBinding,
    onward: &[&str],
) -> Response<Body> {
    let Consent { program, host, person, action } = consent;
    let page = ProgramConsent {
        program,
        host,
        person: if person.email.is_empty() { &person.id } else { &person.email },
        form: PostForm::to(action).with(FLOW_FIELD, &*binding.id),
        stay: Link::new("/.pomerium/"),
    };
    let mut response = answer::html(200, page.render(ask.language()), Scripts::No, onward);
    let held = (ask.cookie_name(), ask.fields());
    binding::set(&mut response, (BindingUse::Form, binding), held, ask.wall());
    response
}
