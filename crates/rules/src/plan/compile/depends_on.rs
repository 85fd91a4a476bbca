//! Hosts that know whoever signed in for another one.

use super::Compiler;
use crate::{config::keys::route, names::Authority, problem::Problem, signin::Dependents};

impl Compiler<'_> {
    /// `depends_on`: hosts, or addresses of which the host counts.
    pub(super) fn depends_on(&mut self) -> Vec<Authority> {
        let Some(given) = self.keys.given(&route::DEPENDS_ON) else { return Vec::new() };
        let written = self.keys.value(&route::DEPENDS_ON);
        if written.len() > Dependents::MOST {
            let what = format!("`depends_on` names more than {} hosts", Dependents::MOST);
            self.report(given.error("U530", what, "name those that a page of this route asks"));
        }
        let mut hosts = Vec::new();
        for item in written {
            let after_scheme = item.text.split_once("://").map_or(&*item.text, |(_, rest)| rest);
            let host = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
            match Authority::parse(host) {
                Ok(host) => hosts.push(host),
                Err(_) => self.report(Problem::error(
                    "U530",
                    item.at.clone(),
                    format!("`depends_on: {}` is no host", item.text),
                    "write the host of another route: `api.example.com`",
                )),
            }
        }
        hosts
    }
}
