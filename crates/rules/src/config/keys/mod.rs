//! The one table of keys: what each is called, what type it has, and what becomes of it.
//!
//! The rule (`ARCHITECTURE.md`, Compatibility): a key that Pomerium knows and usher does not
//! support yet is refused where dropping it would let more people in, and warned about where it
//! would not; a key that nobody knows is refused with a suggestion.

mod global;
mod nested;
mod route;

pub use global::GLOBAL;
pub use nested::{HEALTH_CHECK, HTTP_HEALTH_CHECK, PAYLOAD, STATUS_RANGE, TCP_HEALTH_CHECK};
pub use route::{REDIRECT, RESPONSE, ROUTE};

/// One key of the config.
#[derive(Debug)]
pub struct Key {
    /// As it is written in the file; its environment variable is the same in capitals.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// What becomes of it.
    pub fate: Fate,
}

/// The type of a value. It is checked whatever the key's fate, so that a typo is found even
/// where the key does nothing.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One text.
    Text,
    /// One text that must not be shown.
    Secret,
    /// `true` or `false`.
    Bool,
    /// A span of time in Go's syntax.
    Duration,
    /// A whole number within a range.
    Int(i64, i64),
    /// A list of texts.
    List,
    /// A list of texts in which an empty one is a mistake.
    FullList,
    /// A map of texts.
    Map,
    /// A map of texts, or a list of names.
    MapOrList,
    /// One of some words, in any case or in this one.
    Word(&'static [&'static str], AnyCase),
    /// A map with these keys.
    Object(&'static [Key]),
    /// A list of maps with these keys; one map alone is a list of one.
    Objects(&'static [Key]),
    /// A list of routes.
    Routes,
    /// Checked by whoever reads it.
    Any,
}

/// Whether the case of a word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyCase {
    /// `HTTP2` is `http2`.
    Yes,
    /// As written.
    No,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does what it does in Pomerium.
    Supported,
    /// Ours: Pomerium does not know it, or not this value.
    Own,
    /// Nothing is lost: why.
    NoEffect(&'static str),
    /// Usher does one thing: these values ask for it and are taken in silence; any other is
    /// accepted with a warning that says what is lost.
    Fixed(&'static [&'static str], &'static str),
    /// Accepted with a warning that says what is lost.
    NotYet(&'static str),
    /// Refused, since dropping it would let more people in: what it does in Pomerium.
    Refused(&'static str),
    /// Pomerium refuses it too: where the way leads now.
    Removed(&'static str),
}

impl Fate {
    /// The word in the reference.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Own => "usher's own",
            Self::NoEffect(_) => "no effect",
            Self::Fixed(..) => "one value",
            Self::NotYet(_) => "not yet",
            Self::Refused(_) => "refused",
            Self::Removed(_) => "removed",
        }
    }
}

/// The key of that name. Keys have no case.
pub fn find(table: &'static [Key], name: &str) -> Option<&'static Key> {
    table.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

/// Names that old configs and documentation use, and what is meant by them.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("cors_preflight", "cors_allow_preflight"),
    ("lb_policy", "load_balancing_policy"),
    ("headers", "set_response_headers"),
    ("route", "routes"),
    ("policies", "policy"),
    ("host", "from"),
    ("upstream", "to"),
    ("public", "allow_public_unauthenticated_access"),
    ("websockets", "allow_websockets"),
    ("allowed_emails", "allowed_users"),
    ("redirect_url", "redirect"),
    ("set_headers", "set_request_headers"),
    ("client_secret", "idp_client_secret"),
    ("client_id", "idp_client_id"),
    ("issuer", "idp_provider_url"),
    ("certificate_key", "certificate_key"),
];

/// How near a name must be to be suggested: a typo, not another word.
const NEAR: f64 = 0.88;

/// The key that was probably meant.
pub fn suggest(table: &'static [Key], name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    if let Some(key) = find(table, &name) {
        return Some(key.name);
    }
    let meant = OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, meant)| *meant);
    if let Some(key) = meant.and_then(|meant| find(table, meant)) {
        return Some(key.name);
    }
    table
        .iter()
        .map(|key| (strsim::jaro_winkler(key.name, &name), key.name))
        .filter(|(nearness, _)| *nearness >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

const fn key(name: &'static str, kind: Kind, fate: Fate) -> Key {
    Key { name, kind, fate }
}

#[cfg(test)]
mod tests {
    use super::{GLOBAL, ROUTE, suggest};

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
            assert_eq!(suggest(table, given), expected, "{given}");
        }
    }

    #[test]
    fn names_are_unique_and_lower_case() {
        for table in [GLOBAL, ROUTE] {
            for (index, key) in table.iter().enumerate() {
                assert_eq!(key.name, key.name.to_ascii_lowercase());
                assert!(
                    !table[..index].iter().any(|other| other.name == key.name),
                    "{} twice",
                    key.name
                );
            }
        }
    }
}
