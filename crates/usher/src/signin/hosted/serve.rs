//! The service side: `services: authenticate`.

use http::Response;
use serde_json::{Map, Value};
use usher_rules::{
    people::{Claims, Person, UNPROVEN},
    plan::AllowedHosts,
    session::SignIn,
    signin::{
        CALLBACK, Goal,
        hosted::{Answer, Profile, Request, RequestFault, SealedFault, SealedForm, Unsealed},
    },
    time::UnixTime,
};

use super::VERSION;
use crate::{
    request::Body,
    signin::{Ask, SignInRoom, random, sign_in::NotFromHere},
};

/// Longest request that is served, in octets: it waits in a cookie while somebody signs in.
const LONGEST_REQUEST: usize = 2600;
/// Longest address that an answer may be, in octets. Servers in front of proxies refuse longer
/// ones, and a browser would be sent round in circles.
const LONGEST_ANSWER: usize = 16 << 10;

/// Longest callback that is answered, in octets: it is in the answer, beside the profile.
const LONGEST_CALLBACK: usize = 2048;

/// Why a proxy's request is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotServed {
    #[error(transparent)]
    Sealed(#[from] SealedFault),
    #[error(transparent)]
    Request(#[from] RequestFault),
    #[error("`{0}` is not among `authenticate_allowed_hosts`")]
    OtherHost(Box<str>),
    #[error("the answer would go to `{0}`, which is not https")]
    InTheClear(Box<str>),
    #[error("the answer would go to `{0}`, which is not a proxy's callback")]
    OtherPath(Box<str>),
    #[error("the request is longer than {LONGEST_REQUEST} octets")]
    TooLong,
}

impl From<NotServed> for NotFromHere {
    fn from(not_served: NotServed) -> Self {
        let why = match &not_served {
            NotServed::OtherHost(_) | NotServed::InTheClear(_) | NotServed::OtherPath(_) => {
                "This service signs nobody in for the site that sent you here."
            }
            NotServed::TooLong => "The address that you came from is too long to come back to.",
            NotServed::Sealed(_) | NotServed::Request(_) => {
                "This is not a sign-in link for this service, or it was changed on the way."
            }
        };
        Self { cause: not_served.to_string(), why, try_again: "/.pomerium/".into(), page: None }
    }
}

impl SignInRoom {
    /// Judged before anybody is asked to sign in for the proxy.
    pub(in crate::signin) fn proxy_errand(
        &self,
        query: &str,
        allowed: &AllowedHosts,
    ) -> Result<Goal, NotServed> {
        if query.len() > LONGEST_REQUEST {
            return Err(NotServed::TooLong);
        }
        let request = self.served(query, allowed)?;
        let origin = |url: &url::Url| url.origin().ascii_serialization().into();
        let program = request.programmatic.then(|| origin(&request.redirect));
        Ok(Goal::Proxy { query: query.into(), callback: origin(&request.callback), program })
    }

    fn served(&self, query: &str, allowed: &AllowedHosts) -> Result<Request, NotServed> {
        let opened = SealedForm::unseal(query, &self.hosted)?.read(Unsealed::OF_ANYBODY)?;
        let request = Request::read(&opened)?;
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
        // Apps can't own what is below it; anything else of an allowed host might be an app's.
        let path = request.callback.path();
        if path.trim_end_matches('/') != CALLBACK.trim_end_matches('/') {
            return Err(NotServed::OtherPath(path.chars().take(100).collect()));
        }
        if request.callback.as_str().len() > LONGEST_CALLBACK {
            return Err(NotServed::TooLong);
        }
        Ok(request)
    }

    /// The address that brings the answer to the proxy. A guest's session there has the end that
    /// theirs has here.
    pub(in crate::signin) fn answer_url(
        &self,
        ask: &Ask,
        (person, said, sign_in): (&Person, &Claims, SignIn),
        tokens_end: Option<UnixTime>,
        query: &str,
    ) -> Result<String, NoAnswer> {
        let allowed = ask.plan().sign_in.service.as_ref().ok_or(NoAnswer::NotServed)?;
        let request = self.served(query, allowed).map_err(|_| NoAnswer::NotServed)?;
        let claims = claims(person, said, sign_in);
        let profile = Profile { provider_id: request.idp_id.clone(), claims, tokens_end };
        let answer = Answer { to: &request, profile: &profile, version: VERSION };
        let random = random().ok_or(NoAnswer::NotSealed)?;
        let url = answer.url(&self.hosted, random, ask.wall()).ok_or(NoAnswer::NotSealed)?;
        match url.len() {
            0..=LONGEST_ANSWER => Ok(url),
            length => Err(NoAnswer::TooLong { length }),
        }
    }

    /// Before somebody is signed in for a proxy: can it be told at all who they are? Otherwise
    /// they would be signed in here, and sent round in circles there.
    pub(in crate::signin) fn unanswerable(
        &self,
        ask: &Ask,
        goal: &Goal,
        who: (&Person, &Claims, SignIn),
    ) -> Option<Response<Body>> {
        let Goal::Proxy { query, .. } = goal else { return None };
        let no_answer = self.answer_url(ask, who, Some(ask.wall()), query).err()?;
        let why = match no_answer {
            NoAnswer::TooLong { .. } => {
                "Too much is known of you: your groups do not fit into the answer to the site that \
                 sent you here. Whoever runs this service can take groups away."
            }
            NoAnswer::NotServed | NoAnswer::NotSealed => {
                "What this sign-in was for is no longer served here."
            }
        };
        Some(self.failed(ask, no_answer.to_string(), why, "/.pomerium/"))
    }
}

/// Why a proxy gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the proxy's request is no longer served")]
    NotServed,
    #[error("the answer can't be sealed to the proxy's key")]
    NotSealed,
    #[error(
        "the answer would be {length} octets long, and {LONGEST_ANSWER} are carried everywhere; the person has too many claims"
    )]
    TooLong { length: usize },
}

/// One value where there is one, as a list where there are several. What was said at the sign-in
/// wins.
fn claims(person: &Person, said: &Claims, sign_in: SignIn) -> Map<String, Value> {
    let mut claims = Map::new();
    for (name, values) in person.claims.iter().chain(said.iter()) {
        let value = match values {
            [one] => one.clone(),
            several => Value::Array(several.to_vec()),
        };
        claims.insert(name.into(), value);
    }
    claims.insert("sub".into(), Value::from(&*person.id));
    if let Some(at) = sign_in.at {
        claims.insert("auth_time".into(), at.into()); // for `signed_in_within` of another usher
    }
    for (name, text) in [("email", &person.email), ("name", &person.name)] {
        if !text.is_empty() {
            claims.insert(name.into(), Value::from(&**text));
        }
    }
    // Under a name that only another usher reads, and only as what keeps out: a proxy that takes
    // `email` at its word must not get an address that does not count.
    if !person.unproven.is_empty()
        && let Ok(unproven) = serde_json::to_value(&person.unproven)
    {
        claims.insert(UNPROVEN.into(), unproven);
    }
    claims
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use usher_rules::{
        people::{Claims, Person, Spelling},
        session::SignIn,
        unproven::Unproven,
    };

    use super::claims;

    /// What a proxy is told of somebody: their address and name where there are any.
    #[test]
    fn a_proxy_is_told_what_there_is_and_nothing_empty() {
        for (email, name) in [("ann@example.com", "Ann"), ("", "")] {
            let person = Person {
                id: "id-of-ann".into(),
                email: email.into(),
                name: name.into(),
                claims: Claims::default(),
                directory_groups: None,
                unproven: Unproven::default(),
                spelling: Spelling::AsSaid,
            };
            let mut told = json!({"sub": "id-of-ann"});
            if !email.is_empty() {
                told["email"] = email.into();
                told["name"] = name.into();
            }
            let at = |at| SignIn { at, ..SignIn::default() };
            let none = Claims::default();
            assert_eq!(serde_json::Value::from(claims(&person, &none, at(None))), told);
            told["auth_time"] = 7.into();
            assert_eq!(serde_json::Value::from(claims(&person, &none, at(Some(7)))), told);
        }
    }
}
