//! `use_proxy_protocol`, and who is believed.

use super::Compiler;
use crate::{config::keys::global, names::address_range, plan::ProxyProtocol};

impl Compiler<'_> {
    /// `None` where connections begin with what clients say.
    pub(super) fn proxy_protocol(&mut self) -> Option<ProxyProtocol> {
        let is_on = self.keys.value(&global::USE_PROXY_PROTOCOL);
        let trusted = self.proxy_protocol_trusted();
        match (is_on, self.keys.given(&global::PROXY_PROTOCOL_TRUSTED)) {
            (false, Some(given)) => self.report(given.warning(
                "U471",
                "`proxy_protocol_trusted` does nothing without `use_proxy_protocol`",
                "add `use_proxy_protocol: true`, or delete it",
            )),
            (true, None) => {
                let given = self.keys.given(&global::USE_PROXY_PROTOCOL)?;
                self.report(given.warning(
                    "U472",
                    "whoever reaches this port chooses the address that `source_ip`, limits and records see",
                    "name your balancers, `proxy_protocol_trusted: [10.0.0.0/24]`: others are turned away",
                ));
            }
            (true, Some(_)) | (false, None) => {}
        }
        is_on.then_some(ProxyProtocol { trusted })
    }

    fn proxy_protocol_trusted(&mut self) -> Box<[ipnet::IpNet]> {
        let Some(given) = self.keys.given(&global::PROXY_PROTOCOL_TRUSTED) else {
            return Box::default();
        };
        let items = self.keys.value(&global::PROXY_PROTOCOL_TRUSTED);
        if items.is_empty() {
            self.report(given.error(
                "U470",
                "`proxy_protocol_trusted` names nobody",
                "write `[10.0.0.0/24]`, or delete it to believe everybody",
            ));
        }
        let mut trusted = Vec::new();
        for item in items {
            match address_range(&item.text) {
                Some(range) => trusted.push(range),
                None => {
                    let what = format!("`{}` is no IP address and no range", item.text);
                    let mut problem =
                        given.error("U470", what, "write `10.0.0.7` or `10.0.0.0/24`");
                    problem.at = given.source.place(&item.at);
                    self.report(problem);
                }
            }
        }
        trusted.into()
    }
}
