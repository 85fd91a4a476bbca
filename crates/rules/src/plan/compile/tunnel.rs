//! Routes for TCP, UDP and SSH: they are read, and not served yet.

use super::{Compiler, from, target};
use crate::{
    config::keys::route,
    plan::HostPattern,
    problem::{Problem, without_passwords},
};

/// Schemes of `from` and `to` that are no HTTP.
const FROM: &[&str] = &["tcp+https", "udp+https", "ssh"];
const TO: &[&str] = &["tcp", "udp", "ssh"];

/// What is left of a route that is not served.
#[derive(Debug, Default)]
pub(super) struct Tunnel {
    /// Its host, which no other route takes.
    pub from: Option<HostPattern>,
    /// What a CONNECT would ask for.
    pub ends: Vec<HostPattern>,
}

impl Compiler<'_> {
    /// A route that forwards something else than HTTP: `None` where it is one of HTTP. Nobody is let
    /// in by it; its host is kept, so that no other route takes its requests.
    pub(super) fn tunnel(&mut self) -> Option<Tunnel> {
        let given = self.keys.given(&route::FROM)?;
        let scheme = scheme_of(given.text());
        let is_from = FROM.contains(&&*scheme);
        let mut to = Vec::new();
        if let Some(given) = self.keys.given(&route::TO) {
            let _other_shapes_are_told_with_http = target::collect(&given.node, &mut to);
        }
        let texts = to.iter().filter_map(|node| node.text());
        let schemes: Vec<String> = texts.clone().map(scheme_of).collect();
        let tunnelled = schemes.iter().find(|scheme| TO.contains(&scheme.as_str()));
        if !is_from && tunnelled.is_none() {
            return None;
        }
        if let Some(tunnelled) = tunnelled
            && schemes.iter().any(|scheme| scheme != tunnelled)
        {
            let to = self.keys.given(&route::TO)?;
            self.report(to.error(
                "U525",
                format!("`to` mixes `{tunnelled}` with other schemes"),
                "write a route for each",
            ));
        }
        for text in texts.filter(|text| !has_host(text)) {
            let shown = without_passwords(text);
            let what = format!("`to: {shown}` names no host and port");
            self.report(Problem::error(
                "U522",
                given.node.span.clone(),
                what,
                "write `tcp://HOST:PORT`",
            ));
        }
        let _its_mistakes_are_told = self.policy();
        let named = if is_from { &scheme } else { tunnelled? };
        self.report(given.warning(
            "U504",
            format!("`{named}` routes are not served yet: nobody gets in by this one"),
            "take it out, or keep it on Pomerium",
        ));
        if scheme == "ssh" {
            return Some(Tunnel::default());
        }
        let from = from::host_of(given);
        let from = self.keep(from);
        let ends = if scheme == "tcp+https" { from::tunnel_ends(given) } else { Vec::new() };
        Some(Tunnel { from, ends })
    }
}

fn scheme_of(text: &str) -> String {
    text.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase()
}

fn has_host(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| !authority.trim().is_empty())
}
