//! Keys at the top level (`pomerium-config.md` §2).

use super::{
    AnyCase::{No, Yes},
    Fate::{NoEffect, NotYet, Own, Refused, Removed, Supported},
    Key,
    Kind::{
        Any, Bool, Duration, FullList, Int, List, Map, MapOrList, Object, Objects, Routes, Secret,
        Text, Word,
    },
    key,
    nested::{CERTIFICATE, CIRCUIT_BREAKER, DOWNSTREAM_MTLS, RUNTIME_FLAGS},
};

/// Words for `log_level`.
const LEVELS: &[&str] = &[
    "", "trace", "debug", "info", "warn", "warning", "error", "critical", "fatal", "panic", "off",
    "none", "disabled",
];

/// Words for `jwt_issuer_format`.
pub(super) const ISSUER_FORMATS: &[&str] = &["", "hostonly", "issuerhostonly", "uri", "issueruri"];

/// Keys at the top level.
pub static GLOBAL: &[Key] = &[
    // 2.1 process and listeners
    key("address", Text, Supported),
    key("insecure_server", Bool, Supported),
    key("http_redirect_addr", Text, Supported),
    key(
        "use_proxy_protocol",
        Bool,
        Refused(
            "every connection begins with a PROXY header that names the client; without it `source_ip` rules would judge the balancer",
        ),
    ),
    key("codec_type", Word(&["auto", "http1", "http2", "http3"], Yes), Supported),
    key("services", FullList, Supported),
    key("grpc_address", Text, NoEffect("usher is one process, so there is nothing to connect")),
    key("grpc_insecure", Bool, NoEffect("usher is one process, so there is nothing to connect")),
    key(
        "grpc_client_timeout",
        Duration,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    key(
        "override_certificate_name",
        Text,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    key("tls_derive", Text, NoEffect("usher is one process, so there is nothing to connect")),
    key("installation_id", Text, NoEffect("it is a label for telemetry that usher does not send")),
    key("envoy_admin_address", Text, NoEffect("there is no Envoy in usher")),
    key("envoy_admin_access_log_path", Text, NoEffect("there is no Envoy in usher")),
    key("envoy_admin_profile_path", Text, NoEffect("there is no Envoy in usher")),
    key(
        "envoy_bind_config_source_address",
        Text,
        NotYet("connections to upstreams leave from the address that the system picks"),
    ),
    key("envoy_bind_config_freebind", Bool, NoEffect("there is no Envoy in usher")),
    key("envoy_dynamic_extensions", List, NoEffect("there is no Envoy in usher")),
    key("debug_address", Text, NoEffect("there is no debug listener")),
    key(
        "health_check_addr",
        Text,
        NotYet(
            "there is no separate health listener; `/ping` and `/healthz` answer on the main one",
        ),
    ),
    key("health_check_systemd_disabled", Bool, NoEffect("systemd is not notified")),
    // 2.2 request hardening, newer than 0.32
    key("merge_slashes", Bool, NoEffect("slashes are always merged")),
    key("normalize_path", Bool, NoEffect("paths are always normalised")),
    key(
        "path_with_escaped_slashes_action",
        Text,
        NoEffect("escaped separators are always answered with 400"),
    ),
    key(
        "headers_with_underscores_action",
        Text,
        NoEffect("identity fields are protected in every spelling"),
    ),
    key("allow_upgrades", List, NotYet("only WebSocket upgrades pass")),
    // 2.3 timeouts
    key("timeout_read", Duration, Supported),
    key("timeout_write", Duration, Supported),
    key("timeout_idle", Duration, Supported),
    key("default_upstream_timeout", Duration, Supported),
    // 2.4 certificates
    key("certificate_file", Text, Supported),
    key("certificate_key_file", Text, Supported),
    key("certificates", Objects(CERTIFICATE), Supported),
    key("certificate", Text, Supported),
    key("certificate_key", Secret, Supported),
    key("certificate_authority", Text, Supported),
    key("certificate_authority_file", Text, Supported),
    // 2.5 autocert
    key("autocert", Bool, Supported),
    key("autocert_dir", Text, Supported),
    key("autocert_email", Text, Supported),
    key("autocert_use_staging", Bool, Supported),
    key("autocert_ca", Text, Supported),
    key("autocert_eab_key_id", Text, Supported),
    key("autocert_eab_mac_key", Secret, Supported),
    key("autocert_must_staple", Bool, Supported),
    key("autocert_trusted_ca", Text, Supported),
    key("autocert_trusted_ca_file", Text, Supported),
    key("autocert_fallback_cas", List, Own),
    key("autocert_profile", Text, Own),
    // 2.6 cookies and sessions
    key("cookie_name", Text, Supported),
    key("cookie_secret", Secret, Supported),
    key("cookie_secret_file", Text, Supported),
    key("cookie_domain", Text, Supported),
    key("cookie_http_only", Bool, Supported),
    key("cookie_expire", Duration, Supported),
    key("cookie_same_site", Word(&["", "strict", "lax", "none"], Yes), Supported),
    key("shared_secret", Secret, Supported),
    key("shared_secret_file", Text, Supported),
    key("signout_redirect_url", Text, Supported),
    key("programmatic_redirect_domain_whitelist", FullList, Supported),
    key(
        "bearer_token_format",
        Word(&["", "default", "idp_access_token", "idp_identity_token", "jwt"], Yes),
        NotYet("tokens of the provider in `Authorization` are not taken for a session"),
    ),
    key(
        "idp_access_token_allowed_audiences",
        List,
        NotYet("tokens of the provider in `Authorization` are not taken for a session"),
    ),
    key("identity_providers", Any, NotYet("tokens of other issuers are not taken for a session")),
    // 2.7 authenticate service
    key("authenticate_service_url", Text, Supported),
    key("authenticate_flow", Word(&["", "stateful", "stateless"], No), Own),
    key("authenticate_allowed_hosts", List, Own),
    key(
        "authenticate_internal_service_url",
        Text,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    key(
        "authenticate_callback_path",
        Text,
        NoEffect("the callback is always `/oauth2/callback`, in Pomerium too"),
    ),
    key(
        "authorize_service_url",
        Text,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    key(
        "authorize_service_urls",
        List,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    key(
        "authorize_internal_service_url",
        Text,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    key(
        "databroker_service_url",
        Text,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    key(
        "databroker_service_urls",
        List,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    key(
        "databroker_internal_service_url",
        Text,
        NoEffect("usher is one process, so there is nothing to connect"),
    ),
    // 2.8 identity provider
    key("idp_provider", Text, Supported),
    key("idp_provider_url", Text, Supported),
    key("idp_client_id", Text, Supported),
    key("idp_client_secret", Secret, Supported),
    key("idp_client_secret_file", Text, Supported),
    key("idp_scopes", List, Supported),
    key("idp_request_params", Map, Supported),
    // 2.9 identity headers and signing
    key("pass_identity_headers", Bool, Supported),
    key("jwt_claims_headers", MapOrList, Supported),
    key("jwt_issuer_format", Word(ISSUER_FORMATS, Yes), Supported),
    key("jwt_groups_filter", Any, NoEffect("Pomerium Core does not read it either")),
    key("signing_key", Secret, Supported),
    key("signing_key_file", Text, Supported),
    // 2.10 response headers, 2.11 client address
    key("set_response_headers", Map, Supported),
    key("xff_num_trusted_hops", Int(0, 4_294_967_295), Supported),
    key("skip_xff_append", Bool, Supported),
    // 2.12 logs
    key("log_level", Word(LEVELS, No), Supported),
    key("proxy_log_level", Word(LEVELS, No), NoEffect("`log_level` rules all lines")),
    key("access_log_fields", List, Supported),
    key("authorize_log_fields", List, Supported),
    // 2.13 metrics and tracing
    key("metrics_address", Text, NotYet("there is no metrics listener yet")),
    key("metrics_certificate", Text, NotYet("there is no metrics listener yet")),
    key("metrics_certificate_file", Text, NotYet("there is no metrics listener yet")),
    key("metrics_certificate_key_file", Text, NotYet("there is no metrics listener yet")),
    key("metrics_client_ca", Text, NotYet("there is no metrics listener yet")),
    key("metrics_client_ca_file", Text, NotYet("there is no metrics listener yet")),
    key("metrics_basic_auth", Secret, NotYet("there is no metrics listener yet")),
    key("metrics_certificate_key", Secret, NotYet("there is no metrics listener yet")),
    key("otel_traces_exporter", Any, NotYet("traces are not exported yet")),
    key("otel_exporter_otlp_endpoint", Any, NotYet("traces are not exported yet")),
    key("otel_exporter_otlp_traces_endpoint", Any, NotYet("traces are not exported yet")),
    key("otel_exporter_otlp_protocol", Any, NotYet("traces are not exported yet")),
    key("otel_exporter_otlp_traces_protocol", Any, NotYet("traces are not exported yet")),
    key("otel_exporter_otlp_headers", Any, NotYet("traces are not exported yet")),
    key("otel_exporter_otlp_traces_headers", Any, NotYet("traces are not exported yet")),
    key("otel_exporter_otlp_timeout", Any, NotYet("traces are not exported yet")),
    key("otel_exporter_otlp_traces_timeout", Any, NotYet("traces are not exported yet")),
    key("otel_traces_sampler_arg", Any, NotYet("traces are not exported yet")),
    key("otel_resource_attributes", Any, NotYet("traces are not exported yet")),
    key("otel_log_level", Any, NotYet("traces are not exported yet")),
    key("otel_attribute_value_length_limit", Any, NotYet("traces are not exported yet")),
    key("otel_bsp_schedule_delay", Any, NotYet("traces are not exported yet")),
    key("otel_bsp_max_export_batch_size", Any, NotYet("traces are not exported yet")),
    // 2.14 data broker
    key("databroker_storage_type", Word(&["", "memory", "file", "postgres"], No), Supported),
    key(
        "databroker_storage_connection_string",
        Secret,
        NoEffect("sessions and people are kept in the data directory"),
    ),
    key(
        "databroker_storage_connection_string_file",
        Text,
        NoEffect("sessions and people are kept in the data directory"),
    ),
    key("databroker_cluster_leader_id", Text, NotYet("usher runs on one node")),
    key("databroker_cluster_node_id", Text, NotYet("usher runs on one node")),
    key("databroker_cluster_nodes", Any, NotYet("usher runs on one node")),
    key("databroker_raft_bind_address", Text, NotYet("usher runs on one node")),
    // 2.15 client certificates
    key(
        "downstream_mtls",
        Object(DOWNSTREAM_MTLS),
        Refused("visitors have to show a client certificate"),
    ),
    // 2.16 DNS, 2.17 circuit breakers, 2.18 flags
    key(
        "dns_lookup_family",
        Word(&["AUTO", "V4_ONLY", "V6_ONLY", "V4_PREFERRED", "ALL"], No),
        NotYet("names are resolved as the system does it"),
    ),
    key("dns_refresh_rate", Duration, NotYet("names are resolved as the system does it")),
    key("dns_failure_refresh_rate", Duration, NotYet("names are resolved as the system does it")),
    key("dns_query_timeout", Duration, NotYet("names are resolved as the system does it")),
    key(
        "dns_query_tries",
        Int(0, 4_294_967_295),
        NotYet("names are resolved as the system does it"),
    ),
    key(
        "dns_udp_max_queries",
        Int(0, 4_294_967_295),
        NotYet("names are resolved as the system does it"),
    ),
    key("dns_use_tcp", Bool, NotYet("names are resolved as the system does it")),
    key("dns_resolvers", List, NotYet("names are resolved as the system does it")),
    key(
        "circuit_breaker_thresholds",
        Object(CIRCUIT_BREAKER),
        NotYet("requests to one upstream are not limited in number"),
    ),
    key("runtime_flags", Object(RUNTIME_FLAGS), Supported),
    // 2.19 everything else
    key("ssh_address", Any, NotYet("SSH routes are not served")),
    key("ssh_host_key_files", Any, NotYet("SSH routes are not served")),
    key("ssh_host_keys", Any, NotYet("SSH routes are not served")),
    key("ssh_user_ca_key_file", Any, NotYet("SSH routes are not served")),
    key("ssh_user_ca_key", Any, NotYet("SSH routes are not served")),
    key("ssh_rls_enabled", Any, NotYet("SSH routes are not served")),
    key("ssh_rls_additional_entries", Any, NotYet("SSH routes are not served")),
    key("mcp_allowed_client_id_domains", List, NotYet("there is no MCP gateway")),
    key("mcp_allowed_as_metadata_domains", List, NotYet("there is no MCP gateway")),
    key(
        "google_cloud_serverless_authentication_service_account",
        Secret,
        NotYet("upstreams on Google Cloud get no token from usher"),
    ),
    key("blob_storage", Any, NotYet("SSH sessions are not recorded")),
    key("session_recording_concurrency", Any, NotYet("SSH sessions are not recorded")),
    key("auto_apply_changesets", Any, NoEffect("it belongs to Pomerium Enterprise")),
    key("primary_color", Text, NoEffect("Pomerium Core does not read it either")),
    key("secondary_color", Text, NoEffect("Pomerium Core does not read it either")),
    key("darkmode_primary_color", Text, NoEffect("Pomerium Core does not read it either")),
    key("darkmode_secondary_color", Text, NoEffect("Pomerium Core does not read it either")),
    key("logo_url", Text, NoEffect("Pomerium Core does not read it either")),
    key("favicon_url", Text, NoEffect("Pomerium Core does not read it either")),
    key("error_message_first_paragraph", Text, NoEffect("Pomerium Core does not read it either")),
    // routes
    key("routes", Routes, Supported),
    key("policy", Routes, Supported),
    // refused by Pomerium itself
    key("policy_file", Text, Removed("put the routes into `routes`")),
    key(
        "client_ca",
        Text,
        Removed("it is `downstream_mtls` now, which usher does not support yet"),
    ),
    key(
        "client_ca_file",
        Text,
        Removed("it is `downstream_mtls` now, which usher does not support yet"),
    ),
    key(
        "idp_service_account",
        Any,
        Removed("groups come from the provider's claims: use `claim/groups` in a policy"),
    ),
    key(
        "idp_refresh_directory_timeout",
        Any,
        Removed("groups come from the provider's claims: use `claim/groups` in a policy"),
    ),
    key(
        "idp_refresh_directory_interval",
        Any,
        Removed("groups come from the provider's claims: use `claim/groups` in a policy"),
    ),
    key(
        "idp_qps",
        Any,
        Removed("groups come from the provider's claims: use `claim/groups` in a policy"),
    ),
    key(
        "tracing_datadog_address",
        Any,
        Removed("Pomerium replaced it by `otel_*`, which usher does not support yet"),
    ),
    key(
        "tracing_jaeger_collector_endpoint",
        Any,
        Removed("Pomerium replaced it by `otel_*`, which usher does not support yet"),
    ),
    key(
        "tracing_jaeger_agent_endpoint",
        Any,
        Removed("Pomerium replaced it by `otel_*`, which usher does not support yet"),
    ),
    key(
        "tracing_zipkin_endpoint",
        Any,
        Removed("Pomerium replaced it by `otel_*`, which usher does not support yet"),
    ),
    key(
        "tracing_provider",
        Any,
        Removed("Pomerium replaced it by `otel_*`, which usher does not support yet"),
    ),
    key(
        "tracing_sample_rate",
        Any,
        Removed("Pomerium replaced it by `otel_*`, which usher does not support yet"),
    ),
    key(
        "forward_auth_url",
        Text,
        Removed("forward authentication left Pomerium; let usher proxy the app itself"),
    ),
];
