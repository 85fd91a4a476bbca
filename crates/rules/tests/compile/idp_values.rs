//! Two values for each key of `idp_providers`, as in `values`.

use crate::values::Row;

const TWO: &str = "idp_providers: [{name: b, idp_provider: builtin}, {name: a, idp_provider: oidc, \
                   idp_provider_url: https://idp.a.test, idp_client_id: usher, {}}]";
const WITHOUT_KIND: &str = "idp_providers: [{name: a, idp_provider_url: https://idp.a.test, \
                            idp_client_id: usher, {}}]";
const WITHOUT_ADDRESS: &str =
    "idp_providers: [{name: a, idp_provider: oidc, idp_client_id: usher, {}}]";
const WITHOUT_CLIENT: &str =
    "idp_providers: [{name: a, idp_provider: oidc, idp_provider_url: https://idp.a.test, {}}]";
const WITHOUT_NAME: &str = "idp_providers: [{idp_provider: oidc, idp_client_id: usher, \
                            idp_provider_url: https://idp.a.test, {}}]";

/// At the top level.
pub const LISTED: &[Row] = &[
    (
        "idp_providers",
        "{}",
        "[{idp_provider: google, idp_client_id: a}, {idp_provider: builtin}]",
        "[{idp_provider: builtin}]",
    ),
    ("idp_providers.name", WITHOUT_NAME, "one", "two"),
    ("idp_providers.label", TWO, "One", "Two"),
    ("idp_providers.domains", TWO, "[a.test]", "[b.test]"),
    ("idp_providers.idp_provider", WITHOUT_KIND, "oidc", "okta"),
    ("idp_providers.idp_provider_url", WITHOUT_ADDRESS, "https://one.test", "https://two.test"),
    ("idp_providers.idp_client_id", WITHOUT_CLIENT, "one", "two"),
    ("idp_providers.idp_client_secret", TWO, "s3cret-s3cret", ""),
    ("idp_providers.idp_client_secret_file", TWO, "secret", ""),
    ("idp_providers.idp_scopes", TWO, "[openid, one]", "[openid, two]"),
    ("idp_providers.idp_request_params", TWO, "{prompt: login}", ""),
];

/// In a route.
pub const OF_ROUTES: &[Row] = &[(
    "idp_providers",
    "{}\nidp_providers: [{name: a, idp_provider: google, idp_client_id: a}, {idp_provider: builtin}]",
    "[a]",
    "[builtin]",
)];
