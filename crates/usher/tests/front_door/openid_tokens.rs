//! What comes of an app's code: whoever takes it, or what it gave, for more than it is.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use usher_rules::openid::{REVOKE, TOKEN};

use crate::{
    openid::{At, CALLBACK, LOGIN, SECRET, VERIFIER, claims, config, param, refused},
    test_server::{ANN, EVE},
};

#[tokio::test]
async fn a_replayed_code_takes_back_all_that_it_gave() {
    let mut at = At::known(ANN).await;
    let code = at.code().await;
    let tokens = at.redeem(&code).await.json();
    assert_eq!(at.userinfo(&tokens["access_token"]).await.status, StatusCode::OK);
    refused(&at.redeem(&code).await, "invalid_grant");
    assert_eq!(at.userinfo(&tokens["access_token"]).await.status, StatusCode::UNAUTHORIZED);
    refused(&at.refresh(&tokens["refresh_token"]).await, "invalid_grant");
    let lines = at.server.records("openid");
    let told = |line: &Value| line["cause"].as_str().unwrap().contains("redeemed before");
    assert!(lines.iter().any(told), "an operator reads of it: {lines:?}");
    assert!(at.tokens().await["access_token"].is_string(), "a new one counts");
}

#[tokio::test]
async fn a_code_is_too_old_after_a_minute() {
    let mut at = At::known(ANN).await;
    let (code, other) = (at.code().await, at.code().await);
    at.server.clock.turn(Duration::from_secs(59));
    assert_eq!(at.redeem(&code).await.status, StatusCode::OK);
    at.server.clock.turn(Duration::from_secs(1));
    refused(&at.redeem(&other).await, "invalid_grant");
}

#[tokio::test]
async fn a_code_of_another_client_is_worth_nothing() {
    let mut at = At::known(ANN).await;
    let code = at.code().await;
    let asked = [
        ("client_id", "phone"),
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    refused(&at.post(TOKEN, &asked).await, "invalid_grant");
    let tokens = at.redeem(&code).await.json();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let asked =
        [("client_id", "phone"), ("grant_type", "refresh_token"), ("refresh_token", refresh)];
    refused(&at.post(TOKEN, &asked).await, "invalid_grant");
    let gives_back = [("client_id", "phone"), ("token", refresh)];
    refused(&at.post(REVOKE, &gives_back).await, "invalid_grant");
    assert_eq!(at.refresh(&tokens["refresh_token"]).await.status, StatusCode::OK, "it stands");
}

#[tokio::test]
async fn a_client_without_its_secret_gets_nothing() {
    let mut at = At::known(ANN).await;
    let code = at.code().await;
    for secret in [None, Some(""), Some("canary-secret-of-photos-9f3"), Some("sha256:00")] {
        let asked = [
            Some(("client_id", "photos")),
            secret.map(|secret| ("client_secret", secret)),
            Some(("grant_type", "authorization_code")),
            Some(("code", &*code)),
            Some(("redirect_uri", CALLBACK)),
            Some(("code_verifier", VERIFIER)),
        ];
        let asked: Vec<_> = asked.into_iter().flatten().collect();
        let seen = at.post(TOKEN, &asked).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{secret:?}");
        assert_eq!(seen.json()["error"], "invalid_client");
        assert!(seen.field("www-authenticate").starts_with("Basic"));
    }
    assert_eq!(at.redeem(&code).await.status, StatusCode::OK);
}

/// A token says for whom it is, and opens nothing that is somebody else's.
#[tokio::test]
async fn a_token_for_one_audience_opens_nothing_of_another() {
    let mut at = At::known(ANN).await;
    let tokens = at.tokens().await;
    for not_access in ["id_token", "refresh_token"] {
        let seen = at.userinfo(&tokens[not_access]).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{not_access}");
    }
    refused(&at.refresh(&tokens["access_token"]).await, "invalid_grant");
    refused(&at.redeem(tokens["access_token"].as_str().unwrap()).await, "invalid_grant");
    let phone = [("client_id", "phone"), ("redirect_uri", "com.example.phone:/cb")];
    let code = param(&at.ask(&phone).await.unwrap(), "code").unwrap();
    let asked = [
        ("client_id", "phone"),
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", "com.example.phone:/cb"),
        ("code_verifier", VERIFIER),
    ];
    let other = at.post(TOKEN, &asked).await.json();
    let (photos, phone) = (claims(&tokens), claims(&other));
    assert_eq!((&photos["aud"], &phone["aud"]), (&json!("photos"), &json!("phone")));
    assert_eq!(photos["sub"], phone["sub"]);
    assert_ne!(photos["sid"], phone["sid"]);
    assert_eq!(phone["email"], Value::Null, "it may not know it");
    // Nor is an app's token a session: routes and pages know nobody by it.
    for name in ["access_token", "id_token"] {
        let bearer = format!("Bearer {}", tokens[name].as_str().unwrap());
        let fields = [("authorization", &*bearer), ("accept", "application/json")];
        let url = format!("{LOGIN}/.pomerium/user");
        let seen = at.server.browser().send(Method::GET, &url, &fields, "").await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{name}");
    }
    // Nor does a key that signs assertions sign ID tokens.
    let keys = |path: &str| format!("{LOGIN}{path}");
    let own = at.browser.fetch(&keys("/.pomerium/oidc/jwks.json")).await.json();
    let assertions = at.browser.fetch(&keys("/.well-known/pomerium/jwks.json")).await.json();
    assert_ne!(own["keys"][0]["kid"], assertions["keys"][0]["kid"]);
    assert_eq!(own["keys"][0]["d"], Value::Null, "public");
}

#[tokio::test]
async fn a_refresh_token_that_is_used_twice_ends_its_family() {
    let mut at = At::known(ANN).await;
    let first = at.tokens().await;
    let second = at.refresh(&first["refresh_token"]).await.json();
    assert_eq!(claims(&second)["nonce"], Value::Null, "of the code alone");
    assert_eq!(claims(&second)["auth_time"], claims(&first)["auth_time"]);
    let third = at.refresh(&second["refresh_token"]).await.json();
    refused(&at.refresh(&first["refresh_token"]).await, "invalid_grant");
    refused(&at.refresh(&third["refresh_token"]).await, "invalid_grant");
    assert_eq!(at.userinfo(&third["access_token"]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_that_ended_gives_no_app_new_tokens() {
    let mut at = At::known(ANN).await;
    let code = at.code().await;
    let tokens = at.tokens().await;
    let page = at.browser.open(&format!("{LOGIN}/.pomerium/sign_out")).await;
    at.browser.post(&page, "", &[("scope", "here")]).await;
    refused(&at.refresh(&tokens["refresh_token"]).await, "invalid_grant");
    refused(&at.redeem(&code).await, "invalid_grant");
    assert_eq!(at.userinfo(&tokens["access_token"]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_was_given_survives_a_restart_and_counts_once_after_it() {
    let mut at = At::known(ANN).await;
    let code = at.code().await;
    let tokens = at.redeem(&code).await.json();
    let text = config(&at.app);
    at.server.restart(&text).await;
    let next = at.refresh(&tokens["refresh_token"]).await;
    assert_eq!(next.status, StatusCode::OK, "{}", next.body);
    let url = format!("{LOGIN}/.pomerium/oidc/jwks.json");
    let keys = at.server.browser().fetch(&url).await.json();
    let header = tokens["id_token"].as_str().unwrap().split('.').next().unwrap();
    let header: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(keys["keys"][0]["kid"], header["kid"], "the same keys");
    refused(&at.redeem(&code).await, "invalid_grant");
    refused(&at.refresh(&next.json()["refresh_token"]).await, "invalid_grant");
}

/// Who may sign in to an app is judged each time that it asks.
#[tokio::test]
async fn an_app_s_policy_keeps_out_whom_it_does_not_allow() {
    let mut at = At::known(EVE).await;
    let told = at.ask(&[]).await.unwrap();
    assert_eq!(param(&told, "error").as_deref(), Some("access_denied"), "{told}");
    let (id, uri) = (("client_id", "phone"), ("redirect_uri", "com.example.phone:/cb"));
    assert!(param(&at.ask(&[id, uri]).await.unwrap(), "code").is_some(), "open to her");

    let mut at = At::known(ANN).await;
    let (code, tokens) = (at.code().await, at.tokens().await);
    let stricter = config(&at.app).replace("friends}", "nobody}");
    at.server.reload(&stricter).unwrap();
    refused(&at.redeem(&code).await, "invalid_grant");
    refused(&at.refresh(&tokens["refresh_token"]).await, "invalid_grant");
    assert_eq!(at.userinfo(&tokens["access_token"]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_that_are_given_back_count_no_more() {
    let mut at = At::known(ANN).await;
    let tokens = at.tokens().await;
    let own = [("client_id", "photos"), ("client_secret", SECRET)];
    let token = ("token", tokens["refresh_token"].as_str().unwrap());
    let seen = at.post(REVOKE, &[&own[..], &[token]].concat()).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    refused(&at.refresh(&tokens["refresh_token"]).await, "invalid_grant");
    assert_eq!(at.userinfo(&tokens["access_token"]).await.status, StatusCode::UNAUTHORIZED);
    let strange = at.post(REVOKE, &[&own[..], &[("token", "never-heard-of")]].concat()).await;
    assert_eq!(strange.status, StatusCode::OK, "RFC 7009 §2.2");
}

/// Who guesses at an app's secret is held back, whatever comes next; no other app and nobody else is.
#[tokio::test]
async fn an_app_s_secret_is_not_guessed_for_long() {
    let mut at = At::known(ANN).await;
    let code = at.code().await;
    let phone = [("client_id", "phone"), ("redirect_uri", "com.example.phone:/cb")];
    let phones = param(&at.ask(&phone).await.unwrap(), "code").unwrap();
    for n in 0..20 {
        let secret = format!("canary-secret-of-photos-{n}");
        let path = if n % 2 == 0 { TOKEN } else { REVOKE };
        let asked = [("client_id", "photos"), ("client_secret", &*secret), ("token", "x")];
        assert_eq!(at.post(path, &asked).await.status, StatusCode::UNAUTHORIZED, "{n}");
    }
    let seen = at.redeem(&code).await;
    assert_eq!(seen.status, StatusCode::TOO_MANY_REQUESTS, "the right one is not looked at either");
    assert_eq!(seen.json()["error"], "temporarily_unavailable");
    let seconds: u64 = seen.field("retry-after").parse().unwrap();
    assert!((1..=61).contains(&seconds), "{seconds}");
    let asked = [
        ("client_id", "phone"),
        ("grant_type", "authorization_code"),
        ("code", &*phones),
        ("redirect_uri", "com.example.phone:/cb"),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(at.post(TOKEN, &asked).await.status, StatusCode::OK, "another app, from there");
    at.server.clock.turn(Duration::from_secs(61));
    let tokens = at.tokens().await;
    assert!(tokens["access_token"].is_string(), "a minute later: {tokens}");
    assert!(!at.server.log().contains("canary-secret-of-photos-7"), "nor is it on record");
}

/// What the config takes from a client it has no more, also where it was agreed on before.
#[tokio::test]
async fn an_app_that_may_be_told_less_is_told_less_from_then_on() {
    let mut at = At::known(ANN).await;
    let (code, tokens) = (at.code().await, at.tokens().await);
    let less = config(&at.app).replace(
        "scopes: [openid, profile, email, groups, offline_access]",
        "scopes: [openid, email, offline_access]",
    );
    at.server.reload(&less).unwrap();
    let next = at.refresh(&tokens["refresh_token"]).await.json();
    for tokens in [&at.redeem(&code).await.json(), &next] {
        assert_eq!(tokens["scope"], "openid email offline_access");
        assert_eq!(claims(tokens)["groups"], Value::Null);
        assert_eq!(claims(tokens)["email"], ANN.0);
    }
    let none = less.replace("scopes: [openid, email, offline_access]", "scopes: [openid, email]");
    at.server.reload(&none).unwrap();
    refused(&at.refresh(&next["refresh_token"]).await, "invalid_grant");
    assert_eq!(at.tokens().await["refresh_token"], Value::Null);
}
