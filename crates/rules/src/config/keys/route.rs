//! Keys of a route (`pomerium-config.md` §3).

use http::StatusCode;

use super::{
    AnyCase::Yes, Fate::*, Table, form::*, jellyfin::JELLYFIN_KEYS, keys, lost::*, nested::*,
};
use crate::config::words::{Balance, BearerFormat, IssuerFormat};

/// Silence on a stream that ends it where a route says nothing else.
pub const STREAM_IDLE: std::time::Duration = std::time::Duration::from_secs(300);

keys! {
    /// Keys of `redirect`.
    REDIRECT_KEYS:
    /// To https.
    REDIRECT_HTTPS_REDIRECT: Bool = bool("https_redirect", Supported);
    /// To this scheme.
    REDIRECT_SCHEME_REDIRECT: Text = text("scheme_redirect", Supported);
    /// To this host.
    REDIRECT_HOST_REDIRECT: Text = text("host_redirect", Supported);
    /// To this port.
    REDIRECT_PORT_REDIRECT: Int = int("port_redirect", 1, 65_535, Supported);
    /// To this path.
    REDIRECT_PATH_REDIRECT: Text = text("path_redirect", Supported);
    /// To a path that begins with this instead of what the route matched.
    REDIRECT_PREFIX_REWRITE: Text = text("prefix_rewrite", Supported);
    /// The answer's status.
    REDIRECT_RESPONSE_CODE: Choice<StatusCode> =
        choice("response_code", Yes, Supported).or("301");
    /// Without the query.
    REDIRECT_STRIP_QUERY: Bool = bool("strip_query", Supported);
}

keys! {
    /// Keys of `response`.
    RESPONSE_KEYS:
    /// The answer's status.
    RESPONSE_STATUS: Int = int("status", 200, 599, Supported);
    /// Its text.
    RESPONSE_BODY: Text = text("body", Supported);
}

keys! {
    /// Keys of one of `rewrite_response_headers`.
    RESPONSE_REWRITE:
    /// The field.
    REWRITE_HEADER: Text = text("header", Supported);
    /// What its value begins with; without it nothing is replaced, with an empty one `value` comes in front.
    REWRITE_PREFIX: AnyKind = any("prefix", Supported);
    /// What stands there instead.
    REWRITE_VALUE: Text = text("value", Supported);
}

keys! {
    /// Keys of a route.
    ROUTE:
    // 3.1 to 3.3: which requests
    /// For people and records; else made of host and path.
    NAME: Text = text("name", Supported);
    /// For people, at `/.pomerium/routes`.
    DESCRIPTION: Text = text("description", Supported);
    /// For programs that list routes; pages of usher show no picture from elsewhere.
    LOGO_URL: Text = text("logo_url", Supported);
    /// The address that visitors type: `https://HOST`.
    FROM: Text = text("from", Supported).meant_by(&["host"]);
    /// Where permitted requests go: one address or several, with weights.
    TO: AnyKind = any("to", Supported).meant_by(&["upstream"]);
    /// Permitted requests are sent elsewhere.
    REDIRECT: Object = object("redirect", REDIRECT_KEYS, Supported).meant_by(&["redirect_url"]);
    /// Permitted requests get this answer.
    RESPONSE: Object = object("response", RESPONSE_KEYS, Supported);
    /// Paths that begin like this.
    PREFIX: Text = text("prefix", Supported).guards();
    /// This path alone.
    PATH: Text = text("path", Supported).guards();
    /// Paths that match whole, in RE2's syntax.
    REGEX: Text = text("regex", Supported).guards();

    // 3.4: what the upstream sees
    /// What stands for `prefix` in the upstream's path.
    PREFIX_REWRITE: Text = text("prefix_rewrite", Supported);
    /// What is replaced in the upstream's path.
    REGEX_REWRITE_PATTERN: Text = text("regex_rewrite_pattern", Supported);
    /// By what, with `\\1` for groups.
    REGEX_REWRITE_SUBSTITUTION: Text = text("regex_rewrite_substitution", Supported);
    /// What the upstream sees as `Host`.
    HOST_REWRITE: Text = text("host_rewrite", Supported);
    /// `Host` is what the client wrote in this field: clients choose the upstream's virtual host. Without the field, or where it names no host, the upstream's own name.
    HOST_REWRITE_HEADER: Text = text("host_rewrite_header", Supported);
    /// What is replaced in the path, of which `Host` is made; where that is no host, the upstream's own name. Clients choose among what it can make.
    HOST_PATH_REGEX_PATTERN: Text = text("host_path_regex_rewrite_pattern", Supported);
    /// By what, with `\\1` for groups.
    HOST_PATH_REGEX_SUBSTITUTION: Text = text("host_path_regex_rewrite_substitution", Supported);
    /// The upstream sees the visitor's `Host`.
    PRESERVE_HOST_HEADER: Bool = bool("preserve_host_header", Supported);
    /// Until the response is complete; `0` is no limit; else `default_upstream_timeout`, and none with `allow_websockets`.
    TIMEOUT: Duration = duration("timeout", Supported);
    /// Silence that ends a stream; `0` is no limit; else 5 minutes, and none with `allow_websockets`.
    IDLE_TIMEOUT: Duration = duration("idle_timeout", Supported);
    /// Whether WebSockets pass.
    ALLOW_WEBSOCKETS: Bool = bool("allow_websockets", Supported).meant_by(&["websockets"]);
    /// What a client may ask to speak instead of HTTP; `websocket` is `allow_websockets`.
    ALLOW_UPGRADES: List = list("allow_upgrades", Supported);
    /// Other origins whose pages may open sockets here.
    ALLOW_WEBSOCKET_ORIGINS: List = list("allow_websocket_origins", Own);
    /// For how long a tunnel goes on when its session has run out.
    TUNNEL_AFTER_SESSION: Duration = duration("tunnel_after_session", Own).or("1h");
    /// Fields toward the upstream, with references such as `${pomerium.jwt}`.
    SET_REQUEST_HEADERS: Map = map("set_request_headers", Supported).meant_by(&["set_headers"]);
    /// Fields that the upstream does not see.
    REMOVE_REQUEST_HEADERS: List = list("remove_request_headers", Supported);
    /// Identity fields of other proxies that pass from a client.
    ALLOW_CLIENT_IDENTITY_HEADERS: List = list("allow_client_identity_headers", Own);
    /// What answers' fields begin with, and what stands there instead.
    REWRITE_RESPONSE_HEADERS: Objects =
        objects("rewrite_response_headers", RESPONSE_REWRITE, Supported);
    /// Fields of its answers, over the global ones; `disable` clears all.
    SET_RESPONSE_HEADERS: Map = map("set_response_headers", Supported).meant_by(&["headers"]);

    // upstream TLS
    /// Take any certificate of the upstream.
    TLS_SKIP_VERIFY: Bool = bool("tls_skip_verify", Supported).guards();
    /// An older name of `tls_upstream_server_name`.
    TLS_SERVER_NAME: Text = text("tls_server_name", Supported).guards();
    /// The name that the upstream's certificate must have.
    TLS_UPSTREAM_SERVER_NAME: Text = text("tls_upstream_server_name", Supported).guards();
    /// Roots for the upstream alone: PEM in base64.
    TLS_CUSTOM_CA: Text = text("tls_custom_ca", Supported).guards();
    /// The same in a file.
    TLS_CUSTOM_CA_FILE: Text = text("tls_custom_ca_file", Supported).guards();
    /// What usher shows the upstream: a chain in PEM, in base64.
    TLS_CLIENT_CERT: Text = text("tls_client_cert", Supported).guards();
    /// Its key, in base64.
    TLS_CLIENT_KEY: Secret = secret("tls_client_key", Supported).guards();
    /// The chain in a file.
    TLS_CLIENT_CERT_FILE: Text = text("tls_client_cert_file", Supported).guards();
    /// The key in a file.
    TLS_CLIENT_KEY_FILE: Text = text("tls_client_key_file", Supported).guards();

    // who may pass
    /// The authorities that visitors' certificates come from, here alone: PEM in base64. An old way.
    TLS_DOWNSTREAM_CLIENT_CA: Text = text("tls_downstream_client_ca", Supported).guards();
    /// The same in a file.
    TLS_DOWNSTREAM_CLIENT_CA_FILE: Text = text("tls_downstream_client_ca_file", Supported).guards();
    /// CORS preflights pass without a session.
    CORS_ALLOW_PREFLIGHT: Bool =
        bool("cors_allow_preflight", Supported).meant_by(&["cors_preflight"]);
    /// Everybody is let in.
    ALLOW_PUBLIC_UNAUTHENTICATED_ACCESS: Bool =
        bool("allow_public_unauthenticated_access", Supported).meant_by(&["public"]);
    /// Everybody who signed in is let in.
    ALLOW_ANY_AUTHENTICATED_USER: Bool = bool("allow_any_authenticated_user", Supported);
    /// People by address or id.
    ALLOWED_USERS: List = list("allowed_users", Supported).meant_by(&["allowed_emails"]).guards();
    /// People by the domain of their address.
    ALLOWED_DOMAINS: List = list("allowed_domains", Supported).guards();
    /// People by what the provider says about them.
    ALLOWED_IDP_CLAIMS: AnyKind = any("allowed_idp_claims", Supported).guards();
    /// More people who are let in, as Pomerium's console writes them.
    SUB_POLICIES: Objects = objects("sub_policies", SUB_POLICY, Supported).guards();
    /// Rules in the Pomerium Policy Language.
    POLICY: AnyKind = any("policy", Supported).meant_by(&["policies"]).guards();
    /// Hosts that know whoever signed in for this one, too; at most five.
    DEPENDS_ON: List = list("depends_on", Supported);
    /// Whether the page of a refusal says which rule it was, and why.
    SHOW_ERROR_DETAILS: Bool = bool("show_error_details", Supported);

    /// An OAuth client of its own at the provider: sessions of other routes do not count here.
    IDP_CLIENT_ID: Text = text("idp_client_id", Supported).guards();
    /// The secret of that client.
    IDP_CLIENT_SECRET: Secret = secret("idp_client_secret", Supported);
    /// By which providers people may have signed in, by name; else by any.
    IDP_PROVIDERS: List = list("idp_providers", Own).guards();
    /// Rules that are asked beside all of the above and have no effect: where they disagree is counted and recorded.
    SHADOW_POLICY: AnyKind = any("shadow_policy", Own);
    /// What the route's policy is expected to say, asked at every load: one that is not so refuses the config.
    TESTS: Objects = objects("tests", POLICY_TEST, Own).meant_by(&["policy_tests"]).guards();

    // identity toward the upstream
    /// Whether the upstream is told who asks.
    PASS_IDENTITY_HEADERS: Bool = bool("pass_identity_headers", Supported);
    /// Whether `iss` of the assertion is the bare host or an address.
    JWT_ISSUER_FORMAT: Choice<IssuerFormat> = choice("jwt_issuer_format", Yes, Supported);
    /// What a token in `Authorization: Bearer` is: the app's own, or one of the provider's that stands
    /// for a session.
    BEARER_TOKEN_FORMAT: Choice<BearerFormat> = choice("bearer_token_format", Yes, Supported);
    /// Whom access tokens of the provider have to be for, one of these, to stand for a session.
    IDP_ACCESS_TOKEN_ALLOWED_AUDIENCES: List =
        list("idp_access_token_allowed_audiences", Supported).guards();

    // balancing
    /// Which of several upstreams gets a request.
    LOAD_BALANCING_POLICY: Choice<Balance> =
        choice("load_balancing_policy", Yes, Supported).or("round_robin").meant_by(&["lb_policy"]);
    /// Questions that each upstream is asked, beside all requests.
    HEALTH_CHECKS: Objects = objects("health_checks", HEALTH_CHECK, Supported);
    /// The app speaks the Model Context Protocol; needs `runtime_flags: {mcp: true}`.
    MCP: Object = object("mcp", MCP_KEYS, Supported);
    /// The app is a Jellyfin: what it leaves open is closed, and its clients' tokens are read.
    JELLYFIN: Object = object("jellyfin", JELLYFIN_KEYS, Own).guards();
    /// Upstreams are left alone for what they answer to visitors.
    OUTLIER_DETECTION: Object = object("outlier_detection", OUTLIER_DETECTION_KEYS, Supported);
    /// Where fewer upstreams than so many of a hundred are well, all are asked; `0`: not even where none is.
    HEALTHY_PANIC_THRESHOLD: Int = int("healthy_panic_threshold", 0, 100, Supported);
    /// How much of this route may be under way at once, over what the top level says.
    CIRCUIT_BREAKER_THRESHOLDS: Object =
        object("circuit_breaker_thresholds", CIRCUIT_BREAKER, Supported);

    others:
        int("regex_priority_order", -9_223_372_036_854_775_807, 9_223_372_036_854_775_807, NoEffect("routes of a file are tried in the order of the file, in Pomerium too"));
        bool("allow_spdy", NotYet("only WebSocket upgrades pass"));
        text("tls_downstream_server_name", NoEffect("it only adds a name for reserved paths, which answer on every host"));
        bool("tls_upstream_allow_renegotiation", NotYet("an upstream that renegotiates TLS ends its connection: TLS 1.3 knows no renegotiation, and rustls does none"));
        any("allowed_groups", Removed("write a policy with `claim/groups`")).guards();
        any("identity_providers", NotYet("tokens of other issuers are not taken for a session"));
        any("jwt_groups_filter", NoEffect(NOT_READ));
        any("set_authorization_header", Removed("write `set_request_headers: {Authorization: \"Bearer ${pomerium.id_token}\"}`"));
        secret("kubernetes_service_account_token", Refused(KUBERNETES));
        text("kubernetes_service_account_token_file", Refused(KUBERNETES));
        bool("enable_google_cloud_serverless_authentication", NotYet("the upstream gets no token of Google Cloud"));
        any("upstream_tunnel", NotYet("there are no reverse tunnels"));
        any("session_recording", NotYet(NO_RECORDING));
}

/// Keys of paths, fields and answers, which a tunnel has not.
pub static IDLE_IN_TUNNELS: Table = &[
    &PREFIX.key,
    &PATH.key,
    &REGEX.key,
    &PREFIX_REWRITE.key,
    &REGEX_REWRITE_PATTERN.key,
    &HOST_REWRITE.key,
    &PRESERVE_HOST_HEADER.key,
    &SET_REQUEST_HEADERS.key,
    &REMOVE_REQUEST_HEADERS.key,
    &REWRITE_RESPONSE_HEADERS.key,
    &ALLOW_WEBSOCKETS.key,
    &CORS_ALLOW_PREFLIGHT.key,
    &TIMEOUT.key,
];
