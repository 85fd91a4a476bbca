//! `dns_*` and `envoy_bind_config_*`: how connections to upstreams are made.

use std::{net::IpAddr, time::Duration};

use super::Compiler;
use crate::{
    config::keys::global,
    plan::{LookupFamily, Outbound},
};

/// As in Pomerium.
const SHORTEST: Duration = Duration::from_millis(1);

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
            query_timeout: self.keys.value(&global::DNS_QUERY_TIMEOUT),
            refresh_rate: self.keys.value(&global::DNS_REFRESH_RATE),
            source: self.source_address(),
            freebind: self.keys.value(&global::ENVOY_BIND_CONFIG_FREEBIND),
        }
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
