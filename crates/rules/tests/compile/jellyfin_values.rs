use super::values::Row;

const OWN: &str = "jellyfin: {{}}";
const SERVICE: &str = "jellyfin: {services: [{paths: [/a], addresses: [192.0.2.1], {}}]}";
const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Keys of a route's `jellyfin`.
pub const JELLYFIN: &[Row] = &[
    ("jellyfin", "{}", "{}", ""),
    ("jellyfin.api_key", OWN, "0123456789abcdef0123456789abcdef", ""),
    ("jellyfin.api_key_file", OWN, "jellyfin", ""),
    ("jellyfin.base_path", OWN, "/one", "/two"),
    ("jellyfin.open", OWN, "[pictures]", "[media]"),
    (
        "jellyfin.admin_policy",
        OWN,
        "[{allow: {or: [{email: {is: a@a.test}}]}}]",
        "[{allow: {or: [{email: {is: b@a.test}}]}}]",
    ),
    ("jellyfin.services", OWN, SERVICES, ""),
    ("jellyfin.services.key_sha256", SERVICE, HASH, ""),
    ("jellyfin.services.paths", ADDRESSED, "[/one]", "[/two]"),
    ("jellyfin.services.addresses", PATHS, "[192.0.2.1]", "[192.0.2.2]"),
    ("jellyfin.legacy_clients", OWN, "translate", "keep"),
];
const SERVICES: &str = "[{key_sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, paths: [/a], addresses: [192.0.2.1]}]";
const ADDRESSED: &str = "jellyfin: {services: [{key_sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, addresses: [192.0.2.1], {}}]}";
const PATHS: &str = "jellyfin: {services: [{key_sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, paths: [/a], {}}]}";
