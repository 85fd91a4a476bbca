//! Enrolled devices of people of other providers, who may call two people by one id.

use http::Method;
use serde_json::json;
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    clock::TurnedClock,
    provider::FakeProvider,
    upstream::Upstream,
};
use usher_rules::time::Clock as _;

use crate::{
    authenticator::{Authenticator, Lie},
    enrolments::{FILM, command, enrols, posts, shows},
    provider_choice::entry,
    test_server::TestServer,
};

/// Two providers may call two people by the same id.
#[tokio::test]
async fn people_of_every_provider_enrol_devices_of_their_own() {
    let now = TurnedClock::new().now().wall.seconds();
    let [home, work] =
        [FakeProvider::start(now).await.unwrap(), FakeProvider::start(now).await.unwrap()];
    let upstream = Upstream::echo();
    let text = format!(
        "authenticate_service_url: https://tv.test
idp_providers:
{}{}routes:
- from: https://film.test
  to: http://{}
  policy: [{{allow: {{and: [{{authenticated_user: true}}, {{device: {{type: any}}}}]}}}}]
",
        entry("home", &home),
        entry("work", &work),
        upstream.address
    );
    let server = TestServer::open(&text).await;
    let mut keys = [Authenticator::new("key-of-home"), Authenticator::new("key-of-work")];
    for ((name, provider), key) in [("home", &home), ("work", &work)].into_iter().zip(&mut keys) {
        let (mut browser, page) = signs_in_at(&server, name, provider).await;
        assert_eq!(page.url.path(), "/.pomerium/webauthn", "{name}: {}", page.body);
        assert!(!page.body.contains("data-passkey=\"get\""), "{name}: none of theirs is there");
        let seen = enrols(&mut browser, &page, key).await;
        assert_eq!((seen.status.as_u16(), seen.url.as_str()), (200, FILM), "{name}: {}", seen.body);
    }
    let (mut browser, page) = signs_in_at(&server, "home", &home).await;
    let [own, other] = &mut keys;
    let seen = shows(&mut browser, &page, other, Lie::default()).await;
    assert!(seen.body.contains("no device of yours"), "the other one's: {}", seen.body);
    let seen = shows(&mut browser, &seen, own, Lie::default()).await;
    assert_eq!(seen.url.as_str(), FILM, "{}", seen.body);
}

/// Somebody who is `7` there signs in by this provider; where they come out.
async fn signs_in_at(server: &TestServer, name: &str, provider: &FakeProvider) -> (Browser, Seen) {
    let now = server.clock.now().wall.seconds();
    provider.says(json!({"sub": "7", "email": "ann@example.com", "auth_time": now}));
    let mut browser = server.browser();
    let asked = browser.send(Method::GET, FILM, NAVIGATION, "").await;
    let door = asked.location().unwrap().to_string();
    let way = match name {
        "" => door, // there is one alone
        name => door.replace("/sign_in?", &format!("/sign_in/{name}?")),
    };
    let sent = browser.send(Method::GET, &way, NAVIGATION, "").await;
    let back = provider.consents(sent.location().unwrap().as_str()).unwrap();
    let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
    let page = browser.follow(arrived).await;
    (browser, page)
}

/// Where one provider takes the other's place the ids of its people may be those of the other's.
#[tokio::test]
async fn a_device_is_nobody_s_when_another_provider_has_taken_the_place_of_its_own() {
    let now = TurnedClock::new().now().wall.seconds();
    let [before, after] =
        [FakeProvider::start(now).await.unwrap(), FakeProvider::start(now).await.unwrap()];
    let upstream = Upstream::echo();
    let text = |provider| {
        format!(
            "authenticate_service_url: https://tv.test
idp_providers:
{}routes:
- from: https://film.test
  to: http://{}
  policy: [{{allow: {{and: [{{authenticated_user: true}}, {{device: {{type: any}}}}]}}}}]
",
            entry("home", provider),
            upstream.address
        )
    };
    let server = TestServer::open(&text(&before)).await;
    let mut key = Authenticator::new("key-of-home");
    let (mut browser, page) = signs_in_at(&server, "", &before).await;
    let seen = enrols(&mut browser, &page, &mut key).await;
    assert_eq!(seen.url.as_str(), FILM, "{}", seen.body);
    server.reload(&text(&after)).unwrap();
    let (mut browser, page) = signs_in_at(&server, "", &after).await;
    assert_eq!(page.url.path(), "/.pomerium/webauthn", "{}", page.body);
    assert!(!page.body.contains("data-passkey=\"get\""), "it is not theirs: {}", page.body);
    let removes = [("action", "remove"), ("id", "a2V5LW9mLWhvbWU")];
    posts(&mut browser, &page, &removes).await;
    assert_eq!(command(&server, "list").await.1.lines().count(), 1, "nor theirs to remove");
}
