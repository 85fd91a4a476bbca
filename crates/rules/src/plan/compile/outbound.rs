//! `dns_*` and `envoy_bind_config_*`: how connections to upstreams are made.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::Compiler;
use crate::{
    config::keys::global,
    plan::{LookupFamily, NameServers, Outbound, Transport},
};

/// As in Pomerium.
const SHORTEST: Duration = Duration::from_millis(1);

/// How often the resolver of Pomerium asks where nothing is said.
const TRIES: u32 = 4;

impl Compiler<'_> {
    pub(super) fn outbound(&mut self) -> Outbound {
        for key in [&global::DNS_QUERY_TIMEOUT, &global::DNS_REFRESH_RATE] {
            let is_short = self.keys.get(key).is_some_and(|length| length < SHORTEST);
            if let Some(given) = self.keys.given(key).filter(|_| is_short) {
                let what = format!("`{}` is too short", key.name);
                self.report(given.error("U475", what, "write `5s`"));
            }
        }
        Outbound {
            family: match self.keys.value(&global::DNS_LOOKUP_FAMILY) {
                "V4_ONLY" => LookupFamily::V4,
                "V6_ONLY" => LookupFamily::V6,
                _ => LookupFamily::Both,
            },
            name_servers: self.name_servers().map(Arc::new),
            query_timeout: self.keys.value(&global::DNS_QUERY_TIMEOUT),
            refresh_rate: self.keys.value(&global::DNS_REFRESH_RATE),
            source: self.source_address(),
            freebind: self.keys.value(&global::ENVOY_BIND_CONFIG_FREEBIND),
        }
    }

    /// One of the keys says that name servers are asked, and the system's resolver is not.
    fn name_servers(&self) -> Option<NameServers> {
        let named = self.keys.get(&global::DNS_RESOLVERS).unwrap_or_default();
        let tries = self.keys.get(&global::DNS_QUERY_TRIES);
        let transport = match self.keys.value(&global::DNS_USE_TCP) {
            true => Transport::Tcp,
            false => Transport::Udp,
        };
        if named.is_empty() && tries.is_none() && transport == Transport::Udp {
            return None;
        }
        let of_one = |text: &str| {
            let (scheme, address) = text.split_once("://")?; // what is none was told with the key
            let own = if scheme == "tcp" { Transport::Tcp } else { transport };
            Some((address.parse().ok()?, own))
        };
        Some(NameServers {
            named: named.iter().filter_map(|item| of_one(&item.text)).collect(),
            transport,
            tries: tries.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(TRIES),
        })
    }

    fn source_address(&mut self) -> Option<IpAddr> {
        let given = self.keys.given(&global::ENVOY_BIND_CONFIG_SOURCE_ADDRESS)?;
        self.keep(given.text().parse().map_err(|_| {
            given.error(
                "U474",
                format!("`{}` is no IP address to connect from", given.text()),
                "write one of this machine, such as `192.0.2.7`, without a port",
            )
        }))
    }
}
