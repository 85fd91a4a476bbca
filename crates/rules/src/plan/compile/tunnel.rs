//! Routes for something else than HTTP: tunnels for TCP and UDP, and those for SSH, which are read and
//! not served.

use super::{Compiler, from, rego::Rego, target};
use crate::{
    config::{
        Given,
        keys::{Key, route},
    },
    plan::{Carried, HostPattern, Tunnel},
    problem::Problem,
    yaml::Node,
};

/// Schemes of `from` and `to` that are no HTTP.
const FROM: &[&str] = &["tcp+https", "udp+https", "ssh"];
const TO: &[&str] = &["tcp", "udp", "ssh"];

/// What a route carries.
pub(super) enum Carries {
    /// Requests.
    Http,
    /// Bytes or datagrams, for who comes in at that host.
    Tunnel(HostPattern, Tunnel),
    /// Something that is not served: nobody gets in, and no other route takes the requests of its
    /// host.
    Unserved(Option<HostPattern>),
}

impl Compiler<'_> {
    /// What this route carries, by the schemes of `from` and `to`.
    pub(super) fn carries(&mut self, rego: Rego<'_>) -> Carries {
        let Some(given) = self.keys.given(&route::FROM) else { return Carries::Http };
        let scheme = scheme_of(given.text());
        let is_from = FROM.contains(&&*scheme);
        let mut to = Vec::new();
        if let Some(given) = self.keys.given(&route::TO) {
            let _other_shapes_are_told_with_http = target::collect(&given.node, &mut to);
        }
        let texts = to.iter().filter_map(|node| node.text());
        let schemes: Vec<String> = texts.map(scheme_of).collect();
        let tunnelled = schemes.iter().find(|scheme| TO.contains(&scheme.as_str()));
        if !is_from && tunnelled.is_none() {
            return Carries::Http;
        }
        self.judge_targets(tunnelled, &schemes, &to);
        let others: [&'static Key; 2] = [&route::REDIRECT, &route::RESPONSE];
        let leads_on = others.iter().all(|key| self.keys.given(key).is_none());
        for carried in [Carried::Tcp, Carried::Udp] {
            let is_from = scheme.strip_suffix("+https") == Some(carried.word());
            let is_to = schemes.iter().all(|scheme| scheme == carried.word());
            if is_from && is_to && !schemes.is_empty() && leads_on {
                return self.tunnel(given, carried);
            }
        }
        let _its_mistakes_are_told = self.policy(rego);
        let named = if is_from { &scheme } else { tunnelled.unwrap_or(&scheme) };
        let (what, help) = match (&*scheme, named.as_str()) {
            ("tcp+https", _) => (
                "a tunnel leads to `tcp://` alone: nobody gets in by this one".into(),
                "write `to: tcp://HOST:PORT`, and no `redirect` or `response`",
            ),
            ("udp+https", _) => (
                "a tunnel for UDP leads to `udp://` alone: nobody gets in by this one".into(),
                "write `to: udp://HOST:PORT`, and no `redirect` or `response`",
            ),
            (_, "tcp") => (
                "bytes are forwarded for `tcp+https` alone: nobody gets in by this one".into(),
                "write `from: tcp+https://HOST:PORT`",
            ),
            (_, "udp") => (
                "datagrams are forwarded for `udp+https` alone: nobody gets in by this one".into(),
                "write `from: udp+https://HOST:PORT`",
            ),
            (_, named) => (
                format!("`{named}` routes are not served yet: nobody gets in by this one"),
                "take it out, or keep it on Pomerium",
            ),
        };
        self.report(given.warning("U504", what, help));
        if scheme == "ssh" {
            return Carries::Unserved(None);
        }
        let from = from::host_of(given);
        Carries::Unserved(self.keep(from))
    }

    fn judge_targets(&mut self, tunnelled: Option<&String>, schemes: &[String], nodes: &[&Node]) {
        let Some(to) = self.keys.given(&route::TO) else { return };
        if let Some(tunnelled) = tunnelled
            && schemes.iter().any(|scheme| scheme != tunnelled)
        {
            self.report(to.error(
                "U525",
                format!("`to` mixes `{tunnelled}` with other schemes"),
                "write a route for each",
            ));
        }
        for node in nodes {
            let Some(text) = node.text().filter(|text| !has_host(text)) else { continue };
            let what = format!("`to: {text}` names no host and port");
            let help = "write `tcp://HOST:PORT`";
            self.report(Problem::error("U522", node.span.clone(), what, help));
        }
    }

    /// A tunnel.
    fn tunnel(&mut self, given: &Given, carried: Carried) -> Carries {
        let from = from::host_of(given);
        let Some(from) = self.keep(from) else { return Carries::Unserved(None) };
        let ends = from::tunnel_ends(given);
        if ends.is_empty() {
            let word = carried.word();
            self.report(given.warning(
                "U550",
                "no client reaches this tunnel: what it asks for has a port, and `from` names none",
                format!("write `{word}+https://HOST:PORT`, or `{word}+https://PROXY/HOST:PORT`"),
            ));
        }
        for key in route::IDLE_IN_TUNNELS {
            if let Some(given) = self.keys.given(key) {
                let what = format!("`{}` has no effect on a tunnel, which has no HTTP", key.name);
                self.report(given.warning("U551", what, "delete it"));
            }
        }
        let sign_in = from::tunnel_sign_in(given, &from);
        let after_session = self.keys.value(&route::TUNNEL_AFTER_SESSION);
        Carries::Tunnel(from, Tunnel { carried, ends: ends.into(), sign_in, after_session })
    }
}

fn scheme_of(text: &str) -> String {
    text.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase()
}

fn has_host(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| !authority.trim().is_empty())
}
