//! `/.pomerium/sign_in` at the authenticate host.

use std::time::Duration;

use http::{Response, StatusCode};
use usher_pages::{Link, SignInFailed};
use usher_rules::{
    fields::Reader,
    names::Origin,
    plan::Level,
    session::Session,
    signin::{
        ClaimsFault, Failure, Goal, GoalError, IdTokenFault, SIGN_IN, SignedUrl, Target,
        UrlRefusal, param, verify_url,
    },
};

use super::{Ask, SignInRoom, answer, binding::FORM_LIFE, choose};
use crate::request::{Body, EventName};

/// Why a sign-in can't go on from this address, and where to begin again.
#[derive(Debug)]
pub(super) struct NotFromHere {
    pub(super) cause: String,
    pub(super) why: &'static str,
    pub(super) try_again: String,
    /// The page that it was signed for.
    pub(super) page: Option<String>,
}

impl SignInRoom {
    pub(super) async fn sign_in(&self, ask: &Ask) -> Response<Body> {
        // A page with buttons may stay open as long as one with a form.
        let grace = choose::chosen(ask.path()).map_or(Duration::ZERO, |_| FORM_LIFE);
        let goal = match self.goal(ask, grace) {
            Ok(goal) => goal,
            Err(not_from_here) => return self.not_from_here(ask, &not_from_here),
        };
        let wanted = ask.wanted_providers();
        let known = ask.known_here();
        // Whom others vouch for is nobody where a route says who may.
        let known = known.filter(|live| {
            let by = &*live.session().idp_id;
            wanted.is_empty() || wanted.iter().any(|one| one.id() == by)
        });
        let known = known.filter(|live| goal.takes(live.session(), ask.wall()));
        if let Some(live) = known {
            let Session { claims, sign_in, .. } = live.session();
            let who = (live.person(), claims, *sign_in);
            if let Some(response) = self.unanswerable(ask, &goal, who) {
                return response;
            }
            if let Some(response) = self.hand_over(ask, &live, &goal) {
                return response;
            }
        }
        if matches!(goal, Goal::Proxy { .. }) && ask.reader() == Reader::Program {
            return answer::text(StatusCode::UNAUTHORIZED, "Unauthorized\n"); // as measured
        }
        self.ask_who(ask, goal, &wanted).await
    }

    /// Only an address that we signed has one. Without any query it is the authenticate host
    /// itself.
    pub(super) fn goal(&self, ask: &Ask, grace: Duration) -> Result<Goal, NotFromHere> {
        if ask.query().is_empty() {
            return Ok(Goal::Here);
        }
        if let Some(service) = &ask.plan().sign_in.service {
            return self.proxy_errand(ask.query(), service).map_err(NotFromHere::from);
        }
        let refused = |cause: String, why, try_again: Option<&Target>| NotFromHere {
            cause,
            why,
            try_again: try_again.map_or_else(|| "/.pomerium/".into(), Target::to_string),
            page: try_again.map(Target::to_string),
        };
        let url = self.signed_here(ask, SIGN_IN, grace).map_err(|refusal| {
            let (why, params) = match &refusal {
                UrlRefusal::Expired(params) => ("This sign-in link is too old.", Some(params)),
                UrlRefusal::TooEarly => {
                    ("This sign-in link is from a clock that is ahead of ours.", None)
                }
                UrlRefusal::Params(_) | UrlRefusal::Unsigned | UrlRefusal::BadSignature => (
                    "This is not a sign-in link of this server, or it was changed on the way.",
                    None,
                ),
            };
            let page = params.and_then(|params| params.text(param::REDIRECT_URI));
            let page = page.and_then(|page| Target::parse(ask.plan(), page).ok());
            refused(refusal.to_string(), why, page.as_ref())
        })?;
        Goal::read(ask.plan(), &url.params).map_err(|error: GoalError| {
            refused(
                error.to_string(),
                "What this sign-in link leads to is no longer served here.",
                None,
            )
        })
    }

    /// Verifies a link to `path` on the authenticate host: signed for the address under which
    /// other hosts know it, or for the one that this browser came by (a port mapped on the way).
    pub(super) fn signed_here(
        &self,
        ask: &Ask,
        path: &str,
        grace: Duration,
    ) -> Result<SignedUrl, UrlRefusal> {
        let verify = |origin: &Origin| {
            verify_url(&self.keys, &format!("{origin}{path}"), ask.query(), ask.wall(), grace)
        };
        let verdict = verify(&ask.plan().sign_in.authenticate);
        if verdict == Err(UrlRefusal::BadSignature) { verify(&ask.origin()) } else { verdict }
    }

    pub(super) fn not_from_here(&self, ask: &Ask, not_from_here: &NotFromHere) -> Response<Body> {
        let NotFromHere { cause, why, try_again, page } = not_from_here;
        // A link of ours that is late, a bookmark or a tab of yesterday: on to where it leads, which
        // begins anew where it has to.
        if let Some(page) = page {
            return answer::see_other(page);
        }
        self.failed(ask, cause.clone(), why, try_again)
    }

    /// A sign-in that did not end well: words for the person, the cause for the operator.
    pub(super) fn failed(
        &self,
        ask: &Ask,
        cause: String,
        why: &str,
        try_again: &str,
    ) -> Response<Body> {
        self.failed_as(ask, Level::Info, cause, why, try_again)
    }

    /// The same, of this weight for the operator.
    pub(super) fn failed_as(
        &self,
        ask: &Ask,
        level: Level,
        cause: String,
        why: &str,
        try_again: &str,
    ) -> Response<Body> {
        self.note(ask, level, EventName::SignInFailed, None, Some(cause));
        let page = SignInFailed { why, try_again: Link::new(try_again), receipt: ask.receipt() };
        answer::error(ask, &page)
    }
}

/// A wrong clock keeps everybody out until the operator sets it; what else fails is one person's.
pub(super) fn level(failure: &Failure) -> Level {
    if is_of_clocks(failure) { Level::Warn } else { Level::Info }
}

fn is_of_clocks(failure: &Failure) -> bool {
    use IdTokenFault::{Expired, TooEarly};
    matches!(failure, Failure::IdToken(Expired(Some(_)) | TooEarly(Some(_))))
}

pub(super) fn words(failure: &Failure) -> &'static str {
    match failure {
        Failure::NotUnderWay => {
            "This browser has no sign-in under way that this belongs to. It was finished already, \
             began in another browser, or cookies are blocked."
        }
        Failure::TooSlow => "The sign-in took too long.",
        Failure::OtherProvider => "The way to sign in was changed meanwhile.",
        Failure::Refused(_) | Failure::TryAgain { .. } => {
            "The service that signs people in said no."
        }
        Failure::NotAnew => {
            "This page asks for a recent sign-in, and the service that signs people in did not ask \
             again, or does not say that it did."
        }
        _ if is_of_clocks(failure) => {
            "The clocks of this server and of the service that signs people in differ. Until one of \
             them is set right nobody can sign in: please tell whoever runs this server."
        }
        Failure::Claims(ClaimsFault::OtherDomain) => {
            "This account is not one of those that may sign in this way. Choose another account."
        }
        Failure::OtherIssuer
        | Failure::NoIssuer
        | Failure::NoCode
        | Failure::IdToken(_)
        | Failure::Claims(_) => {
            "The service that signs people in gave an answer that can't be trusted."
        }
    }
}
