//! What the room asks of a provider, whichever it is. Their kinds are told apart here and nowhere
//! else in the room: what most of them do stands in the trait, and each says what it does instead.

use std::time::Duration;

use http::{Method, Response, StatusCode};
use usher_pages::{ProviderDown, Receipt, SetUpWrong, SignInFailed};
use usher_rules::{
    fields::{error_form, reader},
    people::BoxFuture,
    plan::{HostedService, OidcProvider, Plan, Provider},
    signin::{CLOCK_SKEW, Goal, PROMPT_LOGIN, SIGN_IN, param, sign_url},
    time::{Now, UnixTime},
};

use super::{
    Ask, SignInRoom, answer, hosted,
    provider::{self, EndSession, ProviderError},
    workers,
};
use crate::request::{Body, Prompt, SignInNeeded, reader_language};

/// Asks a provider for what a sign-in begins with: its documents and keys. `None` where there is
/// nobody to ask.
///
/// # Errors
///
/// [`ProviderError`]: nobody could sign in now.
pub async fn try_provider(
    plan: &Plan,
    provider: &Provider,
    patience: Duration,
    now: Now,
) -> Option<Result<(), ProviderError>> {
    match provider {
        Provider::Builtin => None,
        Provider::Oidc(provider) => {
            Some(provider::try_discovery(plan, provider, patience, now).await)
        }
        Provider::Hosted(_) => Some(hosted::try_service(plan, patience).await),
    }
}

/// What a provider that answers makes of us.
#[derive(Debug)]
pub enum Reception {
    /// It would sign people in, as far as can be told without somebody who signs in.
    Good,
    /// It does not take our client.
    Stranger(ProviderError),
    /// Its clock shows this, which is too far from ours for its tokens to count.
    OtherClock(UnixTime),
}

/// Asks a provider that answers what else a sign-in would fail on.
pub async fn reception(
    plan: &Plan,
    provider: &Provider,
    patience: Duration,
    now: Now,
) -> Reception {
    let Provider::Oidc(provider) = provider else { return Reception::Good };
    if let Some(theirs) = provider::clock_of(plan, provider, patience, now).await
        && theirs.since(now.wall).max(now.wall.since(theirs)) > CLOCK_SKEW
    {
        return Reception::OtherClock(theirs);
    }
    match provider::try_client(plan, provider, patience, now).await {
        Ok(()) => Reception::Good,
        Err(error) => Reception::Stranger(error),
    }
}

impl SignInRoom {
    /// How to speak with this provider.
    pub(super) fn with<'a>(&'a self, provider: &'a Provider) -> Box<dyn IdentityProvider + 'a> {
        match provider {
            Provider::Builtin => Box::new(BuiltIn(self)),
            Provider::Oidc(provider) => Box::new(Oidc(self, provider)),
            Provider::Hosted(service) => Box::new(Hosted(self, service)),
        }
    }

    /// How to speak with the provider that is asked where nothing says which.
    pub(super) fn with_first<'a>(&'a self, plan: &'a Plan) -> Box<dyn IdentityProvider + 'a> {
        self.with(plan.sign_in.providers.first())
    }
}

/// A provider as the room speaks with it.
pub(super) trait IdentityProvider: Send + Sync {
    fn room(&self) -> &SignInRoom;

    /// At a route's host: sends a navigation to where its person signs in.
    fn begin<'a>(&'a self, needed: &'a SignInNeeded<'_>) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async move {
            self.room().begin_hop(needed).unwrap_or_else(|| {
                let try_again = usher_pages::Link::new("/");
                let why = "This host can't begin a sign-in.";
                let page = SignInFailed { why, try_again, receipt: receipt(needed) };
                refused(needed, &page)
            })
        })
    }

    /// At a route's host: the address at which a person signs a program in.
    fn login_url<'a>(
        &'a self,
        ask: &'a Ask,
        redirect: &'a str,
        callback: &'a str,
        prompt: Prompt,
    ) -> BoxFuture<'a, Response<Body>> {
        let (plan, ids) = (ask.plan(), ask.provider_ids());
        let mut params = vec![
            (param::IDP_ID, &*ids),
            (param::REDIRECT_URI, redirect),
            (param::CALLBACK_URI, callback),
            (param::PROGRAMMATIC, "true"),
        ];
        if prompt == Prompt::Login {
            params.push((param::PROMPT, PROMPT_LOGIN));
        }
        let base = format!("{}{SIGN_IN}", plan.sign_in.authenticate);
        let url = sign_url(&self.room().keys, &base, &params, ask.wall());
        Box::pin(async { answer::personal(answer::plain(StatusCode::OK, url)) })
    }

    /// At a route's host: the end of a sign-in arrives, or a form of the page that it led to.
    fn callback<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async move {
            match *ask.method() {
                Method::GET => self.room().callback(ask).await,
                _ => answer::method_not_allowed("GET"),
            }
        })
    }

    /// At the authenticate host: what somebody sees who is not known there.
    fn sign_in<'a>(&'a self, ask: &'a Ask, goal: Goal) -> BoxFuture<'a, Response<Body>>;

    /// At the authenticate host: a form of that page comes back.
    fn form_posted<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Response<Body>> {
        Box::pin(self.room().sign_in(ask))
    }

    /// Where its own session of somebody ends (RP-Initiated Logout 1.0 §2).
    fn end_session<'a>(&'a self, _ask: &'a Ask) -> BoxFuture<'a, Option<EndSession>> {
        Box::pin(async { None })
    }
}

struct BuiltIn<'a>(&'a SignInRoom);

impl IdentityProvider for BuiltIn<'_> {
    fn room(&self) -> &SignInRoom {
        self.0
    }

    fn sign_in<'a>(&'a self, ask: &'a Ask, goal: Goal) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async move { self.0.form(ask, &goal) })
    }

    fn form_posted<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Response<Body>> {
        Box::pin(self.0.password_posted(ask))
    }
}

struct Oidc<'a>(&'a SignInRoom, &'a OidcProvider);

impl IdentityProvider for Oidc<'_> {
    fn room(&self) -> &SignInRoom {
        self.0
    }

    fn sign_in<'a>(&'a self, ask: &'a Ask, goal: Goal) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async move {
            match workers::no_person(ask) {
                Some(response) => response,
                // Whom it does not answer it can't tell who somebody is: better a page that says so.
                None if self.0.away.is_now(&self.1.id, ask.now().monotonic) => {
                    let away = ProviderError::Lately("it can't be reached".into());
                    self.0.provider_down(ask, &away, &ask.with_query(SIGN_IN))
                }
                None => self.0.to_provider(ask, self.1, goal, 0).await,
            }
        })
    }

    fn end_session<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Option<EndSession>> {
        Box::pin(async move {
            let end = self.0.providers.end_session(ask.plan(), self.1, ask.now());
            let mut end = end.await?;
            end.url.query_pairs_mut().append_pair("client_id", &self.1.client_id);
            Some(end)
        })
    }
}

struct Hosted<'a>(&'a SignInRoom, &'a HostedService);

impl IdentityProvider for Hosted<'_> {
    fn room(&self) -> &SignInRoom {
        self.0
    }

    fn begin<'a>(&'a self, needed: &'a SignInNeeded<'_>) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async move {
            let SignInNeeded { plan, authority, target, request_id, now, .. } = *needed;
            if needed.prompt != Prompt::IfNeeded {
                // It would answer at once with what it knows, and the browser would go in circles.
                let (try_again, receipt) = (usher_pages::Link::new(target), receipt(needed));
                let why = "This page asks for a recent sign-in. Sign out and sign in again.";
                return refused(needed, &SignInFailed { why, try_again, receipt });
            }
            let error = match self.0.begin_hosted(self.1, needed).await {
                Ok(response) => return response,
                Err(error) => error,
            };
            self.0.note_provider(plan, request_id, now, &error);
            let (again, receipt) = (usher_pages::Link::new(target), receipt(needed));
            if !error.is_down() {
                return refused(needed, &SetUpWrong { again, receipt });
            }
            let host = authority.to_string();
            refused(needed, &ProviderDown { host: &host, try_again: again, receipt })
        })
    }

    fn login_url<'a>(
        &'a self,
        ask: &'a Ask,
        redirect: &'a str,
        callback: &'a str,
        _prompt: Prompt, // the service has no word for it
    ) -> BoxFuture<'a, Response<Body>> {
        Box::pin(self.0.hosted_login_url(ask, self.1, redirect, callback))
    }

    fn callback<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async move {
            match *ask.method() {
                Method::GET => self.0.hosted_callback(ask, self.1).await,
                _ => self.0.hosted_program_allowed(ask, self.1).await,
            }
        })
    }

    /// INVARIANT: where people sign in elsewhere no host of ours is the authenticate host.
    fn sign_in<'a>(&'a self, _ask: &'a Ask, _goal: Goal) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async { answer::text(StatusCode::NOT_FOUND, "Not Found\n") })
    }
}

fn receipt<'a>(needed: &SignInNeeded<'a>) -> Receipt<'a> {
    let language = reader_language(&needed.head.headers);
    Receipt { request_id: needed.request_id, at_seconds: needed.now.wall.seconds(), language }
}

fn refused(needed: &SignInNeeded<'_>, page: &impl usher_pages::ErrorPage) -> Response<Body> {
    let head = needed.head;
    let read_as = error_form(reader(&head.method, &head.headers), &head.headers);
    answer::error_for(read_as, page)
}
