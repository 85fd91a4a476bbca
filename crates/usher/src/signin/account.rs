//! `/.pomerium/account`: somebody's own passkeys and password.
//!
//! It opens for whoever has signed in within the last quarter of an hour: a session that was left
//! open makes nobody a passkey.

use std::time::Duration;

use http::{Method, Response};
use usher_pages::{
    ACTION_FIELD, Account, CODE_FIELD, CodesOfApp, FLOW_FIELD, ForeignForm, HOST_FIELD,
    LABEL_FIELD, NewApp, PASSKEY_FIELD, PASSWORD_FIELD, PostForm, SHOWN_FIELD, Scripts,
    ShownAppPassword, ShownPasskey,
};
use usher_rules::{
    accounts::{AccountRefusal, KeptPasskey, NewCredential, TypedWrong},
    app_passwords::AppPassword,
    people::{Member, PeopleError},
    plan::{BUILTIN, Level},
    secret::Secret,
    signin::{BindingUse, BrowserBinding, same_origin},
};

use super::{
    Ask, NO_RANDOM, SignInRoom, answer, app_passwords, binding,
    passkeys::{LONGEST_ANSWER, MADE_AT, has_own_people, takes_passwords},
    random, second, workers,
};
use crate::request::{Body, EventName, Prompt, identify::StoreError};

pub(super) const PAGE: &str = MADE_AT;
/// How long ago somebody may have signed in who changes what they sign in with.
const RECENT: Duration = Duration::from_secs(15 * 60);
/// The hidden field of a form that removes a passkey.
const ID_FIELD: &str = "id";

const REMOVE: &str = "remove";
const REVOKE: &str = "revoke";
const NOT_NOW: &str = "That could not be looked up. Try again in a minute.";
const TOO_LATE: &str = "This page was open for too long. Try again.";

impl SignInRoom {
    /// The page, or the way to it.
    pub(super) async fn account(&self, ask: &Ask) -> Response<Body> {
        if let Some(response) = workers::in_between(ask) {
            return response; // no script of an app on this host reads it or acts on it
        }
        if !has_own_people(ask) {
            return answer::found(&format!("{}{PAGE}", ask.plan().sign_in.authenticate));
        }
        let own = ask.known_here().filter(|live| *live.session().idp_id == *BUILTIN);
        let Some(live) = own else {
            return self.start_with(ask, PAGE, Prompt::IfNeeded).await;
        };
        let at = live.session().sign_in.moment(ask.wall());
        if at.is_none_or(|at| !ask.wall().is_within(RECENT, at)) {
            return self.start_with(ask, PAGE, Prompt::Login).await;
        }
        let owner = match self.accounts.member(&live.person().id).await {
            Ok(Some(owner)) => owner,
            Ok(None) => return self.start_with(ask, PAGE, Prompt::Login).await,
            Err(error) => {
                let error = StoreError::Unavailable(error.to_string().into());
                return self.unknown(ask, &error);
            }
        };
        match *ask.method() {
            Method::POST => self.account_posted(ask, &owner).await,
            _ => self.account_page(ask, &owner, None).await,
        }
    }

    async fn account_page(&self, ask: &Ask, owner: &Member, note: Option<&str>) -> Response<Body> {
        self.account_with(ask, owner, (note, &[], None)).await
    }

    async fn account_with(
        &self,
        ask: &Ask,
        owner: &Member,
        (note, recovery, made): (Option<&str>, &[Secret], Option<&Secret>),
    ) -> Response<Body> {
        let binding = random().map(|random| BrowserBinding::new(random, ask.wall()));
        let kept = self.accounts.passkeys(&owner.id).await;
        let apps = self.app_passwords.app_passwords(&owner.id).await;
        let (Some(binding), Ok(kept), Ok(apps)) = (binding, kept, apps) else {
            return self.unknown(ask, &StoreError::Unavailable(NO_RANDOM.into()));
        };
        let mut challenge = String::new();
        let of = (&*binding.id, &mut challenge);
        let secret = self.new_app_secret(ask, &binding.id);
        let site = ask.authority().host.as_str();
        let page = Account {
            email: &owner.email,
            note,
            app: match (self.accounts.code_app(&owner.id).await, &secret) {
                (Ok(Some(app)), _) => CodesOfApp::Set { recovery_left: app.recovery_left() },
                (Ok(None), Some((secret, shown))) => CodesOfApp::Unset(NewApp {
                    secret,
                    address: second::app_address(site, &owner.email, secret),
                    shown,
                }),
                (Ok(None), None) | (Err(_), _) => CodesOfApp::Unknown,
            },
            app_passwords: apps.iter().map(|kept| shown_app(kept, &binding.id)).collect(),
            new_app_password: made.and_then(Secret::expose_str),
            hosts: app_passwords::hosts(ask.plan()),
            passwords: takes_passwords(ask),
            recovery: recovery.iter().filter_map(Secret::expose_str).collect(),
            passkeys: kept.iter().map(|kept| shown(kept, &binding.id)).collect(),
            question: self.new_passkey_question(ask, of, (&owner.id, &owner.email), &kept),
            flow: &binding.id,
        };
        let mut response = answer::html(200, page.render(ask.language()), Scripts::Own, &[]);
        let held = (ask.cookie_name(), ask.fields());
        binding::set(&mut response, (BindingUse::Form, &binding), held, ask.wall());
        response
    }

    async fn account_posted(&self, ask: &Ask, owner: &Member) -> Response<Body> {
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        let form = ask.form().unwrap_or_default();
        let text = |name| form.text(name).filter(|text| text.len() <= LONGEST_ANSWER);
        let text = |name| text(name).unwrap_or_default();
        let (flow, name) = (text(FLOW_FIELD), ask.cookie_name());
        if !BrowserBinding::is_held(ask.fields(), name, BindingUse::Form, flow, ask.wall()) {
            return self.account_page(ask, owner, Some(TOO_LATE)).await;
        }
        if text(ACTION_FIELD) == "app" {
            return self.app_posted(ask, owner, (flow, text(SHOWN_FIELD), text(CODE_FIELD))).await;
        }
        if text(ACTION_FIELD) == "app-password" {
            let wanted = (text(HOST_FIELD), text(LABEL_FIELD));
            return self.app_password_posted(ask, owner, wanted).await;
        }
        let done = match text(ACTION_FIELD) {
            "passkey" => match self.made_passkey(ask, flow, text(PASSKEY_FIELD)).await {
                Ok((new, user)) if *user == *owner.id => {
                    let new = NewCredential::Passkey(new, device_of(ask).into());
                    self.accounts.add(&owner.id, new, ask.wall()).await
                }
                Ok(_) | Err(_) => Err(TypedWrong::Passkey.into()),
            },
            "password" if takes_passwords(ask) => {
                let new = Secret::new(text(PASSWORD_FIELD).as_bytes());
                self.accounts.add(&owner.id, NewCredential::Password(new), ask.wall()).await
            }
            "no-app" => self.accounts.remove_code_app(&owner.id).await,
            REVOKE => {
                let ended = self.app_passwords.end_app_password(&owner.id, text(ID_FIELD)).await;
                ended.map(drop).map_err(AccountRefusal::from)
            }
            REMOVE => {
                let passwords = ask.plan().sign_in.passwords;
                self.accounts.remove_passkey(&owner.id, text(ID_FIELD), passwords).await
            }
            _ => return answer::see_other(PAGE),
        };
        match done {
            Ok(()) => {
                let what = format!("{} changed by its owner", text(ACTION_FIELD));
                self.note_account(ask, owner, &what);
                answer::see_other(PAGE)
            }
            Err(refusal) => self.account_page(ask, owner, Some(words(&refusal))).await,
        }
    }

    /// The first code of a new app.
    async fn app_posted(
        &self,
        ask: &Ask,
        owner: &Member,
        (flow, shown, code): (&str, &str, &str),
    ) -> Response<Body> {
        let Some(secret) = self.app_secret(ask, flow, shown) else {
            return self.account_page(ask, owner, Some(TOO_LATE)).await;
        };
        match self.accounts.add_code_app(&owner.id, secret, code, ask.wall()).await {
            Ok(recovery) => {
                self.note_account(ask, owner, "app with codes added by its owner");
                self.account_with(ask, owner, (None, &recovery, None)).await
            }
            Err(refusal) => self.account_page(ask, owner, Some(words(&refusal))).await,
        }
    }

    /// One more password for a client of theirs, shown this once.
    async fn app_password_posted(
        &self,
        ask: &Ask,
        owner: &Member,
        wanted: (&str, &str),
    ) -> Response<Body> {
        match self.make_app_password(ask, owner, wanted).await {
            Ok(secret) => {
                self.note_account(ask, owner, "app password made by its owner");
                self.account_with(ask, owner, (None, &[], Some(&secret))).await
            }
            Err(refusal) => self.account_page(ask, owner, Some(words(&refusal))).await,
        }
    }

    /// For the operator: who changed what an account signs in with.
    pub(super) fn note_account(&self, ask: &Ask, owner: &Member, what: &str) {
        let person = usher_rules::signin::member_as_person(owner);
        let (level, event) = (Level::Info, EventName::Account);
        self.note(ask, level, event, Some((&person).into()), Some(what.to_owned()));
    }
}

fn shown<'a>(kept: &'a KeptPasskey, flow: &'a str) -> ShownPasskey<'a> {
    let KeptPasskey { key, label, added_at, used_at, .. } = kept;
    let remove = PostForm::to(PAGE).with(FLOW_FIELD, flow).with(ACTION_FIELD, REMOVE);
    let remove = remove.with(ID_FIELD, &*key.id);
    ShownPasskey { label, added_at: *added_at, used_at: *used_at, remove }
}

fn shown_app<'a>(kept: &'a AppPassword, flow: &'a str) -> ShownAppPassword<'a> {
    let AppPassword { id, label, host, over_at, .. } = kept;
    let revoke = PostForm::to(PAGE).with(FLOW_FIELD, flow).with(ACTION_FIELD, REVOKE);
    let revoke = revoke.with(ID_FIELD, &**id);
    let over_at = Some(*over_at).filter(|at| *at < u64::MAX);
    ShownAppPassword { label, host, over_at, revoke }
}

/// What somebody reads whose account was not changed.
pub(super) const fn words(refusal: &AccountRefusal) -> &'static str {
    match refusal {
        AccountRefusal::Link => "This link is used up or too old. Ask for a new one.",
        AccountRefusal::TooManyTries => "Too many tries. Wait a minute, then try again.",
        AccountRefusal::Typed(wrong) => wrong.words(),
        AccountRefusal::Last => {
            "That is all that you can sign in with. Add a passkey or a password first."
        }
        AccountRefusal::LastAdmin => "Nobody would be left who looks after people.",
        AccountRefusal::TooMany => "You have as many passkeys as anybody may. Remove one.",
        AccountRefusal::People(PeopleError::AlreadyHere(_)) => {
            "Somebody has that address already. Take another one, or sign in."
        }
        AccountRefusal::People(_) => NOT_NOW,
    }
}

/// What a passkey is called that was made on this device: as far as the browser says.
pub(super) fn device_of(ask: &Ask) -> &'static str {
    const DEVICES: [(&str, &str); 8] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "Chromebook"),
        ("Macintosh", "Mac"),
        ("Windows", "Windows"),
        ("Linux", "Linux"),
        ("", "Passkey"),
    ];
    let said = ask.fields().get(http::header::USER_AGENT).and_then(|said| said.to_str().ok());
    let said = said.unwrap_or_default();
    DEVICES.iter().find(|(word, _)| said.contains(word)).map_or("Passkey", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use usher_pages::Language;
    use usher_rules::{
        accounts::{AccountRefusal, TypedWrong},
        people::PeopleError,
    };

    use super::words;

    #[test]
    fn no_refusal_is_told_in_english_alone() {
        let people = [PeopleError::AlreadyHere("a@b".into()), PeopleError::Store("x".into())];
        let typed = TypedWrong::ALL.iter().copied().map(AccountRefusal::Typed);
        let refusals = people.map(AccountRefusal::People).into_iter().chain(typed);
        let refusals = refusals.chain([
            AccountRefusal::Link,
            AccountRefusal::TooManyTries,
            AccountRefusal::Last,
            AccountRefusal::LastAdmin,
            AccountRefusal::TooMany,
        ]);
        for refusal in refusals {
            for language in Language::ALL {
                let Some(messages) = language.messages() else { continue };
                assert!(messages.contains_key(words(&refusal)), "{language:?}: {refusal:?}");
            }
        }
    }
}
