use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    PROMPT_LOGIN, PROMPT_PASSKEY, Params, ProgramRedirect, ProgramRedirectError, Target,
    TargetError, param,
};
use crate::{
    names::{Authority, AuthorityError, Origin},
    people::UnixTimeSeconds,
    plan::Plan,
    session::{Means, Session, SignIn},
    time::UnixTime,
};

/// What somebody signs in for. It travels through the sign-in and is read again at its end,
/// with the plan that is in force then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// To see a page of a route's host.
    Page {
        /// The page, octet for octet as it was asked for.
        target: Box<str>,
        /// The [`BrowserBinding`](super::BrowserBinding) that the route's host will ask for.
        flow: Box<str>,
        /// They have to sign in anew, at this moment or later: what is known of them is too old.
        #[serde(default)]
        anew_since: Option<UnixTimeSeconds>,
        /// What they have to show then.
        #[serde(default)]
        proof: Proof,
    },
    /// To give a handle to a program on their machine.
    Program {
        /// Where it listens.
        redirect: Box<str>,
        /// The route's host that it wants to speak with.
        host: Box<str>,
        /// A session that began earlier will not do: it ends soon, and the program asks in time.
        #[serde(default)]
        anew_since: Option<UnixTimeSeconds>,
    },
    /// To tell a proxy that we are the authenticate service for who they are.
    Proxy {
        /// The query of its request, as it was sealed: it is opened again when it is answered.
        query: Box<str>,
        /// The origin where the answer is delivered.
        callback: Box<str>,
        /// The origin of the program that waits for it, if one does.
        program: Option<Box<str>>,
    },
    /// To be signed in at the authenticate host itself.
    Here,
}

/// What somebody shows who signs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// Whatever their provider asks for.
    #[default]
    Any,
    /// A passkey of the built-in provider, and nothing else.
    Passkey,
}

/// Why what a sign-in is for can't be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoalError {
    /// The page is not one of ours.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The program can't be answered.
    #[error(transparent)]
    Program(#[from] ProgramRedirectError),
    /// The host that the program wants is none.
    #[error(transparent)]
    Host(#[from] AuthorityError),
    /// It does not say which browser began.
    #[error("it does not say where it began")]
    NoFlow,
    /// It asks for a new sign-in and does not say since when.
    #[error("it does not say when it began")]
    NoMoment,
}

impl Goal {
    /// What a signed sign-in URL asks for.
    ///
    /// # Errors
    ///
    /// [`GoalError`]: signed, yet not for this plan, for example after a reload.
    pub fn read(plan: &Plan, params: &Params) -> Result<Self, GoalError> {
        let redirect = params.text(param::REDIRECT_URI).unwrap_or_default();
        // The moment at which the link was signed; signed along, so nobody can take it away.
        let prompt = params.text(param::PROMPT);
        let proof = if prompt == Some(PROMPT_PASSKEY) { Proof::Passkey } else { Proof::Any };
        let anew = proof == Proof::Passkey || prompt == Some(PROMPT_LOGIN);
        let issued = params.text(param::ISSUED).filter(|_| anew);
        let anew_since = issued.and_then(|text| text.parse().ok());
        if anew && anew_since.is_none() {
            return Err(GoalError::NoMoment);
        }
        let goal = if params.text(param::PROGRAMMATIC) == Some("true") {
            let host = params.text(param::CALLBACK_URI).unwrap_or_default();
            Self::Program { redirect: redirect.into(), host: host.into(), anew_since }
        } else {
            let flow = params.text(param::FLOW).ok_or(GoalError::NoFlow)?;
            Self::Page { target: redirect.into(), flow: flow.into(), anew_since, proof }
        };
        goal.check(plan)?;
        Ok(goal)
    }

    /// Can this plan still serve it?
    ///
    /// # Errors
    ///
    /// [`GoalError`], one variant per rule.
    pub fn check(&self, plan: &Plan) -> Result<(), GoalError> {
        match self {
            Self::Page { target, .. } => Target::parse(plan, target).map(drop)?,
            Self::Program { redirect, host, .. } => {
                ProgramRedirect::parse(&plan.sign_in.programmatic_hosts, redirect)?;
                Target::parse(plan, host)?;
            }
            Self::Proxy { .. } | Self::Here => {} // the request is judged when it is opened
        }
        Ok(())
    }

    /// Does it ask for a new sign-in, whoever is known?
    pub const fn is_anew(&self) -> bool {
        matches!(self, Self::Page { anew_since: Some(_), .. })
    }

    /// Does nothing but a passkey do?
    pub const fn asks_for_passkey(&self) -> bool {
        matches!(self, Self::Page { proof: Proof::Passkey, .. })
    }

    /// Does a session do that is known already? A program's next one has to begin anew; how its person
    /// shows who they are then is up to whoever signs them in.
    ///
    /// Moments are whole seconds: one of the second in which a new sign-in was asked for may be the
    /// one that was not enough, so it has to be later.
    pub fn takes(&self, session: &Session, now: UnixTime) -> bool {
        match self {
            Self::Program { anew_since: Some(since), .. } => session.issued_at > *since,
            Self::Page { anew_since: Some(since), .. } => {
                let is_later = |at: UnixTime| at.seconds() > *since;
                session.sign_in.moment(now).is_some_and(is_later)
                    && self.is_met_by(session.sign_in, now, Duration::ZERO)
            }
            Self::Page { .. } | Self::Program { .. } | Self::Proxy { .. } | Self::Here => true,
        }
    }

    /// Is this sign-in new enough for it, and by what it asks for? Ours and the provider's clock may be
    /// this far apart.
    ///
    /// Read as policy reads it: what is let through here and refused there goes in circles.
    pub fn is_met_by(&self, sign_in: SignIn, now: UnixTime, skew: Duration) -> bool {
        let Self::Page { anew_since: Some(since), .. } = self else { return true };
        if self.asks_for_passkey() && sign_in.means != Means::Passkey {
            return false;
        }
        sign_in.moment(now).is_some_and(|at| at.plus(skew).seconds() >= *since)
    }

    /// Where the program listens that waits for the end of it, if one does.
    pub fn program(&self) -> Option<&str> {
        match self {
            Self::Program { redirect, .. } => Some(redirect),
            Self::Proxy { program, .. } => program.as_deref(),
            Self::Page { .. } | Self::Here => None,
        }
    }

    /// The host that the person wants to go on to, for the sign-in page.
    pub fn host(&self, plan: &Plan) -> String {
        if let Self::Proxy { callback, .. } = self {
            let url = url::Url::parse(callback).ok();
            return url.as_ref().and_then(url::Url::host_str).unwrap_or_default().to_owned();
        }
        let origin = self.onward(plan);
        let port = Some(origin.port).filter(|port| *port != 443);
        Authority { host: origin.host, port }.to_string()
    }

    /// The origins that the browser goes on to, one after another, for the form's `form-action`:
    /// browsers hold every redirect after a form against it.
    pub fn origins(&self, plan: &Plan) -> Vec<String> {
        let origin = |url: &str| url::Url::parse(url).map(|url| url.origin().ascii_serialization());
        match self {
            Self::Program { redirect, .. } => origin(redirect).into_iter().collect(),
            Self::Proxy { callback, program, .. } => {
                let program = program.as_deref();
                [Some(&**callback), program].into_iter().flatten().flat_map(origin).collect()
            }
            Self::Page { .. } | Self::Here => vec![self.onward(plan).to_string()],
        }
    }

    fn onward(&self, plan: &Plan) -> Origin {
        let url = match self {
            Self::Page { target, .. } => target,
            Self::Program { host, .. } => host,
            Self::Proxy { .. } | Self::Here => "",
        };
        let origin = Target::parse(plan, url).map(|target| target.origin().clone());
        origin.unwrap_or_else(|_| plan.sign_in.authenticate.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, param};
    use crate::{
        names::{Host, Origin},
        plan::{Plan, Provider},
        signin::Params,
    };

    /// A link that was signed is read with the plan of now, which may serve less than the old one.
    #[test]
    fn what_a_sign_in_is_for_has_to_be_served_now() {
        let authenticate = Origin::parse("https://auth.example").unwrap();
        let hosts = vec![Host::parse("tv.example").unwrap()];
        let plan = Plan::sketch(authenticate, Provider::Builtin, hosts);
        let (tv, evil) = ("https://tv.example/web", "https://evil.example/web");
        for (target, host, shown) in [
            (tv, None, Some("tv.example")),
            ("https://tv.example:8443/", None, Some("tv.example:8443")),
            (evil, None, None),
            ("http://localhost:7/", Some(tv), Some("tv.example")),
            ("http://localhost:7/", Some(evil), None),
            ("http://evil.example:7/", Some(tv), None),
        ] {
            let mut query = format!("{}={target}&{}=f", param::REDIRECT_URI, param::FLOW);
            if let Some(host) = host {
                query += &format!("&{}={host}&{}=true", param::CALLBACK_URI, param::PROGRAMMATIC);
            }
            let goal = Goal::read(&plan, &Params::parse(&query).unwrap());
            let host = goal.ok().map(|goal| goal.host(&plan));
            assert_eq!(host.as_deref(), shown, "{query}");
        }
    }
}
