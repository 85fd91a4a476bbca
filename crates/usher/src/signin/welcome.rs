//! `/.pomerium/welcome?invitation=…`: a link by which somebody joins, or gets in again who lost
//! what signed them in. The token is in the query, which no log has.

use http::{Method, Response};
use usher_pages::{
    EMAIL_FIELD, FLOW_FIELD, ForeignForm, Letter, LetterAbout, Link, NAME_FIELD, Newcomer,
    PASSKEY_FIELD, PASSWORD_FIELD, Scripts, SignInFailed, Welcome,
};
use usher_rules::{
    accounts::{AccountLink, AccountRefusal, Joining, LinkPurpose, NewCredential},
    people::{Member, PasswordRefusal},
    plan::{BUILTIN, Level},
    secret::Secret,
    session::Means,
    signin::{BindingUse, BrowserBinding, Goal, Params, member_signs_in, same_origin},
};

use super::{
    Ask, NO_RANDOM, SignInRoom, account, answer, binding,
    mail::{self, Full, Queued},
    passkeys::{LONGEST_ANSWER, has_own_people, takes_passwords},
    random, workers,
};
use crate::request::{Body, EventName, identify::StoreError};

pub(super) const PAGE: &str = "/.pomerium/welcome";
/// The parameter with the token.
const INVITATION: &str = "invitation";

impl SignInRoom {
    pub(super) async fn welcome(&self, ask: &Ask) -> Response<Body> {
        if !has_own_people(ask) {
            let page = usher_pages::NotFound { host: ask.host(), receipt: ask.receipt() };
            return answer::error(ask, &page);
        }
        if let Some(response) = workers::in_between(ask) {
            return response;
        }
        let params = Params::parse(ask.query()).unwrap_or_default();
        let token = params.text(INVITATION).unwrap_or_default();
        let link = match self.accounts.link(token, ask.visitor(), ask.now()).await {
            Ok(link) => link,
            Err(refusal) => return self.no_welcome(ask, &refusal),
        };
        match *ask.method() {
            Method::POST => self.welcomed(ask, token, &link).await,
            _ => self.welcome_page(ask, &link, ("", ""), None).await,
        }
    }

    fn no_welcome(&self, ask: &Ask, refusal: &AccountRefusal) -> Response<Body> {
        match refusal {
            AccountRefusal::Link | AccountRefusal::TooManyTries => {
                let why = "This link is used up or too old. Ask the person who sent it for a new \
                           one.";
                let try_again = Link::new("/.pomerium/");
                let page = SignInFailed { why, try_again, receipt: ask.receipt() };
                answer::error(ask, &page)
            }
            failed @ (AccountRefusal::Typed(_)
            | AccountRefusal::Last
            | AccountRefusal::LastAdmin
            | AccountRefusal::TooMany
            | AccountRefusal::People(_)) => {
                self.unknown(ask, &StoreError::Unavailable(failed.to_string().into()))
            }
        }
    }

    /// The page, with what was typed before and why that did not do.
    async fn welcome_page(
        &self,
        ask: &Ask,
        link: &AccountLink,
        (typed_email, typed_name): (&str, &str),
        error: Option<&str>,
    ) -> Response<Body> {
        let (Some(random), Some(id)) = (random(), random()) else {
            return self.unknown(ask, &StoreError::Unavailable(NO_RANDOM.into()));
        };
        let binding = BrowserBinding::new(random, ask.wall());
        let fresh = uuid::Builder::from_random_bytes(id).into_uuid().to_string();
        let owner = match &link.purpose {
            LinkPurpose::Recover { id } => self.accounts.member(id).await.ok().flatten(),
            LinkPurpose::Join(_) => None,
        };
        let (who, until, user) = match (&link.purpose, &owner) {
            (LinkPurpose::Join(new), _) => {
                let name = if typed_name.is_empty() { &new.name } else { typed_name };
                let who = match &new.email {
                    Some(email) => Newcomer::Invited { email, name },
                    None => Newcomer::Unnamed { email: typed_email, name },
                };
                (who, new.until, &*fresh)
            }
            (LinkPurpose::Recover { .. }, Some(owner)) => {
                (Newcomer::Returning { email: &owner.email }, owner.until, &*owner.id)
            }
            (LinkPurpose::Recover { .. }, None) => {
                return self.no_welcome(ask, &AccountRefusal::Link);
            }
        };
        let called = match who {
            Newcomer::Invited { email, .. }
            | Newcomer::Unnamed { email, .. }
            | Newcomer::Returning { email } => email,
        };
        let mut challenge = String::new();
        let of = (&*binding.id, &mut challenge);
        let question = self.new_passkey_question(ask, of, (user, called), &[]);
        let (host, passwords) = (ask.host(), takes_passwords(ask));
        let page = Welcome { host, who, until, error, passwords, question, flow: &binding.id };
        let status = if error.is_some() { 400 } else { 200 };
        let mut response = answer::html(status, page.render(ask.language()), Scripts::Own, &[]);
        let held = (ask.cookie_name(), ask.fields());
        binding::set(&mut response, (BindingUse::Form, &binding), held, ask.wall());
        response
    }

    async fn welcomed(&self, ask: &Ask, token: &str, link: &AccountLink) -> Response<Body> {
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        let form = ask.form().unwrap_or_default();
        let text = |name| form.text(name).filter(|text| text.len() <= LONGEST_ANSWER);
        let text = |name| text(name).unwrap_or_default();
        let (email, name, flow) = (text(EMAIL_FIELD), text(NAME_FIELD), text(FLOW_FIELD));
        let cookie = ask.cookie_name();
        if !BrowserBinding::is_held(ask.fields(), cookie, BindingUse::Form, flow, ask.wall()) {
            let why = "This page was open for too long. Try again.";
            return self.welcome_page(ask, link, (email, name), Some(why)).await;
        }
        let (means, chosen) = match text(PASSKEY_FIELD) {
            "" if !takes_passwords(ask) => (Means::Passkey, Err(PasswordRefusal::Wrong)),
            "" => {
                let typed = Secret::new(text(PASSWORD_FIELD).as_bytes());
                let id = uuid::Uuid::new_v4().to_string();
                (Means::Password, Ok((NewCredential::Password(typed), id)))
            }
            answer => {
                let made = self.made_passkey(ask, flow, answer).await;
                let label = account::device_of(ask);
                (
                    Means::Passkey,
                    made.map(|(new, user)| (NewCredential::Passkey(new, label.into()), user)),
                )
            }
        };
        let Ok((credential, id)) = chosen else {
            let why = "That passkey was not made. Try again, or choose a password.";
            return self.welcome_page(ask, link, (email, name), Some(why)).await;
        };
        let joining = Joining { id: &id, email, name, credential };
        match self.accounts.use_link(token, joining, ask.visitor(), ask.now()).await {
            Ok(member) => {
                if matches!(link.purpose, LinkPurpose::Recover { .. }) {
                    self.tell_owner(ask, &member);
                }
                self.joined(ask, flow, &member, means).await
            }
            Err(refusal) => {
                let why = account::words(&refusal);
                self.welcome_page(ask, link, (email, name), Some(why)).await
            }
        }
    }

    /// Whose account it is hears of it: it may have been somebody else who had the link.
    fn tell_owner(&self, ask: &Ask, member: &Member) {
        let plan = ask.plan();
        if plan.smtp.is_none() {
            return;
        }
        let about = LetterAbout::Recovered { email: &member.email, at: ask.wall().seconds() };
        let letter = Letter { site: plan.sign_in.authenticate.host.as_str(), about };
        let to = (&*member.email, Some(&*member.id));
        let letter = Queued::new(to, mail::RECOVERED, (letter, ask.language()));
        if let Err(Full) = self.outbox.post(letter, ask.now().monotonic) {
            let cause = "too many letters wait to be sent: nobody is told who got in again";
            let (level, event) = (Level::Warn, EventName::MailFailed);
            self.note(ask, level, event, Some(member.into()), Some(cause.to_owned()));
        }
    }

    /// They are in, and signed in.
    async fn joined(&self, ask: &Ask, flow: &str, member: &Member, means: Means) -> Response<Body> {
        self.note_account(ask, member, &format!("joined or got in again by a link of {BUILTIN}"));
        let authentication = member_signs_in(member, means, ask.wall());
        self.signed_in(ask, &Goal::Here, flow, (member, authentication)).await
    }
}
