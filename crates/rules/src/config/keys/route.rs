//! Keys of a route (`pomerium-config.md` §3).

use super::{
    AnyCase::Yes,
    Fate::{Fixed, NoEffect, NotYet, Own, Refused, Removed, Supported},
    Key,
    Kind::{Any, Bool, Duration, Int, List, Map, Object, Objects, Secret, Text, Word},
    global::ISSUER_FORMATS,
    key,
    nested::{CIRCUIT_BREAKER, HEALTH_CHECK},
};

/// Keys of `redirect`.
pub static REDIRECT: &[Key] = &[
    key("https_redirect", Bool, Supported),
    key("scheme_redirect", Text, Supported),
    key("host_redirect", Text, Supported),
    key("port_redirect", Int(1, 65_535), Supported),
    key("path_redirect", Text, Supported),
    key("prefix_rewrite", Text, Supported),
    key("response_code", Word(&["301", "302", "303", "307", "308"], Yes), Supported),
    key("strip_query", Bool, Supported),
];

/// Keys of `response`.
pub static RESPONSE: &[Key] =
    &[key("status", Int(200, 599), Supported), key("body", Text, Supported)];

/// Keys of a route.
pub static ROUTE: &[Key] = &[
    // 3.1 to 3.3: which requests
    key("name", Text, Supported),
    key("description", Text, NoEffect("there is no portal to show it")),
    key("logo_url", Text, NoEffect("there is no portal to show it")),
    key("from", Text, Supported),
    key("to", Any, Supported),
    key("redirect", Object(REDIRECT), Supported),
    key("response", Object(RESPONSE), Supported),
    key("prefix", Text, Supported),
    key("path", Text, Supported),
    key("regex", Text, Supported),
    key(
        "regex_priority_order",
        Int(-9_223_372_036_854_775_807, 9_223_372_036_854_775_807),
        NoEffect("routes of a file are tried in the order of the file, in Pomerium too"),
    ),
    // 3.4: what the upstream sees
    key("prefix_rewrite", Text, Supported),
    key("regex_rewrite_pattern", Text, Supported),
    key("regex_rewrite_substitution", Text, Supported),
    key("host_rewrite", Text, Supported),
    key(
        "host_rewrite_header",
        Text,
        Refused(
            "it chooses the virtual host that the upstream answers for; without it the route would open another one",
        ),
    ),
    key(
        "host_path_regex_rewrite_pattern",
        Text,
        Refused(
            "it chooses the virtual host that the upstream answers for; without it the route would open another one",
        ),
    ),
    key(
        "host_path_regex_rewrite_substitution",
        Text,
        Refused(
            "it chooses the virtual host that the upstream answers for; without it the route would open another one",
        ),
    ),
    key("preserve_host_header", Bool, Supported),
    key("timeout", Duration, Supported),
    key("idle_timeout", Duration, Supported),
    key("allow_websockets", Bool, Supported),
    key("allow_websocket_origins", List, Own),
    key("allow_spdy", Bool, NotYet("only WebSocket upgrades pass")),
    key("allow_upgrades", List, NotYet("only WebSocket upgrades pass")),
    key("set_request_headers", Map, Supported),
    key("remove_request_headers", List, Supported),
    key("allow_client_identity_headers", List, Own),
    key("set_response_headers", Map, Supported),
    key(
        "rewrite_response_headers",
        Any,
        NotYet("response fields such as Location pass as the upstream wrote them"),
    ),
    // upstream TLS
    key("tls_skip_verify", Bool, Supported),
    key("tls_server_name", Text, Supported),
    key("tls_upstream_server_name", Text, Supported),
    key(
        "tls_downstream_server_name",
        Text,
        NoEffect("it only adds a name for reserved paths, which answer on every host"),
    ),
    key("tls_custom_ca", Text, Supported),
    key("tls_custom_ca_file", Text, Supported),
    key("tls_client_cert", Text, Supported),
    key("tls_client_key", Secret, Supported),
    key("tls_client_cert_file", Text, Supported),
    key("tls_client_key_file", Text, Supported),
    key(
        "tls_downstream_client_ca",
        Text,
        Refused("visitors of this route have to show a client certificate"),
    ),
    key(
        "tls_downstream_client_ca_file",
        Text,
        Refused("visitors of this route have to show a client certificate"),
    ),
    key(
        "tls_upstream_allow_renegotiation",
        Bool,
        NotYet("upstreams that renegotiate TLS are not spoken to"),
    ),
    // who may pass
    key("cors_allow_preflight", Bool, Supported),
    key("allow_public_unauthenticated_access", Bool, Supported),
    key("allow_any_authenticated_user", Bool, Supported),
    key("allowed_users", List, Supported),
    key("allowed_domains", List, Supported),
    key("allowed_idp_claims", Any, Supported),
    key("policy", Any, Supported),
    key("sub_policies", Any, Refused("it holds further rules in Rego, which may deny")),
    key("allowed_groups", Any, Removed("write a policy with `claim/groups`")),
    key(
        "idp_client_id",
        Text,
        Refused(
            "this route has an OAuth client of its own, so that sessions of the others do not count",
        ),
    ),
    key(
        "idp_client_secret",
        Secret,
        Refused(
            "this route has an OAuth client of its own, so that sessions of the others do not count",
        ),
    ),
    key(
        "idp_access_token_allowed_audiences",
        List,
        NotYet("tokens of the provider in `Authorization` are not taken for a session"),
    ),
    key(
        "bearer_token_format",
        Word(&["", "default", "idp_access_token", "idp_identity_token", "jwt"], Yes),
        Fixed(
            &["", "default"],
            "tokens of the provider in `Authorization` are not taken for a session",
        ),
    ),
    key("identity_providers", Any, NotYet("tokens of other issuers are not taken for a session")),
    // identity toward the upstream
    key("pass_identity_headers", Bool, Supported),
    key("jwt_issuer_format", Word(ISSUER_FORMATS, Yes), Supported),
    key("jwt_groups_filter", Any, NoEffect("Pomerium Core does not read it either")),
    key(
        "set_authorization_header",
        Any,
        Removed("write `set_request_headers: {Authorization: \"Bearer ${pomerium.id_token}\"}`"),
    ),
    key(
        "kubernetes_service_account_token",
        Secret,
        Refused(
            "usher does not speak to Kubernetes on a visitor's behalf; fields that impersonate would pass",
        ),
    ),
    key(
        "kubernetes_service_account_token_file",
        Text,
        Refused(
            "usher does not speak to Kubernetes on a visitor's behalf; fields that impersonate would pass",
        ),
    ),
    key(
        "enable_google_cloud_serverless_authentication",
        Bool,
        NotYet("the upstream gets no token of Google Cloud"),
    ),
    // balancing
    key(
        "load_balancing_policy",
        Word(&["round_robin", "maglev", "random", "ring_hash", "least_request"], Yes),
        Supported,
    ),
    key("health_checks", Objects(HEALTH_CHECK), Supported),
    key("outlier_detection", Any, NotYet("upstreams are not taken out for their answers")),
    key(
        "healthy_panic_threshold",
        Int(0, 100),
        NotYet("who fails its checks is left alone while another is well, and asked where none is"),
    ),
    key(
        "circuit_breaker_thresholds",
        Object(CIRCUIT_BREAKER),
        NotYet("requests to one upstream are not limited in number"),
    ),
    // other
    key("show_error_details", Bool, NotYet("the page of a refusal does not list rules")),
    key(
        "depends_on",
        List,
        NotYet("these hosts get their session when they are first visited, with one more redirect"),
    ),
    key("mcp", Any, NotYet("there is no MCP gateway: the route forwards HTTP as it comes")),
    key("upstream_tunnel", Any, NotYet("there are no reverse tunnels")),
    key("session_recording", Any, NotYet("SSH sessions are not recorded")),
];
