//! What the upstream sees as `Host` (`pomerium-config.md` §3.4).

use http::HeaderValue;

use super::{Compiler, name};
use crate::{
    config::{Given, keys::route, upgrades, values::Text},
    plan::{HostField, HostOfPath},
};

impl Compiler<'_> {
    /// `host_rewrite`, else `host_rewrite_header`, else `host_path_regex_rewrite_*`, else
    /// `preserve_host_header`.
    pub(super) fn host_field(&mut self) -> Option<HostField> {
        let literal = self.keys.given(&route::HOST_REWRITE);
        if let Some(given) = literal {
            let value = name::authority(given.text());
            let value = value.and_then(|text| HeaderValue::try_from(text).ok());
            if value.is_none() {
                self.report(given.error(
                    "U516",
                    format!("`host_rewrite: {}` is no host", given.text()),
                    "write a host name, or `host:port`",
                ));
            }
            return value.map(HostField::Literal);
        }
        let is_said = |given: &&Given| !given.text().is_empty();
        if let Some(given) = self.keys.given(&route::HOST_REWRITE_HEADER).filter(is_said) {
            let field = Text { text: given.text().into(), at: given.node.span.clone() };
            let named = name::field_name(route::HOST_REWRITE_HEADER.name, &field);
            return self.keep(named).map(HostField::Field);
        }
        if let Some(given) = self.keys.given(&route::HOST_PATH_REGEX_PATTERN).filter(is_said) {
            let made = self.regex_rewrite(given, &route::HOST_PATH_REGEX_SUBSTITUTION);
            return made.map(|(pattern, substitution)| {
                HostField::Path(HostOfPath { pattern, substitution })
            });
        }
        let preserve = upgrades::preserves_host(self.keys);
        Some(if preserve { HostField::Preserve } else { HostField::Upstream })
    }
}
