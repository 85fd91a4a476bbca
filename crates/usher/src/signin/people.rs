//! `/.pomerium/people`: who looks after people sees, invites, changes and removes them. What
//! `usher people` does, for those who have no shell on the server.
//!
//! Everybody else is told that there is no such page. A change wants a sign-in of the last ten
//! minutes: a session that was left open makes no link.

use std::time::Duration;

use http::{Method, Response};
use usher_pages::{
    ACTION_FIELD, DAYS_FIELD, EMAIL_FIELD, FLOW_FIELD, ForeignForm, GROUPS_FIELD, Letter,
    LetterAbout, Link, LinkDoes, ListedPerson, MAIL_FIELD, MAILED, MadeLink, MayChange, NAME_FIELD,
    NotFound, People, Scripts, TypedInvitation, UNTIL_FIELD,
};
use usher_rules::{
    accounts::{AccountRefusal, Invitation, TypedWrong, link_address},
    people::{Member, PeopleError},
    people_admin::ListedMember,
    plan::{BUILTIN, Level, Passwords},
    secret::Secret,
    signin::{BindingUse, BrowserBinding, same_origin},
    time::UnixTime,
    until::{Until, shown},
};

use super::{
    Ask, NO_RANDOM, SignInRoom, account, answer, binding,
    mail::{self, Queued},
    passkeys::has_own_people,
    random, workers,
};
use crate::request::{
    Body, EventName, Prompt,
    identify::{LiveSession, StoreError},
};

pub(super) const PAGE: &str = "/.pomerium/people";
/// The query of the page that leads to a sign-in first.
const AGAIN: &str = "again";
/// How long ago an admin may have signed in who changes something.
const RECENT: Duration = Duration::from_secs(10 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// An admin at the page, and whom they see.
struct Desk<'a> {
    ask: &'a Ask,
    live: &'a LiveSession,
    everybody: &'a [ListedMember],
}

/// What came of a change.
enum Done {
    /// The list shows it.
    Seen,
    /// A link to send.
    Link(Made),
}

/// A link that was made: what it does, its address, how long it is good, and to whom it was mailed.
struct Made {
    whom: Whom,
    address: String,
    over_at: UnixTime,
    mailed_to: Option<Box<str>>,
}

/// Whom a link is for.
enum Whom {
    Newcomer { until: Option<UnixTime> },
    Returning { email: Box<str> },
}

/// What a page says beside the list.
#[derive(Default)]
struct Said<'a> {
    note: Option<&'a str>,
    link: Option<&'a Made>,
    typed: TypedInvitation<'a>,
}

impl SignInRoom {
    /// On the authenticate host alone, where no app shares it, as with everybody's sessions.
    pub(super) async fn people(&self, ask: &Ask) -> Response<Body> {
        if !has_own_people(ask) || !ask.plan().sign_in.dedicated_host {
            return no_such_page(ask);
        }
        if let Some(response) = workers::in_between(ask) {
            return response;
        }
        let Some(live) = ask.known_here() else {
            return self.start_with(ask, PAGE, Prompt::IfNeeded).await;
        };
        let everybody = match self.people_admin.everybody().await {
            Ok(everybody) => everybody,
            Err(error) => {
                return self.unknown(ask, &StoreError::Unavailable(error.to_string().into()));
            }
        };
        let desk = Desk { ask, live: &live, everybody: &everybody };
        if !desk.is_admin_s() {
            return no_such_page(ask);
        }
        let is_post = *ask.method() == Method::POST;
        if is_post && same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        match (desk.is_fresh(), is_post) {
            (false, true) => self.start_with(ask, PAGE, Prompt::Login).await,
            (false, false) if ask.query() == AGAIN => {
                self.start_with(ask, PAGE, Prompt::Login).await
            }
            (true, true) => self.people_posted(&desk).await,
            (_, false) => self.people_page(&desk, Said::default()),
        }
    }

    fn people_page(&self, desk: &Desk<'_>, said: Said<'_>) -> Response<Body> {
        let ask = desk.ask;
        let Some(random) = random() else {
            return self.unknown(ask, &StoreError::Unavailable(NO_RANDOM.into()));
        };
        let binding = BrowserBinding::new(random, ask.wall());
        let again = format!("{PAGE}?{AGAIN}");
        let passwords = ask.plan().sign_in.passwords;
        let at = ask.authenticate().to_string();
        let page = People {
            people: desk.everybody.iter().map(|one| listed(one, passwords)).collect(),
            note: said.note,
            link: said.link.map(|made| made.shown(&at)),
            change: match desk.is_fresh() {
                true => MayChange::Now { flow: &binding.id },
                false => MayChange::AfterSignIn(Link::new(&*again)),
            },
            typed: said.typed,
            mails: ask.plan().smtp.is_some(),
        };
        let status = if said.note.is_some() { 400 } else { 200 };
        let mut response = answer::html(status, page.render(ask.language()), Scripts::Own, &[]);
        let held = (ask.cookie_name(), ask.fields());
        binding::set(&mut response, (BindingUse::Form, &binding), held, ask.wall());
        response
    }

    async fn people_posted(&self, desk: &Desk<'_>) -> Response<Body> {
        let ask = desk.ask;
        let form = ask.form().unwrap_or_default();
        let text = |name| form.text(name).unwrap_or_default();
        let (flow, name) = (text(FLOW_FIELD), ask.cookie_name());
        let typed = TypedInvitation {
            email: text(EMAIL_FIELD),
            name: text(NAME_FIELD),
            groups: text(GROUPS_FIELD),
            until: text(UNTIL_FIELD),
            days: text(DAYS_FIELD),
            mail: text(MAIL_FIELD),
        };
        if !BrowserBinding::is_held(ask.fields(), name, BindingUse::Form, flow, ask.wall()) {
            let note = Some("This page was open for too long. Try again.");
            return self.people_page(desk, Said { note, ..Said::default() });
        }
        let is_invitation = text(ACTION_FIELD) == "invite";
        let done = match text(ACTION_FIELD) {
            "invite" => self.invited(desk, &typed).await,
            "until" => self.last_day_set(desk, &typed).await,
            "no-end" => self.end_set(desk, typed.email, None).await,
            "recover" => self.recovery_made(desk, typed.email).await,
            "sessions" => self.all_sessions_ended(desk, typed.email).await,
            "remove" => self.removed(desk, typed.email).await,
            _ => Ok(Done::Seen),
        };
        match done {
            Ok(Done::Seen) => answer::see_other(PAGE),
            Ok(Done::Link(made)) => {
                self.people_page(desk, Said { link: Some(&made), ..Said::default() })
            }
            Err(refusal) => {
                let note = words(&refusal);
                let typed = if is_invitation { typed } else { TypedInvitation::default() };
                self.people_page(desk, Said { note: Some(note), typed, link: None })
            }
        }
    }

    async fn invited(
        &self,
        desk: &Desk<'_>,
        typed: &TypedInvitation<'_>,
    ) -> Result<Done, AccountRefusal> {
        let now = desk.ask.wall();
        let email = typed.email.trim();
        let until = match typed.until {
            "" => None,
            day => Some(last_day(day, now)?),
        };
        let days = typed.days.parse::<u32>().ok().filter(|days| (1..=365).contains(days));
        let days = days.ok_or(TypedWrong::LinkLife)?;
        let life = DAY.saturating_mul(days);
        let groups = typed.groups.split(',').map(str::trim).filter(|group| !group.is_empty());
        let invitation = Invitation {
            email: (!email.is_empty()).then(|| email.into()),
            name: typed.name.into(),
            groups: groups.map(Into::into).collect(),
            until: until.map(UnixTime::seconds),
        };
        let token = self.people_admin.invitation_link(invitation, life, now).await?;
        let whom = if email.is_empty() { "somebody" } else { email };
        self.note_people(desk, None, &format!("{whom} was invited"));
        let made = desk.made(Whom::Newcomer { until }, &token, life);
        let mailed = typed.mail == MAILED
            && self.invitation_mailed(desk, email, (&token, made.over_at, until));
        Ok(Done::Link(Made { mailed_to: mailed.then(|| email.into()), ..made }))
    }

    /// Is it on its way by mail? There is the page with it where it is not.
    fn invitation_mailed(
        &self,
        desk: &Desk<'_>,
        email: &str,
        (token, over_at, until): (&Secret, UnixTime, Option<UnixTime>),
    ) -> bool {
        let (ask, plan) = (desk.ask, desk.ask.plan());
        if plan.smtp.is_none() || email.is_empty() {
            return false;
        }
        // At the configured address: what a request said of its port is no matter of who reads it.
        let link = link_address(&plan.sign_in.authenticate, token);
        let (until, over_at) = (until.map(UnixTime::seconds), over_at.seconds());
        let about = LetterAbout::Invitation { until, link: &link, over_at };
        let letter = Letter { site: plan.sign_in.authenticate.host.as_str(), about };
        let letter = Queued::new((email, None), mail::INVITATION, (letter, ask.language()));
        self.outbox.post(letter, ask.now().monotonic).is_ok()
    }

    async fn recovery_made(&self, desk: &Desk<'_>, email: &str) -> Result<Done, AccountRefusal> {
        let now = desk.ask.wall();
        let (member, token) = self.people_admin.recovery_link(email, DAY, now).await?;
        self.note_people(desk, Some(&member), "a link was made to get in again");
        Ok(Done::Link(desk.made(Whom::Returning { email: member.email }, &token, DAY)))
    }

    /// A day that was left out is no word that there is no end.
    async fn last_day_set(
        &self,
        desk: &Desk<'_>,
        typed: &TypedInvitation<'_>,
    ) -> Result<Done, AccountRefusal> {
        let until = last_day(typed.until, desk.ask.wall())?;
        self.end_set(desk, typed.email, Some(until)).await
    }

    async fn end_set(
        &self,
        desk: &Desk<'_>,
        email: &str,
        until: Option<UnixTime>,
    ) -> Result<Done, AccountRefusal> {
        let member = self.people_admin.end_at(email, until, desk.admin_groups()).await?;
        let end = until.map_or("never".into(), |until| shown(until.seconds()));
        self.note_people(desk, Some(&member), &format!("the end of the access was set: {end}"));
        Ok(Done::Seen)
    }

    async fn removed(&self, desk: &Desk<'_>, email: &str) -> Result<Done, AccountRefusal> {
        let member = self.people_admin.remove(email, desk.admin_groups()).await?;
        self.note_people(desk, Some(&member), "removed");
        Ok(Done::Seen)
    }

    async fn all_sessions_ended(
        &self,
        desk: &Desk<'_>,
        email: &str,
    ) -> Result<Done, AccountRefusal> {
        let found = desk.everybody.iter().find(|one| *one.member.email == *email);
        let member = &found.ok_or_else(|| PeopleError::Unknown(email.into()))?.member;
        let mut sessions = self.sessions.of_person(&member.id);
        sessions.retain(|one| *one.session().idp_id == *BUILTIN);
        let ended = self.end_listed(desk.ask, desk.live, &sessions).await;
        ended.map_err(|error| PeopleError::Store(error.to_string().into()))?;
        self.note_people(desk, Some(member), "all sessions were ended");
        Ok(Done::Seen)
    }

    /// For the operator: who did what to whom.
    fn note_people(&self, desk: &Desk<'_>, whom: Option<&Member>, what: &str) {
        let cause = format!("{what} by {}", desk.live.person().email);
        let (level, event) = (Level::Info, EventName::People);
        self.note(desk.ask, level, event, whom.map(Into::into), Some(cause));
    }
}

impl<'a> Desk<'a> {
    /// By what the store says now, not by what it said when the session began.
    fn is_admin_s(&self) -> bool {
        let own = self.everybody.iter().find(|one| one.member.id == self.live.person().id);
        let is_ours = *self.live.session().idp_id == *BUILTIN;
        own.is_some_and(|own| {
            let is_over = own.member.ends() <= self.ask.wall();
            is_ours && !is_over && own.member.is_in_any(self.admin_groups())
        })
    }

    fn is_fresh(&self) -> bool {
        let at = self.live.session().sign_in.moment(self.ask.wall());
        at.is_some_and(|at| self.ask.wall().is_within(RECENT, at))
    }

    fn admin_groups(&self) -> &'a [Box<str>] {
        &self.ask.plan().admin_groups
    }

    fn made(&self, whom: Whom, token: &Secret, life: Duration) -> Made {
        let address = link_address(&self.ask.authenticate(), token);
        Made { whom, address, over_at: self.ask.wall().plus(life), mailed_to: None }
    }
}

impl Made {
    fn shown<'a>(&'a self, at: &'a str) -> MadeLink<'a> {
        let does = match &self.whom {
            Whom::Newcomer { until } => LinkDoes::Invites { until: until.map(UnixTime::seconds) },
            Whom::Returning { email } => LinkDoes::Recovers { email },
        };
        MadeLink {
            does,
            at,
            over_at: self.over_at.seconds(),
            address: &self.address,
            mailed_to: self.mailed_to.as_deref(),
        }
    }
}

fn no_such_page(ask: &Ask) -> Response<Body> {
    answer::error(ask, &NotFound { host: ask.host(), receipt: ask.receipt() })
}

fn listed(one: &ListedMember, passwords: Passwords) -> ListedPerson<'_> {
    let passwords = passwords == Passwords::Taken;
    let ListedMember { member, has_password, passkeys, has_codes } = one;
    ListedPerson {
        email: &member.email,
        name: &member.name,
        groups: member.groups.iter().map(|group| &**group).collect(),
        has_password: *has_password && passwords,
        passkeys: *passkeys,
        has_codes: *has_codes && passwords,
        added_at: member.added_at,
        until: member.until,
    }
}

/// The end of an access whose last day was typed. A day that is over would lock somebody out who
/// was to come.
fn last_day(typed: &str, now: UnixTime) -> Result<UnixTime, TypedWrong> {
    let until = typed.parse::<Until>().ok().and_then(|until| until.moment(now));
    until.filter(|until| *until > now).ok_or(TypedWrong::LastDay)
}

const fn words(refusal: &AccountRefusal) -> &'static str {
    match refusal {
        AccountRefusal::People(PeopleError::AlreadyHere(_)) => {
            "Somebody has that address already. Make a recovery link where they can't get in."
        }
        AccountRefusal::People(PeopleError::Unknown(_)) => "Nobody here has that address any more.",
        AccountRefusal::Link
        | AccountRefusal::TooManyTries
        | AccountRefusal::Typed(_)
        | AccountRefusal::Last
        | AccountRefusal::LastAdmin
        | AccountRefusal::TooMany
        | AccountRefusal::People(_) => account::words(refusal),
    }
}
