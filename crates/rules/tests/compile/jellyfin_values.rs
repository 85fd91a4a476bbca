use super::values::Row;

const OWN: &str = "jellyfin: {{}}";
/// Its server can be asked.
const ASKED: &str = "jellyfin: {api_key: 0123456789abcdef0123456789abcdef, {}}";

/// Keys of a route's `jellyfin`.
pub const JELLYFIN: &[Row] = &[
    ("jellyfin", "{}", "{}", ""),
    ("jellyfin.api_key", OWN, "0123456789abcdef0123456789abcdef", ""),
    ("jellyfin.api_key_file", OWN, "jellyfin", ""),
    ("jellyfin.grants", OWN, "true", "false"),
    ("jellyfin.user_claim", OWN, "nickname", "upn"),
    ("jellyfin.sign_in", OWN, "true", "false"),
    ("jellyfin.create_users", ASKED, "true", "false"),
    ("jellyfin.admin_groups", ASKED, "[admins]", "[others]"),
    ("jellyfin.libraries", ASKED, "[{group: kids, names: [Cartoons]}]", ""),
    ("jellyfin.base_path", OWN, "/one", "/two"),
    ("jellyfin.open", OWN, "[pictures]", "[media]"),
    (
        "jellyfin.admin_policy",
        OWN,
        "[{allow: {or: [{email: {is: a@a.test}}]}}]",
        "[{allow: {or: [{email: {is: b@a.test}}]}}]",
    ),
    ("jellyfin.services", OWN, SERVICES, ""),
    ("jellyfin.pairing", ASKED, "hold", "codes"),
    ("jellyfin.legacy_clients", OWN, "translate", "keep"),
];
const SERVICES: &str = "[{key_sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, paths: [/a], addresses: [192.0.2.1]}]";
