//! `/.pomerium/sessions`: where somebody is signed in. Each session can be ended alone; who looks
//! after people sees and ends everybody's.

use std::{cmp::Reverse, sync::Arc};

use http::Response;
use usher_pages::{END_FIELD, END_OTHERS, ForeignForm, ListedSession, PostForm, Scripts, Sessions};
use usher_rules::{
    people::Person,
    plan::{BUILTIN, Level, Plan, Provider},
    session::{SessionId, SignedIn},
    signin::same_origin,
};

use super::{Ask, SignInRoom, answer};
use crate::request::{
    Body, EventName,
    identify::{LiveSession, StoreError},
};

pub(super) const PAGE: &str = "/.pomerium/sessions";

impl SignInRoom {
    /// On the authenticate host alone, where there is one: an app on the same host could read the
    /// page, and press its buttons.
    pub(super) async fn sessions_page(&self, ask: &Ask) -> Response<Body> {
        if !ask.at_authenticate() && !ask.is_hosted() {
            return answer::found(&format!("{}{PAGE}", ask.authenticate()));
        }
        self.about_somebody(ask, Self::list_sessions).await
    }

    fn list_sessions(&self, ask: &Ask, live: &LiveSession) -> Response<Body> {
        let own = self.own_sessions(ask, live);
        let everybody = looks_after_people(ask, live).then(|| self.others_sessions(ask, live));
        let listed = |all: &[Arc<LiveSession>]| -> Vec<Listed> {
            all.iter().map(|one| Listed::of(one.signed_in(), live)).collect()
        };
        let (own, everybody) = (listed(&own), everybody.as_deref().map(listed));
        let page = Sessions {
            own: own.iter().map(Listed::shown).collect(),
            everybody: everybody.as_ref().map(|all| all.iter().map(Listed::shown).collect()),
            end: PostForm::to(PAGE),
        };
        answer::html(200, page.render(ask.language()), Scripts::Own, &[])
    }

    /// A button was pressed.
    pub(super) async fn sessions_posted(&self, ask: &Ask) -> Response<Body> {
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        let here = ask.at_authenticate() || ask.is_hosted();
        let Some(live) = self.who(ask).filter(|_| here) else { return answer::see_other(PAGE) };
        let form = ask.form().unwrap_or_default();
        let ended = match form.text(END_FIELD) {
            Some(END_OTHERS) => {
                let mut others = self.own_sessions(ask, &live);
                others.retain(|one| one.session().id != live.session().id);
                self.end_listed(ask, &live, &others).await
            }
            Some(id) => {
                let mut all = self.own_sessions(ask, &live);
                if looks_after_people(ask, &live) {
                    all.extend(self.others_sessions(ask, &live));
                }
                let id = SessionId::parse(id);
                all.retain(|one| Some(&one.session().id) == id.as_ref());
                self.end_listed(ask, &live, &all).await
            }
            None => Ok(()),
        };
        match ended {
            Ok(()) => answer::see_other(PAGE),
            Err(error) => {
                self.note(ask, Level::Error, EventName::SignOut, None, Some(error.to_string()));
                self.not_now(ask, &error, "A session could not be ended.", PAGE)
            }
        }
    }

    pub(super) async fn end_listed(
        &self,
        ask: &Ask,
        by: &LiveSession,
        sessions: &[Arc<LiveSession>],
    ) -> Result<(), StoreError> {
        for one in sessions {
            self.end_with_replaced(one).await?;
            let cause = (one.person().id != by.person().id)
                .then(|| format!("ended by {}", called(by.person())));
            let person = Some(one.person().into());
            self.note(ask, Level::Info, EventName::SignOut, person, cause);
        }
        Ok(())
    }

    /// Those of whoever asks, the one that they use first, then the newest.
    fn own_sessions(&self, ask: &Ask, live: &LiveSession) -> Vec<Arc<LiveSession>> {
        let mut own = self.of_same_person(ask, live);
        own.retain(|one| !one.is_over(ask.now()) && !is_seat(one));
        let this = |one: &LiveSession| one.session().id == live.session().id;
        own.sort_by_key(|one| (!this(one), Reverse(one.session().issued_at)));
        own
    }

    /// All of theirs, those that ran out and under which a film plays on as well.
    pub(super) fn of_same_person(&self, ask: &Ask, live: &LiveSession) -> Vec<Arc<LiveSession>> {
        let mut own = self.sessions.of_person(&live.person().id);
        own.retain(|one| is_same_person(ask.plan(), one, live));
        own
    }

    fn others_sessions(&self, ask: &Ask, live: &LiveSession) -> Vec<Arc<LiveSession>> {
        let mut all = self.sessions.all();
        all.retain(|one| {
            !is_same_person(ask.plan(), one, live)
                && !one.is_over_in_list(ask.now())
                && !is_seat(one)
        });
        let by = |one: &LiveSession| (called(one.person()).to_owned(), one.session().issued_at);
        all.sort_by_key(|one| by(one));
        all
    }
}

/// Is whoever asks in one of `admin_groups`? Only where no app shares the host: its scripts would
/// have the same power.
pub(super) fn looks_after_people(ask: &Ask, live: &LiveSession) -> bool {
    let is_apart = ask.at_authenticate() && ask.plan().sign_in.dedicated_host;
    is_apart && is_admin(ask.plan(), live.signed_in())
}

/// By the groups of our own store; where it has no people, by those of the first provider. At
/// others anybody may be able to make a group and give it that name (GitHub's organisations).
fn is_admin(plan: &Plan, who: &SignedIn) -> bool {
    let providers = &plan.sign_in.providers;
    let counts = providers.of(BUILTIN).is_none() && providers.first().id() == &*who.session.idp_id;
    let claimed = who.claim("groups").iter().filter_map(|group| group.as_str());
    let kept = who.person.directory_groups.iter().flatten().map(|group| &*group.id);
    let mut groups = claimed.filter(|_| counts).chain(kept);
    groups.any(|group| plan.admin_groups.iter().any(|admin| **admin == *group))
}

/// Is it a web client's, which is its browser's and ends with it?
fn is_seat(live: &LiveSession) -> bool {
    live.session().app.as_deref().is_some_and(|app| app.seat.is_some())
}

/// Two providers may call two people by the same id; the clients of routes ask one provider.
pub(super) fn is_same_person(plan: &Plan, one: &LiveSession, other: &LiveSession) -> bool {
    provider_of(plan, one) == provider_of(plan, other) && one.person().id == other.person().id
}

/// Who says whose session it is: the provider's address, by whichever client it was asked, or its id
/// where it has none.
pub(super) fn provider_of<'a>(plan: &'a Plan, live: &'a LiveSession) -> &'a str {
    let id = &*live.session().idp_id;
    plan.sign_in.providers.of(id).and_then(Provider::address).unwrap_or(id)
}

pub(super) fn called(person: &Person) -> &str {
    if person.email.is_empty() { &person.id } else { &person.email }
}

/// A session, as text.
struct Listed {
    id: String,
    person: String,
    browser: String,
    address: String,
    times: (u64, u64),
    is_this: bool,
}

impl Listed {
    fn of(signed_in: &SignedIn, reader: &LiveSession) -> Self {
        let SignedIn { session, person } = signed_in;
        let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
        Self {
            id: session.id.as_str().to_owned(),
            person: called(person).to_owned(),
            browser: text(&session.browser),
            address: text(&session.address),
            times: (session.issued_at, session.expires_at),
            is_this: session.id == reader.session().id,
        }
    }

    fn shown(&self) -> ListedSession<'_> {
        let Self { id, person, browser, address, times, is_this } = self;
        ListedSession {
            id,
            person,
            browser,
            address,
            signed_in_at: times.0,
            ends_at: times.1,
            is_this: *is_this,
        }
    }
}
