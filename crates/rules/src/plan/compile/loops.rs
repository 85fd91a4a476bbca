//! Routes that lead to usher itself: a request that is sent there comes in at the door again.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::target::collect;
use crate::{
    config::{
        Given, Section,
        keys::{nested::CHECK_ALT_PORT, route},
    },
    names::{Upstream, listen_address},
    plan::{Action, HostPattern, Listen, Redirect, Route, SignIn},
    problem::Problem,
};

/// Warns of every address in `to`, every port that is asked for its health, and every redirect
/// behind which usher stands. The listener for figures is none of it: it answers for itself.
pub(super) fn find(
    listen: &Listen,
    sign_in: Option<&SignIn>,
    (sections, routes): (&[Section], &[Option<Arc<Route>>]),
    problems: &mut Vec<Problem>,
) {
    if sign_in.is_some_and(|sign_in| sign_in.service.is_some()) {
        return; // no route is served
    }
    let ours = Ours::of(listen, sign_in, routes.iter().flatten());
    for (section, route) in sections.iter().zip(routes) {
        match route.as_ref().map(|route| (route, &route.action)) {
            Some((_, Action::Forward(_))) => targets(&ours, section, problems),
            Some((route, Action::Redirect(redirect))) if leads_back(redirect, route, listen) => {
                let what = "this redirect leads back to where it came from";
                let help = "say where it leads: another host, port or path";
                let given = section.given(&route::REDIRECT);
                problems.extend(given.map(|given| given.warning("U528", what, help)));
            }
            Some(_) | None => {}
        }
    }
}

fn targets(ours: &Ours<'_>, section: &Section, found: &mut Vec<Problem>) {
    let Some(to) = section.given(&route::TO) else { return };
    let mut written = Vec::new();
    let _told_by_the_route = collect(&to.node, &mut written);
    for node in written {
        let url = node.text().unwrap_or_default().split(',').next().unwrap_or_default();
        let Ok(upstream) = Upstream::parse(url) else { continue };
        if ours.are_at(&upstream.host, upstream.port) {
            let mut problem = told(to, &format!("to: {url}"));
            problem.at = to.source.place(&node.span);
            found.push(problem);
            continue;
        }
        for check in section.value(&route::HEALTH_CHECKS) {
            let port = check.get(&CHECK_ALT_PORT).and_then(|port| u16::try_from(port).ok());
            if let (Some(given), Some(port)) = (check.given(&CHECK_ALT_PORT), port)
                && ours.are_at(&upstream.host, port)
            {
                found.push(told(given, &format!("alt_port: {port}")));
            }
        }
    }
}

fn told(given: &Given, written: &str) -> Problem {
    given.warning(
        "U535",
        format!("`{written}` leads to usher itself, and not to an app"),
        "write the address at which the app listens, such as `http://127.0.0.1:8096` or a \
         container's name; where the name leads elsewhere from this machine all is well",
    )
}

/// Nothing of the address changes but perhaps its query: browsers give up after twenty rounds.
fn leads_back(redirect: &Redirect, route: &Route, listen: &Listen) -> bool {
    let (own_host, own_port) = match &route.from {
        HostPattern::Exact { host, port } => (Some(host.as_str()), port.unwrap_or(443)),
        HostPattern::Wildcard { port, .. } => (None, port.unwrap_or(443)),
    };
    let is_own = |host: &str| own_host.is_some_and(|own| own.eq_ignore_ascii_case(host));
    // without TLS of its own usher may well be asked for `http`
    let scheme = if listen.insecure { None } else { Some("https") };
    redirect.path.is_none()
        && redirect.prefix.is_none()
        && (redirect.scheme.is_none() || redirect.scheme.as_deref() == scheme)
        && redirect.host.as_deref().is_none_or(is_own)
        && redirect.port.is_none_or(|port| port == own_port)
}

/// An IPv6 address without its brackets.
fn bare(name: &str) -> &str {
    name.trim_start_matches('[').trim_end_matches(']')
}

/// All that a name ends with, itself and nothing included.
fn endings(host: &str) -> impl Iterator<Item = &str> {
    (0..=host.len()).filter_map(|at| host.get(at..))
}

/// Where usher answers, as far as the config tells.
struct Ours<'a> {
    listeners: Vec<SocketAddr>,
    /// Hosts, as they are compared, with the ports that browsers use.
    names: HashMap<&'a str, Vec<u16>>,
    /// Those that stand for many, each once, by what they end with: a name is held against those
    /// that end as it does, however many there are.
    wildcards: HashMap<&'a str, Vec<(u16, &'a str, &'a HostPattern)>>,
    sign_in: Option<(&'a str, u16)>,
}

impl<'a> Ours<'a> {
    fn of(
        listen: &Listen,
        sign_in: Option<&'a SignIn>,
        routes: impl Iterator<Item = &'a Arc<Route>>,
    ) -> Self {
        let listeners = std::iter::once(&listen.address).chain(&listen.http_redirect);
        let mut names: HashMap<&str, Vec<u16>> = HashMap::new();
        let mut wildcards: HashMap<&str, Vec<(u16, &str, &HostPattern)>> = HashMap::new();
        for from in routes.map(|route| &route.from) {
            let public = from.port().unwrap_or(443);
            match from {
                HostPattern::Exact { host, .. } => {
                    let ports = names.entry(bare(host.as_str())).or_default();
                    if !ports.contains(&public) {
                        ports.push(public);
                    }
                }
                HostPattern::Wildcard { text, .. } => {
                    let ending = text.rsplit('*').next().unwrap_or_default();
                    let alike = wildcards.entry(ending).or_default();
                    if !alike.iter().any(|(at, known, _)| (*at, *known) == (public, &**text)) {
                        alike.push((public, text, from));
                    }
                }
            }
        }
        let own = sign_in.filter(|sign_in| sign_in.dedicated_host).and_then(SignIn::own);
        Self {
            listeners: listeners.filter_map(|text| listen_address(text, None).ok()).collect(),
            names,
            wildcards,
            sign_in: own.map(|own| (own.host.as_str(), own.port)),
        }
    }

    /// Does usher answer at this host (IPv6 without brackets) and port?
    fn are_at(&self, host: &str, port: u16) -> bool {
        let host = &*host.to_ascii_lowercase();
        // what a router makes of a public port is not known: the listener's own counts as well
        let is_port = |public: u16| {
            port == public || self.listeners.iter().any(|listener| listener.port() == port)
        };
        let named = self.names.get(host).is_some_and(|ports| ports.iter().any(|at| is_port(*at)));
        named
            || endings(host)
                .filter_map(|ending| self.wildcards.get(ending))
                .flatten()
                .any(|(at, _, from)| is_port(*at) && from.takes_host(host))
            || self.sign_in.is_some_and(|(own, public)| bare(own) == host && is_port(public))
            || host.parse().is_ok_and(|ip| self.listen_at(ip, port))
    }

    fn listen_at(&self, ip: IpAddr, port: u16) -> bool {
        let own = ip.is_loopback() || ip.is_unspecified();
        self.listeners.iter().any(|listener| {
            let at = listener.ip();
            let takes_all = at.is_unspecified() && (at.is_ipv6() || ip.is_ipv4());
            listener.port() == port && (at == ip || takes_all && own)
        })
    }
}
