//! A provider says that somebody signed out there: what runs under their sessions ends, once, and
//! for nobody else.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use usher_lab::browser::Seen;
use usher_rules::time::Clock as _;

use crate::{permits, rechecks::Asked, sockets};

const PAGE: &str = "https://tv.test/";
const HERE: &str = "https://auth.test/.pomerium/backchannel_logout";

fn who(subject: &str, session: &str) -> Value {
    json!({"sub": subject, "sid": session, "groups": ["family"]})
}

/// The claims of a logout token as it should be, with some replaced.
fn claims(at: &Asked, change: &Value) -> Value {
    let now = at.server.clock.now().wall.seconds();
    let mut claims = json!({
        "iss": at.provider.issuer(), "aud": at.provider.client().0, "iat": now, "exp": now + 120,
        "jti": "one", "sub": "ann", "sid": "tv-room",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// The provider posts it, as it posts forms to everybody.
async fn posts(at: &Asked, url: &str, token: &str) -> Seen {
    let fields = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("logout_token={token}");
    at.server.browser().send(Method::POST, url, &fields, body).await
}

#[tokio::test]
async fn a_sign_out_at_the_provider_ends_what_runs_under_that_session_alone() {
    let app = sockets::echo();
    let at = Asked::open(&app, "").await;
    let mut ann = at.ann(&who("ann", "tv-room")).await;
    let mut elsewhere = at.ann(&who("ann", "kitchen")).await;
    let mut socket = sockets::open(&ann, "tv.test").await;
    let mut other = sockets::open(&elsewhere, "tv.test").await;
    let token = at.provider.signs(&claims(&at, &json!({})));
    let answer = posts(&at, HERE, &token).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(answer.field("cache-control").contains("no-store"));
    sockets::ends(&mut socket).await;
    permits::ended(&at.server, "/socket", "permit_ended_session", 1).await;
    assert_eq!(ann.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
    sockets::says_back(&mut other, "another session of hers").await;

    let again = posts(&at, HERE, &token).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "it counts once");
    let all = claims(&at, &json!({"jti": "two", "sid": "never-heard-of"}));
    assert_eq!(posts(&at, HERE, &at.provider.signs(&all)).await.status, StatusCode::OK);
    sockets::says_back(&mut other, "still").await;
    let mut all = claims(&at, &json!({"jti": "three"}));
    all.as_object_mut().unwrap().remove("sid");
    assert_eq!(posts(&at, HERE, &at.provider.signs(&all)).await.status, StatusCode::OK);
    sockets::ends(&mut other).await;
    assert_eq!(elsewhere.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_logout_token_that_is_not_one_ends_nothing() {
    let app = sockets::echo();
    let at = Asked::open(&app, "").await;
    let mut ann = at.ann(&who("ann", "tv-room")).await;
    let mut socket = sockets::open(&ann, "tv.test").await;
    let signed = |change: Value| at.provider.signs(&claims(&at, &change));
    let good = signed(json!({}));
    let (head, rest) = good.split_once('.').unwrap();
    let payload = rest.split_once('.').unwrap().0;
    for (url, token, why) in [
        (HERE, String::new(), "nothing"),
        (HERE, "a.b.c".into(), "no JSON"),
        (HERE, format!("{head}.{payload}."), "not signed"),
        (HERE, format!("{head}.{payload}.AAAA"), "signed by nobody"),
        (HERE, signed(json!({"aud": "another"})), "for another client"),
        (HERE, signed(json!({"iss": "https://evil.test"})), "of another issuer"),
        (HERE, signed(json!({"nonce": "n"})), "an ID token"),
        (HERE, signed(json!({"events": {}})), "about something else"),
        (HERE, signed(json!({"iat": 1})), "of long ago"),
        (HERE, signed(json!({"sub": 7})), "of nobody"),
    ] {
        let answer = posts(&at, url, &token).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{why}");
        assert_eq!(answer.json()["error"], "invalid_request", "{why}");
    }
    let elsewhere = posts(&at, "https://tv.test/.pomerium/backchannel_logout", &good).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND, "the authenticate host alone");
    let by_link = at.server.browser().fetch(HERE).await;
    assert_eq!(by_link.status, StatusCode::NOT_FOUND, "a form, and no link");
    sockets::says_back(&mut socket, "it goes on").await;
    assert_eq!(ann.fetch(PAGE).await.status, StatusCode::OK);
    assert!(!at.server.log().contains(payload), "no token in any line");
}
