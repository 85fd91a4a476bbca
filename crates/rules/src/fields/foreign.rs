use super::spelling::Names;

/// Fields in which other proxies tell an app who is asking. An app that was set up behind one of
/// them believes these, so a visitor must not be able to send them.
static IDENTITY: Names = Names::new(&[
    // Apache, Authelia, tinyauth, Pangolin; many apps' "trusted header"
    "remote-",
    "x-remote-",
    "auth-user",
    "x-authenticated-",
    "x-auth-user",
    "x-auth-userid",
    "x-auth-username",
    "x-auth-email",
    "x-auth-name",
    "x-auth-groups",
    "x-auth-roles",
    "x-auth-subject",
    "x-auth-given-name",
    "x-auth-family-name",
    "x-auth-sub",
    "x-auth-uid",
    "x-auth-id",
    "x-auth-login",
    "x-auth-role",
    "x-auth-group",
    "x-forward-auth-",
    "x-authelia-",
    "x-authp-",
    "x-pangolin-",
    "x-zoraxy-",
    "remoteuser",
    // Oathkeeper's and those of hand-made gateways
    "x-user",
    "x-username",
    "x-user-name",
    "x-user-email",
    "x-user-groups",
    "x-user-roles",
    "x-subject",
    "x-email",
    "x-groups",
    "x-proxy-user",
    "x-proxy-email",
    "x-proxy-groups",
    "x-proxy-role",
    "x-proxy-roles",
    // oauth2-proxy
    "x-auth-request-",
    // Grafana's and Gitea's
    "x-webauth-",
    "x-authentik-",
    "x-vouch-",
    "x-okta-",
    "teleport-",
    "x-teleport-",
    "x-jwt-assertion",
    "x-jwt-payload",
    "x-token-subject",
    "x-token-user-",
    "x-tinyauth-",
    // Cloudflare Access
    "cf-access-",
    // Google, Microsoft, Amazon
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-apigateway-api-userinfo",
    "x-endpoint-api-userinfo",
    "x-ms-client-principal",
    "x-ms-client-principal-",
    "x-ms-token-",
    "x-amzn-oidc-",
    "x-amzn-mtls-",
    "tailscale-",
    "x-tailscale-",
    // Kong, APISIX
    "x-userinfo",
    "x-id-token",
    "x-consumer-",
    "x-credential-",
    "x-anonymous-consumer",
    "x-authenticated-consumer",
    // mod_auth_openidc, mod_auth_mellon, Shibboleth
    "oidc-",
    "x-oidc-",
    "mellon-",
    "shib-",
    // SiteMinder, WebSEAL, Oracle
    "sm-user",
    "sm-universalid",
    "sm-userdn",
    "iv-user",
    "iv-groups",
    "iv-creds",
    "oam-remote-user",
    "osso-",
    // client certificates (RFC 9440 and before it)
    "client-cert",
    "client-cert-",
    "x-client-cert",
    "x-client-cert-",
    "x-client-certificate",
    "x-client-dn",
    "x-client-verify",
    "x-ssl-",
    "ssl-client-",
    "ssl-cert",
    "x-tls-client-",
    "x-mtls-",
    "x-arr-clientcert",
    "x-clientcert",
]);

/// Does another proxy tell an app with this field who is asking?
pub(super) fn is_identity(name: &str) -> bool {
    IDENTITY.has(name)
}

#[cfg(test)]
mod tests {
    use super::is_identity;

    #[test]
    fn identity_fields_of_other_proxies() {
        for name in [
            "remote-user",
            "remote_user",
            "remote.user",
            "x-auth-request-email",
            "x_auth_request_user",
            "x-webauth-user",
            "x-authentik-username",
            "cf-access-authenticated-user-email",
            "cf-access-jwt-assertion",
            "x-goog-iap-jwt-assertion",
            "x-ms-client-principal",
            "x-ms-client-principal-name",
            "x-amzn-oidc-data",
            "tailscale-user-login",
            "x-vouch-user",
            "x-ssl-client-dn",
            "x-client-cert",
            "client-cert-chain",
            "x-authelia-user",
            "teleport-jwt-assertion",
            "x_user",
            "x-user-email",
        ] {
            assert!(is_identity(name), "{name}");
        }
        for name in [
            "authorization",
            "x-emby-authorization",
            "x-mediabrowser-token",
            "x-auth-token", // an app's own, OpenStack's for one
            "x-user-id",    // Rocket.Chat's clients log in with it
            "x-requested-with",
            "x-client-version",
            "user-agent",
            "sec-websocket-key",
        ] {
            assert!(!is_identity(name), "{name}");
        }
    }
}
