//! Routes that do not take everybody's word: with an OAuth client of their own, or a list of those
//! who may say who somebody is.

use std::{collections::HashSet, sync::Arc};

use super::{
    Compiler,
    provider::{id_of, names, stable_id},
};
use crate::{
    config::{Section, keys::route},
    plan::{Listed, OidcProvider, OwnClient, Provider, Providers, Route, SignInBy},
    problem::{Place, Problem, Severity},
    secret::Secret,
};

impl Compiler<'_> {
    /// What a route says of it; `None` where everybody's word counts. `globals` are the top level's
    /// keys.
    pub(super) fn sign_in_by(&mut self, globals: &Section) -> Option<SignInBy> {
        let client = self.own_client();
        let Some(given) = self.keys.given(&route::IDP_PROVIDERS) else {
            return client.map(SignInBy::Client);
        };
        if client.is_some() {
            self.report(given.error(
                "U448",
                "this route has a client of its own and names providers",
                "delete `idp_providers` here, or `idp_client_id` and `idp_client_secret`",
            ));
        }
        let known = names(globals);
        let written = self.keys.value(&route::IDP_PROVIDERS);
        let wanted: Vec<Box<str>> = written.iter().map(|name| name.text.trim().into()).collect();
        let strange = wanted.iter().find(|name| !known.contains(name));
        if wanted.is_empty() || strange.is_some() {
            let what = strange.map_or_else(
                || "`idp_providers` names nobody: no one could sign in here".to_owned(),
                |name| format!("`{name}` is the name of no provider"),
            );
            let help = format!("write some of these, or delete the key: {}", known.join(", "));
            self.report(given.error("U447", what, help));
        }
        Some(SignInBy::Names(wanted.into()))
    }

    /// A route's `idp_client_id` and `idp_client_secret`: each over the top level's.
    fn own_client(&self) -> Option<OwnClient> {
        let id: Option<Box<str>> = self.keys.get(&route::IDP_CLIENT_ID).map(Box::from);
        let secret = self.keys.get(&route::IDP_CLIENT_SECRET);
        let parts = [id.as_deref().unwrap_or_default(), secret.unwrap_or_default()];
        let key = stable_id(&parts.map(str::as_bytes), 16);
        let secret = secret.map(|text| Arc::new(Secret::new(text.as_bytes())));
        (id.is_some() || secret.is_some()).then_some(OwnClient { key, id, secret })
    }

    /// Beside the providers that people choose from: the first one by the client of each route that
    /// has one.
    pub(super) fn with_own_clients(
        &mut self,
        (first, beside): (Listed, Vec<Listed>),
        authenticate: Option<&str>,
        routes: &[Arc<Route>],
    ) -> Providers {
        let mut own: Vec<(Box<str>, Provider)> = Vec::new();
        let mut known = HashSet::new();
        let clients = routes.iter().filter_map(|route| match &route.sign_in_by {
            Some(SignInBy::Client(client)) => Some(client),
            Some(SignInBy::Names(_)) | None => None,
        });
        for client in clients {
            if !known.insert(&client.key) {
                continue;
            }
            let id = |own: &OidcProvider| id_of(own, authenticate.unwrap_or_default());
            let Some(provider) = first.provider.by(client, id) else {
                self.report(no_client_asked());
                break;
            };
            own.push((client.key.clone(), provider));
        }
        Providers::new(first, beside, own)
    }
}

fn no_client_asked() -> Problem {
    let what = "a route has `idp_client_id` or `idp_client_secret`, and nobody who signs people in \
                knows a client";
    let help = "people sign in there as everywhere else; add `idp_provider` and `idp_provider_url`, or \
                delete them from the route";
    Problem::new(Severity::Warning, "U476", Place::Whole, what, help)
}
