//! Keys at the top level (`pomerium-config.md` §2).

use super::{
    AnyCase::{No, Yes},
    Fate::*,
    Rule,
    form::*,
    keys,
    lost::*,
    nested::*,
    smtp::SMTP_KEYS,
};
use crate::{
    config::words::{
        BearerFormat, Codec, Flow, IssuerFormat, Level, Recorder, SameSite, Storage, TsigAlgorithm,
        Underscores,
    },
    names::EscapedSlashes,
};

keys! {
    /// Keys at the top level.
    GLOBAL:
    // 2.1 process and listeners
    /// Where to listen: `:443` for all addresses (`:80` with `insecure_server`), `127.0.0.1:8443`, or a port alone.
    ADDRESS: Text = text("address", Supported).or(":443");
    /// Plain HTTP, for a TLS terminator in front; then port 80 is the default.
    INSECURE_SERVER: Bool = bool("insecure_server", Supported);
    /// A plain listener that sends everybody to https.
    HTTP_REDIRECT_ADDR: Text = text("http_redirect_addr", Supported);
    /// Every connection begins with a PROXY header (version 1 or 2) that says whom it is from.
    USE_PROXY_PROTOCOL: Bool = bool("use_proxy_protocol", Supported);
    /// Addresses and ranges of balancers whose PROXY header is believed; others are turned away.
    PROXY_PROTOCOL_TRUSTED: List = list("proxy_protocol_trusted", Own).guards();
    /// Where machines ask how usher is: `/status`, `/startupz`, `/readyz`, `/healthz`, in plain HTTP.
    HEALTH_CHECK_ADDR: Text = text("health_check_addr", Supported).must(Rule::Listener);
    /// Which HTTP versions are offered by ALPN.
    CODEC_TYPE: Choice<Codec> = choice("codec_type", Yes, Supported).or("auto");
    /// `all`, or `authenticate` alone: an authenticate service for other proxies.
    SERVICES: List = full_list("services", Supported).must(Rule::Filled);

    // 2.2 request hardening, newer than 0.32
    /// What becomes of `%2F` and `%5C` in paths.
    PATH_WITH_ESCAPED_SLASHES_ACTION: Choice<EscapedSlashes> =
        choice("path_with_escaped_slashes_action", Yes, Supported).or("reject_request");
    /// What becomes of fields with `_` in their names.
    HEADERS_WITH_UNDERSCORES_ACTION: Choice<Underscores> =
        choice("headers_with_underscores_action", Yes, Supported).or("allow").guards();
    /// Methods beside the registered ones, in capitals.
    ADDITIONAL_METHODS: List = list("additional_methods", Own);

    /// `allow_upgrades` of routes that have none.
    ALLOW_UPGRADES: List = list("allow_upgrades", Supported);

    // 2.3 timeouts
    /// Silence between two pieces of a request; `0` is no limit.
    TIMEOUT_READ: Duration = duration("timeout_read", Supported).or("30s");
    /// A connection without requests is closed after this; `0` is no limit.
    TIMEOUT_IDLE: Duration = duration("timeout_idle", Supported).or("5m");
    /// `timeout` of routes that have none.
    DEFAULT_UPSTREAM_TIMEOUT: Duration = duration("default_upstream_timeout", Supported).or("30s");

    // 2.16 names and addresses of upstreams
    /// Which addresses of an upstream's name are tried; both families otherwise, raced with each other.
    DNS_LOOKUP_FAMILY: Word =
        word("dns_lookup_family", &["AUTO", "V4_ONLY", "V6_ONLY", "V4_PREFERRED", "ALL"], No, Supported).or("V4_PREFERRED");
    /// How long the addresses of a name are believed.
    DNS_REFRESH_RATE: Duration = duration("dns_refresh_rate", Supported).or("5s");
    /// How long a resolver may take: the system's altogether, a name server each time it is asked.
    DNS_QUERY_TIMEOUT: Duration = duration("dns_query_timeout", Supported).or("5s");
    /// Name servers that are asked for upstreams, `udp://1.1.1.1:53` or `tcp://…`, and not the system's resolver; `/etc/hosts` comes before them.
    DNS_RESOLVERS: List = list("dns_resolvers", Supported).must(Rule::Resolvers);
    /// Whether name servers are asked over TCP alone; those of `/etc/resolv.conf` where `dns_resolvers` names none.
    DNS_USE_TCP: Bool = bool("dns_use_tcp", Supported);
    /// How often a name server that is silent is asked, those of `/etc/resolv.conf` where `dns_resolvers` names none; else, and for `0`, 4 times.
    DNS_QUERY_TRIES: Int = int("dns_query_tries", 0, 4_294_967_295, Supported);
    /// The address that connections to upstreams leave from; those of the other family are not tried.
    ENVOY_BIND_CONFIG_SOURCE_ADDRESS: Text = text("envoy_bind_config_source_address", Supported);
    /// Whether that may be one that this machine does not have yet.
    ENVOY_BIND_CONFIG_FREEBIND: Bool = bool("envoy_bind_config_freebind", Supported).must(Rule::Unquoted);

    // 2.17 circuit breakers
    /// How much of each route may be under way at once; more is answered with 503.
    CIRCUIT_BREAKER_THRESHOLDS: Object =
        object("circuit_breaker_thresholds", CIRCUIT_BREAKER, Supported);

    // 2.4 certificates
    /// A certificate chain in PEM, leaf first.
    CERTIFICATE_FILE: Text = text("certificate_file", Supported);
    /// The private key of `certificate_file`.
    CERTIFICATE_KEY_FILE: Text = text("certificate_key_file", Supported);
    /// Pairs of files, each for the names in its certificate.
    CERTIFICATES: Objects = objects("certificates", PAIR, Supported).variable("-");
    /// A folder of PEM pairs.
    CERTIFICATES_DIR: Text = text("certificates_dir", Own);
    /// A certificate chain in PEM, in base64.
    CERTIFICATE: Text = text("certificate", Supported);
    /// The private key of `certificate`, in base64.
    CERTIFICATE_KEY: Secret = secret("certificate_key", Supported);
    /// Roots beside the system's for every outbound connection: PEM in base64.
    CERTIFICATE_AUTHORITY: Text = text("certificate_authority", Supported);
    /// The same in a file, which wins.
    CERTIFICATE_AUTHORITY_FILE: Text = text("certificate_authority_file", Supported);

    /// Certificates that visitors show.
    DOWNSTREAM_MTLS: Object = object("downstream_mtls", super::nested::DOWNSTREAM_MTLS, Supported).guards();

    // 2.5 autocert
    /// Certificates by ACME for every name that routes have.
    AUTOCERT: Bool = bool("autocert", Supported);
    /// Where accounts and certificates are kept; else in the data directory.
    AUTOCERT_DIR: Text = text("autocert_dir", Supported);
    /// Whom the authority writes to.
    AUTOCERT_EMAIL: Text = text("autocert_email", Supported);
    /// Let's Encrypt's staging authority, which browsers do not trust.
    AUTOCERT_USE_STAGING: Bool = bool("autocert_use_staging", Supported);
    /// The authority's directory; Let's Encrypt where nothing is said.
    AUTOCERT_CA: Text = text("autocert_ca", Supported);
    /// External account: the key's id.
    AUTOCERT_EAB_KEY_ID: Text = text("autocert_eab_key_id", Supported);
    /// External account: the key, in base64url.
    AUTOCERT_EAB_MAC_KEY: Secret = secret("autocert_eab_mac_key", Supported);
    /// Ask for certificates that need a stapled OCSP response.
    AUTOCERT_MUST_STAPLE: Bool = bool("autocert_must_staple", Supported);
    /// Roots of an authority of one's own: PEM in base64.
    AUTOCERT_TRUSTED_CA: Text = text("autocert_trusted_ca", Supported);
    /// The same in a file.
    AUTOCERT_TRUSTED_CA_FILE: Text = text("autocert_trusted_ca_file", Supported);
    /// Authorities that are asked when the first one fails.
    AUTOCERT_FALLBACK_CAS: Objects = objects("autocert_fallback_cas", FALLBACK_CA, Own);
    /// The profile of certificates, such as `shortlived`.
    AUTOCERT_PROFILE: Text = text("autocert_profile", Own);
    /// Who sets records for proof by DNS-01.
    AUTOCERT_DNS_PROVIDER: Choice<Recorder> = choice("autocert_dns_provider", No, Own);
    /// How long a record needs to be seen everywhere.
    AUTOCERT_DNS_WAIT: Duration = duration("autocert_dns_wait", Own).or("0s");
    /// The server that takes updates by RFC 2136.
    AUTOCERT_DNS_SERVER: Text = text("autocert_dns_server", Own);
    /// The zone that is updated; else it is looked for.
    AUTOCERT_DNS_ZONE: Text = text("autocert_dns_zone", Own);
    /// The name of the key that signs updates (RFC 8945).
    AUTOCERT_DNS_TSIG_NAME: Text = text("autocert_dns_tsig_name", Own);
    /// The algorithm of that key.
    AUTOCERT_DNS_TSIG_ALGORITHM: Choice<TsigAlgorithm> =
        choice("autocert_dns_tsig_algorithm", No, Own).or("hmac-sha256");
    /// That key, in base64.
    AUTOCERT_DNS_TSIG_SECRET: Secret = secret("autocert_dns_tsig_secret", Own);
    /// The same in a file.
    AUTOCERT_DNS_TSIG_SECRET_FILE: Text = text("autocert_dns_tsig_secret_file", Own);
    /// A token with Zone, DNS, Edit for the zone.
    AUTOCERT_DNS_CLOUDFLARE_TOKEN: Secret = secret("autocert_dns_cloudflare_token", Own);
    /// The same in a file.
    AUTOCERT_DNS_CLOUDFLARE_TOKEN_FILE: Text = text("autocert_dns_cloudflare_token_file", Own);
    /// A program that sets records, and its first arguments.
    AUTOCERT_DNS_COMMAND: List = list("autocert_dns_command", Own);

    // 2.6 cookies and sessions
    /// The session cookie's name, which gets `__Host-` in front.
    COOKIE_NAME: Text = text("cookie_name", Supported).or("_pomerium");
    /// Seals what cookies hold: 32 bytes in base64; else made and kept.
    COOKIE_SECRET: Secret = secret("cookie_secret", Supported);
    /// The same in a file.
    COOKIE_SECRET_FILE: Text = text("cookie_secret_file", Supported);
    /// The `cookie_secret` before this one: sign-ins that began with it end.
    COOKIE_SECRET_PREVIOUS: Secret = secret("cookie_secret_previous", Own);
    /// The same in a file.
    COOKIE_SECRET_PREVIOUS_FILE: Text = text("cookie_secret_previous_file", Own);
    /// A domain whose hosts share a cookie beside each host's own.
    COOKIE_DOMAIN: Text = text("cookie_domain", Supported);
    /// Whether scripts are kept from the cookie.
    COOKIE_HTTP_ONLY: Bool = bool("cookie_http_only", Supported).or("true");
    /// Whether people of the built-in provider may have passwords, or passkeys alone.
    BUILTIN_PASSWORDS: Bool = bool("builtin_passwords", Own).or("true").guards();
    /// How long a session lasts, and with it how long a device is remembered; a household often takes `720h`.
    COOKIE_EXPIRE: Duration = duration("cookie_expire", Supported).or("14h");
    /// How often the provider is asked whether a session still stands, and what it says of groups; `0` for never.
    SESSION_RECHECK_INTERVAL: Duration = duration("session_recheck_interval", Own).or("5m");
    /// For how long a provider that does not answer signs nobody out.
    SESSION_RECHECK_GRACE: Duration = duration("session_recheck_grace", Own).or("4h");
    /// After how long without a request a session is over; never where it is missing.
    SESSION_IDLE_TIMEOUT: Duration = duration("session_idle_timeout", Own).guards();
    /// How many sessions there may be, of browsers, apps and service accounts together, 1,000 to 1,000,000: beyond, nobody signs in until some have ended. A reload may change it, and a smaller number ends nobody's. One that nobody has asked about takes 265 octets of memory.
    MAX_SESSIONS: Int = int("max_sessions", 1_000, 1_000_000, Own).or("50000");
    /// Groups whose members see and end everybody's sessions, and look after people: those of `usher people` count; without the built-in provider, those that the first provider tells.
    ADMIN_GROUPS: List = list("admin_groups", Own);
    /// For how long a film goes on whose session has run out.
    STREAM_EXPIRY_LIMIT: Duration = duration("stream_expiry_limit", Own).or("4h");
    /// The cookie's `SameSite`; `lax` where nothing is said.
    COOKIE_SAME_SITE: Choice<SameSite> = choice("cookie_same_site", Yes, Supported);
    /// What proxies and the authenticate service share: 32 bytes in base64.
    SHARED_SECRET: Secret = secret("shared_secret", Supported);
    /// The same in a file.
    SHARED_SECRET_FILE: Text = text("shared_secret_file", Supported);
    /// The `shared_secret` before this one: what it signed and sealed counts on, so that nobody is signed out by a new one.
    SHARED_SECRET_PREVIOUS: Secret = secret("shared_secret_previous", Own);
    /// The same in a file.
    SHARED_SECRET_PREVIOUS_FILE: Text = text("shared_secret_previous_file", Own);
    /// Where usher keeps the keys that it makes: a file that nobody else can open; `usher.keys` in the data directory where nothing is said.
    KEY_FILE: Text = text("key_file", Own);
    /// Where people are sent who signed out.
    SIGNOUT_REDIRECT_URL: Text = text("signout_redirect_url", Supported);
    /// Whom visitors ask who are not let in.
    CONTACT: Text = text("contact", Own);
    /// The colour of buttons and links on usher's pages, `'#6f43e7'`; made darker or lighter where it could hardly be seen.
    PRIMARY_COLOR: Text = text("primary_color", Own);
    /// The colour around what has the focus.
    SECONDARY_COLOR: Text = text("secondary_color", Own);
    /// `primary_color` for who has it dark.
    DARKMODE_PRIMARY_COLOR: Text = text("darkmode_primary_color", Own);
    /// `secondary_color` for who has it dark.
    DARKMODE_SECONDARY_COLOR: Text = text("darkmode_secondary_color", Own);
    /// The picture above usher's pages: `data:image/…;base64,…`, none from elsewhere.
    LOGO_URL: Text = text("logo_url", Own);
    /// The picture in tabs, likewise.
    FAVICON_URL: Text = text("favicon_url", Own);
    /// What pages of errors begin with.
    ERROR_FIRST_PARAGRAPH: Text = text("error_message_first_paragraph", Own);
    /// Hosts that programmatic sign-in may return to; `localhost` where nothing is said.
    PROGRAMMATIC_REDIRECT_DOMAIN_WHITELIST: List =
        full_list("programmatic_redirect_domain_whitelist", Supported);

    // 2.7 authenticate service
    /// The host where people sign in; else the first that a route names in full.
    AUTHENTICATE_SERVICE_URL: Text = text("authenticate_service_url", Supported);
    /// Whether the host of `authenticate_service_url` is somebody else's (`stateless`).
    AUTHENTICATE_FLOW: Choice<Flow> = choice("authenticate_flow", No, Own);
    /// For which proxies this authenticate service is.
    AUTHENTICATE_ALLOWED_HOSTS: List = list("authenticate_allowed_hosts", Own).guards();

    // 2.8 identity provider
    /// Who tells who somebody is.
    IDP_PROVIDER: Text = text("idp_provider", Supported).or("builtin");
    /// The provider's issuer.
    IDP_PROVIDER_URL: Text = text("idp_provider_url", Supported).meant_by(&["issuer"]).guards();
    /// The id of the client that was made at the provider.
    IDP_CLIENT_ID: Text = text("idp_client_id", Supported).meant_by(&["client_id"]);
    /// Its secret.
    IDP_CLIENT_SECRET: Secret = secret("idp_client_secret", Supported).meant_by(&["client_secret"]);
    /// The same in a file.
    IDP_CLIENT_SECRET_FILE: Text = text("idp_client_secret_file", Supported);
    /// Apple: whose key `idp_client_secret` is, where that is the key which Apple gave.
    IDP_APPLE_TEAM_ID: Text = text("idp_apple_team_id", Own);
    /// Apple: which of their keys.
    IDP_APPLE_KEY_ID: Text = text("idp_apple_key_id", Own);
    /// What the provider is asked to tell; else what its kind needs.
    IDP_SCOPES: List = list("idp_scopes", Supported);
    /// Further parameters of the authentication request.
    IDP_REQUEST_PARAMS: Map = map("idp_request_params", Supported).guards();
    /// Further providers, beside the one above: people choose on the sign-in page. All but the first of all send them back to `/oauth2/callback/NAME`: register that there.
    IDP_PROVIDERS: Objects = objects("idp_providers", IDP_ENTRY, Own);

    // the OpenID provider
    /// Apps that may ask usher who somebody is, by OpenID Connect.
    OPENID_CLIENTS: Objects = objects("openid_clients", OPENID_CLIENT, Own);

    // mail
    /// The server that takes mail for you: people of usher's own can have a link mailed to them that lets them in again.
    SMTP: Object = object("smtp", SMTP_KEYS, Own);

    // 2.9 identity headers and signing
    /// Whether upstreams are told who asks, where a route does not say.
    PASS_IDENTITY_HEADERS: Bool = bool("pass_identity_headers", Supported);
    /// Claims that become fields toward upstreams.
    JWT_CLAIMS_HEADERS: Mixed = mixed("jwt_claims_headers", Supported);
    /// Whether `iss` of the assertion is the bare host or an address.
    JWT_ISSUER_FORMAT: Choice<IssuerFormat> =
        choice("jwt_issuer_format", Yes, Supported).or("hostonly");
    /// What a token in `Authorization: Bearer` is: the app's own, or one of the provider's that stands
    /// for a session.
    BEARER_TOKEN_FORMAT: Choice<BearerFormat> = choice("bearer_token_format", Yes, Supported).or("default");
    /// Whom access tokens of the provider have to be for, one of these, to stand for a session.
    IDP_ACCESS_TOKEN_ALLOWED_AUDIENCES: List =
        list("idp_access_token_allowed_audiences", Supported).guards();
    /// Signs assertions: PEM, also in base64; several may stand in it, the first signs.
    SIGNING_KEY: Secret = secret("signing_key", Supported);
    /// The same in a file.
    SIGNING_KEY_FILE: Text = text("signing_key_file", Supported);

    // 2.10 response headers, 2.11 client address
    /// Fields of every answer.
    SET_RESPONSE_HEADERS: Map =
        map("set_response_headers", Supported).meant_by(&["headers"]).variable("HEADERS");
    /// How long browsers ask for https alone (`Strict-Transport-Security`), where `set_response_headers` is not there; a year where nothing is said and a certificate is named. `0s` makes them forget it.
    HSTS_MAX_AGE: Duration = duration("hsts_max_age", Own);
    /// How many proxies in front are believed, but for what `X-Forwarded-For` and `Forwarded`
    /// contradict each other about.
    XFF_NUM_TRUSTED_HOPS: Int = int("xff_num_trusted_hops", 0, 4_294_967_295, Supported).or("0");
    /// Leave `X-Forwarded-For` as it came.
    SKIP_XFF_APPEND: Bool = bool("skip_xff_append", Supported);

    // 2.12 logs
    /// Events below it are not written; accesses and decisions always are.
    LOG_LEVEL: Choice<Level> = choice("log_level", No, Supported).or("info");
    /// The fields of access lines.
    ACCESS_LOG_FIELDS: List = list("access_log_fields", Supported);
    /// The fields of decision lines.
    AUTHORIZE_LOG_FIELDS: List = list("authorize_log_fields", Supported);
    /// Which decisions are kept in the data directory, for `usher explain`: those that refused somebody, all, or none.
    DECISION_RECORDS: Word =
        word("decision_records", &["refused", "all", "none"], Yes, Own).or("refused");
    /// What becomes of requests while a log is read too slowly or can't be written: they are served, or refused (503) so that there is none without a record.
    UNRECORDED_REQUESTS: Word =
        word("unrecorded_requests", &["served", "refused"], Yes, Own).or("served");

    // 2.13 metrics and tracing
    /// Where figures can be read.
    METRICS_ADDRESS: Text = text("metrics_address", Supported);
    /// TLS for figures: a chain in PEM, in base64.
    METRICS_CERTIFICATE: Text = text("metrics_certificate", Supported);
    /// The same in a file.
    METRICS_CERTIFICATE_FILE: Text = text("metrics_certificate_file", Supported);
    /// The key in a file.
    METRICS_CERTIFICATE_KEY_FILE: Text = text("metrics_certificate_key_file", Supported);
    /// Who reads figures shows a certificate of these roots: PEM in base64.
    METRICS_CLIENT_CA: Text = text("metrics_client_ca", Supported).guards();
    /// The same in a file.
    METRICS_CLIENT_CA_FILE: Text = text("metrics_client_ca_file", Supported).guards();
    /// Who reads figures knows this: `user:password` in base64.
    METRICS_BASIC_AUTH: Secret = secret("metrics_basic_auth", Supported).guards();
    /// The key of `metrics_certificate`, in base64.
    METRICS_CERTIFICATE_KEY: Secret = secret("metrics_certificate_key", Supported);

    // switches
    /// Switches by name.
    FLAGS: Object = object("runtime_flags", RUNTIME_FLAGS, Supported);

    // sessions
    /// Where sessions are kept.
    DATABROKER_STORAGE_TYPE: Choice<Storage> =
        choice("databroker_storage_type", No, Fixed(&["", "file", "memory"], DATA_DIRECTORY));
    /// The database of `postgres`.
    DATABROKER_STORAGE_CONNECTION_STRING: Secret = secret("databroker_storage_connection_string", NoEffect(DATA_DIRECTORY));
    /// The same in a file.
    DATABROKER_STORAGE_CONNECTION_STRING_FILE: Text = text("databroker_storage_connection_string_file", NoEffect(DATA_DIRECTORY));

    // routes
    /// What is served, in the order in which it is tried.
    ROUTES: AnyKind = routes("routes", Supported).meant_by(&["route"]);
    /// An old name of `routes`; these are tried first.
    POLICY: AnyKind = routes("policy", Supported).meant_by(&["policies"]).guards();

    others:
        text("grpc_address", NoEffect(ONE_PROCESS));
        bool("grpc_insecure", NoEffect(ONE_PROCESS));
        duration("grpc_client_timeout", NoEffect(ONE_PROCESS));
        text("override_certificate_name", NoEffect(ONE_PROCESS));
        text("tls_derive", NoEffect(ONE_PROCESS));
        text("installation_id", NoEffect("it is a label for telemetry that usher does not send"));
        text("envoy_admin_address", NoEffect(NO_ENVOY));
        text("envoy_admin_access_log_path", NoEffect(NO_ENVOY));
        text("envoy_admin_profile_path", NoEffect(NO_ENVOY));
        list("envoy_dynamic_extensions", NoEffect(NO_ENVOY));
        text("debug_address", NoEffect("there is no debug listener")).must(Rule::Listener);
        bool("health_check_systemd_disabled", Fixed(&["true"], "systemd is not notified"));
        bool("merge_slashes", Fixed(&["true"], "slashes are always merged"));
        bool("normalize_path", Fixed(&["true"], "paths are always normalised"));
        duration("timeout_write", Fixed(&["0", "0s"], "an answer may take as long as it makes progress"));
        any("identity_providers", NotYet("tokens of other issuers are not taken for a session"));
        text("authenticate_internal_service_url", NoEffect(ONE_PROCESS)).must(Rule::Url);
        text("authenticate_callback_path", Fixed(&["", "/oauth2/callback"], "the callback is always `/oauth2/callback`, in Pomerium too"));
        text("authorize_service_url", NoEffect(ONE_PROCESS)).must(Rule::Url);
        list("authorize_service_urls", NoEffect(ONE_PROCESS)).must(Rule::Url);
        text("authorize_internal_service_url", NoEffect(ONE_PROCESS)).must(Rule::Url);
        text("databroker_service_url", NoEffect(ONE_PROCESS)).must(Rule::Url);
        list("databroker_service_urls", NoEffect(ONE_PROCESS)).must(Rule::Url);
        text("databroker_internal_service_url", NoEffect(ONE_PROCESS)).must(Rule::Url);
        any("jwt_groups_filter", NoEffect(NOT_READ));
        choice::<Level>("proxy_log_level", No, NoEffect("`log_level` rules events; requests and decisions are always recorded"));
        any("otel_traces_exporter", Fixed(&["", "none"], NO_TRACES));
        any("otel_exporter_otlp_endpoint", NotYet(NO_TRACES));
        any("otel_exporter_otlp_traces_endpoint", NotYet(NO_TRACES));
        any("otel_exporter_otlp_protocol", NotYet(NO_TRACES));
        any("otel_exporter_otlp_traces_protocol", NotYet(NO_TRACES));
        any("otel_exporter_otlp_headers", NotYet(NO_TRACES));
        any("otel_exporter_otlp_traces_headers", NotYet(NO_TRACES));
        any("otel_exporter_otlp_timeout", NotYet(NO_TRACES));
        any("otel_exporter_otlp_traces_timeout", NotYet(NO_TRACES));
        any("otel_traces_sampler_arg", NotYet(NO_TRACES));
        any("otel_resource_attributes", NotYet(NO_TRACES));
        any("otel_log_level", NotYet(NO_TRACES));
        any("otel_attribute_value_length_limit", NotYet(NO_TRACES));
        any("otel_bsp_schedule_delay", NotYet(NO_TRACES));
        any("otel_bsp_max_export_batch_size", NotYet(NO_TRACES));
        text("databroker_cluster_leader_id", NotYet(ONE_NODE));
        text("databroker_cluster_node_id", NotYet(ONE_NODE));
        any("databroker_cluster_nodes", NotYet(ONE_NODE));
        text("databroker_raft_bind_address", NotYet(ONE_NODE));
        duration("dns_failure_refresh_rate", NoEffect("a name that did not resolve is asked for again with the next request")).must(Rule::Millisecond);
        int("dns_udp_max_queries", 0, 4_294_967_295, NoEffect("each question over UDP has a socket and port of its own"));
        any("ssh_address", NotYet(NO_SSH));
        any("ssh_host_key_files", NotYet(NO_SSH));
        any("ssh_host_keys", NotYet(NO_SSH));
        any("ssh_user_ca_key_file", NotYet(NO_SSH));
        any("ssh_user_ca_key", NotYet(NO_SSH));
        any("ssh_rls_enabled", NotYet(NO_SSH));
        any("ssh_rls_additional_entries", NotYet(NO_SSH));
        list("mcp_allowed_client_id_domains", NotYet(NO_MCP)).must(Rule::Full);
        list("mcp_allowed_as_metadata_domains", NotYet(NO_MCP)).must(Rule::Full);
        secret("google_cloud_serverless_authentication_service_account", NotYet("upstreams on Google Cloud get no token from usher"));
        any("blob_storage", NotYet(NO_RECORDING));
        any("session_recording_concurrency", NotYet(NO_RECORDING));
        any("auto_apply_changesets", NoEffect("it belongs to Pomerium Enterprise"));
        text("policy_file", Removed("put the routes into `routes`"));
        text("client_ca", Removed(MTLS)).guards();
        text("client_ca_file", Removed(MTLS)).guards();
        any("idp_service_account", Removed(CLAIMS));
        any("idp_refresh_directory_timeout", Removed(CLAIMS));
        any("idp_refresh_directory_interval", Removed(CLAIMS));
        any("idp_qps", Removed(CLAIMS));
        any("tracing_datadog_address", Removed(OTEL));
        any("tracing_jaeger_collector_endpoint", Removed(OTEL));
        any("tracing_jaeger_agent_endpoint", Removed(OTEL));
        any("tracing_zipkin_endpoint", Removed(OTEL));
        any("tracing_provider", Removed(OTEL));
        any("tracing_sample_rate", Removed(OTEL));
        text("forward_auth_url", NoEffect("forward authentication left Pomerium; let usher proxy the app itself"));
}
