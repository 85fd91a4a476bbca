//! Signing out: here, everywhere, and at the provider.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Response, StatusCode, header};
use usher_pages::{
    ForeignForm, Link, PostForm, SCOPE_EVERYWHERE, SCOPE_FIELD, Scripts, SignOutConfirm, SignedOut,
};
use usher_rules::{
    plan::{Level, LogoutForm},
    session::{CookieLife, Session, SetCookie},
    signin::{
        DeepLink, Params, SIGN_IN, SIGN_OUT, SIGNED_OUT, SignedOutState, SignedUrl, WayBack, param,
        person_digest, same_origin, sign_out_origins, sign_url,
    },
};

use super::{Ask, SignInRoom, answer, provider::EndSession, random};
use crate::request::{
    Body, EventName,
    identify::{LiveSession, StoreError},
};

/// Longest `id_token_hint` that is handed over, in octets.
pub(super) const LONGEST_HINT: usize = 2048;

/// Which of a person's sessions end.
#[derive(Clone, Copy, Debug)]
enum Which {
    This,
    All,
}

impl SignInRoom {
    /// GET: a link alone signs nobody out, so it asks; unless we signed the link, which a
    /// route's host does after it has been asked.
    pub(super) async fn ask_to_sign_out(&self, ask: &Ask) -> Response<Body> {
        if let Some(url) = self.signed_hop(ask).await {
            return self.hop_arrived(ask, &url).await;
        }
        let back = Params::parse(ask.query()).ok().and_then(|params| self.way_back(ask, &params));
        let Some(live) = self.who(ask) else {
            let authenticate = ask.authenticate();
            let next = if ask.at_authenticate() { SIGNED_OUT } else { SIGN_OUT };
            return answer::found(&format!("{authenticate}{next}")); // it may know somebody still
        };
        let person = live.person();
        let shown = if person.email.is_empty() { &person.id } else { &person.email };
        let mut form = PostForm::to(SIGN_OUT);
        let mut origins = sign_out_origins(ask.plan());
        if let Some(back) = back {
            origins.extend(back.origin());
            form = form.with(param::REDIRECT_URI, back.to_string());
        }
        let stay = Link::new("/.pomerium/");
        let page = SignOutConfirm { person: shown, form, everywhere: true, stay };
        let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
        answer::html(200, page.render(ask.language()), Scripts::No, &origins)
    }

    /// POST: ends the session's record first, so that whatever else fails, a copied cookie is
    /// worth nothing. Then the authenticate host, then the provider.
    pub(super) async fn sign_out(&self, ask: &Ask) -> Response<Body> {
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        let form = ask.form().unwrap_or_default();
        let which = match form.text(SCOPE_FIELD) {
            Some(SCOPE_EVERYWHERE) => Which::All,
            Some(_) | None => Which::This,
        };
        let live = self.who(ask);
        let mut ended = self.end(ask, live.as_ref(), which).await;
        if ask.at_authenticate()
            && let (Ok(()), Some(here)) = (&ended, ask.known_here())
        {
            ended = self.end(ask, Some(&here), which).await;
        }
        if let Err(error) = ended {
            self.note(ask, Level::Error, EventName::SignOut, None, Some(error.to_string()));
            return self.not_now(ask, &error, "You are still signed in.", SIGN_OUT);
        }
        let session = live.as_ref().map(|live| live.session());
        let next = self.after(ask, session, self.way_back(ask, &form)).await;
        let location = if ask.at_authenticate() {
            next
        } else {
            let base = format!("{}{SIGN_OUT}", ask.plan().sign_in.authenticate);
            let person =
                live.as_ref().map(|live| person_digest(&live.person().id)).unwrap_or_default();
            let mut params = vec![(param::REDIRECT_URI, next.as_str())];
            if !ask.is_hosted() {
                params.push((param::PERSON, &person)); // a service of others learns no more
            }
            sign_url(&self.keys, &base, &params, ask.wall())
        };
        let mut response = leave_for(ask, &location, StatusCode::SEE_OTHER);
        self.forget(ask, &mut response);
        response
    }

    /// An app showed by its ID token that it is this session that is to end.
    pub(super) async fn sign_out_by_app(
        &self,
        ask: &Ask,
        live: &Arc<LiveSession>,
        back: Option<WayBack>,
    ) -> Response<Body> {
        if let Err(error) = self.end(ask, Some(live), Which::This).await {
            self.note(ask, Level::Error, EventName::SignOut, None, Some(error.to_string()));
            return self.not_now(ask, &error, "You are still signed in.", SIGN_OUT);
        }
        let next = self.after(ask, Some(live.session()), back).await;
        let mut response = leave_for(ask, &next, StatusCode::FOUND);
        self.forget(ask, &mut response);
        response
    }

    async fn end(
        &self,
        ask: &Ask,
        live: Option<&Arc<LiveSession>>,
        which: Which,
    ) -> Result<(), StoreError> {
        let Some(live) = live else { return Ok(()) };
        match which {
            Which::This => self.end_with_replaced(live).await?,
            Which::All => {
                let mut ended = Ok(());
                for one in self.of_same_person(ask, live) {
                    ended = self.end_with_replaced(&one).await.and(ended); // one fails, others end
                }
                ended?;
            }
        }
        self.note(ask, Level::Info, EventName::SignOut, Some(live.person().into()), None);
        Ok(())
    }

    /// The link with which a route's host sends somebody here, once.
    async fn signed_hop(&self, ask: &Ask) -> Option<SignedUrl> {
        let ours = ask.at_authenticate() && !ask.query().is_empty();
        // A service's proxies may have the same `shared_secret`, and the real proxy signs whatever
        // address a visitor asks it to: from there a link is a link.
        let ours = ours && ask.plan().sign_in.service.is_none();
        let url = ours.then(|| self.signed_here(ask, SIGN_OUT, Duration::ZERO).ok()).flatten()?;
        url.params.text(param::PERSON)?; // ours always says whom it is about
        self.sessions.once(url.signature, url.over_at, ask.wall()).await.ok().map(|()| url)
    }

    /// Ends what this host knows, if it is the same person: a link that somebody else got by
    /// signing out does nothing here.
    async fn hop_arrived(&self, ask: &Ask, url: &SignedUrl) -> Response<Body> {
        let Some(next) = url.params.text(param::REDIRECT_URI) else {
            return answer::text(StatusCode::BAD_REQUEST, "Bad Request\n");
        };
        let mut response = leave_for(ask, next, StatusCode::FOUND);
        let Some(here) = ask.known_here() else {
            self.forget(ask, &mut response);
            return response;
        };
        if url.params.text(param::PERSON) == Some(&*person_digest(&here.person().id)) {
            if let Err(error) = self.end(ask, Some(&here), Which::This).await {
                self.note(ask, Level::Error, EventName::SignOut, None, Some(error.to_string()));
                return self.not_now(ask, &error, "You are still signed in here.", SIGN_OUT);
            }
            self.forget(ask, &mut response);
        }
        response
    }

    /// Clears this host's cookies.
    fn forget(&self, ask: &Ask, response: &mut Response<Body>) {
        let policy = &ask.plan().cookie;
        for own in SetCookie::session(policy, "", CookieLife::Over) {
            answer::set_cookie(response, &own, ask.wall());
        }
        if ask.at_authenticate() {
            let name = ask.authenticate_cookie_name();
            let here = SetCookie::of_host(policy, &name, "", CookieLife::Over);
            answer::set_cookie(response, &here, ask.wall());
        }
    }

    /// A page that whoever asks wants to come back to. Only pages of ours count, and of the
    /// proxies that we sign people in for.
    fn way_back(&self, ask: &Ask, params: &Params) -> Option<WayBack> {
        WayBack::parse(ask.plan(), params.text(param::REDIRECT_URI)?)
    }

    /// Where it goes on once our own sessions have ended: to the provider's end of session
    /// (RP-Initiated Logout 1.0 §2), if it has one that answers, and then to the last page.
    async fn after(&self, ask: &Ask, session: Option<&Session>, back: Option<WayBack>) -> String {
        let plan = ask.plan();
        // Where a provider returns to was registered there; without one the port may be mapped.
        let registered = format!("{}{SIGNED_OUT}", plan.sign_in.authenticate);
        let last = if ask.is_hosted() { ask.origin() } else { ask.authenticate() };
        let ours = format!("{last}{SIGNED_OUT}");
        let configured = plan.sign_in.signed_out_url.as_deref();
        // The one that it came from: another must not be shown the ID token of this person.
        let provider = session.and_then(|session| plan.sign_in.providers.of(&session.idp_id));
        let end_session = match provider {
            Some(provider) => self.with(provider).end_session(ask).await,
            None => None,
        };
        let Some(EndSession { mut url, form }) = end_session else {
            return back
                .map_or_else(|| configured.map_or(ours, str::to_owned), |back| back.to_string());
        };
        if let LogoutForm::Bare(name) = form {
            url.query_pairs_mut().append_pair(name, configured.unwrap_or(&registered));
            return url.into();
        }
        let id_token = session.and_then(|session| self.keys.id_token(session));
        // RECOMMENDED only (RP-Initiated Logout 1.0 §2), and `client_id` is sent: servers on the way
        // refuse addresses that are much longer.
        let id_token = id_token.filter(|token| token.len() <= LONGEST_HINT);
        // Providers only return to addresses that were registered, so the page to come back to
        // travels as `state` to our own.
        let state = back
            .filter(|back| configured.is_none() && back.to_string().len() <= DeepLink::TRAVELS)
            .and_then(|back| Some(SignedOutState::seal(&self.keys, &back, random()?, ask.wall())));
        url.query_pairs_mut()
            .append_pair("post_logout_redirect_uri", configured.unwrap_or(&registered))
            .extend_pairs(id_token.map(|id_token| ("id_token_hint", id_token)))
            .extend_pairs(state.map(|state| ("state", state)));
        url.into()
    }

    /// The last page; or, when a provider brings a `state` of ours back, on to where it says.
    pub(super) fn signed_out(&self, ask: &Ask) -> Response<Body> {
        let params = Params::parse(ask.query()).unwrap_or_default();
        let state = params.text(param::STATE);
        let back =
            state.and_then(|state| SignedOutState::open(&self.keys, ask.plan(), state, ask.wall()));
        if let Some(back) = back {
            return answer::found(&back.to_string());
        }
        // On a host with an app, its front page asks who it is.
        let dedicated = ask.at_authenticate() && ask.plan().sign_in.dedicated_host;
        let again = Link::new(if dedicated { SIGN_IN } else { "/" });
        answer::html(
            200,
            SignedOut { sign_in_again: Some(again) }.render(ask.language()),
            Scripts::No,
            &[],
        )
    }
}

/// On towards the end of a sign-out. Browsers hold every redirect after a form against the page that
/// it stood on, which knows a provider by its issuer alone: to another host (Cognito's sessions end on
/// one) a page of ours leads, which is no redirect.
fn leave_for(ask: &Ask, next: &str, status: StatusCode) -> Response<Body> {
    let origin = url::Url::parse(next).map(|url| url.origin().ascii_serialization());
    let plan = ask.plan();
    let expected = WayBack::parse(plan, next).is_some()
        || origin.map_or(true, |origin| sign_out_origins(plan).contains(&origin));
    if expected {
        return answer::redirect(status, next);
    }
    let page = SignedOut { sign_in_again: None };
    let mut response = answer::html(200, page.render(ask.language()), Scripts::No, &[]);
    let refresh = HeaderValue::try_from(format!("0; url={next}"));
    response.headers_mut().extend(refresh.ok().map(|value| (header::REFRESH, value)));
    response
}
