//! The way to a provider, and `/oauth2/callback`, the way back; `/oauth2/callback/NAME` for all but
//! the first of several.

use http::{Method, Response};
use usher_pages::{Link, ProviderDown, SetUpWrong};
use usher_rules::{
    plan::{Level, OidcProvider, SameSite},
    session::{CookieLife, SetCookie, all_cookies, cookies},
    signin::{AuthorizationResponse, Failure, Goal, Pending, SIGN_IN, Target, surplus_cookies},
};

use super::{
    Ask, NO_RANDOM, SignInRoom, answer,
    provider::{ProviderError, VerifiedTokens},
    random,
    sessions::not_served,
    sign_in::{level, words},
};
use crate::request::{
    Body, EventName,
    identify::{NotOnce, StoreError},
};

/// Why somebody who came back from a provider is not signed in.
enum NotSignedIn {
    Failure(Failure),
    Provider(ProviderError),
    Store(StoreError),
}

impl From<StoreError> for NotSignedIn {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for NotSignedIn {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<NotOnce> for NotSignedIn {
    fn from(why: NotOnce) -> Self {
        match why {
            NotOnce::Used => Self::Failure(Failure::NotUnderWay),
            NotOnce::Store(error) => Self::Store(error),
        }
    }
}

impl From<ProviderError> for NotSignedIn {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl SignInRoom {
    /// Sends the browser to the provider, with state, nonce and verifier sealed in a cookie.
    pub(super) async fn to_provider(
        &self,
        ask: &Ask,
        provider: &OidcProvider,
        goal: Goal,
        tries: u8,
    ) -> Response<Body> {
        let Some((randoms, nonce)) = random_flow() else {
            return self.not_begun(ask, &StoreError::Unavailable(NO_RANDOM.into()));
        };
        let pending = Pending::start(&randoms, provider, goal, ask.wall()).after(tries);
        let location =
            match self.providers.authorize_url(ask.plan(), provider, &pending, ask.now()).await {
                Ok(location) => location,
                Err(error) => return self.provider_down(ask, &error, &ask.with_query(SIGN_IN)),
            };
        let mut response = answer::found(&location);
        for name in surplus_cookies(ask.fields(), &Pending::cookie_prefix(ask.cookie_name())) {
            let over = SetCookie::flow(&name, "", SameSite::Lax, CookieLife::Over);
            answer::set_cookie(&mut response, &over, ask.wall());
        }
        let name = Pending::cookie_name(ask.cookie_name(), pending.state());
        let value = pending.seal(&self.keys, ask.cookie_name(), nonce);
        // Lax, not Strict: the way back begins at the provider.
        let life = CookieLife::For(Pending::REMEMBERED);
        let cookie = SetCookie::flow(&name, &value, SameSite::Lax, life);
        answer::set_cookie(&mut response, &cookie, ask.wall());
        response
    }

    /// The browser comes back from the provider.
    pub(super) async fn oauth2_callback(&self, ask: &Ask) -> Response<Body> {
        let posted = ask.method() == Method::POST;
        if let Some(response) = asked_again(ask) {
            return response;
        }
        let query = if posted { ask.form_text() } else { ask.query() };
        let response = AuthorizationResponse::read(query);
        let name = Pending::cookie_name(ask.cookie_name(), &response.state);
        let value = cookies(ask.fields(), &name).next();
        let pending = value
            .as_deref()
            .map(|value| Pending::open(&self.keys, ask.cookie_name(), &response.state, value));
        let pending = pending.unwrap_or(Err(Failure::NotUnderWay));
        let goal = pending.as_ref().map_or(Goal::Here, |pending| pending.goal().clone());
        let provider = pending.as_ref().ok().map(Pending::provider);
        let provider = provider.and_then(|id| ask.plan().sign_in.providers.of(id)?.oidc());
        let came_back = match (pending, provider) {
            (Ok(pending), Some(provider)) => {
                self.come_back(ask, &response, pending, provider).await
            }
            (Ok(_), None) => Err(Failure::OtherProvider.into()),
            (Err(failure), _) => Err(failure.into()),
        };
        let mut answered = match came_back {
            Ok(answered) => answered,
            Err(NotSignedIn::Failure(Failure::NotUnderWay | Failure::TooSlow))
                if ask.known_here().is_some() =>
            {
                // A browser went back: its person is signed in, and the code is not redeemed again.
                let left = cookies(ask.fields(), &name).next();
                let page = left.and_then(|left| Pending::page_of(&self.keys, &name, &left));
                let page = page.and_then(|page| Target::parse(ask.plan(), &page).ok());
                let page = page.map_or_else(|| again(ask, &goal), |page| page.to_string());
                return answer::see_other(&page);
            }
            // A page of the provider's that was open for too long: the sign-in begins anew.
            Err(NotSignedIn::Failure(failure @ Failure::TooSlow))
                if matches!(goal, Goal::Page { .. }) =>
            {
                let cause = Some(failure.to_string());
                self.note(ask, Level::Info, EventName::SignInFailed, None, cause);
                answer::see_other(&again(ask, &goal))
            }
            Err(NotSignedIn::Failure(Failure::TryAgain { code, tries })) => {
                self.once_more(ask, provider, goal.clone(), &code, tries).await
            }
            Err(NotSignedIn::Failure(failure)) => {
                let again = again(ask, &goal);
                let cause = told(&failure, provider);
                self.failed_as(ask, level(&failure), cause, words(&failure), &again)
            }
            Err(NotSignedIn::Store(error)) => self.not_begun(ask, &error),
            Err(NotSignedIn::Provider(error)) if error.is_down() || error.is_set_up_wrong() => {
                self.provider_down(ask, &error, &again(ask, &goal))
            }
            Err(NotSignedIn::Provider(error)) => {
                let why = "The service that signs people in gave an answer that can't be used.";
                self.failed(ask, error.to_string(), why, &again(ask, &goal))
            }
        };
        // Whatever came of it, this sign-in is over.
        let left = random().filter(|_| answered.status().is_redirection());
        let left =
            left.and_then(|nonce| Pending::over(&self.keys, &name, &goal, nonce, ask.wall()));
        let life = left.as_ref().map_or(CookieLife::Over, |_| CookieLife::For(Pending::LIFETIME));
        let left = left.unwrap_or_default();
        answer::set_cookie(
            &mut answered,
            &SetCookie::flow(&name, &left, SameSite::Lax, life),
            ask.wall(),
        );
        answered
    }

    async fn come_back(
        &self,
        ask: &Ask,
        response: &AuthorizationResponse,
        pending: Pending,
        provider: &OidcProvider,
    ) -> Result<Response<Body>, NotSignedIn> {
        let (plan, now) = (ask.plan(), ask.now());
        if ask.path() != plan.sign_in.providers.callback_path(&provider.id) {
            return Err(Failure::OtherIssuer.into()); // before its code is shown to this one
        }
        let (used, over_at) = (pending.digest(), now.wall.plus(Pending::LIFETIME));
        let names_itself = self.providers.names_itself(plan, provider, now).await?;
        let redeeming = pending.answered(response, provider, names_itself, now.wall)?;
        self.sessions.once(used, over_at, now.wall).await?;
        let VerifiedTokens { claims, userinfo, redeemed } =
            self.providers.redeem(plan, provider, &redeeming, now).await?;
        let authentication = redeeming.accept(&claims, userinfo.as_ref(), provider, now.wall)?;
        if let Some(response) = self.unanswerable(ask, &redeeming.goal, authentication.parts()) {
            return Ok(response);
        }
        let live = self.begin(ask, &provider.id, authentication, Some(&redeemed)).await?;
        let mut response = self.hand_over(ask, &live, &redeeming.goal).ok_or_else(not_served)?;
        self.remember_here(ask, &live, &mut response);
        Ok(response)
    }

    /// The provider's error asks for it: begun anew, for the same goal.
    async fn once_more(
        &self,
        ask: &Ask,
        provider: Option<&OidcProvider>,
        goal: Goal,
        code: &str,
        tries: u8,
    ) -> Response<Body> {
        let cause = Some(format!("the provider asks for another try: `{code}`"));
        self.note(ask, Level::Info, EventName::SignInFailed, None, cause);
        match provider {
            Some(provider) => self.to_provider(ask, provider, goal, tries).await,
            None => answer::found("/.pomerium/"),
        }
    }

    pub(super) fn provider_down(
        &self,
        ask: &Ask,
        error: &ProviderError,
        again: &str,
    ) -> Response<Body> {
        let cause = Some(format!("{error}; nobody new can sign in, whoever is signed in goes on"));
        self.note(ask, Level::Warn, EventName::Provider, None, cause);
        if !error.is_down() {
            return answer::error(
                ask,
                &SetUpWrong { again: Link::new(again), receipt: ask.receipt() },
            );
        }
        let try_again = Link::new(again);
        answer::error(ask, &ProviderDown { host: ask.host(), try_again, receipt: ask.receipt() })
    }
}

/// What an operator reads of a failure.
fn told(failure: &Failure, provider: Option<&OidcProvider>) -> String {
    match (failure, provider) {
        (Failure::Refused(code), Some(provider)) if &**code == "invalid_scope" => format!(
            "{failure}; `{}` was sent: write `idp_scopes` without what the provider does not offer",
            provider.scopes.join(" ")
        ),
        _ => failure.to_string(),
    }
}

/// A provider that posts its answer does so from another site, and then no browser sends the
/// cookies of a sign-in along (`SameSite=Lax`). Asked for by its address they come.
fn asked_again(ask: &Ask) -> Option<Response<Body>> {
    let prefix = Pending::cookie_prefix(ask.cookie_name());
    let held = all_cookies(ask.fields()).any(|(name, _)| name.starts_with(prefix.as_bytes()));
    let posted = ask.method() == Method::POST && !held;
    let form = std::str::from_utf8(ask.body()).ok().filter(|form| posted && form.len() <= 8192)?;
    // Apple posts name and address along: they have no place in an address.
    let ours = ["state", "code", "error", "iss"];
    let pairs = url::form_urlencoded::parse(form.as_bytes());
    let pairs = pairs.filter(|(name, _)| ours.contains(&&**name));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Some(answer::see_other(&format!("{}?{query}", ask.path())))
}

/// Where to begin again: the page itself begins a new sign-in.
fn again(ask: &Ask, goal: &Goal) -> String {
    match goal {
        Goal::Page { target, .. } if goal.check(ask.plan()).is_ok() => target.to_string(),
        Goal::Proxy { query, .. } => format!("{SIGN_IN}?{query}"),
        Goal::Page { .. } | Goal::Program { .. } | Goal::Here => "/.pomerium/".into(),
    }
}

fn random_flow() -> Option<([[u8; 32]; 3], [u8; 12])> {
    Some(([random()?, random()?, random()?], random()?))
}
