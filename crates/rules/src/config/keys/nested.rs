//! Keys inside of keys.

use super::{
    AnyCase::{No, Yes},
    Fate::{Fixed, NoEffect, NotYet, Own, Supported},
    Key,
    Kind::{Any, Bool, Duration, Int, Object, Objects, Secret, Text, Word},
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

/// Keys of an item of `health_checks`.
pub static HEALTH_CHECK: &[Key] = &[
    key("timeout", Duration, Supported),
    key("interval", Duration, Supported),
    key("unhealthy_threshold", Int(1, 4_294_967_295), Supported),
    key("healthy_threshold", Int(1, 4_294_967_295), Supported),
    key("http_health_check", Object(HTTP_HEALTH_CHECK), Supported),
    key("tcp_health_check", Object(TCP_HEALTH_CHECK), Supported),
    key("grpc_health_check", Any, NotYet("this upstream is not asked by gRPC")),
    key("custom_health_check", Any, NotYet("this upstream is not asked in this way")),
    key("initial_jitter", Any, NoEffect("each check waits for its own answer")),
    key("interval_jitter", Any, NoEffect("each check waits for its own answer")),
    key("interval_jitter_percent", Any, NoEffect("each check waits for its own answer")),
    key("alt_port", Any, NotYet("the upstream's own port is asked")),
    key("reuse_connection", Any, NoEffect("each check has a connection of its own")),
    key("no_traffic_interval", Any, NotYet("the interval is always the same")),
    key("no_traffic_healthy_interval", Any, NotYet("the interval is always the same")),
    key("unhealthy_interval", Any, NotYet("the interval is always the same")),
    key("unhealthy_edge_interval", Any, NotYet("the interval is always the same")),
    key("healthy_edge_interval", Any, NotYet("the interval is always the same")),
    key("event_logger", Any, NoEffect("each change is an `upstream` event in the log")),
    key("event_log_path", Any, NoEffect("each change is an `upstream` event in the log")),
    key("always_log_health_check_failures", Bool, NotYet("changes alone are logged")),
    key("always_log_health_check_success", Bool, NotYet("changes alone are logged")),
    key("tls_options", Any, NotYet("checks use the route's own TLS settings")),
    key("transport_socket_match_criteria", Any, NotYet("checks use the route's own TLS settings")),
];

/// Keys of `http_health_check`.
pub static HTTP_HEALTH_CHECK: &[Key] = &[
    key("host", Text, Supported),
    key("path", Text, Supported),
    key("method", Word(&["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"], Yes), Supported),
    key("expected_statuses", Objects(STATUS_RANGE), Supported),
    key("retriable_statuses", Any, NotYet("a status that is not expected takes it out at once")),
    key("send", Any, NotYet("the request has no body")),
    key("receive", Any, NotYet("the status alone counts")),
    key("response_buffer_size", Any, NoEffect("the status alone counts")),
    key("request_headers_to_add", Any, NotYet("the request has the fields that it needs")),
    key("request_headers_to_remove", Any, NotYet("the request has the fields that it needs")),
    key("codec_client_type", Any, NoEffect("the check speaks what the route speaks")),
    key("service_name_matcher", Any, NotYet("the status alone counts")),
];

/// Keys of `tcp_health_check`.
pub static TCP_HEALTH_CHECK: &[Key] = &[
    key("send", Object(PAYLOAD), Supported),
    key("receive", Objects(PAYLOAD), Supported),
    key("proxy_protocol_config", Any, NotYet("the connection begins with no PROXY header")),
];

/// Keys of what is said and heard: hexadecimal.
pub static PAYLOAD: &[Key] = &[key("text", Text, Supported)];

/// Keys of an item of `expected_statuses`; the end is not among them.
pub static STATUS_RANGE: &[Key] =
    &[key("start", Int(100, 599), Supported), key("end", Int(101, 600), Supported)];

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
