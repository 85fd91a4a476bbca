use super::values::{FLAG, FLAGS, Row};

/// Keys of items of lists at the top level.
pub const ITEMS: &[Row] = &[
    ("runtime_flags.match_any_incoming_port", FLAGS, "false", "true"),
    ("downstream_mtls.ca", "downstream_mtls: {{}}", "CERT", "OTHER_CERT"),
    ("downstream_mtls.ca_file", "downstream_mtls: {{}}", "a.pem", "b.pem"),
    ("downstream_mtls.crl", "downstream_mtls: {ca_file: a.pem, {}}", "LIST", ""),
    ("downstream_mtls.crl_file", "downstream_mtls: {ca_file: a.pem, {}}", "c.crl", ""),
    (
        "downstream_mtls.enforcement",
        "downstream_mtls: {ca_file: a.pem, {}}",
        "reject_connection",
        "policy",
    ),
    (
        "downstream_mtls.match_subject_alt_names",
        "downstream_mtls: {ca_file: a.pem, {}}",
        "[{dns: 'a'}]",
        "[{email: 'a'}]",
    ),
    ("downstream_mtls.max_verify_depth", "downstream_mtls: {ca_file: a.pem, {}}", "2", "1"),
    ("runtime_flags.mcp", FLAG, "true", "false"),
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
