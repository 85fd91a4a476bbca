//! A browser comes from an app, and goes back with a code.

use std::time::Duration;

use http::Response;
use usher_rules::{
    openid::{
        AUTHORIZE, AuthorizationRequest, AuthorizeError, Code, GrantId, NotAuthorized, Prompts,
        answer_url,
    },
    plan::Level,
    policy::Verdict,
    signin::{CLOCK_SKEW, Params},
    time::UnixTime,
};

use super::{
    super::{Ask, SignInRoom, answer, random},
    issuer, verdict,
};
use crate::request::{Body, EventName, Prompt, identify::LiveSession};

/// Ours: since when a sign-in does, where one was asked for. Who changes it changes his own request,
/// and the app sees by `auth_time` when it was.
const SINCE: &str = "usher_since";

/// For how long somebody may be at it who was asked to sign in anew.
const AT_IT: Duration = Duration::from_secs(3600);

impl SignInRoom {
    pub(super) async fn authorize(&self, ask: &Ask) -> Response<Body> {
        let request = match AuthorizationRequest::read(&ask.plan().openid_clients, ask.query()) {
            Ok(request) => request,
            Err(NotAuthorized::Here(fault)) => {
                let cause = format!("an app's request: {fault}");
                let why = "This link came from an app that is not set up here, or was changed on \
                           the way.";
                return self.failed(ask, cause, why, "/.pomerium/");
            }
            Err(NotAuthorized::Told { redirect_uri, state, error }) => {
                return self.tell(ask, (&redirect_uri, state.as_deref()), error);
            }
        };
        let live = ask.known_here();
        let is_recent = |live: &LiveSession| is_recent(ask, &request, live);
        let known = live.as_deref().filter(|live| is_recent(live));
        let Some(live) = known else {
            let prompt = if live.is_some() { Prompt::Login } else { Prompt::IfNeeded };
            return self.sign_in_for(ask, &request, prompt).await;
        };
        match verdict(request.client, &live.newest(), Some(ask.source()), ask.wall()) {
            Verdict::Allow => self.give_code(ask, &request, live),
            Verdict::SignInAgain if since(ask).is_none() => {
                self.sign_in_for(ask, &request, Prompt::Login).await
            }
            // Who comes back from it has shown one, so that nobody goes in circles.
            Verdict::ShowPasskey => self.sign_in_for(ask, &request, Prompt::Passkey).await,
            Verdict::SignIn
            | Verdict::SignInAgain
            | Verdict::ShowDevice
            | Verdict::ShowCertificate
            | Verdict::Deny => self.tell_app(ask, &request, AuthorizeError::Denied),
        }
    }

    /// Signs in as for any page, and comes back here.
    async fn sign_in_for(
        &self,
        ask: &Ask,
        request: &AuthorizationRequest<'_>,
        prompt: Prompt,
    ) -> Response<Body> {
        if request.prompts == Prompts::None {
            return self.tell_app(ask, request, AuthorizeError::LoginRequired);
        }
        let is_ours = |pair: &&str| pair.split('=').next() == Some(SINCE);
        let pairs = ask.query().split('&').filter(|pair| !is_ours(pair));
        let query = pairs.collect::<Vec<_>>().join("&");
        let target = format!("{AUTHORIZE}?{query}&{SINCE}={}", ask.wall().seconds());
        self.start_with(ask, &target, prompt).await
    }

    fn give_code(
        &self,
        ask: &Ask,
        request: &AuthorizationRequest<'_>,
        live: &LiveSession,
    ) -> Response<Body> {
        let Some((grant, nonce)) = random().zip(random()) else {
            return self.tell_app(ask, request, AuthorizeError::NotNow);
        };
        let ids = (GrantId::from_random(grant), live.session().id.clone());
        let code = Code::new(request, ids, &ask.source().to_string(), ask.wall());
        let code = code.seal(&self.keys, nonce);
        let cause = Some(format!("signs in to `{}`", request.client.id));
        self.note(ask, Level::Info, EventName::OpenId, Some(live.person().into()), cause);
        let state = request.state.as_deref();
        let pairs = [("code", &*code)];
        answer::found(&answer_url(&request.redirect_uri, &issuer(ask), state, &pairs))
    }

    fn tell_app(
        &self,
        ask: &Ask,
        request: &AuthorizationRequest<'_>,
        error: AuthorizeError,
    ) -> Response<Body> {
        self.tell(ask, (&request.redirect_uri, request.state.as_deref()), error)
    }

    fn tell(
        &self,
        ask: &Ask,
        (redirect_uri, state): (&str, Option<&str>),
        error: AuthorizeError,
    ) -> Response<Body> {
        let words = error.to_string();
        let person = ask.known_here();
        let person = person.as_deref().map(|live| live.person().into());
        let cause = Some(format!("an app's request: {words}"));
        self.note(ask, Level::Info, EventName::OpenId, person, cause);
        let pairs = [("error", error.word()), ("error_description", &*words)];
        answer::found(&answer_url(redirect_uri, &issuer(ask), state, &pairs))
    }
}

/// Is this sign-in as new as the app wants it (`prompt`, `max_age`)?
fn is_recent(ask: &Ask, request: &AuthorizationRequest<'_>, live: &LiveSession) -> bool {
    let at = live.session().sign_in.moment(ask.wall());
    let is_anew = since(ask).zip(at).is_some_and(|(since, at)| at.plus(CLOCK_SKEW) >= since);
    let is_young = match request.max_age {
        Some(0) => false, // asks for a sign-in, as `prompt=login` does (OIDC Core §3.1.2.1)
        Some(most) => at.is_some_and(|at| at.plus(Duration::from_secs(most)) >= ask.wall()),
        None => true,
    };
    is_anew || (is_young && request.prompts != Prompts::Login)
}

/// Since when a sign-in does, where somebody comes from one.
fn since(ask: &Ask) -> Option<UnixTime> {
    let params = Params::parse(ask.query()).ok()?;
    let since = params.text(SINCE)?.parse().ok().map(UnixTime::from_seconds)?;
    ask.wall().is_within(AT_IT, since).then_some(since)
}
