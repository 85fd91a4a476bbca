//! Authenticate services: the one of somebody else's that we use, and the one that we are.

use std::sync::Arc;

use super::{Compiler, provider::stable_id};
use crate::{
    config::{keys::global, words::Flow},
    names::{Origin, registrable_domain},
    plan::{AllowedHosts, HostedService, Provider, Route},
    problem::{Place, Problem, Severity},
};

/// Pomerium's hosted authenticate service, in its two forms.
pub(super) const HOSTED: &[&str] =
    &["authenticate.pomerium.app", "authenticate.staging.pomerium.app"];

impl Compiler<'_> {
    /// Does `services` ask for the authenticate service alone?
    pub(super) fn is_authenticate_service(&self) -> bool {
        matches!(self.keys.value(&global::SERVICES), [one] if &*one.text == "authenticate")
    }

    /// Is the service at this address somebody else's? Pomerium's are known by their names; for
    /// others `authenticate_flow: stateless` says so.
    pub(super) fn is_hosted(&self, origin: &Origin) -> bool {
        match self.keys.get(&global::AUTHENTICATE_FLOW) {
            Some(Flow::Stateless) => true,
            Some(Flow::Stateful) => false,
            Some(Flow::ByHost) | None => HOSTED.contains(&origin.host.as_str()),
        }
    }

    pub(super) fn hosted(&mut self, origin: &Origin) -> Provider {
        let own = self.keys.given(&global::IDP_PROVIDER);
        if let Some(given) = own {
            self.report(given.warning(
                "U412",
                format!("people sign in at {origin}, so `idp_provider` has no effect"),
                "delete the `idp_*` lines, or delete `authenticate_service_url` to use them",
            ));
        }
        let address = origin.to_string().into_boxed_str();
        let id = stable_id(&[b"hosted", address.as_bytes()], 32);
        Provider::Hosted(HostedService { id, address })
    }

    /// Keys without which an authenticate service would serve nobody, or anybody.
    pub(super) fn service(&mut self, routes: &[Arc<Route>]) -> Option<AllowedHosts> {
        if self.keys.get(&global::AUTHENTICATE_SERVICE_URL).is_none() {
            self.report(Problem::new(
                Severity::Error,
                "U419",
                Place::Whole,
                "`services: authenticate` does not say under which address it is reached",
                "add `authenticate_service_url: https://HOST`, the address that the proxies name",
            ));
        }
        if let Some(given) = self.keys.given(&global::SERVICES).filter(|_| !routes.is_empty()) {
            self.report(given.warning(
                "U421",
                "an authenticate service serves no routes: those of this config have no effect",
                "delete them, or write `services: all` to serve them here",
            ));
        }
        let Some(given) = self.keys.given(&global::AUTHENTICATE_ALLOWED_HOSTS) else {
            let allowed = self.neighbours();
            if allowed.is_none() {
                self.report(Problem::new(
                    Severity::Error,
                    "U420",
                    Place::Whole,
                    "nothing says which proxies this service is for, and any site could ask it for a visitor's profile",
                    "add `authenticate_allowed_hosts:` with the hosts of the proxies' routes: `- app.example.com`, or `- \"*.example.com\"` for all below",
                ));
            }
            return allowed;
        };
        let entries = self.keys.value(&global::AUTHENTICATE_ALLOWED_HOSTS);
        if entries.is_empty() {
            self.report(given.error(
                "U420",
                "the list is empty: nobody could be sent back to any proxy",
                "name the hosts of the proxies' routes: `- app.example.com`",
            ));
        }
        AllowedHosts::parse(entries.iter().map(|entry| &*entry.text))
            .map_err(|(index, error)| {
                let mut problem = given.error(
                    "U420",
                    format!("this is no host: {error}"),
                    "write `HOST`, or `\"*.DOMAIN\"` for every host below: no scheme, port or path",
                );
                if let Some(entry) = entries.get(index) {
                    problem.at = given.source.place(&entry.at);
                }
                self.report(problem);
            })
            .ok()
    }

    /// Proxies in the service's own domain, where that is one that somebody registered: whoever
    /// has it has all of its hosts.
    fn neighbours(&self) -> Option<AllowedHosts> {
        let own = Origin::parse(self.keys.get(&global::AUTHENTICATE_SERVICE_URL)?).ok()?;
        let domain = registrable_domain(own.host.as_str())?;
        AllowedHosts::parse([domain, &format!("*.{domain}")]).ok()
    }
}
