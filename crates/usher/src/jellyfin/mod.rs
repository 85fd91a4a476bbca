//! What is known of a Jellyfin: whose its clients' tokens are, and which of its doors are shut.
//!
//! | takes | a request of a route with `jellyfin` |
//! |---|---|
//! | gives | whom its token is bound to, what strangers may ask, what nobody may |
//! | never | lets in whom the route's policy denies, or says who somebody is to the upstream |

mod answers;
mod api;
mod asked;
mod bound;
mod by_password;
mod devices;
mod farewell;
mod held;
mod hold;
mod keys;
mod legacy;
mod let_in;
mod link;
mod not_let_in;
mod pairing;
mod people;
mod place;
mod quick_connect;
mod read;
mod seat;
mod servers;
mod shield;
mod signed_in;
mod starting;
mod states;
mod toward;
mod turns;
mod users;

pub use devices::{Devices, NoDevices, Whose};
pub use pairing::{Pairing, PairingDeps};
pub use states::States;

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, request, response};
use usher_rules::{
    jellyfin::{Endpoint, ServerState},
    people::BoxFuture,
    plan::{Jellyfin, Route},
};

use self::read::read;
use crate::request::{
    Answers, App, AppRequest, Apps, Body, BodyNeed, Credential, Demand, TowardUpstream,
    authorize::Unbound,
    identify::{Identity, LiveSession},
};

/// Every route with `jellyfin`, to whom they are.
pub struct JellyfinApp {
    devices: Arc<dyn Devices>,
    states: Arc<States>,
}

impl JellyfinApp {
    /// With these devices, and what is found out of its servers.
    pub fn new(devices: Arc<dyn Devices>, states: Arc<States>) -> Self {
        Self { devices, states }
    }
}

/// These apps, and the one that routes with `jellyfin` name.
pub fn beside(apps: Apps, devices: Arc<dyn Devices>, states: Arc<States>) -> Apps {
    apps.knowing(Jellyfin::APP, Arc::new(JellyfinApp::new(devices, states)))
}

/// What the route says of it. A route that names this app has it.
fn settings<'a>(asked: AppRequest<'a>) -> Option<&'a Jellyfin> {
    asked.route.jellyfin.as_deref()
}

impl JellyfinApp {
    /// Whose a request is that says nothing of it.
    async fn granted(
        &self,
        settings: &Jellyfin,
        asked: AppRequest<'_>,
    ) -> Option<Arc<LiveSession>> {
        let Endpoint::Anonymous(door) = read(asked).endpoint else { return None };
        let is_anonymous = matches!(asked.identity, Identity::Anonymous);
        match settings.grants && is_anonymous {
            true => self.devices.granted(door, asked).await,
            false => None,
        }
    }
}

impl App for JellyfinApp {
    fn credential<'a>(&'a self, asked: AppRequest<'a>) -> BoxFuture<'a, Option<Credential>> {
        Box::pin(async move {
            let read = read(asked);
            if read.credentials.is_err() {
                return Some(Credential::Rejected);
            }
            let settings = settings(asked)?;
            let Some((token, hash)) = read.token() else {
                return self.granted(settings, asked).await.map(Credential::Session);
            };
            match self.devices.whose(hash, asked).await {
                Whose::Bound(live) => Some(Credential::Session(live)),
                Whose::Ended => Some(Credential::Rejected),
                Whose::Nobodys if shield::service(settings, asked).is_some() => None,
                // No person's, whoever else is signed in beside it.
                Whose::Nobodys if shield::is_api_key(settings, (token, hash)) => {
                    Some(Credential::Rejected)
                }
                // The web client's own, in a browser in which somebody is signed in.
                Whose::Nobodys if shield::passes_unknown(asked) => {
                    self.devices.learn_of(token, asked).await;
                    asked.identity.session().is_none().then_some(Credential::Rejected)
                }
                Whose::Nobodys => Some(Credential::Rejected),
            }
        })
    }

    fn stands(&self, route: &Route) -> Option<&'static str> {
        self.states.of(route).and_then(ServerState::word)
    }

    fn demands(&self, asked: AppRequest<'_>) -> Demand {
        match settings(asked) {
            Some(settings) => {
                let known = (&*self.devices, self.states.of(asked.route));
                shield::demands(settings, known, asked)
            }
            None => Demand::Nothing,
        }
    }

    fn allows_unbound(&self, asked: AppRequest<'_>) -> Unbound {
        match settings(asked) {
            Some(settings) => shield::allows_unbound(settings, &*self.devices, asked),
            None => Unbound::No,
        }
    }

    fn answers(&self, asked: AppRequest<'_>) -> Answers {
        match settings(asked) {
            Some(_) => answers::answers(&*self.devices, asked),
            None => Answers::Upstream,
        }
    }

    fn answer<'a>(&'a self, asked: AppRequest<'a>, body: Bytes) -> BoxFuture<'a, Response<Body>> {
        Box::pin(async move { answers::answer(&*self.devices, asked, body).await })
    }

    fn toward_upstream(&self, asked: AppRequest<'_>, head: &mut request::Parts) -> TowardUpstream {
        if read(asked).token().is_some() || seat::is_library(asked) {
            self.devices.passed(asked);
        }
        match settings(asked) {
            Some(settings) => {
                let state = self.states.of(asked.route);
                toward::upstream((settings, state), asked, head)
            }
            None => TowardUpstream::UNSEEN,
        }
    }

    fn toward_client(
        &self,
        asked: AppRequest<'_>,
        head: &mut response::Parts,
    ) -> BodyNeed<response::Parts> {
        match settings(asked) {
            Some(settings) => toward::client(settings, asked, head),
            None => BodyNeed::AsItIs,
        }
    }
}
