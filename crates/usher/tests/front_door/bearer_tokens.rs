//! Tokens of the provider's that programs bring in place of a session.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use usher_lab::{
    browser::{NAVIGATION, Seen},
    provider::Lie,
    upstream::field,
};
use usher_rules::time::Clock as _;

use crate::providers::Outside;

const FAMILY: &str = "[{allow: {or: [{claim/groups: family}]}}]";

/// What a program gets that brings this in `Authorization`.
async fn asks(at: &Outside, authorization: &str, more: &[(&str, &str)]) -> Seen {
    let fields: Vec<_> = more.iter().copied().chain([("authorization", authorization)]).collect();
    at.server.browser().send(Method::GET, "https://jelly.test/", &fields, "").await
}

/// An identity token with these claims over the usual ones.
fn identity_token(at: &Outside, more: Value) -> String {
    let now = at.server.clock.now().wall.seconds();
    let (client, _) = at.provider.client();
    let mut claims = json!({
        "iss": at.provider.issuer(), "aud": client, "sub": "ci", "email": "ci@example.com",
        "groups": ["family"], "iat": now, "exp": now + 300,
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    at.provider.signs(&claims)
}

#[tokio::test]
async fn t5_an_identity_token_opens_a_route_that_takes_it_and_nothing_else_does() {
    let at = Outside::open(FAMILY, "bearer_token_format: idp_identity_token").await;
    let token = identity_token(&at, json!({}));
    let seen = asks(&at, &format!("Bearer {token}"), &[]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    assert_eq!(field(&seen.body, "authorization"), None, "the app can bring it to no other route");
    let (decision, _) = at.server.recorded(seen.field("x-request-id")).await;
    assert_eq!((&decision["user"], &decision["email"]), (&json!("ci"), &json!("ci@example.com")));
    let seen = asks(&at, &format!("bearer {token}"), &[]).await;
    assert_eq!(seen.status, StatusCode::OK, "a scheme has no case (RFC 9110 §11.1)");

    let now = at.server.clock.now().wall.seconds();
    for (more, why) in [
        (json!({"aud": "another-app"}), "for another client"),
        (json!({"aud": [at.provider.client().0, "x"]}), "for several, and none of them named"),
        (json!({"azp": "another-app"}), "issued to another party"),
        (json!({"iss": "https://evil.example"}), "of another issuer"),
        (json!({"exp": now - 120}), "over"),
        (json!({"iat": now + 120}), "to come"),
        (json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}), "logout"),
        (json!({"typ": "Bearer"}), "an access token"),
        (json!({"sub": ""}), "nobody's"),
    ] {
        let seen = asks(&at, &format!("Bearer {}", identity_token(&at, more)), NAVIGATION).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{why}");
        let challenge = seen.field("www-authenticate");
        assert!(challenge.contains("error=\"invalid_token\""), "{why}: {challenge}");
    }
    let unsigned = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJjaSJ9.";
    for odd in [unsigned, "Bearer an-access-token", "Bearer x", "Bearer a b"] {
        assert_eq!(asks(&at, odd, &[]).await.status, StatusCode::UNAUTHORIZED, "{odd}");
    }
    let changed = format!("Bearer {}", &token[..token.len() - 4]);
    assert_eq!(asks(&at, &changed, &[]).await.status, StatusCode::UNAUTHORIZED, "cut off");
    let outsider = identity_token(&at, json!({"groups": ["others"]}));
    let seen = asks(&at, &format!("Bearer {outsider}"), &[]).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "policy decides");
    assert!(!at.server.log().contains(&token), "no line holds a token");

    at.server.clock.turn(Duration::from_secs(400));
    let seen = asks(&at, &format!("Bearer {token}"), &[]).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "it has run out meanwhile");
}

#[tokio::test]
async fn t6_a_token_beside_another_credential_is_nobody_s() {
    let at = Outside::open(FAMILY, "bearer_token_format: idp_identity_token").await;
    let token = format!("Bearer {}", identity_token(&at, json!({})));
    let (mum, seen) = at.visit_as(json!({"sub": "mum", "groups": ["family"]}), None).await;
    assert_eq!(seen.status, StatusCode::OK);
    let handle = mum.jar["jelly.test"]["__Host-_pomerium"].clone();
    let cookie = format!("__Host-_pomerium={handle}");
    for more in [("cookie", &*cookie), ("x-pomerium-authorization", &*handle)] {
        let seen = asks(&at, &token, &[more]).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{}", more.0);
    }
    let twice = asks(&at, &token, &[("authorization", "Bearer an-access-token")]).await;
    assert_eq!(twice.status, StatusCode::UNAUTHORIZED, "two tokens");
    assert_eq!(asks(&at, &token, &[]).await.status, StatusCode::OK, "alone it is good");
    let seen = asks(&at, "MediaBrowser Token=\"x\"", &[("cookie", &*cookie)]).await;
    assert_eq!(seen.status, StatusCode::OK, "what is the app's own is no credential here");
    assert!(field(&seen.body, "authorization").unwrap().contains("MediaBrowser"));
}

#[tokio::test]
async fn t15_an_access_token_counts_for_as_long_as_the_provider_says_so() {
    let at = Outside::open(FAMILY, "bearer_token_format: idp_access_token").await;
    at.provider.userinfo_says(json!({"sub": "ci", "groups": ["family"]}));
    let ask = async || asks(&at, "Bearer an-access-token", &[]).await.status;
    for _ in 0..3 {
        assert_eq!(ask().await, StatusCode::OK);
    }
    assert_eq!(
        at.provider.was_asked("/userinfo"),
        1,
        "what was said a moment ago is not asked again"
    );
    assert_eq!(asks(&at, "Bearer made-up", &[]).await.status, StatusCode::UNAUTHORIZED);
    let minute = Duration::from_secs(61);
    at.server.clock.turn(minute);
    at.provider.userinfo_says(json!({"sub": "ci", "groups": ["others"]}));
    assert_eq!(ask().await, StatusCode::FORBIDDEN, "a group that was taken away");
    at.server.clock.turn(minute);
    at.provider.lies(Lie::UserinfoDown);
    assert_eq!(ask().await, StatusCode::SERVICE_UNAVAILABLE, "nobody can say: not let in");
    at.provider.lies(Lie::None);
    at.provider.userinfo_says(json!({"sub": "ci", "groups": ["family"]}));
    assert_eq!(ask().await, StatusCode::OK, "and it is asked again at once");
    at.server.clock.turn(minute);
    at.provider.answers("/userinfo", 401, None, "gone");
    assert_eq!(ask().await, StatusCode::UNAUTHORIZED, "taken back");
    assert!(!at.server.log().contains("an-access-token"), "no line holds it");
}

#[tokio::test]
async fn t5_an_access_token_is_for_whom_the_config_names() {
    let more = "bearer_token_format: idp_access_token\n\
                idp_access_token_allowed_audiences: [our-api]";
    let at = Outside::open(FAMILY, more).await;
    at.provider.userinfo_says(json!({"sub": "ci", "groups": ["family"]}));
    at.provider.answers("/userinfo", 200, None, r#"{"sub": "ci", "groups": ["family"]}"#);
    for (aud, expected) in [
        (json!("our-api"), StatusCode::OK),
        (json!(["x", "our-api"]), StatusCode::OK),
        (json!("another-app"), StatusCode::UNAUTHORIZED),
        (json!(null), StatusCode::UNAUTHORIZED),
    ] {
        let token = identity_token(&at, json!({"aud": aud}));
        let seen = asks(&at, &format!("Bearer {token}"), &[]).await;
        assert_eq!(seen.status, expected, "{aud}");
    }
    let opaque = asks(&at, "Bearer an-access-token", &[]).await.status;
    assert_eq!(opaque, StatusCode::UNAUTHORIZED, "it does not say whom it is for");
}

#[tokio::test]
async fn a_token_on_a_route_that_takes_none_is_the_app_s_own() {
    let at = Outside::open(FAMILY, "").await;
    let (mut mum, _) = at.visit_as(json!({"sub": "mum", "groups": ["family"]}), None).await;
    let fields = [("authorization", "Bearer an-access-token")];
    let seen = mum.send(Method::GET, "https://jelly.test/", &fields, "").await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(field(&seen.body, "authorization").as_deref(), Some("Bearer an-access-token"));
    assert_eq!(at.provider.was_asked("/userinfo"), 1, "at her sign-in alone");
    let seen = asks(&at, "Bearer an-access-token", &[]).await;
    assert_ne!(seen.status, StatusCode::OK, "it opens nothing");
}
