//! Members of a provider's documents on which nothing is decided stop no sign-in, whatever they
//! are; what is refused is named.

use http::StatusCode;
use serde_json::{Value, json};

use crate::providers::Outside;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const ANYBODY: &str = "[{allow: {or: [{authenticated_user: true}]}}]";

/// One of each type.
fn odd() -> [Value; 9] {
    [
        json!(null),
        json!(true),
        json!(-7),
        json!(1e300),
        json!(""),
        json!("Main Street 1"),
        json!([]),
        json!([1, null, {"a": []}]),
        json!({"a": {"b": [null]}}),
    ]
}

fn discovery(at: &Outside) -> Value {
    let url = |path: &str| format!("{}{path}", at.provider.issuer());
    json!({
        "issuer": at.provider.issuer(),
        "authorization_endpoint": url("/authorize"),
        "token_endpoint": url("/token"),
        "userinfo_endpoint": url("/userinfo"),
        "jwks_uri": url("/jwks"),
    })
}

/// A new server each time, since documents are remembered.
async fn signs_in_with(change: impl Fn(&Outside), why: &str) {
    let at = Outside::open(ANYBODY, "").await;
    change(&at);
    let (_, seen) = at.visit_as(json!({"sub": "u1"}), None).await;
    assert_eq!(seen.status, StatusCode::OK, "{why}: {}", at.server.log());
}

#[tokio::test]
async fn odd_members_of_discovery_stop_no_sign_in() {
    for value in odd() {
        let why = value.to_string();
        let change = |at: &Outside| {
            let mut document = discovery(at);
            for name in [
                "response_types_supported",
                "subject_types_supported",
                "id_token_signing_alg_values_supported",
                "token_endpoint_auth_methods_supported",
                "authorization_response_iss_parameter_supported",
                "scopes_supported",
                "claims_supported",
                "grant_types_supported",
                "code_challenge_methods_supported",
                "end_session_endpoint",
                "registration_endpoint",
                "display_values_supported",
                "claims_parameter_supported",
                "service_documentation",
                "mtls_endpoint_aliases",
                "x-vendor",
            ] {
                document[name] = value.clone();
            }
            at.provider.answers(DISCOVERY, 200, None, &document.to_string());
        };
        signs_in_with(change, &why).await;
    }
}

#[tokio::test]
async fn odd_keys_beside_the_right_one_stop_no_sign_in() {
    for value in odd() {
        let why = value.to_string();
        let change = |at: &Outside| {
            let published: Value = serde_json::from_str(&at.provider.published_keys()).unwrap();
            let mut right = published["keys"][0].clone();
            for name in ["alg", "x5c", "x5t", "x5t#S256", "x5u", "key_ops", "iat", "x-vendor"] {
                right[name] = value.clone();
            }
            let mut strange = right.clone();
            strange["kty"] = value.clone();
            let mut nameless = right.clone();
            nameless["kid"] = value.clone();
            let mut broken = right.clone();
            broken["n"] = value.clone();
            let keys = json!([
                value,
                strange,
                broken,
                nameless,
                {"kty": "RSA", "kid": right["kid"], "n": "AQAB", "e": "AQAB"},
                {"kty": "oct", "kid": right["kid"], "k": "AAAA"},
                {"kty": "EC", "crv": "P-999", "kid": "x", "x": "AA", "y": "AA"},
                {"kty": "OKP", "crv": "X448", "kid": "y", "x": "AA"},
                right,
                right,
            ]);
            let document = json!({"keys": keys, "x-vendor": value});
            at.provider.answers("/jwks", 200, None, &document.to_string());
        };
        signs_in_with(change, &why).await;
    }
}

#[tokio::test]
async fn odd_members_of_answers_tokens_and_userinfo_stop_no_sign_in() {
    let at = Outside::open(ANYBODY, "").await;
    for value in odd() {
        let mut claims = json!({"sub": "u1"});
        for name in [
            "acr",
            "amr",
            "address",
            "at_hash",
            "auth_time",
            "birthdate",
            "c_hash",
            "cnf",
            "email",
            "email_verified",
            "events",
            "family_name",
            "gender",
            "given_name",
            "groups",
            "jti",
            "locale",
            "middle_name",
            "name",
            "nickname",
            "phone_number",
            "phone_number_verified",
            "picture",
            "preferred_username",
            "profile",
            "realm_access",
            "s_hash",
            "scope",
            "sid",
            "sub_jwk",
            "tid",
            "typ",
            "updated_at",
            "ver",
            "website",
            "zoneinfo",
            "_claim_names",
            "_claim_sources",
            "usher_unproven",
            "x-vendor",
            "",
        ] {
            claims[name] = value.clone();
        }
        at.provider.adds_to_tokens(json!({
            "expires_in": value, "scope": value, "refresh_token": value, "token_type": value,
            "not-before-policy": value, "session_state": value, "x-vendor": value,
        }));
        let mut userinfo = claims.clone();
        for name in ["iss", "aud", "exp", "iat", "nonce", "azp"] {
            userinfo[name] = value.clone();
        }
        let (_, seen) = at.visit_as(claims, Some(userinfo)).await;
        assert_eq!(seen.status, StatusCode::OK, "{value}: {}", at.server.log());
    }
}

#[tokio::test]
async fn a_member_that_is_refused_is_named() {
    for (name, value) in [
        ("issuer", json!(7)),
        ("authorization_endpoint", json!(["x"])),
        ("authorization_endpoint", json!("no address")),
        ("jwks_uri", json!(null)),
        ("token_endpoint", json!({})),
    ] {
        let at = Outside::open(ANYBODY, "").await;
        let mut document = discovery(&at);
        document[name] = value.clone();
        at.provider.answers(DISCOVERY, 200, None, &document.to_string());
        let mut browser = at.server.browser();
        let sent = browser.open("https://jelly.test/film").await;
        assert_eq!(sent.status, StatusCode::SERVICE_UNAVAILABLE, "{name} {value}");
        let log = at.server.log();
        assert!(log.contains(&format!("`{name}`")), "{name} {value}: {log}");
    }
    let at = Outside::open(ANYBODY, "").await;
    for (document, name, value) in [
        ("token", "access_token", json!(7)),
        ("token", "id_token", json!(["x"])),
        ("token", "id_token", json!("no.jwt")),
        ("id", "sub", json!(7)),
        ("userinfo", "sub", json!("u2")),
    ] {
        let (mut claims, mut userinfo) = (json!({"sub": "u1"}), json!({"sub": "u1"}));
        at.provider.adds_to_tokens(json!({}));
        match document {
            "token" => at.provider.adds_to_tokens(json!({ name: value })),
            "id" => claims[name] = value.clone(),
            _ => userinfo[name] = value.clone(),
        }
        let before = at.server.log().len();
        let (_, seen) = at.visit_as(claims, Some(userinfo)).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{document} {name} {value}");
        let log = at.server.log();
        let told = log[before..].contains(name) || log[before..].contains("ID token");
        assert!(told, "{document} {name} {value}: {}", &log[before..]);
    }
}
