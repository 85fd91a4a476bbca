//! Keys inside of keys.

use super::{
    AnyCase::{No, Yes},
    Fate::*,
    form::*,
    keys,
    lost::*,
};

keys! {
    /// Keys of one of `certificates`.
    PAIR:
    /// The chain, leaf first.
    PAIR_CERT: Text = text("cert", Supported);
    /// Its private key.
    PAIR_KEY: Text = text("key", Supported);
}

keys! {
    /// Keys of an item of a route's `tests`. Without any of the first four, nobody is signed in.
    POLICY_TEST:
    /// Somebody with this address asks.
    TEST_EMAIL: Text = text("email", Own);
    /// The provider's id for them; else the address.
    TEST_USER: Text = text("user", Own);
    /// The groups that our own store has them in.
    TEST_GROUPS: List = list("groups", Own);
    /// What their provider says of them.
    TEST_CLAIMS: AnyKind = any("claims", Own);
    /// How long ago they signed in; else just now.
    TEST_SIGNED_IN: Duration = duration("signed_in", Own);
    /// What they ask with.
    TEST_METHOD: Text = text("method", Own).or("GET");
    /// Of which host; the route's, unless that has a `*`.
    TEST_HOST: Text = text("host", Own);
    /// For what, with a query if need be; else the beginning of the route.
    TEST_PATH: Text = text("path", Own);
    /// From where.
    TEST_ADDRESS: Text = text("address", Own).or("203.0.113.7");
    /// When, as `2026-12-24T18:00:00Z`; else now.
    TEST_TIME: Text = text("time", Own);
    /// Fields of the request: `Origin`, `X-HTTP-Method-Override` …
    TEST_HEADERS: Map = map("headers", Own);
    /// What is to be decided.
    TEST_EXPECT: Word =
        word("expect", &["allow", "deny", "sign-in", "sign-in-again"], Yes, Own);
    /// A reason that has to be among those of the decision: `groups-unauthorized` …
    TEST_REASON: Text = text("reason", Own);
}

keys! {
    /// Keys of an item of `autocert_fallback_cas`.
    FALLBACK_CA:
    /// The authority's directory.
    FALLBACK_DIRECTORY: Text = text("ca", Own);
    /// External account: the key's id.
    FALLBACK_EAB_KEY_ID: Text = text("eab_key_id", Own);
    /// External account: the key, in base64url.
    FALLBACK_EAB_MAC_KEY: Secret = secret("eab_mac_key", Own);
}

keys! {
    /// Keys of `downstream_mtls`.
    DOWNSTREAM_MTLS:
    others:
        text("ca", Supported);
        text("ca_file", Supported);
        text("crl", Supported);
        text("crl_file", Supported);
        word("enforcement", &["", "policy_with_default_deny", "policy", "reject_connection"], No, Supported);
        any("match_subject_alt_names", Supported);
        int("max_verify_depth", 0, 4_294_967_295, Supported);
}

keys! {
    /// Keys of `circuit_breaker_thresholds`, here and in routes.
    CIRCUIT_BREAKER:
    others:
        int("max_connections", 0, 4_294_967_295, Supported);
        int("max_pending_requests", 0, 4_294_967_295, Supported);
        int("max_requests", 0, 4_294_967_295, Supported);
        int("max_retries", 0, 4_294_967_295, Supported);
        int("max_connection_pools", 0, 4_294_967_295, Supported);
}

keys! {
    /// Keys of an item of `health_checks`.
    HEALTH_CHECK:
    /// How long an answer may take.
    CHECK_TIMEOUT: Duration = duration("timeout", Supported).or("5s");
    /// From one question to the next.
    CHECK_INTERVAL: Duration = duration("interval", Supported).or("10s");
    /// Failures to answer until it is left alone.
    CHECK_UNHEALTHY_THRESHOLD: Int =
        int("unhealthy_threshold", 1, 4_294_967_295, Supported).or("3");
    /// Answers until it is back.
    CHECK_HEALTHY_THRESHOLD: Int = int("healthy_threshold", 1, 4_294_967_295, Supported).or("2");
    /// The port that is asked, where it is not the one that visitors' requests go to.
    CHECK_ALT_PORT: Int = int("alt_port", 1, 65_535, Supported);
    /// Ask over HTTP.
    CHECK_HTTP_HEALTH_CHECK: Object = object("http_health_check", HTTP_HEALTH_CHECK, Supported);
    /// Ask over TCP.
    CHECK_TCP_HEALTH_CHECK: Object = object("tcp_health_check", TCP_HEALTH_CHECK, Supported);

    others:
        any("grpc_health_check", NotYet("this upstream is not asked by gRPC"));
        any("custom_health_check", NotYet("this upstream is not asked in this way"));
        any("initial_jitter", NoEffect(ITS_ANSWER));
        any("interval_jitter", NoEffect(ITS_ANSWER));
        any("interval_jitter_percent", NoEffect(ITS_ANSWER));
        any("reuse_connection", NoEffect("each check has a connection of its own"));
        any("no_traffic_interval", NotYet(SAME_INTERVAL));
        any("no_traffic_healthy_interval", NotYet(SAME_INTERVAL));
        any("unhealthy_interval", NotYet(SAME_INTERVAL));
        any("unhealthy_edge_interval", NotYet(SAME_INTERVAL));
        any("healthy_edge_interval", NotYet(SAME_INTERVAL));
        any("event_logger", NoEffect("each change is an `upstream` event in the log"));
        any("event_log_path", NoEffect("each change is an `upstream` event in the log"));
        bool("always_log_health_check_failures", NotYet("changes alone are logged"));
        bool("always_log_health_check_success", NotYet("changes alone are logged"));
        any("tls_options", NotYet("checks use the route's own TLS settings"));
        any("transport_socket_match_criteria", NotYet("checks use the route's own TLS settings"));
}

keys! {
    /// Keys of `http_health_check`.
    HTTP_HEALTH_CHECK:
    /// `Host`; else the upstream's own.
    HTTP_HOST: Text = text("host", Supported);
    /// What is asked for.
    HTTP_PATH: Text = text("path", Supported);
    /// How.
    HTTP_METHOD: Word =
        word("method", &["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"], Yes, Supported).or("GET");
    /// Which statuses are well; 200 where nothing is said.
    HTTP_EXPECTED_STATUSES: Objects = objects("expected_statuses", STATUS_RANGE, Supported);

    others:
        any("retriable_statuses", NotYet("a status that is not expected takes it out at once"));
        any("send", NotYet("the request has no body"));
        any("receive", NotYet(STATUS_ALONE));
        any("response_buffer_size", NoEffect(STATUS_ALONE));
        any("request_headers_to_add", NotYet("the request has the fields that it needs"));
        any("request_headers_to_remove", NotYet("the request has the fields that it needs"));
        any("codec_client_type", NoEffect("the check speaks what the route speaks"));
        any("service_name_matcher", NotYet(STATUS_ALONE));
}

keys! {
    /// Keys of `tcp_health_check`.
    TCP_HEALTH_CHECK:
    /// What is said; nothing: it is enough to connect.
    TCP_SEND: Object = object("send", PAYLOAD, Supported);
    /// What must be heard.
    TCP_RECEIVE: Objects = objects("receive", PAYLOAD, Supported);

    others:
        any("proxy_protocol_config", NotYet("the connection begins with no PROXY header"));
}

keys! {
    /// Keys of what is said and heard: hexadecimal.
    PAYLOAD:
    /// Octets in hexadecimal.
    PAYLOAD_TEXT: Text = text("text", Supported);
}

keys! {
    /// Keys of an item of `expected_statuses`; the end is not among them.
    STATUS_RANGE:
    /// From this status.
    STATUS_START: Int = int("start", 100, 599, Supported);
    /// To the one before this.
    STATUS_END: Int = int("end", 101, 600, Supported);
}

keys! {
    /// Flags of `runtime_flags`.
    RUNTIME_FLAGS:
    others:
        bool("match_any_incoming_port", Fixed(&["true"], "a route without port answers on every port"));
        bool("config_hot_reload", Fixed(&["true"], "a changed file is read at once"));
        bool("routes_portal", Fixed(&["false"], "there is no portal: neither a page nor an API lists routes"));
        bool("allow_any_sign_out_redirect_uri", Fixed(&["false"], "sign-out goes back to hosts of this config only"));
        bool("pomerium_jwt_endpoint", Fixed(&["false"], "`/.pomerium/jwt` is not served"));
        bool("refresh_session_at_id_token_expiration", NotYet("a session ends by `cookie_expire` alone"));
        bool("mcp", NotYet(NO_MCP));
        bool("mcp_dynamic_client_registration", NotYet(NO_MCP));
        bool("debug_admin_endpoints", NotYet("there are no debug endpoints"));
        bool("ssh_allow_direct_tcpip", NotYet(NO_SSH));
        bool("ssh_routes_portal", NotYet(NO_SSH));
        bool("ssh_upstream_tunnel", NotYet(NO_SSH));
        bool("add_extra_metrics_labels", NotYet("figures carry the labels of `docs/reference/metrics.md` and no more"));
        bool("authorize_use_synced_data", NoEffect("decisions are made from memory anyway"));
        bool("envoy_resource_manager", NoEffect(NO_ENVOY));
        bool("grpc_databroker_keepalive", NoEffect(ONE_PROCESS));
        bool("set_envoy_concurrency_to_go_max_procs", NoEffect(NO_ENVOY));
}
