//! The built-in provider's form: address and password.

use http::{HeaderValue, Response, header};
use usher_pages::{
    EMAIL_FIELD, FLOW_FIELD, ForeignForm, Link, PASSKEY_FIELD, PASSWORD_FIELD, Scripts, SignIn,
    SignInError,
};
use usher_rules::{
    people::{KnownDevice, Member, PasswordRefusal, TypedPassword},
    plan::{BUILTIN, Level, SameSite},
    secret::Secret,
    session::{Authentication, CookieLife, SetCookie},
    signin::{BindingUse, BrowserBinding, DeviceCookie, Goal, SIGN_IN, same_origin},
};

use super::{
    Ask, NO_RANDOM, SignInRoom, answer,
    binding::{self, FORM_LIFE},
    choose, forgot,
    passkeys::{LONGEST_ANSWER, MADE_AT, takes_passwords},
    random,
    sessions::not_served,
    workers,
};
use crate::request::{
    Body, EventName,
    identify::{LiveSession, StoreError},
};

/// Longest address and password that are looked at, in octets.
const LONGEST: usize = 1024;

impl SignInRoom {
    /// The form, for a browser that has not sent it yet.
    pub(super) fn form(&self, ask: &Ask, goal: &Goal) -> Response<Body> {
        workers::in_between(ask).unwrap_or_else(|| self.fresh_form(ask, goal, "", None))
    }

    pub(super) fn fresh_form(
        &self,
        ask: &Ask,
        goal: &Goal,
        email: &str,
        error: Option<SignInError>,
    ) -> Response<Body> {
        let Some(random) = random() else {
            let error = StoreError::Unavailable(NO_RANDOM.into());
            return self.not_now(ask, &error, "Nobody can sign in right now.", SIGN_IN);
        };
        let binding = BrowserBinding::new(random, ask.wall());
        let mut response = self.show_form(ask, goal, &binding.id, email, error);
        let held = (ask.cookie_name(), ask.fields());
        binding::set(&mut response, (BindingUse::Form, &binding), held, ask.wall());
        response
    }

    fn show_form(
        &self,
        ask: &Ask,
        goal: &Goal,
        flow: &str,
        email: &str,
        error: Option<SignInError>,
    ) -> Response<Body> {
        let host = goal.host(ask.plan());
        let (challenge, ways) = (self.sign_in_challenge(ask, flow), choose::ways(ask));
        let page = SignIn {
            host: &host,
            email,
            error,
            flow,
            passwords: takes_passwords(ask) && !goal.asks_for_passkey(),
            challenge: challenge.as_deref(),
            account: goal.asks_for_passkey().then(|| Link::new(MADE_AT)),
            forgot: forgot::way(ask),
            ways: &ways,
            contact: ask.contact(),
        };
        let onward = goal.origins(ask.plan());
        let onward: Vec<&str> = onward.iter().map(String::as_str).collect();
        let status = error.map_or(200, SignInError::status);
        answer::html(status, page.render(ask.language()), Scripts::Own, &onward)
    }

    /// The form came back.
    pub(super) async fn form_posted(&self, ask: &Ask) -> Response<Body> {
        if let Some(response) = self.program_allowed(ask) {
            return response;
        }
        match choose::built_in(&ask.choices()) {
            Some(own) => self.with(own).form_posted(ask).await,
            None => self.sign_in(ask).await,
        }
    }

    pub(super) async fn password_posted(&self, ask: &Ask) -> Response<Body> {
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        if let Some(response) = workers::in_between(ask) {
            return response;
        }
        let goal = match self.goal(ask, FORM_LIFE) {
            Ok(goal) => goal,
            Err(not_from_here) => return self.not_from_here(ask, &not_from_here),
        };
        let form = ask.form().unwrap_or_default();
        let text = |name| form.text(name).filter(|text| text.len() <= LONGEST).unwrap_or_default();
        let (email, flow) = (text(EMAIL_FIELD), text(FLOW_FIELD));
        if !BrowserBinding::is_held(
            ask.fields(),
            ask.cookie_name(),
            BindingUse::Form,
            flow,
            ask.wall(),
        ) {
            return match ask.known_here() {
                // Somebody went back to a form that has signed them in.
                Some(live) if email.is_empty() || same_address(email, &live) => {
                    answer::see_other(&ask.with_query(SIGN_IN))
                }
                Some(_) | None => self.fresh_form(ask, &goal, email, Some(SignInError::Expired)),
            };
        }
        let answer = form.text(PASSKEY_FIELD).filter(|text| text.len() <= LONGEST_ANSWER);
        if let Some(answer) = answer.filter(|answer| !answer.is_empty()) {
            return self.passkey_posted(ask, (&goal, flow), answer).await;
        }
        if !takes_passwords(ask) || goal.asks_for_passkey() {
            return self.refused(ask, &goal, flow, email, PasswordRefusal::Wrong);
        }
        if let Some(response) = self.code_posted(ask, (&goal, flow), &form).await {
            return response;
        }
        let password = Secret::new(text(PASSWORD_FIELD).as_bytes());
        let devices = DeviceCookie::held(&self.keys, ask.cookie_name(), ask.fields(), ask.wall());
        let typed = TypedPassword {
            email,
            password,
            from: ask.visitor(),
            devices: &devices,
            now: ask.now(),
        };
        match self.passwords.check(typed).await {
            Ok(member) => self.password_shown(ask, (&goal, flow), &member).await,
            Err(refusal) => {
                self.note_refusal(ask, email, refusal).await;
                self.refused(ask, &goal, flow, email, refusal)
            }
        }
    }

    pub(super) async fn signed_in(
        &self,
        ask: &Ask,
        goal: &Goal,
        flow: &str,
        (member, authentication): (&Member, Authentication),
    ) -> Response<Body> {
        if let Some(response) = self.unanswerable(ask, goal, authentication.parts()) {
            return response;
        }
        let (ends, old) = (member.ends(), ask.known_here());
        let begun = self.begin_until(ask, BUILTIN, authentication, None, ends, old).await;
        let live = match begun {
            Ok(live) => live,
            Err(error) => return self.not_begun(ask, &error),
        };
        if let Err(response) = self.unchanged(ask, (goal, flow), member, &live).await {
            return response;
        }
        let Some(mut response) = self.hand_over(ask, &live, goal) else {
            return self.not_begun(ask, &not_served());
        };
        self.remember_here(ask, &live, &mut response);
        self.remember_device(ask, &member.email, &mut response);
        binding::over(&mut response, (BindingUse::Form, flow), ask.cookie_name(), ask.wall());
        response
    }

    /// A change ends the sessions that there are, and this one began from what was read before:
    /// where anything was changed in between, it is over, and nobody is signed in.
    async fn unchanged(
        &self,
        ask: &Ask,
        (goal, flow): (&Goal, &str),
        member: &Member,
        live: &LiveSession,
    ) -> Result<(), Response<Body>> {
        let is_still = self.accounts.is_still(member).await;
        if matches!(is_still, Ok(true)) {
            return Ok(());
        }
        let ended = self.sessions.end(&live.session().id).await;
        let failed = is_still.err().map(|error| StoreError::Unavailable(error.to_string().into()));
        if let Some(error) = failed.or(ended.err()) {
            return Err(self.not_begun(ask, &error));
        }
        self.note_refusal(ask, &member.email, PasswordRefusal::Wrong).await;
        Err(self.refused(ask, goal, flow, &member.email, PasswordRefusal::Wrong))
    }

    /// Knows this browser again when this person signs in.
    fn remember_device(&self, ask: &Ask, email: &str, response: &mut Response<Body>) {
        let (name, fields, now) = (ask.cookie_name(), ask.fields(), ask.wall());
        let held = DeviceCookie::held(&self.keys, name, fields, now);
        let known = held.into_iter().find(|device| *device.email == *email);
        let Some((id, nonce)) = random().zip(random()) else { return };
        let device = known.unwrap_or_else(|| KnownDevice { email: email.into(), id });
        let DeviceCookie { name, value } = DeviceCookie::new(&self.keys, name, &device, nonce, now);
        for surplus in DeviceCookie::surplus(fields, ask.cookie_name()) {
            if surplus != name {
                let over = SetCookie::flow(&surplus, "", SameSite::Strict, CookieLife::Over);
                answer::set_cookie(response, &over, now);
            }
        }
        let life = CookieLife::For(DeviceCookie::LIFE);
        let cookie = SetCookie::flow(&name, &value, SameSite::Strict, life);
        answer::set_cookie(response, &cookie, now);
    }

    /// The session could not be kept: nobody is signed in.
    pub(super) fn not_begun(&self, ask: &Ask, error: &StoreError) -> Response<Body> {
        self.note(ask, Level::Error, EventName::SignInFailed, None, Some(error.to_string()));
        self.not_now(ask, error, "You could not be signed in.", SIGN_IN)
    }

    /// Nobody can say who is asking: nothing is shown to them, and nothing taken from them.
    pub(super) fn unknown(&self, ask: &Ask, error: &StoreError) -> Response<Body> {
        self.note(ask, Level::Error, EventName::SignInFailed, None, Some(error.to_string()));
        self.not_now(ask, error, "Nobody can tell right now who you are.", ask.path())
    }

    /// Something of ours is not working; it can be tried once more at `again`, with this query if
    /// this was tried there: nothing was used up, while a provider's answer is not taken twice.
    pub(super) fn not_now(
        &self,
        ask: &Ask,
        error: &StoreError,
        heading: &'static str,
        again: &str,
    ) -> Response<Body> {
        let again = if ask.path() == again { ask.with_query(again) } else { again.into() };
        answer::error(ask, &error.page(heading, Some(Link::new(&again)), ask.receipt()))
    }

    /// For the operator: who was tried, and from where. What was typed as an address may be a
    /// password: it goes on the page, and into the log only as the address of somebody who is here.
    pub(super) async fn note_refusal(&self, ask: &Ask, email: &str, refusal: PasswordRefusal) {
        let (level, owner) = match refusal {
            PasswordRefusal::Unavailable => (Level::Error, None),
            PasswordRefusal::Wrong
            | PasswordRefusal::TooManyTries { .. }
            | PasswordRefusal::Passkey(_)
            | PasswordRefusal::WrongCode
            | PasswordRefusal::UnknownPasskey
            | PasswordRefusal::Over => (Level::Info, self.passwords.owner(email).await),
        };
        let person = owner.as_ref().map(Into::into);
        self.note(ask, level, EventName::SignInFailed, person, Some(refusal.to_string()));
    }

    pub(super) fn refused(
        &self,
        ask: &Ask,
        goal: &Goal,
        flow: &str,
        email: &str,
        refusal: PasswordRefusal,
    ) -> Response<Body> {
        let (error, retry_after) = shown_as(refusal);
        let mut response = self.show_form(ask, goal, flow, email, Some(error));
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What somebody reads who is refused, and after how many seconds to try again.
pub(super) fn shown_as(refusal: PasswordRefusal) -> (SignInError, Option<u64>) {
    match refusal {
        PasswordRefusal::Wrong => (SignInError::Wrong, None),
        PasswordRefusal::TooManyTries { retry_after } => {
            let minutes = retry_after.as_secs().div_ceil(60);
            (SignInError::TooManyTries { minutes }, Some(retry_after.as_secs().max(1)))
        }
        PasswordRefusal::WrongCode => (SignInError::Code, None),
        PasswordRefusal::Passkey(_) | PasswordRefusal::UnknownPasskey => {
            (SignInError::Passkey, None)
        }
        PasswordRefusal::Over => (SignInError::Over, None),
        PasswordRefusal::Unavailable => (SignInError::Unavailable, None),
    }
}

fn same_address(email: &str, live: &LiveSession) -> bool {
    live.person().email.eq_ignore_ascii_case(email.trim())
}
