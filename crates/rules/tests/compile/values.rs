//! Two values of every key that is supported, for `effects.rs`.

/// A key, what it needs beside it (`{}` is where it goes), a value, and another one (`""`: no key).
pub type Row = (&'static str, &'static str, &'static str, &'static str);

const ACME: &str = "autocert: true\n{}";
const RFC2136: &str =
    "autocert: true\nautocert_dns_provider: rfc2136\nautocert_dns_server: ns.a.test\n{}";
const TSIG: &str = "autocert: true\nautocert_dns_provider: rfc2136\nautocert_dns_server: ns.a.test\n\
                    autocert_dns_tsig_name: key.a.test\nautocert_dns_tsig_secret: c2VjcmV0c2VjcmV0\n{}";
const KEYED: &str = "autocert: true\nautocert_dns_provider: rfc2136\nautocert_dns_server: ns.a.test\n\
                     autocert_dns_tsig_name: key.a.test\n{}";
const CLOUDFLARE: &str = "autocert: true\nautocert_dns_provider: cloudflare\n{}";
const OIDC: &str = "authenticate_service_url: https://auth.a.test\nidp_provider: oidc\n\
                    idp_provider_url: https://idp.a.test\nidp_client_id: usher\n\
                    idp_client_secret: s3cret-s3cret\n{}";
const BARE_OIDC: &str = "authenticate_service_url: https://auth.a.test\nidp_provider: oidc\n\
                         idp_provider_url: https://idp.a.test\nidp_client_id: usher\n{}";
const SERVICE: &str = "services: authenticate\nauthenticate_service_url: https://auth.a.test\n\
                       shared_secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n{}";
const FIGURES: &str = "metrics_address: 127.0.0.1:9090\n{}";
const SECURE_FIGURES: &str = "metrics_address: 127.0.0.1:9090\nmetrics_certificate_file: a.pem\n\
                              metrics_certificate_key_file: a.key\n{}";
pub const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const TWO: &str = "to: [http://one.test, http://two.test]\n  {}";
const SECURE: &str = "to: https://one.test\n  {}";
const CHECK: &str = "health_checks: [{http_health_check: {path: /one}, {}}]";
const TEST: &str = "tests: [{expect: deny, {}}]";
const REDIRECT: &str = "redirect: {host_redirect: b.test, {}}";
const BARE_REDIRECT: &str = "redirect: {path_redirect: /x, {}}";
const ANSWER: &str = "response: {body: x, {}}";

/// At the top level, with one route below.
pub const GLOBAL: &[Row] = &[
    ("address", "{}", ":8443", ""),
    ("insecure_server", "{}", "true", "false"),
    ("http_redirect_addr", "{}", ":80", ""),
    ("codec_type", "{}", "http1", "http2"),
    (
        "services",
        "authenticate_service_url: https://auth.a.test\nauthenticate_allowed_hosts: [a.test]\n{}",
        "authenticate",
        "all",
    ),
    ("path_with_escaped_slashes_action", "{}", "reject_request", "keep_unchanged"),
    ("headers_with_underscores_action", "{}", "reject_request", "allow"),
    ("additional_methods", "{}", "[FLY]", ""),
    ("timeout_read", "{}", "7s", "8s"),
    ("timeout_idle", "{}", "7s", "8s"),
    ("default_upstream_timeout", "{}", "7s", "8s"),
    ("certificate_file", "certificate_key_file: a.key\n{}", "a.pem", "b.pem"),
    ("certificate_key_file", "certificate_file: a.pem\n{}", "a.key", "b.key"),
    ("certificates", "{}", "[{cert: a.pem, key: a.key}]", ""),
    ("certificates_dir", "{}", "/srv/pairs", ""),
    ("certificate", "certificate_key: KEY\n{}", "CERT", "OTHER_CERT"),
    ("certificate_key", "certificate: CERT\n{}", "KEY", ""),
    ("certificate_authority", "{}", "CERT", ""),
    ("certificate_authority_file", "{}", "a.pem", ""),
    ("autocert", "{}", "true", "false"),
    ("autocert_dir", ACME, "/srv/acme", ""),
    ("autocert_email", ACME, "ann@a.test", ""),
    ("autocert_use_staging", ACME, "true", "false"),
    ("autocert_ca", ACME, "https://ca.a.test/directory", ""),
    ("autocert_eab_key_id", "autocert: true\nautocert_eab_mac_key: c2VjcmV0\n{}", "k", "l"),
    ("autocert_eab_mac_key", "autocert: true\nautocert_eab_key_id: k\n{}", "c2VjcmV0", ""),
    ("autocert_must_staple", ACME, "true", "false"),
    ("autocert_trusted_ca", ACME, "CERT", ""),
    ("autocert_trusted_ca_file", ACME, "a.pem", ""),
    ("autocert_fallback_cas", ACME, "[{ca: https://ca.b.test/directory}]", ""),
    ("autocert_profile", ACME, "shortlived", ""),
    ("autocert_dns_provider", "autocert: true\nautocert_dns_command: [/bin/x]\n{}", "exec", ""),
    ("autocert_dns_wait", RFC2136, "7s", "8s"),
    (
        "autocert_dns_server",
        "autocert: true\nautocert_dns_provider: rfc2136\n{}",
        "ns.b.test",
        "ns.c.test",
    ),
    ("autocert_dns_zone", RFC2136, "a.test", ""),
    (
        "autocert_dns_tsig_name",
        "autocert: true\nautocert_dns_provider: rfc2136\nautocert_dns_server: ns.a.test\n\
      autocert_dns_tsig_secret: c2VjcmV0c2VjcmV0\n{}",
        "key.a.test",
        "key.b.test",
    ),
    ("autocert_dns_tsig_algorithm", TSIG, "hmac-sha256", "hmac-sha512"),
    ("autocert_dns_tsig_secret", KEYED, "c2VjcmV0c2VjcmV0", ""),
    ("autocert_dns_tsig_secret_file", KEYED, "base64", ""),
    ("autocert_dns_cloudflare_token", CLOUDFLARE, "t0ken-t0ken-t0ken", ""),
    ("autocert_dns_cloudflare_token_file", CLOUDFLARE, "secret", ""),
    (
        "autocert_dns_command",
        "autocert: true\nautocert_dns_provider: exec\n{}",
        "[/bin/x]",
        "[/bin/y]",
    ),
    ("cookie_name", "{}", "one", "two"),
    ("cookie_secret", "{}", SECRET, ""),
    ("cookie_secret_file", "{}", "base64", ""),
    ("cookie_domain", "{}", "a.test", ""),
    ("cookie_http_only", "{}", "false", "true"),
    ("cookie_expire", "{}", "7h", "8h"),
    ("cookie_same_site", "{}", "strict", "none"),
    ("shared_secret", "{}", SECRET, ""),
    ("shared_secret_file", "{}", "base64", ""),
    ("signout_redirect_url", "{}", "https://b.test/bye", ""),
    ("contact", "{}", "Ann", ""),
    ("programmatic_redirect_domain_whitelist", "{}", "[b.test]", "[c.test]"),
    ("authenticate_service_url", "{}", "https://auth.a.test", ""),
    (
        "authenticate_flow",
        "authenticate_service_url: https://auth.b.test\n{}",
        "stateless",
        "stateful",
    ),
    ("authenticate_allowed_hosts", SERVICE, "[a.test]", "[b.test]"),
    (
        "idp_provider",
        "authenticate_service_url: https://auth.a.test\nidp_provider_url: https://idp.a.test\n\
      idp_client_id: usher\nidp_client_secret: s3cret-s3cret\n{}",
        "oidc",
        "builtin",
    ),
    (
        "idp_provider_url",
        "authenticate_service_url: https://auth.a.test\nidp_provider: oidc\n\
      idp_client_id: usher\nidp_client_secret: s3cret-s3cret\n{}",
        "https://one.test",
        "https://two.test",
    ),
    (
        "idp_client_id",
        "authenticate_service_url: https://auth.a.test\nidp_provider: oidc\n\
      idp_provider_url: https://idp.a.test\nidp_client_secret: s3cret-s3cret\n{}",
        "one",
        "two",
    ),
    ("idp_client_secret", BARE_OIDC, "s3cret-s3cret", ""),
    ("idp_client_secret_file", BARE_OIDC, "secret", ""),
    ("idp_scopes", OIDC, "[openid, one]", "[openid, two]"),
    ("idp_request_params", OIDC, "{prompt: login}", ""),
    ("pass_identity_headers", "{}", "true", "false"),
    ("jwt_claims_headers", "{}", "{X-Name: name}", ""),
    ("jwt_issuer_format", "{}", "uri", "hostonly"),
    ("signing_key", "{}", "KEY", ""),
    ("signing_key_file", "{}", "key64", ""),
    ("set_response_headers", "{}", "{x-one: two}", "{x-one: three}"),
    ("xff_num_trusted_hops", "{}", "1", "2"),
    ("skip_xff_append", "{}", "true", "false"),
    ("log_level", "{}", "warn", "info"),
    ("access_log_fields", "{}", "[method]", ""),
    ("authorize_log_fields", "{}", "[method]", ""),
    ("decision_records", "{}", "all", "none"),
    ("metrics_address", "{}", "127.0.0.1:9090", ""),
    (
        "metrics_certificate",
        "metrics_address: 127.0.0.1:9090\nmetrics_certificate_key: KEY\n{}",
        "CERT",
        "",
    ),
    (
        "metrics_certificate_file",
        "metrics_address: 127.0.0.1:9090\nmetrics_certificate_key_file: a.key\n{}",
        "a.pem",
        "",
    ),
    (
        "metrics_certificate_key_file",
        "metrics_address: 127.0.0.1:9090\nmetrics_certificate_file: a.pem\n{}",
        "a.key",
        "",
    ),
    ("metrics_client_ca", SECURE_FIGURES, "CERT", ""),
    ("metrics_client_ca_file", SECURE_FIGURES, "a.pem", ""),
    ("metrics_basic_auth", FIGURES, "YW5uOnMzY3JldHMzY3JldA==", ""),
    (
        "metrics_certificate_key",
        "metrics_address: 127.0.0.1:9090\nmetrics_certificate: CERT\n{}",
        "KEY",
        "",
    ),
    (
        "routes",
        "",
        "[{from: https://one.test, to: http://x}]",
        "[{from: https://two.test, to: http://x}]",
    ),
    (
        "policy",
        "",
        "[{from: https://one.test, to: http://x}]",
        "[{from: https://two.test, to: http://x}]",
    ),
];

/// In a route that has a `from`, and a `to` unless it says where to itself.
pub const ROUTE: &[Row] = &[
    ("name", "{}", "one", "two"),
    ("from", "", "https://one.test", "https://two.test"),
    ("to", "{}", "http://one.test", "http://two.test"),
    ("redirect", "{}", "{host_redirect: b.test}", "{host_redirect: c.test}"),
    ("response", "{}", "{status: 200, body: one}", "{status: 200, body: two}"),
    ("prefix", "{}", "/one", "/two"),
    ("path", "{}", "/one", "/two"),
    ("regex", "{}", "/one", "/two"),
    ("prefix_rewrite", "prefix: /x\n  {}", "/one", "/two"),
    ("regex_rewrite_pattern", "regex_rewrite_substitution: /x\n  {}", "/one", "/two"),
    ("regex_rewrite_substitution", "regex_rewrite_pattern: /x\n  {}", "/one", "/two"),
    ("host_rewrite", "{}", "one.test", "two.test"),
    ("preserve_host_header", "{}", "true", "false"),
    ("timeout", "{}", "7s", "8s"),
    ("idle_timeout", "{}", "7s", "8s"),
    ("allow_websockets", "{}", "true", "false"),
    ("allow_websocket_origins", "allow_websockets: true\n  {}", "[https://b.test]", ""),
    ("set_request_headers", "{}", "{x-one: two}", "{x-one: three}"),
    ("remove_request_headers", "{}", "[x-one]", "[x-two]"),
    ("allow_client_identity_headers", "{}", "[Remote-User]", ""),
    ("set_response_headers", "{}", "{x-one: two}", "{x-one: three}"),
    ("tls_skip_verify", SECURE, "true", "false"),
    ("tls_server_name", SECURE, "one.test", "two.test"),
    ("tls_upstream_server_name", SECURE, "one.test", "two.test"),
    ("tls_custom_ca", SECURE, "CERT", ""),
    ("tls_custom_ca_file", SECURE, "a.pem", ""),
    ("tls_client_cert", "to: https://one.test\n  tls_client_key: KEY\n  {}", "CERT", ""),
    ("tls_client_key", "to: https://one.test\n  tls_client_cert: CERT\n  {}", "KEY", ""),
    (
        "tls_client_cert_file",
        "to: https://one.test\n  tls_client_key_file: a.key\n  {}",
        "a.pem",
        "",
    ),
    (
        "tls_client_key_file",
        "to: https://one.test\n  tls_client_cert_file: a.pem\n  {}",
        "a.key",
        "",
    ),
    ("cors_allow_preflight", "{}", "true", "false"),
    ("allow_public_unauthenticated_access", "{}", "true", "false"),
    ("allow_any_authenticated_user", "{}", "true", "false"),
    ("allowed_users", "{}", "[ann@a.test]", "[bob@a.test]"),
    ("allowed_domains", "{}", "[a.test]", "[b.test]"),
    ("allowed_idp_claims", "{}", "{groups: [one]}", "{groups: [two]}"),
    (
        "policy",
        "{}",
        "[{allow: {or: [{email: {is: ann@a.test}}]}}]",
        "[{allow: {or: [{email: {is: bob@a.test}}]}}]",
    ),
    ("pass_identity_headers", "{}", "true", "false"),
    ("jwt_issuer_format", "{}", "uri", "hostonly"),
    ("shadow_policy", "{}", "[{allow: {or: [{accept: true}]}}]", ""),
    ("tests", "{}", "[{expect: deny}]", ""),
    ("tests.email", TEST, "ann@a.test", "ben@a.test"),
    ("tests.user", TEST, "one", "two"),
    ("tests.groups", TEST, "[one]", "[two]"),
    ("tests.claims", TEST, "{one: 1}", "{one: 2}"),
    ("tests.signed_in", "tests: [{expect: deny, user: one, {}}]", "1m", "2m"),
    ("tests.method", TEST, "PUT", "GET"),
    ("tests.host", TEST, "a.test", "b.test"),
    ("tests.path", TEST, "/one", "/two"),
    ("tests.address", TEST, "192.0.2.1", "192.0.2.2"),
    ("tests.time", TEST, "2026-12-24T18:00:00Z", ""),
    ("tests.headers", TEST, "{x-one: a}", "{x-one: b}"),
    ("tests.expect", "tests: [{{}}]", "allow", "deny"),
    ("tests.reason", TEST, "email-ok", "user-ok"),
    ("load_balancing_policy", TWO, "random", "round_robin"),
    ("health_checks", "{}", "[{http_health_check: {path: /one}}]", ""),
    ("health_checks.timeout", CHECK, "1s", "2s"),
    ("health_checks.interval", CHECK, "1s", "2s"),
    ("health_checks.alt_port", CHECK, "81", "82"),
    ("health_checks.unhealthy_threshold", CHECK, "1", "2"),
    ("health_checks.healthy_threshold", CHECK, "1", "2"),
    ("health_checks.http_health_check", "health_checks: [{{}}]", "{path: /one}", "{path: /two}"),
    ("health_checks.tcp_health_check", "health_checks: [{{}}]", "{send: {text: '50'}}", ""),
    ("redirect.https_redirect", BARE_REDIRECT, "true", "false"),
    ("redirect.scheme_redirect", REDIRECT, "http", "https"),
    ("redirect.host_redirect", BARE_REDIRECT, "one.test", "two.test"),
    ("redirect.port_redirect", REDIRECT, "8080", "8081"),
    ("redirect.path_redirect", REDIRECT, "/one", "/two"),
    ("redirect.prefix_rewrite", REDIRECT, "/one", "/two"),
    ("redirect.response_code", REDIRECT, "301", "302"),
    ("redirect.strip_query", REDIRECT, "true", "false"),
    ("response.status", ANSWER, "201", "202"),
    ("response.body", "response: {status: 200, {}}", "one", "two"),
];

/// Keys of items of lists at the top level.
pub const ITEMS: &[Row] = &[
    ("certificates.cert", "certificates: [{key: a.key, {}}]", "a.pem", "b.pem"),
    ("certificates.key", "certificates: [{cert: a.pem, {}}]", "a.key", "b.key"),
    (
        "autocert_fallback_cas.ca",
        "autocert: true\nautocert_fallback_cas: [{{}}]",
        "https://b.test/d",
        "https://c.test/d",
    ),
    (
        "autocert_fallback_cas.eab_key_id",
        "autocert: true\nautocert_fallback_cas: [{ca: https://b.test/d, eab_mac_key: c2VjcmV0, {}}]",
        "one",
        "two",
    ),
    (
        "autocert_fallback_cas.eab_mac_key",
        "autocert: true\nautocert_fallback_cas: [{ca: https://b.test/d, eab_key_id: k, {}}]",
        "c2VjcmV0",
        "",
    ),
];
