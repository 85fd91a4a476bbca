//! Can visitors find the hosts?

use std::{net::IpAddr, time::Duration};

use usher_rules::{plan::Plan, problem::Severity};

use super::{Code, PATIENCE, Tried, code};
use crate::certs::report::hosts;

const ABOUT: &Code = code::DNS;

/// Each host of the plan, in order.
pub(super) async fn tried(plan: &Plan) -> Vec<Tried> {
    let needs_the_world = plan.autocert.as_ref().is_some_and(|autocert| autocert.dns.is_none());
    let mut all = Vec::new();
    for host in hosts(plan) {
        if host.parse::<IpAddr>().is_ok() {
            continue; // an address needs no name
        }
        // any name below a wildcard will do
        let asked = match host.strip_prefix("*.") {
            Some(domain) => format!("usher-check.{domain}"),
            None if host.contains('*') => continue,
            None => host.to_string(),
        };
        all.push(judged(&host, look_up(&asked, PATIENCE).await, needs_the_world));
    }
    all
}

async fn look_up(host: &str, patience: Duration) -> Result<Vec<IpAddr>, String> {
    match tokio::time::timeout(patience, tokio::net::lookup_host((host, 443))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            addresses.dedup();
            Ok(addresses)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn judged(host: &str, found: Result<Vec<IpAddr>, String>, needs_the_world: bool) -> Tried {
    let warn = |what: String, help: &str| Tried::bad(Severity::Warning, ABOUT, host, (what, help));
    let found = match found {
        Ok(found) if !found.is_empty() => found,
        other => {
            let why = other.err().map(|why| format!(" ({why})")).unwrap_or_default();
            return Tried::bad(
                Severity::Error,
                ABOUT,
                host,
                (
                    format!("does not resolve here{why}"),
                    "where its domain is kept, make an A or AAAA record that leads to this machine \
                     or to the router in front of it",
                ),
            );
        }
    };
    let shown: Vec<String> = found.iter().map(IpAddr::to_string).collect();
    let shown = shown.join(", ");
    if found.iter().all(IpAddr::is_loopback) {
        return warn(
            format!("leads to {shown}, which is each visitor's own machine"),
            "good for trying it out here; for others let its record name an address of this machine",
        );
    }
    if needs_the_world && found.iter().all(is_private) {
        return warn(
            format!("leads to {shown}, where no authority on the internet can look"),
            "`autocert` then needs `autocert_dns_provider`, or a public address in the record",
        );
    }
    Tried::good(ABOUT, host, format!("leads to {shown}"))
}

/// Addresses of home networks (RFC 1918, RFC 6598, RFC 4193) and of one machine or wire.
fn is_private(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_name_leads_is_judged() {
        let to = |text: &str| Ok(vec![text.parse().unwrap()]);
        for (found, needs_the_world, expected, why) in [
            (to("203.0.113.7"), true, None, "a public address"),
            (to("192.168.1.9"), false, None, "a home network is fine without autocert"),
            (to("192.168.1.9"), true, Some(Severity::Warning), "and not with it"),
            (to("100.64.0.9"), true, Some(Severity::Warning), "behind a carrier's NAT"),
            (to("fd00::1"), true, Some(Severity::Warning), "the same in IPv6"),
            (to("127.0.0.1"), false, Some(Severity::Warning), "nobody else gets there"),
            (Ok(Vec::new()), false, Some(Severity::Error), "a name without addresses"),
            (Err("no such host".into()), false, Some(Severity::Error), "no such name"),
        ] {
            let judged = judged("tv.test", found, needs_the_world);
            assert_eq!(judged.severity, expected, "{why}: {judged}");
            assert_eq!(judged.help.is_empty(), expected.is_none(), "{why}: {judged}");
        }
    }
}
