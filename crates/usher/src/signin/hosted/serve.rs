//! The service side: `services: authenticate`.

use serde_json::{Map, Value};
use usher_rules::{
    people::Person,
    plan::AllowedHosts,
    signin::{
        Errand,
        hosted::{Answer, Profile, Request, RequestFault, SealedFault, SealedForm},
    },
};

use super::VERSION;
use crate::{
    request::identify::LiveSession,
    signin::{Ask, SignInRoom, random, sign_in::NotFromHere},
};

/// Longest request that is served, in octets: it waits in a cookie while somebody signs in.
const LONGEST_REQUEST: usize = 2600;
/// Longest address that an answer may be, in octets. Servers in front of proxies refuse longer
/// ones, and a browser would be sent round in circles.
const LONGEST_ANSWER: usize = 16 << 10;

/// Why a proxy's request is not served.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    #[error(transparent)]
    Sealed(#[from] SealedFault),
    #[error(transparent)]
    Request(#[from] RequestFault),
    #[error("`{0}` is not among `authenticate_allowed_hosts`")]
    OtherHost(Box<str>),
    #[error("the answer would go to `{0}`, which is not https")]
    InTheClear(Box<str>),
    #[error("the request is longer than {LONGEST_REQUEST} octets")]
    TooLong,
}

impl From<NotServed> for NotFromHere {
    fn from(not_served: NotServed) -> Self {
        let why = match &not_served {
            NotServed::OtherHost(_) | NotServed::InTheClear(_) => {
                "This service signs nobody in for the site that sent you here."
            }
            NotServed::TooLong => "The address that you came from is too long to come back to.",
            NotServed::Sealed(_) | NotServed::Request(_) => {
                "This is not a sign-in link for this service, or it was changed on the way."
            }
        };
        Self { cause: not_served.to_string(), why, try_again: "/.pomerium/".into() }
    }
}

impl SignInRoom {
    /// What a proxy's request asks for, before anybody is asked to sign in for it.
    pub(in crate::signin) fn proxy_errand(
        &self,
        query: &str,
        allowed: &AllowedHosts,
    ) -> Result<Errand, NotServed> {
        if query.len() > LONGEST_REQUEST {
            return Err(NotServed::TooLong);
        }
        let request = self.served(query, allowed)?;
        Ok(Errand::Proxy { query: query.into(), callback: request.callback.as_str().into() })
    }

    fn served(&self, query: &str, allowed: &AllowedHosts) -> Result<Request, NotServed> {
        let request = Request::read(&SealedForm::open(query, &self.hosted)?)?;
        // The profile goes to the callback. A program's redirect is on its own machine, and the
        // proxy is who judges it.
        let redirect = (!request.programmatic).then_some(&request.redirect);
        for url in [Some(&request.callback), redirect].into_iter().flatten() {
            let host = url.host_str().unwrap_or_default();
            if url.scheme() != "https" {
                return Err(NotServed::InTheClear(url.scheme().into()));
            }
            if !allowed.allows(host) {
                return Err(NotServed::OtherHost(host.into()));
            }
        }
        Ok(request)
    }

    /// The address that brings the answer to the proxy; `None` when it can't be given any more.
    pub(in crate::signin) fn answer_url(
        &self,
        ask: &Ask,
        live: &LiveSession,
        query: &str,
    ) -> Option<String> {
        let allowed = ask.plan().sign_in.service.as_ref()?;
        let request = self.served(query, allowed).ok()?;
        let claims = claims(&live.session().person);
        let profile = Profile { provider_id: request.idp_id.clone(), claims, tokens_end: None };
        let answer = Answer { to: &request, profile: &profile, version: VERSION };
        let url = answer.url(&self.hosted, random()?, ask.wall())?;
        (url.len() <= LONGEST_ANSWER).then_some(url)
    }
}

/// What is known of somebody, as claims: one value where there is one.
fn claims(person: &Person) -> Map<String, Value> {
    let mut claims = Map::new();
    for (name, values) in person.claims.iter() {
        let value = match values {
            [one] => one.clone(),
            several => Value::Array(several.to_vec()),
        };
        claims.insert(name.into(), value);
    }
    claims.insert("sub".into(), Value::from(&*person.id));
    for (name, text) in [("email", &person.email), ("name", &person.name)] {
        if !text.is_empty() {
            claims.insert(name.into(), Value::from(&**text));
        }
    }
    claims
}
