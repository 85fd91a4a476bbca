//! Sessions as this room needs them: who is known at the authenticate host, a new one, an old one
//! that gives way, and the hop that hands one to a route's host.

use std::{sync::Arc, time::Duration};

use http::Response;
use usher_rules::{
    plan::Level,
    session::{
        Authentication, CookieLife, Credential, CredentialSource, Handle, Purpose, SessionId,
        SetCookie, credential,
    },
    signin::{CALLBACK, Goal, ProgramRedirect, Target, param, sign_url},
    time::UnixTime,
};

use super::{
    Ask, NO_RANDOM, SignInRoom, answer, provider::Redeemed, random, sign_out::LONGEST_HINT,
};
use crate::request::{
    Body, EventName, Named, SignInNote,
    identify::{LiveSession, StoreError, in_force, look_up},
};

/// A session that is replaced by another one of the same person lives on for so long, since one
/// of their other tabs may be on its way to a route's host with it.
const IN_FLIGHT: Duration = Duration::from_secs(300);

impl SignInRoom {
    /// The session of this id, wherever it is kept, if it is in force.
    pub(super) async fn in_force(
        &self,
        ask: &Ask,
        id: &SessionId,
    ) -> Result<Option<Arc<LiveSession>>, StoreError> {
        let live = look_up(&*self.sessions, id).await?;
        Ok(in_force(ask.plan(), live, ask.now()).ok())
    }

    /// The session that the authenticate host's own cookie leads to.
    pub(super) async fn look_here(
        &self,
        ask: &Ask,
    ) -> Result<Option<Arc<LiveSession>>, StoreError> {
        let name = ask.authenticate_cookie_name();
        let own = ask.plan().sign_in.authenticate.host.as_str();
        match credential(&self.keys, ask.fields(), None, &name, ask.wall()) {
            Credential::Good(handle, CredentialSource::Cookie) if handle.is_for(own) => {
                self.in_force(ask, &handle.session).await
            }
            Credential::Good(..)
            | Credential::Bad(..)
            | Credential::Contradiction(_)
            | Credential::Absent => Ok(None),
        }
    }

    /// Starts a session, with an id that nobody has seen (no fixation), and ends the one that it
    /// replaces in this browser. `provider` is the id of who said who they are.
    pub(super) async fn begin(
        &self,
        ask: &Ask,
        provider: &str,
        authentication: Authentication,
        redeemed: Option<&Redeemed>,
    ) -> Result<Arc<LiveSession>, StoreError> {
        self.begin_until(ask, provider, authentication, redeemed, UnixTime::MAX).await
    }

    /// The same, over at `end` at the latest.
    pub(super) async fn begin_until(
        &self,
        ask: &Ask,
        provider: &str,
        authentication: Authentication,
        redeemed: Option<&Redeemed>,
        end: UnixTime,
    ) -> Result<Arc<LiveSession>, StoreError> {
        let plan = ask.plan();
        let no_random = || StoreError::Unavailable(NO_RANDOM.into());
        let id = SessionId::from_random(random().ok_or_else(no_random)?);
        let sealed = match redeemed {
            // It is kept to be handed over at sign-out, and a large one is not.
            Some(Redeemed { id_token, .. }) if id_token.len() > LONGEST_HINT => None,
            None => None,
            Some(Redeemed { id_token: token, .. }) => {
                let nonce = random().ok_or_else(no_random)?;
                let sealed = self.keys.seal(
                    Purpose::IdToken,
                    id.as_str().as_bytes(),
                    token.as_bytes(),
                    nonce,
                );
                Some(sealed.into())
            }
        };
        let end = ask.wall().plus(plan.cookie.expire).min(end);
        let mut new = authentication.begin(id, provider, ask.wall(), end);
        new.session.id_token = sealed;
        let live = self.sessions.insert(new).await?;
        if let Some(old) = ask.known_here() {
            self.displace(ask, &old, &live).await;
        }
        let person = live.person();
        let (level, event) = (Level::Info, EventName::SignIn);
        self.journal.note(
            plan,
            SignInNote {
                level,
                event,
                now: ask.now(),
                request_id: ask.request_id(),
                person: Some(person.into()),
                from: Some(ask.visitor()),
                cause: None,
                client_authentication: redeemed.and_then(|redeemed| redeemed.method),
            },
        );
        if !person.unproven.is_empty() {
            let doubts: Vec<String> = person.unproven.iter().map(ToString::to_string).collect();
            self.note(
                ask,
                Level::Warn,
                EventName::Provider,
                Some(person.into()),
                Some(doubts.join("; ")),
            );
        }
        Ok(live)
    }

    /// Ends `old`, which `new` replaces in this browser.
    pub(super) async fn displace(&self, ask: &Ask, old: &LiveSession, new: &LiveSession) {
        // A service's sessions stay where they are: what goes on to proxies is a profile.
        let in_flight = old.person().id == new.person().id
            && ask.plan().sign_in.service.is_none()
            && ask.wall().is_within(IN_FLIGHT, old.session().issued_at());
        // Routes with OAuth clients of their own have sessions beside each other.
        let is_beside = old.session().idp_id != new.session().idp_id;
        if !in_flight && !is_beside {
            self.retire(ask, old, new).await;
        }
    }

    /// Ends `old`, which `new` replaces in this browser, at once.
    pub(super) async fn retire(&self, ask: &Ask, old: &LiveSession, new: &LiveSession) {
        let id = &old.session().id;
        if *id != new.session().id
            && let Err(error) = self.sessions.end(id).await
        {
            // The new one stands; the old one runs out by itself.
            let person = Some(old.person().into());
            self.note(ask, Level::Warn, EventName::SignOut, person, Some(error.to_string()));
        }
    }

    /// Sends somebody who is signed in on to what they came for.
    pub(super) fn hand_over(
        &self,
        ask: &Ask,
        live: &LiveSession,
        goal: &Goal,
    ) -> Option<Response<Body>> {
        match goal.program() {
            Some(program) => self.ask_for_program(ask, live, goal, program),
            None => self.hand_over_now(ask, live, goal),
        }
    }

    /// The same, without asking: what was asked has been answered.
    pub(super) fn hand_over_now(
        &self,
        ask: &Ask,
        live: &LiveSession,
        goal: &Goal,
    ) -> Option<Response<Body>> {
        let plan = ask.plan();
        let own = plan.sign_in.authenticate.host.as_str();
        let handle_for = |target: &Target| {
            let mut audience: Vec<Box<str>> =
                vec![own.into(), target.origin().host.as_str().into()];
            audience.dedup(); // one host may both sign in and serve
            self.keys.sign_handle(&Handle::to(live.signed_in(), own, audience))
        };
        let location = match goal {
            Goal::Here => "/.pomerium/".to_owned(),
            Goal::Page { target, flow, .. } => {
                let target = Target::parse(plan, target).ok()?;
                let handle = handle_for(&target);
                let sealed = self.keys.seal(
                    Purpose::Callback,
                    flow.as_bytes(),
                    handle.as_bytes(),
                    random()?,
                );
                let base = format!("{}{CALLBACK}", target.origin());
                let page = target.to_string();
                let params = [
                    (param::ADDITIONAL_HOSTS, ""),
                    (param::REDIRECT_URI, &page),
                    (param::SESSION_ENCRYPTED, &sealed),
                    (param::FLOW, flow),
                ];
                sign_url(&self.keys, &base, &params, ask.wall())
            }
            Goal::Proxy { query, .. } => {
                self.answer_url(ask, live.person(), &live.session().claims, query).ok()?
            }
            Goal::Program { redirect, host } => {
                let redirect =
                    ProgramRedirect::parse(&plan.sign_in.programmatic_hosts, redirect).ok()?;
                // For this host alone, not for the one that signs people in.
                let host: Box<str> = Target::parse(plan, host).ok()?.origin().host.as_str().into();
                let handle = Handle::to(live.signed_in(), own, vec![host]);
                redirect.with_handle(&self.keys.sign_handle(&handle))
            }
        };
        let posted = ask.method() == http::Method::POST;
        Some(if posted { answer::see_other(&location) } else { answer::found(&location) })
    }

    /// The cookie with which the authenticate host knows somebody again.
    pub(super) fn remember_here(
        &self,
        ask: &Ask,
        live: &LiveSession,
        response: &mut Response<Body>,
    ) {
        let own = ask.plan().sign_in.authenticate.host.as_str();
        let handle = self.keys.sign_handle(&Handle::to(live.signed_in(), own, vec![own.into()]));
        let life = CookieLife::Until(live.session().expires_at());
        let name = ask.authenticate_cookie_name();
        // It never leaves this host, whatever `cookie_domain` says.
        let cookie = SetCookie::of_host(&ask.plan().cookie, &name, &handle, life);
        answer::set_cookie(response, &cookie, ask.wall());
    }

    pub(super) fn note(
        &self,
        ask: &Ask,
        level: Level,
        event: EventName,
        person: Option<Named<'_>>,
        cause: Option<String>,
    ) {
        let note = SignInNote {
            level,
            event,
            now: ask.now(),
            request_id: ask.request_id(),
            person,
            from: Some(ask.visitor()),
            cause,
            client_authentication: None,
        };
        self.journal.note(ask.plan(), note);
    }
}

pub(super) fn not_served() -> StoreError {
    StoreError::Unavailable("what the sign-in was for is no longer served".into())
}
