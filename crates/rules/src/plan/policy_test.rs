use std::{net::IpAddr, time::Duration};

use http::{HeaderName, HeaderValue};

use crate::{
    client_certificate::ClientChain,
    names::Authority,
    policy::{Reason, Verdict},
    problem::Place,
    session::{ShownDevice, SignedIn},
    signin::Imagined,
    time::UnixTime,
};

/// One of a route's `tests`: a request that nobody made, and what has to be decided about it.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    /// Where it stands.
    pub at: Place,
    /// Who asks; `None` for nobody who is signed in.
    pub who: Option<Imagined>,
    /// How long ago they signed in; `None` for just now.
    pub signed_in: Option<Duration>,
    /// How long ago they showed a passkey; `None` for never.
    pub passkey: Option<Duration>,
    /// What their session was proven on; whose it is is known when it is asked.
    pub device: Option<ShownDevice>,
    /// What they ask with.
    pub method: http::Method,
    /// Of which host.
    pub authority: Authority,
    /// For what: path and, where one was written, query.
    pub target: http::uri::PathAndQuery,
    /// Fields of the request.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// From where.
    pub source: IpAddr,
    /// What their client shows of certificates.
    pub certificate: Option<ClientChain>,
    /// The tool of MCP that is called.
    pub tool: Option<Box<str>>,
    /// When; `None` for the moment at which the config is loaded.
    pub time: Option<UnixTime>,
    /// What has to be decided.
    pub expect: Verdict,
    /// A reason that has to be among the decision's.
    pub reason: Option<Reason>,
}

impl PolicyTest {
    /// Who asks, signed in with the provider of this id; `None` for nobody.
    pub fn signed_in(&self, provider_id: &str, now: UnixTime) -> Option<SignedIn> {
        let mut who = self.who.clone()?;
        let signed_in_at = self.signed_in.map(|ago| now.minus(ago));
        who.signed_in_at = signed_in_at.or(who.signed_in_at);
        who.passkey_at = self.passkey.map(|ago| now.minus(ago));
        let mut who = who.signed_in(provider_id, now);
        let mut device = self.device.clone();
        if let Some(credential) = device.as_mut().and_then(|shown| shown.credential.as_mut()) {
            credential.owner = who.person.id.clone();
        }
        who.session.devices = device.into_iter().collect();
        Some(who)
    }
}
