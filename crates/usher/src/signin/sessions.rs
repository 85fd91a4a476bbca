//! Sessions as this room needs them: who is known at the authenticate host, a new one, an old one
//! that gives way, and the hop that hands one to a route's host.

use std::sync::Arc;

use http::Response;
use usher_rules::{
    openid::AUTHORIZE,
    people::Person,
    plan::{Level, Plan},
    session::{
        Authentication, CookieLife, Credential, CredentialSource, Handle, Purpose, Session,
        SessionId, SetCookie, SignedIn, credential, shown_browser,
    },
    signin::{CALLBACK, Goal, ProgramRedirect, Target, param, sign_url},
    time::UnixTime,
};

use super::{
    Ask, NO_RANDOM, SignInRoom, answer, provider::Redeemed, random, sign_out::LONGEST_HINT,
};
use crate::request::{
    Body, EventName, Named, SignInNote,
    identify::{LiveSession, StoreError, end_with_replaced, in_force, look_up, replaced_by},
};

/// How often something else may become known of a session before a change of it is given up.
const MOST_CHANGES: usize = 100;

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

    /// Starts a session, with an id that nobody has seen (no fixation), in the place of the one that
    /// this browser had. `provider` is the id of who said who they are.
    pub(super) async fn begin(
        &self,
        ask: &Ask,
        provider: &str,
        authentication: Authentication,
        redeemed: Option<&Redeemed>,
    ) -> Result<Arc<LiveSession>, StoreError> {
        let (end, old) = (UnixTime::MAX, ask.known_here());
        self.begin_until(ask, provider, authentication, redeemed, end, old).await
    }

    /// The same, over at `end` at the latest, in the place of `old`.
    pub(super) async fn begin_until(
        &self,
        ask: &Ask,
        provider: &str,
        authentication: Authentication,
        redeemed: Option<&Redeemed>,
        end: UnixTime,
        old: Option<Arc<LiveSession>>,
    ) -> Result<Arc<LiveSession>, StoreError> {
        let plan = ask.plan();
        let id = SessionId::from_random(random().ok_or_else(no_random)?);
        let sealed = redeemed.map(|redeemed| self.sealed_id_token(&id, redeemed)).transpose()?;
        let end = ask.wall().plus(plan.cookie.expire).min(end);
        let mut new = authentication.begin(id, provider, ask.wall(), end);
        new.session.id_token = sealed.flatten();
        let user_agent = ask.fields().get(http::header::USER_AGENT);
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        new.session.browser = user_agent.map(shown_browser);
        new.session.address = Some(ask.visitor().to_string().into());
        if let Some(redeemed) = redeemed {
            let nonce = random().ok_or_else(no_random)?;
            let sealed = self.keys.seal_tokens(&new.session.id, &redeemed.tokens, nonce);
            new.session.tokens = sealed.filter(|_| plan.sessions.recheck.is_some());
            new.session.provider_session.clone_from(&redeemed.session);
        }
        // A service's own sessions carry nothing: what goes on to proxies is a profile.
        let goes_on = old.as_ref().filter(|old| {
            old.person().id == new.person.id
                && old.session().idp_id == new.session.idp_id
                && plan.sign_in.service.is_none()
        });
        new.session.replaces = goes_on.map(|old| old.session().id.clone());
        let live = self.sessions.insert(new).await?;
        if let Some(old) = old {
            self.displace(ask, &old, &live).await;
        }
        self.note_sign_in(ask, live.person(), redeemed);
        Ok(live)
    }

    /// Changes what is known of a session, whatever else becomes known of it meanwhile: `change` is
    /// called with the newest, and again where somebody was faster. An app that signs in anew keeps its
    /// session's id, and is the same one; one that ended has nothing to be changed.
    pub(super) async fn change_session(
        &self,
        live: &LiveSession,
        change: impl Fn(&mut SignedIn) + Send + Sync,
    ) -> Result<(), StoreError> {
        for _ in 0..MOST_CHANGES {
            let found = look_up(&*self.sessions, &live.session().id).await?;
            let Some(before) = found.map(|live| live.newest()) else {
                let gone = || StoreError::Unavailable("the session is in no store".into());
                return if live.is_ended() { Ok(()) } else { Err(gone()) };
            };
            let mut new = SignedIn::clone(&before);
            change(&mut new);
            if self.sessions.renew(&before, new).await? {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("too much else becomes known of the session".into()))
    }

    /// A provider's ID token, as it is kept to be handed over at sign-out; a large one is not.
    fn sealed_id_token(
        &self,
        id: &SessionId,
        redeemed: &Redeemed,
    ) -> Result<Option<Box<str>>, StoreError> {
        let token = redeemed.id_token.as_bytes();
        if token.is_empty() || token.len() > LONGEST_HINT {
            return Ok(None);
        }
        let nonce = random().ok_or_else(no_random)?;
        let sealed = self.keys.seal(Purpose::IdToken, id.as_str().as_bytes(), token, nonce);
        Ok(Some(sealed.into()))
    }

    fn note_sign_in(&self, ask: &Ask, person: &Person, redeemed: Option<&Redeemed>) {
        let note = SignInNote {
            level: Level::Info,
            event: EventName::SignIn,
            now: ask.now(),
            request_id: ask.request_id(),
            person: Some(person.into()),
            from: Some(ask.visitor()),
            cause: None,
            client_authentication: redeemed.and_then(|redeemed| redeemed.method),
        };
        self.journal.note(ask.plan(), note);
        if !person.unproven.is_empty() {
            let doubts: Vec<String> = person.unproven.iter().map(ToString::to_string).collect();
            let (level, event) = (Level::Warn, EventName::Provider);
            self.note(ask, level, event, Some(person.into()), Some(doubts.join("; ")));
        }
    }

    /// Ends `old`, in whose place `new` is in this browser; not where the same person signed in
    /// again: their film goes on, and so does what other hosts' cookies lead to, until it runs out
    /// or either is ended.
    pub(super) async fn displace(&self, ask: &Ask, old: &LiveSession, new: &LiveSession) {
        // Routes with OAuth clients of their own have sessions beside each other.
        if old.session().idp_id != new.session().idp_id {
            return;
        }
        if let Err(error) = self.end_unless_one_follows(old, new).await {
            // The new one stands; the old one runs out by itself.
            let person = Some(old.person().into());
            self.note(ask, Level::Warn, EventName::SignOut, person, Some(error.to_string()));
        }
    }

    async fn end_unless_one_follows(
        &self,
        old: &LiveSession,
        new: &LiveSession,
    ) -> Result<(), StoreError> {
        // Two tabs arrive in any order.
        if self.follows(new, old).await? || self.follows(old, new).await? {
            return Ok(());
        }
        self.end_with_replaced(old).await
    }

    /// Is `later` this session, or did it come after it in the same browser?
    async fn follows(&self, later: &LiveSession, first: &LiveSession) -> Result<bool, StoreError> {
        let mut next = Some(later.session().id.clone());
        while let Some(id) = next {
            if id == first.session().id {
                return Ok(true);
            }
            next = replaced_by(&*self.sessions, &id).await?;
        }
        Ok(false)
    }

    pub(super) async fn end_with_replaced(&self, live: &LiveSession) -> Result<(), StoreError> {
        end_with_replaced(&*self.sessions, live).await
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
                let session @ Session { claims, sign_in, .. } = live.session();
                // What ends before its time ends for a reason, which holds at the proxy too.
                let usual = session.issued_at().plus(plan.cookie.expire);
                let end = Some(session.expires_at()).filter(|end| *end < usual);
                self.answer_url(ask, (live.person(), claims, *sign_in), end, query).ok()?
            }
            Goal::Program { redirect, host, .. } => {
                let redirect =
                    ProgramRedirect::parse(&plan.sign_in.programmatic_hosts, redirect).ok()?;
                // For this host alone, not for the one that signs people in.
                let host: Box<str> = Target::parse(plan, host).ok()?.origin().host.as_str().into();
                let handle = Handle::to(live.signed_in(), own, vec![host]);
                redirect.with_handle(&self.keys.sign_handle(&handle))
            }
        };
        let posted = ask.method() == http::Method::POST;
        if posted && leads_to_an_app(plan, goal) {
            return Some(answer::going_on(ask.language(), &location));
        }
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

/// Does it end at an app that asked by OpenID Connect, wherever that is, and wherever it sends a browser
/// on to?
fn leads_to_an_app(plan: &Plan, goal: &Goal) -> bool {
    let Goal::Page { target, .. } = goal else { return false };
    Target::parse(plan, target).is_ok_and(|target| {
        target.path() == AUTHORIZE && target.origin().host == plan.sign_in.authenticate.host
    })
}

pub(super) fn not_served() -> StoreError {
    StoreError::Unavailable("what the sign-in was for is no longer served".into())
}

fn no_random() -> StoreError {
    StoreError::Unavailable(NO_RANDOM.into())
}
