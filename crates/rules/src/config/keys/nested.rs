//! Keys inside of keys.

use super::{
    AnyCase::No,
    Fate::{Fixed, NoEffect, NotYet, Own, Supported},
    Key,
    Kind::{Any, Bool, Int, Secret, Text, Word},
    key,
};

/// Keys of one of `certificates`.
pub(super) const CERTIFICATE: &[Key] = &[key("cert", Text, Supported), key("key", Text, Supported)];

/// Keys of an item of `autocert_fallback_cas`.
pub(super) const FALLBACK_CA: &[Key] =
    &[key("ca", Text, Own), key("eab_key_id", Text, Own), key("eab_mac_key", Secret, Own)];

/// Keys of `downstream_mtls`.
pub(super) const DOWNSTREAM_MTLS: &[Key] = &[
    key("ca", Text, Supported),
    key("ca_file", Text, Supported),
    key("crl", Text, Supported),
    key("crl_file", Text, Supported),
    key(
        "enforcement",
        Word(&["", "policy_with_default_deny", "policy", "reject_connection"], No),
        Supported,
    ),
    key("match_subject_alt_names", Any, Supported),
    key("max_verify_depth", Int(0, 4_294_967_295), Supported),
];

/// Keys of `circuit_breaker_thresholds`, here and in routes.
pub(super) const CIRCUIT_BREAKER: &[Key] = &[
    key("max_connections", Int(0, 4_294_967_295), Supported),
    key("max_pending_requests", Int(0, 4_294_967_295), Supported),
    key("max_requests", Int(0, 4_294_967_295), Supported),
    key("max_retries", Int(0, 4_294_967_295), Supported),
    key("max_connection_pools", Int(0, 4_294_967_295), Supported),
];

/// Flags of `runtime_flags`.
pub(super) const RUNTIME_FLAGS: &[Key] = &[
    key(
        "match_any_incoming_port",
        Bool,
        Fixed(&["true"], "a route without port answers on every port"),
    ),
    key("config_hot_reload", Bool, Fixed(&["true"], "a changed file is read at once")),
    key(
        "routes_portal",
        Bool,
        Fixed(&["false"], "there is no portal: neither a page nor an API lists routes"),
    ),
    key(
        "allow_any_sign_out_redirect_uri",
        Bool,
        Fixed(&["false"], "sign-out goes back to hosts of this config only"),
    ),
    key("pomerium_jwt_endpoint", Bool, Fixed(&["false"], "`/.pomerium/jwt` is not served")),
    key(
        "refresh_session_at_id_token_expiration",
        Bool,
        NotYet("a session ends by `cookie_expire` alone"),
    ),
    key("mcp", Bool, NotYet("there is no MCP gateway")),
    key("mcp_dynamic_client_registration", Bool, NotYet("there is no MCP gateway")),
    key("debug_admin_endpoints", Bool, NotYet("there are no debug endpoints")),
    key("ssh_allow_direct_tcpip", Bool, NotYet("SSH routes are not served")),
    key("ssh_routes_portal", Bool, NotYet("SSH routes are not served")),
    key("ssh_upstream_tunnel", Bool, NotYet("SSH routes are not served")),
    key(
        "add_extra_metrics_labels",
        Bool,
        NotYet("figures carry the labels of `docs/reference/metrics.md` and no more"),
    ),
    key("authorize_use_synced_data", Bool, NoEffect("decisions are made from memory anyway")),
    key("envoy_resource_manager", Bool, NoEffect("there is no Envoy in usher")),
    key(
        "grpc_databroker_keepalive",
        Bool,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    key("set_envoy_concurrency_to_go_max_procs", Bool, NoEffect("there is no Envoy in usher")),
];
