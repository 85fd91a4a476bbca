//! Keys inside of keys.

use http::Method;

use super::{
    AnyCase::{No, Yes},
    Fate::*,
    Table,
    form::*,
    global, keys,
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
    TEST_EMAIL: Text = text("email", Own).guards();
    /// The provider's id for them; else the address.
    TEST_USER: Text = text("user", Own).guards();
    /// The groups that our own store has them in.
    TEST_GROUPS: List = list("groups", Own).guards();
    /// What their provider says of them.
    TEST_CLAIMS: AnyKind = any("claims", Own).guards();
    /// How long ago they signed in; else just now.
    TEST_SIGNED_IN: Duration = duration("signed_in", Own).guards();
    /// How long ago they showed a passkey of the built-in provider; else they have shown none.
    TEST_PASSKEY: Duration = duration("passkey", Own).guards();
    /// The device that their session was proven on.
    TEST_DEVICE: Object = object("device", TESTED_DEVICE, Own).guards();
    /// What they ask with.
    TEST_METHOD: Text = text("method", Own).or("GET").guards();
    /// Of which host; the route's, unless that has a `*`.
    TEST_HOST: Text = text("host", Own).guards();
    /// For what, with a query if need be; else the beginning of the route.
    TEST_PATH: Text = text("path", Own).guards();
    /// From where.
    TEST_ADDRESS: Text = text("address", Own).or("203.0.113.7").guards();
    /// A file with the certificate that their client shows (PEM); with it goes a `time`.
    TEST_CERTIFICATE: Text = text("certificate", Own).guards();
    /// The tool of MCP that is called, by POST.
    TEST_TOOL: Text = text("tool", Own).guards();
    /// When, as `2026-12-24T18:00:00Z`; else now.
    TEST_TIME: Text = text("time", Own).guards();
    /// Fields of the request: `Origin`, `X-HTTP-Method-Override` …
    TEST_HEADERS: Map = map("headers", Own).guards();
    /// What is to be decided.
    TEST_EXPECT: Word =
        word("expect", &["allow", "deny", "sign-in", "sign-in-again", "show-passkey", "show-certificate", "show-device"], Yes, Own).guards();
    /// A reason that has to be among those of the decision: `groups-unauthorized` …
    TEST_REASON: Text = text("reason", Own).guards();
}

keys! {
    /// Keys of `device` of an item of a route's `tests`, which are those of the criterion.
    TESTED_DEVICE:
    /// Of which kind it is.
    TESTED_DEVICE_TYPE: Text = text("type", Own).or("any").guards();
    /// Whether an operator approved it.
    TESTED_DEVICE_APPROVED: Bool = bool("approved", Own).or("true").guards();
    /// Its id.
    TESTED_DEVICE_IS: Text = text("is", Own).guards();
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
    /// Keys that an item of `idp_providers` has beside those of the top level.
    IDP_LISTED:
    /// What routes call it, and what the ids of its people begin with; else its `idp_provider`.
    IDP_NAME: Text = text("name", Own);
    /// What stands on its button; else what its kind is called, or its host.
    IDP_LABEL: Text = text("label", Own);
    /// Only people with an address in one of these domains may sign in by it.
    IDP_DOMAINS: List = list("domains", Own).guards();
}

/// Keys of an item of `idp_providers`: one is set up as the provider of the top level is.
pub static IDP_ENTRY: Table = &[
    &IDP_NAME.key,
    &IDP_LABEL.key,
    &IDP_DOMAINS.key,
    &global::IDP_PROVIDER.key,
    &global::IDP_PROVIDER_URL.key,
    &global::IDP_CLIENT_ID.key,
    &global::IDP_CLIENT_SECRET.key,
    &global::IDP_CLIENT_SECRET_FILE.key,
    &global::IDP_APPLE_TEAM_ID.key,
    &global::IDP_APPLE_KEY_ID.key,
    &global::IDP_SCOPES.key,
    &global::IDP_REQUEST_PARAMS.key,
];

keys! {
    /// Keys of an item of `openid_clients`.
    OPENID_CLIENT:
    /// `client_id`: what the app calls itself.
    OPENID_ID: Text = text("id", Own);
    /// Its secret, or `sha256:` and the secret's digest in hexadecimal; without one it is a public client.
    OPENID_SECRET: Secret = secret("secret", Own);
    /// The same in a file.
    OPENID_SECRET_FILE: Text = text("secret_file", Own);
    /// Where answers go: the addresses as they stand, but for the port of `http://127.0.0.1` and `http://[::1]`.
    OPENID_REDIRECT_URIS: List = full_list("redirect_uris", Own).guards();
    /// Where somebody may be sent who signed out.
    OPENID_POST_LOGOUT_REDIRECT_URIS: List = full_list("post_logout_redirect_uris", Own).guards();
    /// Where it is told that a session ended (OpenID Connect Back-Channel Logout 1.0).
    OPENID_LOGOUT_URI: Text = text("backchannel_logout_uri", Own);
    /// It is told which session it was (`sid`); otherwise only whose, for apps that know no more.
    OPENID_LOGOUT_SESSION_REQUIRED: Bool = bool("backchannel_logout_session_required", Own).or("true");
    /// What it may ask for: `openid`, `profile`, `email`, `groups`, `offline_access`; all but the last where nothing is said.
    OPENID_SCOPES: List = full_list("scopes", Own).guards();
    /// Who may sign in to it, as a route's `policy`.
    OPENID_POLICY: AnyKind = any("policy", Own).guards();
    /// Anybody who is signed in may.
    OPENID_ANY_USER: Bool = bool("allow_any_authenticated_user", Own).guards();
}

keys! {
    /// Keys of `downstream_mtls`.
    DOWNSTREAM_MTLS:
    /// The authorities of clients: PEM in base64.
    MTLS_CA: Text = text("ca", Supported).guards();
    /// The same in a file.
    MTLS_CA_FILE: Text = text("ca_file", Supported).guards();
    /// Certificates that were taken back: lists in PEM, in base64.
    MTLS_CRL: Text = text("crl", Supported).guards();
    /// The same in a file.
    MTLS_CRL_FILE: Text = text("crl_file", Supported).guards();
    /// What becomes of who has no certificate that counts: every route denies them, those whose
    /// policy says so, or the handshake fails.
    MTLS_ENFORCEMENT: Word = word("enforcement", &["", "policy_with_default_deny", "policy", "reject_connection"], No, Supported).or("policy_with_default_deny").guards();
    /// Patterns of which one has to match a name in the certificate, each as a whole.
    MTLS_MATCH_SUBJECT_ALT_NAMES: AnyKind = any("match_subject_alt_names", Supported).guards();
    /// How many authorities there may be over a certificate, the root among them; 0 is no limit.
    MTLS_MAX_VERIFY_DEPTH: Int = int("max_verify_depth", 0, 4_294_967_295, Supported).or("1").guards();
}

keys! {
    /// Keys of `circuit_breaker_thresholds`, here and in routes.
    CIRCUIT_BREAKER:
    /// HTTP/1.1 connections in use; a request beyond them waits.
    BREAKER_MAX_CONNECTIONS: Int = int("max_connections", 0, 4_294_967_295, Supported);
    /// Requests that wait for a connection.
    BREAKER_MAX_PENDING_REQUESTS: Int = int("max_pending_requests", 0, 4_294_967_295, Supported);
    /// Requests under way, their answers' bodies and WebSockets included.
    BREAKER_MAX_REQUESTS: Int = int("max_requests", 0, 4_294_967_295, Supported);
    /// Requests under way that went on to another address of the route.
    BREAKER_MAX_RETRIES: Int = int("max_retries", 0, 4_294_967_295, Supported);

    others:
        int("max_connection_pools", 0, 4_294_967_295, NoEffect("pools are kept for each upstream and core, and closed when they are idle"));
}

keys! {
    /// Keys of `outlier_detection`: Envoy's, with its defaults.
    OUTLIER_DETECTION_KEYS:
    /// Answers of 500 to 599, one after another, that leave an upstream alone.
    OUTLIER_5XX: Int = int("consecutive_5xx", 0, 4_294_967_295, Supported).or("5");
    /// In how many of a hundred cases.
    OUTLIER_ENFORCING_5XX: Int = int("enforcing_consecutive_5xx", 0, 100, Supported).or("100");
    /// The same of 502, 503 and 504.
    OUTLIER_GATEWAY: Int = int("consecutive_gateway_failure", 0, 4_294_967_295, Supported).or("5");
    /// In how many of a hundred cases.
    OUTLIER_ENFORCING_GATEWAY: Int =
        int("enforcing_consecutive_gateway_failure", 0, 100, Supported).or("0");
    /// The same of connections that fail and answers that do not come, with `split_external_local_origin_errors`.
    OUTLIER_LOCAL: Int =
        int("consecutive_local_origin_failure", 0, 4_294_967_295, Supported).or("5");
    /// In how many of a hundred cases.
    OUTLIER_ENFORCING_LOCAL: Int =
        int("enforcing_consecutive_local_origin_failure", 0, 100, Supported).or("100");
    /// Whether no answer is another thing than a bad one.
    OUTLIER_SPLIT: Bool = bool("split_external_local_origin_errors", Supported);
    /// How often shares are looked at.
    OUTLIER_INTERVAL: Duration = duration("interval", Supported).or("10s");
    /// How long one is left alone at first; as often as long the next times.
    OUTLIER_BASE_EJECTION_TIME: Duration = duration("base_ejection_time", Supported).or("30s");
    /// And at most; 300 s or `base_ejection_time` where nothing is written.
    OUTLIER_MAX_EJECTION_TIME: Duration = duration("max_ejection_time", Supported);
    /// Up to so much longer, by chance.
    OUTLIER_JITTER: Duration = duration("max_ejection_time_jitter", Supported).or("0s");
    /// No more of a hundred are left alone at once; the first one always is, but with 0.
    OUTLIER_MAX_EJECTION_PERCENT: Int = int("max_ejection_percent", 0, 100, Supported).or("10");
    /// One is, even with 0.
    OUTLIER_ALWAYS_ONE: Bool = bool("always_eject_one_host", Supported);
    /// Whether an active check that finds it well brings it back.
    OUTLIER_UNEJECT: Bool =
        bool("successful_active_health_check_uneject_host", Supported).or("true");
    /// Upstreams with enough requests, or success is not compared.
    OUTLIER_RATE_HOSTS: Int = int("success_rate_minimum_hosts", 0, 4_294_967_295, Supported).or("5");
    /// Requests in an interval that are enough.
    OUTLIER_RATE_VOLUME: Int =
        int("success_rate_request_volume", 0, 4_294_967_295, Supported).or("100");
    /// Standard deviations below the mean, in thousandths.
    OUTLIER_RATE_STDEV: Int =
        int("success_rate_stdev_factor", 0, 4_294_967_295, Supported).or("1900");
    /// In how many of a hundred cases.
    OUTLIER_ENFORCING_RATE: Int = int("enforcing_success_rate", 0, 100, Supported).or("100");
    /// The same of no answers.
    OUTLIER_ENFORCING_LOCAL_RATE: Int =
        int("enforcing_local_origin_success_rate", 0, 100, Supported).or("100");
    /// Failures of a hundred requests that leave an upstream alone.
    OUTLIER_SHARE: Int = int("failure_percentage_threshold", 0, 100, Supported).or("85");
    /// Upstreams with enough requests, or failures are not looked at.
    OUTLIER_SHARE_HOSTS: Int =
        int("failure_percentage_minimum_hosts", 0, 4_294_967_295, Supported).or("5");
    /// Requests in an interval that are enough.
    OUTLIER_SHARE_VOLUME: Int =
        int("failure_percentage_request_volume", 0, 4_294_967_295, Supported).or("50");
    /// In how many of a hundred cases.
    OUTLIER_ENFORCING_SHARE: Int = int("enforcing_failure_percentage", 0, 100, Supported).or("0");
    /// The same of no answers.
    OUTLIER_ENFORCING_LOCAL_SHARE: Int =
        int("enforcing_failure_percentage_local_origin", 0, 100, Supported).or("0");
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
    /// Ask by gRPC (`grpc.health.v1.Health`).
    CHECK_GRPC_HEALTH_CHECK: Object = object("grpc_health_check", GRPC_HEALTH_CHECK, Supported);
    /// `interval` of one that is left alone.
    CHECK_UNHEALTHY_INTERVAL: Duration = duration("unhealthy_interval", Supported);
    /// The first `unhealthy_interval`.
    CHECK_UNHEALTHY_EDGE_INTERVAL: Duration = duration("unhealthy_edge_interval", Supported);
    /// The first `interval` of one that is back.
    CHECK_HEALTHY_EDGE_INTERVAL: Duration = duration("healthy_edge_interval", Supported);
    /// `interval` for as long as no visitor's request went there.
    CHECK_NO_TRAFFIC_INTERVAL: Duration = duration("no_traffic_interval", Supported);
    /// The same of one that is well.
    CHECK_NO_TRAFFIC_HEALTHY_INTERVAL: Duration =
        duration("no_traffic_healthy_interval", Supported);
    /// Each failure is an event, and not changes alone.
    CHECK_LOG_FAILURES: Bool = bool("always_log_health_check_failures", Supported);
    /// Each success is.
    CHECK_LOG_SUCCESS: Bool = bool("always_log_health_check_success", Supported);

    others:
        any("custom_health_check", NotYet("this upstream is not asked in this way"));
        any("initial_jitter", NoEffect(ITS_ANSWER));
        any("interval_jitter", NoEffect(ITS_ANSWER));
        any("interval_jitter_percent", NoEffect(ITS_ANSWER));
        any("reuse_connection", NoEffect("each check has a connection of its own"));
        any("event_logger", NoEffect("each change is an `upstream` event in the log"));
        any("event_log_path", NoEffect("each change is an `upstream` event in the log"));
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
    HTTP_METHOD: Choice<Method> = choice("method", Yes, Supported).or("GET");
    /// Which statuses are well; 200 where nothing is said.
    HTTP_EXPECTED_STATUSES: Objects = objects("expected_statuses", STATUS_RANGE, Supported);
    /// Which count towards `unhealthy_threshold`; any other takes it out at once.
    HTTP_RETRIABLE_STATUSES: Objects = objects("retriable_statuses", STATUS_RANGE, Supported);
    /// The request's body.
    HTTP_SEND: Object = object("send", PAYLOAD, Supported);
    /// What stands in the body of a good answer, in this order.
    HTTP_RECEIVE: Objects = objects("receive", PAYLOAD, Supported);
    /// Octets of the body that are looked at; `0` is all of them, up to 64 KiB.
    HTTP_RESPONSE_BUFFER_SIZE: Int =
        int("response_buffer_size", 0, 4_294_967_295, Supported).or("1024");
    /// Fields of the request.
    HTTP_HEADERS_TO_ADD: Objects = objects("request_headers_to_add", HEADER_OPTION, Supported);
    /// Fields that it does not have.
    HTTP_HEADERS_TO_REMOVE: List = list("request_headers_to_remove", Supported);

    others:
        any("codec_client_type", NoEffect("the check speaks what the route speaks"));
        any("service_name_matcher", NotYet(STATUS_ALONE));
}

keys! {
    /// Keys of an item of `request_headers_to_add`.
    HEADER_OPTION:
    /// The field.
    HEADER_OPTION_HEADER: Object = object("header", HEADER_PAIR, Supported);
    /// Whether others of its name stay.
    HEADER_OPTION_ACTION: Word = word("append_action", &["APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"], No, Supported).or("APPEND_IF_EXISTS_OR_ADD");
    /// An older word for the same.
    HEADER_OPTION_APPEND: Bool = bool("append", Supported).or("true");
}

keys! {
    /// Keys of `header`.
    HEADER_PAIR:
    /// Its name.
    HEADER_PAIR_KEY: Text = text("key", Supported);
    /// Its value.
    HEADER_PAIR_VALUE: Secret = secret("value", Supported);
}

keys! {
    /// Keys of `grpc_health_check`.
    GRPC_HEALTH_CHECK:
    /// Of which service; the whole server where nothing is said.
    GRPC_SERVICE_NAME: Text = text("service_name", Supported);
    /// `:authority`; else the upstream's own.
    GRPC_AUTHORITY: Text = text("authority", Supported);

    others:
        any("initial_metadata", NotYet("the request has the fields that it needs"));
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
    PAYLOAD_TEXT: Secret = secret("text", Supported);
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
    /// Keys of an item of `sub_policies`.
    SUB_POLICY:
    /// People by address or id.
    SUB_ALLOWED_USERS: List = list("allowed_users", Supported).guards();
    /// People by the domain of their address.
    SUB_ALLOWED_DOMAINS: List = list("allowed_domains", Supported).guards();
    /// People by what the provider says about them.
    SUB_ALLOWED_IDP_CLAIMS: AnyKind = any("allowed_idp_claims", Supported).guards();
    /// Modules of Rego with rules of their own, where usher was built with the feature `rego`.
    SUB_REGO: AnyKind = any("rego", Supported).guards();

    others:
        text("id", NoEffect(CONSOLE));
        text("name", NoEffect(CONSOLE));
        any("source_ppl", NoEffect(CONSOLE));
        text("explanation", NoEffect(CONSOLE));
        text("remediation", NoEffect(CONSOLE));
}

keys! {
    /// Keys of a route's `mcp`.
    MCP_KEYS:
    /// The app is a server of the Model Context Protocol, whose messages `mcp_tool` asks about.
    MCP_SERVER: Object = object("server", MCP_SERVER_KEYS, Supported);

    others:
        any("client", NotYet("the app is given no token for the servers that it asks"));
}

keys! {
    /// Keys of `mcp: server`.
    MCP_SERVER_KEYS:
    /// Octets of the longest message, where a rule asks what it says; `0` is the default.
    MCP_MAX_REQUEST_BYTES: Int = int("max_request_bytes", 0, 4_294_967_295, Supported).or("4096");

    others:
        any("upstream_oauth2", NotYet("the app is given no token of another service"));
        text("path", NotYet(NO_OAUTH));
        text("authorization_server_url", NotYet(NO_OAUTH));
}

keys! {
    /// Flags of `runtime_flags`.
    RUNTIME_FLAGS:
    /// A route without port answers on every port, not on 443 alone.
    MATCH_ANY_INCOMING_PORT: Bool = bool("match_any_incoming_port", Supported).or("true").guards();
    /// Routes with `mcp` are servers of the Model Context Protocol.
    FLAG_MCP: Bool = bool("mcp", Supported);
    /// Whether `/.pomerium/routes` lists what somebody may open.
    ROUTES_PORTAL: Bool = bool("routes_portal", Supported).or("true");
    /// Whether `/.pomerium/jwt` gives the assertion that apps get.
    POMERIUM_JWT_ENDPOINT: Bool = bool("pomerium_jwt_endpoint", Supported);
    /// Whether a changed file is read at once, or at SIGHUP alone.
    FLAG_CONFIG_HOT_RELOAD: Bool = bool("config_hot_reload", Supported).or("true");

    others:
        bool("allow_any_sign_out_redirect_uri", Fixed(&["false"], "sign-out goes back to hosts of this config only"));
        bool("refresh_session_at_id_token_expiration", Fixed(&["false"], "providers are asked again each `session_recheck_interval`, whenever an ID token ends")).or("true");
        bool("mcp_dynamic_client_registration", NotYet(NO_MCP));
        bool("debug_admin_endpoints", Fixed(&["false"], "there are no debug endpoints"));
        bool("ssh_allow_direct_tcpip", NotYet(NO_SSH));
        bool("ssh_routes_portal", NotYet(NO_SSH));
        bool("ssh_upstream_tunnel", NotYet(NO_SSH));
        bool("add_extra_metrics_labels", Fixed(&["false"], "figures carry the labels of `docs/reference/metrics.md` and no more")).or("true");
        bool("authorize_use_synced_data", NoEffect("decisions are made from memory anyway")).or("true");
        bool("envoy_resource_manager", NoEffect(NO_ENVOY)).or("true");
        bool("grpc_databroker_keepalive", NoEffect(ONE_PROCESS));
        bool("set_envoy_concurrency_to_go_max_procs", NoEffect(NO_ENVOY)).or("true");
}
