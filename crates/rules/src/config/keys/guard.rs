//! Names that are no key: what was meant, and whether that may keep people out.

use super::{GLOBAL, Key, Kind, ROUTE, Table, find};

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

/// What a name in `table` was probably meant for.
pub(in crate::config) fn unknown(table: Table, name: &str) -> Unknown {
    let folded = folded(name);
    let of_a_policy = || Unknown { help: IN_A_POLICY.to_owned(), loss: Loss::Guard };
    let has_policy = find(table, "policy").is_some();
    if has_policy && OF_POLICIES.contains(&folded.split('/').next().unwrap_or_default()) {
        return of_a_policy();
    }
    let elsewhere = [
        (ROUTE, "into a route, under `routes`"),
        (GLOBAL, "to the top level, outside of `routes`"),
    ];
    for (other, words) in elsewhere {
        if let Some(key) = find(other, name) {
            let help = format!("`{}` belongs {words}", key.name);
            return Unknown { help, loss: loss(table, key) };
        }
    }
    if let Some(key) = meant(table, name) {
        let help = format!("did you mean `{}`?", key.name);
        return Unknown { help, loss: loss(table, key) };
    }
    let is_near = |word: &&str| strsim::jaro_winkler(word, &folded) >= NEAR;
    if has_policy && OF_POLICIES.iter().any(is_near) {
        return of_a_policy();
    }
    let guards = all_guard(table) || GUARDING.iter().any(|word| folded.contains(word));
    Unknown {
        help: "delete it: neither Pomerium nor usher knows it".to_owned(),
        loss: if guards { Loss::Guard } else { Loss::Little },
    }
}

fn loss(table: Table, key: &Key) -> Loss {
    if matches!(key.kind, Kind::Routes) && key.name == "routes" {
        Loss::Routes
    } else if key.guards || all_guard(table) {
        Loss::Guard
    } else {
        Loss::Little
    }
}

/// Whatever stands among keys that all keep people out was to keep people out.
fn all_guard(table: Table) -> bool {
    table.iter().all(|key| key.guards)
}

/// The key that was probably meant.
pub(crate) fn meant(table: Table, name: &str) -> Option<&'static Key> {
    let name = folded(name);
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

/// As keys are spelled.
fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// What policies ask, and other words for who may pass: beside a policy they ask nothing.
const OF_POLICIES: &[&str] = &[
    "accept",
    "authenticated_user",
    "claim",
    "client_certificate",
    "date",
    "day_of_week",
    "device",
    "domain",
    "email",
    "groups",
    "http_method",
    "http_path",
    "invalid_client_certificate",
    "mcp_tool",
    "passkey_within",
    "reject",
    "signed_in_within",
    "source_ip",
    "ssh_ca",
    "ssh_publickey",
    "ssh_username",
    "ssh_username_matches_claim",
    "ssh_username_matches_email",
    "time_of_day",
    "user",
    // other words
    "allow",
    "allow_from",
    "allowlist",
    "auth",
    "users",
];

const IN_A_POLICY: &str =
    "say who may pass in the route's `policy`: `policy: [{allow: {and: [{groups: family}]}}]`";

/// Guards that leave the door open where they are there and empty. Those that say who may pass let
/// nobody in then, and others are refused.
const OPEN_WHEN_EMPTY: &[&str] = &[
    "ca",
    "ca_file",
    "crl",
    "crl_file",
    "domains",
    "downstream_mtls",
    "idp_client_id",
    "idp_providers",
    "match_subject_alt_names",
    "metrics_basic_auth",
    "metrics_client_ca",
    "metrics_client_ca_file",
    "path",
    "prefix",
    "regex",
    "tls_downstream_client_ca",
    "tls_downstream_client_ca_file",
];

impl Key {
    /// Does it keep nobody out where it is there and says nothing?
    pub(in crate::config) fn opens_when_empty(&self) -> bool {
        self.guards && OPEN_WHEN_EMPTY.contains(&self.name)
    }
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

#[cfg(test)]
mod tests {
    use super::{
        super::{GLOBAL, ROUTE, nested},
        Loss, meant, unknown,
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
            (nested::DOWNSTREAM_MTLS, "match_subject_alt_name", true),
            (nested::DOWNSTREAM_MTLS, "enforcment", true),
            (nested::DOWNSTREAM_MTLS, "nosuch", true),
            (nested::POLICY_TEST, "reasn", true),
            (nested::POLICY_TEST, "timeout", true),
            (ROUTE, "groups", true),
            (ROUTE, "group", true),
            (ROUTE, "Source-IP", true),
            (ROUTE, "claim/groups", true),
            (ROUTE, "allow", true),
            (ROUTE, "allow_from", true),
            (ROUTE, "auth", true),
            (GLOBAL, "users", true),
            (GLOBAL, "metrics_basic_aut", true),
            (GLOBAL, "metrics_client_caa", true),
            (GLOBAL, "proxy_protocol_truste", true),
            (GLOBAL, "authenticate_allowed_host", true),
            (GLOBAL, "builtin_password", true),
            (nested::IDP_ENTRY, "domain", true),
            (nested::RUNTIME_FLAGS, "match_any_incomming_port", true),
            (nested::FALLBACK_CA, "email", false),
            (ROUTE, "allow_spd", false),
            (ROUTE, "lb_policy", false),
            (ROUTE, "cors_preflight", false),
            (ROUTE, "allow_websocket", false),
            (ROUTE, "nosuch", false),
            (GLOBAL, "log-level", false),
            (GLOBAL, "headers", false),
            (GLOBAL, "route", false),
            (nested::RUNTIME_FLAGS, "nosuch", false),
        ] {
            let loss = unknown(table, name).loss;
            assert_eq!(loss == Loss::Guard, guards, "{name}");
        }
    }
}
