//! Servers as usher speaks with them, each by its route.

use usher_rules::{
    jellyfin::{Token, TokenHash},
    plan::Route,
};

use super::{
    api::{Api, IsKey, NotDone, is_key},
    pairing::Pairing,
    place::server_of,
};
use crate::request::forward::OwnClient;

impl Pairing {
    /// The server of a route, asked with its key and as the route says of its certificate.
    pub(super) fn api<'a>(&self, route: &'a Route, server: &'a str) -> Result<Api<'a>, NotDone> {
        let settings = route.jellyfin.as_deref().ok_or(NotDone::NoKey)?;
        let key = settings.api_key.as_ref().ok_or(NotDone::NoKey)?;
        Ok(Api { client: self.client(route)?, base: server, key })
    }

    pub(super) fn client(&self, route: &Route) -> Result<OwnClient, NotDone> {
        self.clients.of(&route.tls).map_err(|_| NotDone::NoAnswer)
    }

    /// Has the server say it, where it has not yet.
    pub(super) async fn learn_of(&self, token: &Token, route: &Route) {
        let Some(server) = server_of(route) else { return };
        if self.keys.of(server, token.hash()).is_some() {
            return;
        }
        let Ok(client) = self.client(route) else { return };
        if let Ok(said) = is_key(&client, server, token).await {
            self.keys.keep(server, token.hash(), said);
        }
    }

    /// Did the server say that it is none? Where it does not answer nobody knows.
    pub(super) fn is_no_key_at(&self, token: TokenHash, route: &Route) -> bool {
        let said = server_of(route).and_then(|server| self.keys.of(server, token));
        said == Some(IsKey::No)
    }
}
