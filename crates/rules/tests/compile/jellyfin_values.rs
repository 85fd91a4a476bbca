use super::values::Row;

const OWN: &str = "jellyfin: {{}}";

/// For what is asked of the server with its key.
const KEYED: &str = "jellyfin: {api_key: 0123456789abcdef0123456789abcdef, {}}";

/// Keys of a route's `jellyfin`.
pub const JELLYFIN: &[Row] = &[
    ("jellyfin", "{}", "{}", ""),
    ("jellyfin.api_key", OWN, "0123456789abcdef0123456789abcdef", ""),
    ("jellyfin.api_key_file", OWN, "jellyfin", ""),
    ("jellyfin.grants", OWN, "true", "false"),
    ("jellyfin.user_claim", KEYED, "nickname", "upn"),
    ("jellyfin.sign_in", KEYED, "true", "false"),
    ("jellyfin.create_users", KEYED, "true", "false"),
    ("jellyfin.admin_groups", KEYED, "[admins]", "[parents]"),
    (
        "jellyfin.libraries",
        KEYED,
        "[{group: kids, names: [Cartoons]}]",
        "[{group: kids, names: [Films]}]",
    ),
    ("jellyfin.base_path", OWN, "/one", "/two"),
    ("jellyfin.open", OWN, "[pictures]", "[media]"),
    (
        "jellyfin.admin_policy",
        OWN,
        "[{allow: {or: [{email: {is: a@a.test}}]}}]",
        "[{allow: {or: [{email: {is: b@a.test}}]}}]",
    ),
    ("jellyfin.services", OWN, SERVICES, ""),
    ("jellyfin.legacy_clients", OWN, "translate", "keep"),
];
const SERVICES: &str = "[{key_sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, paths: [/a], addresses: [192.0.2.1]}]";
