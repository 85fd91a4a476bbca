use std::{fmt, net::IpAddr, sync::Arc};

use bytes::Bytes;
use usher_rules::{
    names::{Authority, RequestPath},
    people::BoxFuture,
    plan::{Plan, Route},
    time::Now,
};

use super::{
    Body,
    accept::Presented,
    identify::{Identity, LiveSession, StoreError},
};

/// A request for one of our own pages, under the paths that no app can own
/// (`pomerium-protocols.md` §2.0).
#[derive(Debug)]
pub struct OwnRequest {
    /// The snapshot that this request runs with.
    pub plan: Arc<Plan>,
    /// The request's head, as it came.
    pub head: http::request::Parts,
    /// The whole body, at most 64 KiB; longer ones were refused.
    pub body: Bytes,
    /// Whom it is for.
    pub authority: Authority,
    /// Its path in canonical form.
    pub path: RequestPath,
    /// The first route of this host, if any.
    pub route: Option<Arc<Route>>,
    /// Who is asking.
    pub identity: Identity,
    /// The TCP peer: what policies judge.
    pub source: IpAddr,
    /// The visitor: the TCP peer, or whom the proxies that are trusted name.
    pub visitor: IpAddr,
    /// The client's certificates.
    pub presented: Arc<Presented>,
    /// The id on pages, logs and `X-Request-Id`.
    pub request_id: Box<str>,
    /// The moment at which it came.
    pub now: Now,
}

/// What a request brought to a route, to be judged by those who sign people in.
#[derive(Clone, Copy, Debug)]
pub struct Brought<'a> {
    /// The snapshot that the request runs with.
    pub plan: &'a Plan,
    /// The route that takes it.
    pub route: &'a Route,
    /// The host that was asked for, without port.
    pub host: &'a str,
    /// As it came.
    pub secret: BroughtSecret<'a>,
    /// Who brought it: what tries are counted by.
    pub visitor: IpAddr,
    /// The moment at which it came.
    pub now: Now,
}

/// Which kind of secret that is.
#[derive(Clone, Copy)]
pub enum BroughtSecret<'a> {
    /// A token of the provider's.
    Token(&'a str),
    /// A password that somebody of ours made for a client.
    AppPassword(&'a str),
}

impl fmt::Debug for BroughtSecret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(..)",
            Self::AppPassword(_) => "AppPassword(..)",
        })
    }
}

/// Answers requests for our own pages. Implemented by `signin/`.
pub trait OwnPages: Send + Sync {
    /// The answer; never an error, since a page can always say what is wrong.
    fn answer(&self, request: OwnRequest) -> BoxFuture<'_, http::Response<Body>>;

    /// Where a navigation without a session is sent: the whole answer, `Location` and cookies.
    ///
    /// `target` is the path and query that were asked for, as they came.
    fn sign_in_redirect<'a>(
        &'a self,
        request: SignInNeeded<'a>,
    ) -> BoxFuture<'a, http::Response<Body>>;

    /// The session that such a secret stands for; `None` where it is no good.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where those who could say don't: it is neither.
    fn session_by<'a>(
        &'a self,
        _brought: Brought<'a>,
    ) -> BoxFuture<'a, Result<Option<Arc<LiveSession>>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    /// Where a navigation is sent whose policy asks for a device of that kind.
    fn device_redirect(&self, request: &SignInNeeded<'_>, kind: &str) -> http::Response<Body>;
}

/// Facts that were learnt elsewhere, are no secrets, and help while whoever told them is silent:
/// the key of an authenticate service. Implemented in `store/`.
pub trait Remembered: Send + Sync {
    /// What was remembered last under this name.
    fn recall<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;
    /// Remembers it in place of what was there.
    fn remember<'a>(
        &'a self,
        name: &'a str,
        value: &'a [u8],
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Whom a sign-in asks (OIDC Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Those of whom nothing is known.
    IfNeeded,
    /// Everybody: what is known is too old.
    Login,
    /// Everybody, for a passkey and nothing else.
    Passkey,
}

/// A navigation that needs somebody to sign in. Made by [`SignInNeeded::on`] alone: everybody asks
/// the same provider for the same route.
#[derive(Debug)]
pub struct SignInNeeded<'a> {
    /// The snapshot that this request runs with.
    pub plan: &'a Arc<Plan>,
    /// The request's head, as it came.
    pub head: &'a http::request::Parts,
    /// Whom it is for.
    pub authority: &'a Authority,
    /// Path and query to come back to.
    pub target: &'a str,
    /// Who may say who they are: by the ids that their sessions have.
    pub provider: String,
    /// Does a session that is known somewhere do?
    pub prompt: Prompt,
    /// The id on pages, logs and `X-Request-Id`.
    pub request_id: &'a str,
    /// The moment at which it came.
    pub now: Now,
}

impl<'a> SignInNeeded<'a> {
    /// On `route`, by whoever signs people in there; `target` is the path and query to come back to.
    pub(crate) fn on(
        route: Option<&'a Route>,
        plan: &'a Arc<Plan>,
        (head, authority, target): (&'a http::request::Parts, &'a Authority, &'a str),
        (request_id, now): (&'a str, Now),
    ) -> Self {
        let by = route.and_then(|route| route.sign_in_by.as_ref());
        let provider = plan.sign_in.providers.ids_asked_by(by);
        let prompt = Prompt::IfNeeded;
        Self { plan, head, authority, target, provider, prompt, request_id, now }
    }
}
