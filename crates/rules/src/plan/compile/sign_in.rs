//! Where people sign in, and who says who they are.

use std::{collections::BTreeSet, sync::Arc};

use super::Compiler;
use crate::{
    config::{
        Given,
        keys::{Key, global},
    },
    names::{Host, Origin},
    plan::{Action, HostPattern, Listed, Route, SignIn},
    problem::{Place, Problem, Severity},
};

impl Compiler<'_> {
    /// `None` when a problem was found.
    pub(super) fn sign_in(&mut self, routes: &[Arc<Route>]) -> Option<SignIn> {
        let given = self.keys.given(&global::AUTHENTICATE_SERVICE_URL);
        let named = given.map(|given| self.authenticate_origin(given));
        let named_origin = named.as_ref().and_then(Option::as_ref);
        let is_service = self.is_authenticate_service();
        let hosted = named_origin.filter(|origin| !is_service && self.is_hosted(origin));
        let authenticate_name = named_origin.map(Origin::to_string);
        let listed = match hosted {
            Some(origin) => Some((self.hosted(origin).into(), Vec::new())),
            None => self.listed(named_origin),
        };
        let service = if is_service { self.service(routes).map(Some) } else { Some(None) };
        let signed_out_url = self.keep_url(&global::SIGNOUT_REDIRECT_URL);
        let (authenticate, dedicated_host) = match named {
            Some(origin) => (origin?, true),
            None => (self.first_host(routes)?, false),
        };
        let hosts = self.keys.get(&global::PROGRAMMATIC_REDIRECT_DOMAIN_WHITELIST);
        let (first, beside) = listed?;
        let types_passwords = |listed: &Listed| listed.provider.address().is_none();
        if !dedicated_host && std::iter::once(&first).chain(&beside).any(types_passwords) {
            self.passwords_beside_apps(&authenticate, routes);
        }
        Some(SignIn {
            authenticate,
            dedicated_host,
            providers: self.with_own_clients((first, beside), authenticate_name.as_deref(), routes),
            signed_out_url,
            programmatic_hosts: match hosts {
                Some(hosts) => hosts.iter().map(|host| Host::a_labels(&host.text)).collect(),
                None => vec!["localhost".into()],
            },
            service: service?,
        })
    }

    /// Passwords are typed on the origin of an app, whose scripts share it; with several apps each
    /// of them is trusted with everybody's way into all others.
    fn passwords_beside_apps(&mut self, authenticate: &Origin, routes: &[Arc<Route>]) {
        let apps = |route: &&Arc<Route>| {
            matches!(route.action, Action::Forward(_)) && route.tunnel.is_none()
        };
        let on_it = routes.iter().filter(apps).any(|route| match &route.from {
            HostPattern::Exact { host, .. } => *host == authenticate.host,
            HostPattern::Wildcard { .. } => false,
        });
        let hosts = routes.iter().filter(apps).map(|route| match &route.from {
            HostPattern::Exact { host, .. } => host.to_string(),
            pattern @ HostPattern::Wildcard { .. } => format!("{pattern:?}"),
        });
        let hosts: BTreeSet<String> = hosts.collect();
        if on_it && hosts.len() > 1 {
            self.report(Problem::new(
                Severity::Warning,
                "U422",
                Place::Whole,
                format!(
                    "people type their passwords on the host of an app, `{}`, which could read \
                     them; they are for other hosts, too",
                    authenticate.host
                ),
                "give sign-in a host of its own, such as \
                 `authenticate_service_url: https://login.DOMAIN`, whose name points to usher",
            ));
        }
    }

    /// A path behind the host is left out, as Pomerium does it: its own paths stand at the root.
    fn authenticate_origin(&mut self, given: &Given) -> Option<Origin> {
        let text = given.text();
        let end = text
            .find("://")
            .and_then(|at| text.get(at + 3..)?.find('/').map(|slash| at + 3 + slash));
        let (origin, path) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""));
        if path.len() > 1 {
            self.report(given.warning(
                "U418",
                format!("the path `{path}` of `authenticate_service_url` has no effect"),
                "delete it",
            ));
        }
        let secure = self.as_https(given, origin);
        let origin = Origin::parse(&secure).map_err(|error| {
            given.error(
                "U411",
                format!("`authenticate_service_url` is not an address of ours: {error}"),
                "write `https://HOST`, a host that points to usher",
            )
        });
        self.keep(origin)
    }

    /// `http` means the same host: browsers are sent to https, and keep cookies for it alone.
    fn as_https(&mut self, given: &Given, origin: &str) -> String {
        let Some(("http", authority)) = origin.split_once("://") else { return origin.to_owned() };
        let secure = format!("https://{}", authority.strip_suffix(":80").unwrap_or(authority));
        self.report(given.warning(
            "U424",
            format!("people sign in at `{secure}`: `http` means the same host"),
            format!("write `authenticate_service_url: {secure}`"),
        ));
        secure
    }

    pub(super) fn keep_url(&mut self, key: &'static Key) -> Option<Box<str>> {
        let given = self.keys.given(key)?;
        let url = url::Url::parse(given.text())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            self.report(given.error(
                "U410",
                format!("`{}` is not a web address", key.name),
                "write it with scheme and host: `https://HOST/…`",
            ));
        }
        let url = url?;
        // As written where that can stand in a `Location`.
        Some(if given.text().is_ascii() { given.text().into() } else { url.as_str().into() })
    }

    /// The host that also signs in when none was named: the first one that a route names in full, or
    /// one that the first wildcard takes. That of a tunnel is better than none.
    fn first_host(&mut self, routes: &[Arc<Route>]) -> Option<Origin> {
        let pages = || routes.iter().filter(|route| route.tunnel.is_none());
        let exact = pages().find_map(|route| match &route.from {
            HostPattern::Exact { host, port } => {
                Some(Origin { host: host.clone(), port: port.unwrap_or(443) })
            }
            HostPattern::Wildcard { .. } => None,
        });
        let wild = || pages().find_map(|route| in_wildcard(&route.from));
        let tunnel = || {
            let mut tunnels = routes.iter().filter_map(|route| route.tunnel.as_ref());
            tunnels.find_map(|tunnel| tunnel.sign_in.as_ref()).map(Origin::of)
        };
        let has_pages = pages().next().is_some();
        if let Some(origin) = exact.or_else(|| tunnel().filter(|_| !has_pages)) {
            return Some(origin);
        }
        let Some(origin) = wild() else { return Origin::parse("https://localhost").ok() };
        self.report(Problem::new(
            Severity::Warning,
            "U417",
            Place::Whole,
            format!("people sign in at `{origin}`, since every route has a `*` in its host"),
            "name a host that points to usher: `authenticate_service_url: https://HOST`",
        ));
        Some(origin)
    }
}

/// A host that a wildcard takes, where people can sign in.
fn in_wildcard(from: &HostPattern) -> Option<Origin> {
    let HostPattern::Wildcard { text, port, .. } = from else { return None };
    let host = Host::parse(&text.replace('*', "authenticate")).ok()?;
    Some(Origin { host, port: port.unwrap_or(443) })
}
