//! Tokens of the provider's, in place of a session of ours.

use std::sync::Arc;

use super::Compiler;
use crate::{
    config::{
        Section,
        keys::{global, route},
    },
    plan::{Bearer, BearerFormat, Route, SignIn},
    problem::Problem,
};

impl Compiler<'_> {
    /// What a route takes; `globals` are the top level's keys, over which its own win.
    pub(super) fn bearer(&self, globals: &Section) -> Option<Bearer> {
        let own = self.keys.get(&route::BEARER_TOKEN_FORMAT);
        let format = own.unwrap_or_else(|| globals.value(&global::BEARER_TOKEN_FORMAT));
        let of_route = self.keys.get(&route::IDP_ACCESS_TOKEN_ALLOWED_AUDIENCES);
        let written = of_route.or_else(|| globals.get(&global::IDP_ACCESS_TOKEN_ALLOWED_AUDIENCES));
        let audiences =
            written.map(|written| written.iter().map(|one| one.text.trim().into()).collect());
        (format != BearerFormat::OfApp).then_some(Bearer { format, audiences })
    }
}

/// Tells where tokens open nothing, or more than was meant.
pub(super) fn find(
    globals: &Section,
    (sections, compiled): (&[Section], &[Option<Arc<Route>>]),
    sign_in: Option<&SignIn>,
    problems: &mut Vec<Problem>,
) {
    let nobody_vouches = sign_in
        .is_some_and(|sign_in| !sign_in.providers.iter().any(|provider| provider.oidc().is_some()));
    let mut told_of_all = false;
    for (section, route) in sections.iter().zip(compiled) {
        let Some(bearer) = route.as_ref().and_then(|route| route.bearer.as_ref()) else { continue };
        let of_route = section.given(&route::BEARER_TOKEN_FORMAT);
        let is_of_all = of_route.is_none();
        let Some(given) = of_route.or_else(|| globals.given(&global::BEARER_TOKEN_FORMAT)) else {
            continue;
        };
        let takes_any = bearer.format == BearerFormat::AccessToken && bearer.audiences.is_none();
        let problem = if nobody_vouches {
            given.warning(
                "U556",
                "no provider is asked that could vouch for a token: none is taken",
                "configure one with `idp_provider`, or write `bearer_token_format: default`",
            )
        } else if takes_any {
            given.warning(
                "U557",
                "an access token that the provider gave to any other app is taken here",
                "name whom it has to be for: `idp_access_token_allowed_audiences`",
            )
        } else {
            continue;
        };
        let mut found = vec![problem];
        if is_of_all {
            if std::mem::replace(&mut told_of_all, true) {
                continue;
            }
        } else {
            section.source.relocate(&mut found);
        }
        problems.append(&mut found);
    }
}
