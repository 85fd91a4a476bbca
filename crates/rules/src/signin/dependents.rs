use std::sync::Arc;

use super::{Params, Target, form::encode_onto, param, serves};
use crate::{
    names::{Authority, Origin, RequestPath},
    plan::Plan,
};

/// The way of a browser that has signed in: over the hosts that its page depends on, so that each
/// of them knows it (`depends_on`), and then to the page.
///
/// Every host begins a sign-in of its own, which whoever is known goes through without a question.
/// So nothing is handed to a host but by the browser that asked there, and what this address says
/// needs no signature: it names pages and hosts of this plan alone, and lets nobody in.
#[derive(Debug)]
pub struct Dependents {
    target: Target,
    hosts: Vec<Authority>,
}

impl Dependents {
    /// Where each of the hosts picks it up.
    pub const PATH: &str = "/.pomerium/depends_on";

    /// What comes after a sign-in at `target`'s host.
    pub fn of(plan: &Plan, target: Target) -> Self {
        let path = RequestPath::parse_as(target.path(), plan.escaped_slashes).ok();
        let path = path.filter(|path| !path.wire().starts_with("/.pomerium/")); // a page of ours
        let route =
            path.and_then(|path| plan.route_at(&target.authority(), path.wire()).map(Arc::clone));
        let hosts = route.map(|route| route.depends_on.clone()).unwrap_or_default();
        Self::over(plan, target, hosts)
    }

    /// Reads what [`Self::next`] wrote; `None` where it leads to nothing of this plan.
    pub fn parse(plan: &Plan, query: &str) -> Option<Self> {
        let params = Params::parse(query).ok()?;
        let target = Target::parse(plan, params.text(param::REDIRECT_URI)?).ok()?;
        let hosts = params.text(param::ADDITIONAL_HOSTS).unwrap_or_default().split(',');
        let hosts = hosts.filter_map(|host| Authority::parse(host).ok());
        Some(Self::over(plan, target, hosts.take(Self::MOST).collect()))
    }

    /// How many hosts a route may depend on.
    pub const MOST: usize = 5;

    fn over(plan: &Plan, target: Target, mut hosts: Vec<Authority>) -> Self {
        hosts.retain(|host| Origin::of(host) != *target.origin() && serves(plan, host));
        Self { target, hosts }
    }

    /// The next host with all that follows, or the page.
    pub fn next(&self) -> String {
        let Some((next, others)) = self.hosts.split_first() else {
            return self.target.to_string();
        };
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        let mut url = format!("{}{}?{}=", Origin::of(next), Self::PATH, param::ADDITIONAL_HOSTS);
        encode_onto(&mut url, &others.join(","));
        url.push_str(&format!("&{}=", param::REDIRECT_URI));
        encode_onto(&mut url, &self.target.to_string());
        url
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Dependents;
    use crate::{
        names::{Authority, Host, Origin},
        plan::{Plan, Provider},
        signin::Target,
    };

    fn plan(depends_on: &[&str]) -> Plan {
        let hosts = ["a.test", "b.test", "c.test"].map(|host| Host::parse(host).unwrap());
        let authenticate = Origin::parse("https://auth.test").unwrap();
        let mut plan = Plan::sketch(authenticate, Provider::Builtin, hosts.to_vec());
        let first = Arc::make_mut(&mut plan.routes[0]);
        first.depends_on = depends_on.iter().map(|h| Authority::parse(h).unwrap()).collect();
        plan
    }

    #[test]
    fn the_way_goes_over_each_host_once_and_ends_at_the_page() {
        let plan = plan(&["b.test", "a.test", "other.test", "c.test"]);
        let page = "https://a.test/x?y=1&z=%20";
        let mut seen = Vec::new();
        let mut at = Dependents::of(&plan, Target::parse(&plan, page).unwrap()).next();
        while let Some((host, query)) = at.split_once("/.pomerium/depends_on?") {
            seen.push(host.to_owned());
            at = Dependents::parse(&plan, query).unwrap().next();
        }
        assert_eq!(seen, ["https://b.test", "https://c.test"], "not itself, and no host of others");
        assert_eq!(at, page);
        let target = Target::parse(&plan, "https://b.test/").unwrap();
        assert_eq!(Dependents::of(&plan, target).next(), "https://b.test/", "it depends on none");
        let ours = "https://a.test/.pomerium/depends_on?x";
        let target = Target::parse(&plan, ours).unwrap();
        assert_eq!(Dependents::of(&plan, target).next(), ours, "a page of ours depends on none");
    }

    /// T1: the address needs no signature, since it leads to pages of this plan alone.
    #[test]
    fn t1_a_way_over_hosts_leads_to_nobody_else() {
        let plan = plan(&[]);
        for (query, expected) in [
            ("pomerium_redirect_uri=https://evil.test/", None),
            ("pomerium_redirect_uri=https://a.test//evil.test/", None),
            ("pomerium_redirect_uri=/x", None),
            ("", None),
            (
                "pomerium_redirect_uri=https://a.test/&pomerium_additional_hosts=evil.test,,b@c",
                Some("https://a.test/"),
            ),
        ] {
            let next = Dependents::parse(&plan, query).map(|way| way.next());
            assert_eq!(next.as_deref(), expected, "{query}");
        }
    }
}
