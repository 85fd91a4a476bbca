//! Two values for each key of `openid_clients`, as in `values`.

use crate::values::Row;

const CLIENT: &str = "authenticate_service_url: https://login.test\nopenid_clients: [{id: app, \
                      redirect_uris: [https://app.test/cb], {}}]";
const WITHOUT_ID: &str = "authenticate_service_url: https://login.test\n\
                          openid_clients: [{redirect_uris: [https://app.test/cb], {}}]";
const WITHOUT_URIS: &str =
    "authenticate_service_url: https://login.test\nopenid_clients: [{id: app, {}}]";
const LOGOUT: &str = "authenticate_service_url: https://login.test\nopenid_clients: [{id: app, \
                      redirect_uris: [https://app.test/cb], backchannel_logout_uri: \
                      https://app.test/end, {}}]";

/// At the top level.
pub const CLIENTS: &[Row] = &[
    (
        "openid_clients",
        "authenticate_service_url: https://login.test\n{}",
        "[{id: app, redirect_uris: [https://app.test/cb]}]",
        "",
    ),
    ("openid_clients.id", WITHOUT_ID, "one", "two"),
    ("openid_clients.secret", CLIENT, "s3cret-s3cret-s3cret", ""),
    ("openid_clients.secret_file", CLIENT, "a.key", ""),
    ("openid_clients.redirect_uris", WITHOUT_URIS, "[https://a.test/cb]", "[https://b.test/cb]"),
    ("openid_clients.post_logout_redirect_uris", CLIENT, "[https://app.test/]", ""),
    ("openid_clients.backchannel_logout_uri", CLIENT, "https://app.test/end", ""),
    ("openid_clients.backchannel_logout_session_required", LOGOUT, "true", "false"),
    ("openid_clients.scopes", CLIENT, "[email]", "[groups]"),
    (
        "openid_clients.policy",
        CLIENT,
        "{allow: {or: [{email: a@x.test}]}}",
        "{allow: {or: [{email: b@x.test}]}}",
    ),
    ("openid_clients.allow_any_authenticated_user", CLIENT, "true", "false"),
];
