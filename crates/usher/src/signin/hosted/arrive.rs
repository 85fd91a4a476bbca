use std::{fmt::Display, sync::Arc, time::Duration};

use http::Response;
use usher_pages::{Link, ProviderDown};
use usher_rules::{
    plan::{HostedService, Level, SameSite},
    session::{Authentication, CookieLife, Handle, SetCookie},
    signin::{
        BindingUse, BrowserBinding, Dependents, Target,
        hosted::{
            AnswerFault, Arrived, ProfileFault, SealedFault, SealedForm, StampFault, Unsealed,
            unmark,
        },
    },
    time::UnixTime,
};

use crate::{
    request::{
        Body,
        identify::{LiveSession, NotOnce, StoreError},
    },
    signin::{
        Ask, SignInRoom, answer,
        callback::{NotThisBrowser, USED, already_in, begun_here},
        provider::ProviderError,
    },
};

/// Why nobody is signed in by a callback.
pub(super) enum NotSignedIn {
    /// What came is not followed.
    Refused { level: Level, cause: String, why: &'static str, again: String },
    /// The service's key is not known.
    NoKey(ProviderError),
    /// The session could not be kept.
    Store(StoreError),
}

impl From<StoreError> for NotSignedIn {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Somebody the service vouches for, until when at the latest.
pub(super) type VouchedFor = (Authentication, Option<UnixTime>);

/// Tabs that were opened together sign in within so long.
const SAME_SIGN_IN: Duration = Duration::from_secs(300);

const NOT_OURS: &str = "This link does not sign anybody in: it is not from the service that signs \
                        people in here, or it was changed on the way.";
const CLOCKS: &str = "This sign-in is too old, or the clocks of this server and of the service \
                      that signs people in are more than a minute apart.";
const UNCLEAR: &str = "The service that signs people in gave an answer that this server can't use.";

impl SignInRoom {
    /// `/.pomerium/callback/` at a route's host: the service's answer arrives. Only what is inside
    /// the seal counts, in the browser that began, once, for a page of this host.
    pub(in crate::signin) async fn hosted_callback(
        &self,
        ask: &Ask,
        service: &HostedService,
    ) -> Response<Body> {
        self.arrival_or_why(ask, self.arrive_hosted(ask, service).await)
    }

    /// The answer to a callback, or the page that says why nothing came of it.
    pub(super) fn arrival_or_why(
        &self,
        ask: &Ask,
        arrival: Result<Response<Body>, NotSignedIn>,
    ) -> Response<Body> {
        match arrival {
            Ok(response) => response,
            Err(NotSignedIn::Refused { level, cause, why, again }) => already_in(ask, Some(&again))
                .unwrap_or_else(|| self.failed_as(ask, level, cause, why, &again)),
            Err(NotSignedIn::NoKey(error)) => {
                self.note_provider(ask.plan(), ask.request_id(), ask.now(), &error);
                let (host, receipt) = (ask.host(), ask.receipt());
                let try_again = Link::new("/");
                answer::error(ask, &ProviderDown { host, try_again, receipt })
            }
            Err(NotSignedIn::Store(error)) => self.not_begun(ask, &error),
        }
    }

    async fn arrive_hosted(
        &self,
        ask: &Ask,
        service: &HostedService,
    ) -> Result<Response<Body>, NotSignedIn> {
        let arrived = self.opened(ask).await?;
        if arrived.programmatic {
            return self.program_arrived(ask, service, &arrived);
        }
        let Some((page, flow)) = unmark(&arrived.redirect) else {
            let why = "This sign-in did not begin at this server.";
            return Err(refused("the answer has no mark of ours", why, "/"));
        };
        let target = match Target::parse(ask.plan(), page) {
            Ok(target) if *target.origin() == ask.origin() => target,
            Ok(_) | Err(_) => {
                let why = "What this link leads to is not served here.";
                return Err(refused("the target is not of this host", why, "/"));
            }
        };
        let again = target.to_string();
        begun_here(ask, flow)
            .map_err(|NotThisBrowser { cause, why }| refused(cause, why, &again))?;
        let (authentication, end) = vouched_for(ask, service, &arrived, &again)?;
        self.use_once(ask, &arrived, &again).await?;
        let live = match same_sign_in(ask, &authentication) {
            Some(live) => live,
            None => {
                let end = end.unwrap_or(UnixTime::MAX);
                let old = ask.identity().session().cloned(); // each host has sessions of its own
                self.begin_until(ask, &service.id, authentication, None, end, old).await?
            }
        };
        let mut response = answer::found(&Dependents::of(ask.plan(), target).next());
        let life = CookieLife::Until(live.session().expires_at());
        let value = self.keys.sign_handle(&handle(ask, &live));
        for cookie in SetCookie::session(&ask.plan().cookie, &value, life) {
            answer::set_cookie(&mut response, &cookie, ask.wall());
        }
        let name = BrowserBinding::cookie_name(ask.cookie_name(), BindingUse::Hop, flow);
        let over = SetCookie::flow(&name, "", SameSite::Lax, CookieLife::Over);
        answer::set_cookie(&mut response, &over, ask.wall());
        Ok(response)
    }

    pub(super) async fn opened(&self, ask: &Ask) -> Result<Arrived, NotSignedIn> {
        let not_ours = |fault: SealedFault| refused(fault, NOT_OURS, "/");
        let unsealed = SealedForm::unseal(ask.query(), &self.hosted).map_err(not_ours)?;
        let (plan, now) = (ask.plan(), ask.now());
        let mut key = self.service_keys.find(plan, now).await.map_err(NotSignedIn::NoKey)?.key;
        if unsealed.sender() != key {
            // The service may have a new key that we have not heard of.
            key = self.service_keys.find_newer(plan, key, now).await;
        }
        if unsealed.sender() != key {
            // Anybody may have sealed it: nobody looks inside.
            let fault = AnswerFault::OtherSender;
            return Err(refused(fault, words(fault), "/"));
        }
        let opened = unsealed.read(Unsealed::OF_THE_TRUSTED).map_err(not_ours)?;
        let arrived = Arrived::read(&opened, &key, now.wall);
        arrived.map_err(|fault| {
            // The service sealed it, so what is late still says where it leads.
            let marked = Arrived::redirect_of(&opened, &key);
            let page = marked.and_then(unmark).map_or("/", |(page, _)| page);
            let page =
                Target::parse(ask.plan(), page).map_or_else(|_| "/".into(), |t| t.to_string());
            not_counting(fault, &page)
        })
    }

    pub(super) async fn use_once(
        &self,
        ask: &Ask,
        arrived: &Arrived,
        again: &str,
    ) -> Result<(), NotSignedIn> {
        let until = arrived.stamps.remembered_until(BrowserBinding::LIFE, ask.wall());
        self.sessions.once(arrived.digest, until, ask.wall()).await.map_err(|why| match why {
            NotOnce::Used => refused(why, USED, again),
            NotOnce::Store(error) => error.into(),
        })
    }
}

pub(super) fn vouched_for(
    ask: &Ask,
    service: &HostedService,
    arrived: &Arrived,
    again: &str,
) -> Result<VouchedFor, NotSignedIn> {
    let person = arrived.profile.person(&service.id, ask.wall());
    person.map_err(|fault| refused(fault, words(fault.into()), again))
}

/// The session that another tab of this browser has just got, by the same person: a second one
/// would end the first, and with it the film and the socket of that tab.
fn same_sign_in(ask: &Ask, authentication: &Authentication) -> Option<Arc<LiveSession>> {
    let live = ask.identity().session().filter(|live| !live.is_ended())?;
    let is_young = ask.wall().is_within(SAME_SIGN_IN, live.session().issued_at());
    let is_same =
        *live.person() == authentication.person && live.session().claims == authentication.claims;
    (is_young && is_same).then(|| Arc::clone(live))
}

pub(super) fn handle(ask: &Ask, live: &LiveSession) -> Handle {
    let host = ask.authority().host.as_str();
    Handle::to(live.signed_in(), host, vec![host.into()])
}

pub(super) fn refused(cause: impl Display, why: &'static str, again: &str) -> NotSignedIn {
    NotSignedIn::Refused { level: Level::Info, cause: cause.to_string(), why, again: again.into() }
}

/// The same of a message from the service. A wrong clock keeps everybody out until it is set; one
/// that is too old may have been left lying.
fn not_counting(fault: AnswerFault, again: &str) -> NotSignedIn {
    let early = matches!(fault, AnswerFault::Stamps(StampFault::TooEarly));
    let level = if early { Level::Warn } else { Level::Info };
    let (cause, why, again) = (fault.to_string(), words(fault), again.into());
    NotSignedIn::Refused { level, cause, why, again }
}

fn words(fault: AnswerFault) -> &'static str {
    match fault {
        AnswerFault::OtherSender => NOT_OURS,
        AnswerFault::Stamps(StampFault::TooEarly | StampFault::Expired) => CLOCKS,
        AnswerFault::Profile(ProfileFault::Over) => {
            "What the service that signs people in knows of you is too old. Sign out there and \
             try again."
        }
        AnswerFault::Profile(ProfileFault::OtherProvider) => {
            "The way to sign in was changed meanwhile."
        }
        AnswerFault::Stamps(StampFault::NoIssued | StampFault::NoExpiry)
        | AnswerFault::NoProfile
        | AnswerFault::NoRedirect
        | AnswerFault::Profile(
            ProfileFault::Unreadable | ProfileFault::Field(_) | ProfileFault::Claims(_),
        ) => UNCLEAR,
    }
}
