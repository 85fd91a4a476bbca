//! Names that are no key: what was meant, and whether that may keep people out.

use super::{Fate, Key, Kind, Table, find};

/// How near a name must be to be suggested: a typo, not another word.
const NEAR: f64 = 0.88;

/// A name that is no key of its table.
pub(in crate::config) struct Unknown {
    /// The way out.
    pub help: String,
    /// What leaving it out does.
    pub loss: Loss,
}

/// What leaving a name out does that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Loss {
    /// As little as in Pomerium, which leaves it out, too.
    Little,
    /// Routes are not there.
    Routes,
    /// What was meant may keep people out, who would be let in.
    Guard,
}

/// Where a name may belong.
pub(in crate::config) struct Places {
    /// Keys of a route.
    pub route: Table,
    /// Keys at the top level.
    pub global: Table,
    /// Keys of which each one keeps people out.
    pub guarding: Table,
    /// Keys of a policy's test, which proves nothing where it asks something else.
    pub tests: Table,
}

/// What a name in `table` was probably meant for.
pub(in crate::config) fn unknown(table: Table, name: &str, places: &Places) -> Unknown {
    let elsewhere = [
        (places.route, "into a route, under `routes`"),
        (places.global, "to the top level, outside of `routes`"),
    ];
    for (other, words) in elsewhere {
        if let Some(key) = find(other, name).filter(|_| !std::ptr::eq(other, table)) {
            let help = format!("`{}` belongs {words}", key.name);
            return Unknown { help, loss: places.loss(other, key) };
        }
    }
    if let Some(key) = meant(table, name) {
        let help = format!("did you mean `{}`?", key.name);
        return Unknown { help, loss: places.loss(table, key) };
    }
    let name = name.to_ascii_lowercase().replace('-', "_");
    let guards = GUARDING.iter().any(|word| name.contains(word));
    Unknown {
        help: "delete it: neither Pomerium nor usher knows it".to_owned(),
        loss: if guards || std::ptr::eq(table, places.tests) { Loss::Guard } else { Loss::Little },
    }
}

/// The key that was probably meant.
pub(crate) fn meant(table: Table, name: &str) -> Option<&'static Key> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let named = |key: &&&Key| key.name == name || key.meant_by.contains(&&*name);
    if let Some(key) = table.iter().find(named) {
        return Some(key);
    }
    table
        .iter()
        .map(|key| (strsim::jaro_winkler(key.name, &name), *key))
        .filter(|(nearness, _)| *nearness >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, key)| key)
}

/// Parts of names that speak of keeping people out.
const GUARDING: &[&str] = &[
    "polic",
    "deny",
    "denied",
    "block",
    "forbid",
    "restrict",
    "require",
    "reject",
    "allowed",
    "whitelist",
    "blacklist",
    "acl",
    "tls",
    "client_c",
    "verif",
];

impl Places {
    fn loss(&self, table: Table, key: &Key) -> Loss {
        if matches!(key.kind, Kind::Routes) && key.name == "routes" {
            Loss::Routes
        } else if self.is_guard(table, key) {
            Loss::Guard
        } else {
            Loss::Little
        }
    }

    /// Does a key narrow who or what passes? Without it more would.
    fn is_guard(&self, table: Table, key: &Key) -> bool {
        let begins = |start: &&str| key.name.starts_with(*start);
        matches!(key.fate, Fate::Refused(_))
            || std::ptr::eq(table, self.guarding)
            || std::ptr::eq(table, self.tests)
            || ["allowed_", "tls_", "downstream_mtls", "client_ca"].iter().any(begins)
            || ["policy", "sub_policies"].contains(&key.name)
            // a route without its path is a route for all paths, and perhaps a public one
            || std::ptr::eq(table, self.route) && ["prefix", "path", "regex"].contains(&key.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{GLOBAL, ROUTE, nested},
        Loss, Places, meant, unknown,
    };

    #[test]
    fn suggestions() {
        for (table, given, expected) in [
            (ROUTE, "allow_websocket", Some("allow_websockets")),
            (ROUTE, "cors_preflight", Some("cors_allow_preflight")),
            (ROUTE, "set-request-headers", Some("set_request_headers")),
            (ROUTE, "allowed_user", Some("allowed_users")),
            (ROUTE, "timeot", Some("timeout")),
            (ROUTE, "nosuch", None),
            (GLOBAL, "adress", Some("address")),
            (GLOBAL, "route", Some("routes")),
            (GLOBAL, "log-level", Some("log_level")),
            (GLOBAL, "idp_clientid", Some("idp_client_id")),
            (GLOBAL, "nosuchkey", None),
        ] {
            assert_eq!(meant(table, given).map(|key| key.name), expected, "{given}");
        }
    }

    /// A misspelt restriction is none, so that whoever it was to keep out would be let in.
    #[test]
    fn a_name_that_may_keep_people_out_is_told_from_one_that_may_not() {
        for (table, name, guards) in [
            (ROUTE, "allowed_user", true),
            (ROUTE, "allowed-domains", true),
            (ROUTE, "polcy", true),
            (ROUTE, "policies", true),
            (ROUTE, "deny", true),
            (ROUTE, "denied_users", true),
            (ROUTE, "prefx", true),
            (ROUTE, "pathh", true),
            (ROUTE, "tls_skip_verfy", true),
            (ROUTE, "tls_client_ca", true),
            (ROUTE, "require_mfa", true),
            (GLOBAL, "allowed_users", true),
            (GLOBAL, "downstream_mlts", true),
            (GLOBAL, "client_caa", true),
            (nested::DOWNSTREAM_MTLS, "ca_fil", true),
            (nested::DOWNSTREAM_MTLS, "nosuch", false),
            (ROUTE, "lb_policy", false),
            (ROUTE, "cors_preflight", false),
            (ROUTE, "allow_websocket", false),
            (ROUTE, "nosuch", false),
            (GLOBAL, "log-level", false),
            (GLOBAL, "headers", false),
            (GLOBAL, "route", false),
            (nested::RUNTIME_FLAGS, "nosuch", false),
        ] {
            let places = Places {
                route: ROUTE,
                global: GLOBAL,
                guarding: nested::DOWNSTREAM_MTLS,
                tests: nested::POLICY_TEST,
            };
            let loss = unknown(table, name, &places).loss;
            assert_eq!(loss == Loss::Guard, guards, "{name}");
        }
    }
}
