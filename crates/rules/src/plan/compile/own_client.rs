//! Routes that have an OAuth client of their own at the provider.

use std::{collections::HashSet, sync::Arc};

use super::{
    Compiler,
    sign_in::{id_of, stable_id},
};
use crate::{
    config::keys::{global, route},
    plan::{OidcProvider, OwnClient, Provider, Providers, Route},
    problem::{Place, Problem, Severity},
    secret::Secret,
};

impl Compiler<'_> {
    /// A route's `idp_client_id` and `idp_client_secret`: each over the top level's.
    pub(super) fn own_client(&self) -> Option<OwnClient> {
        let id: Option<Box<str>> = self.keys.get(&route::IDP_CLIENT_ID).map(Box::from);
        let secret = self.keys.get(&route::IDP_CLIENT_SECRET);
        let parts = [id.as_deref().unwrap_or_default(), secret.unwrap_or_default()];
        let key = stable_id(&parts.map(str::as_bytes), 16);
        let secret = secret.map(|text| Arc::new(Secret::new(text.as_bytes())));
        (id.is_some() || secret.is_some()).then_some(OwnClient { key, id, secret })
    }

    /// Beside the provider that is asked usually: the same by the client of each route that has one.
    pub(super) fn with_own_clients(
        &mut self,
        first: Provider,
        authenticate: Option<&str>,
        routes: &[Arc<Route>],
    ) -> Providers {
        let mut others: Vec<(Box<str>, Provider)> = Vec::new();
        let mut known = HashSet::new();
        let name = self.keys.value(&global::IDP_PROVIDER);
        for client in routes.iter().filter_map(|route| route.own_client.as_ref()) {
            if !known.insert(&client.key) {
                continue;
            }
            let id = |own: &OidcProvider| id_of(own, name, authenticate.unwrap_or_default());
            let Some(own) = first.by(client, id) else {
                self.report(no_client_asked());
                break;
            };
            others.push((client.key.clone(), own));
        }
        Providers::new(first, others)
    }
}

fn no_client_asked() -> Problem {
    let what = "a route has `idp_client_id` or `idp_client_secret`, and nobody who signs people in \
                knows a client";
    let help = "people sign in there as everywhere else; add `idp_provider` and `idp_provider_url`, or \
                delete them from the route";
    Problem::new(Severity::Warning, "U476", Place::Whole, what, help)
}
