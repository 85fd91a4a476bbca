//! Keys are replaced, by command or in the config, and nobody notices.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Method, StatusCode};
use usher::{cli::keys, server::fresh_keys, store::Store};
use usher_lab::{browser::NAVIGATION, upstream::Upstream};
use usher_rules::openid::JWKS;

use crate::{
    hosted::{SERVICE, origin, proxy_of, service},
    openid, service_accounts,
    test_server::{ANN, TestServer, config, friends},
};

const PAGE: &str = "https://tv.test/";

fn rotate(server: &TestServer) {
    let store = Store::open(&server.data_dir()).unwrap();
    store.rotate_keys(|| fresh_keys().unwrap()).unwrap();
}

async fn jwks(server: &TestServer) -> String {
    server.browser().fetch("https://tv.test/.well-known/pomerium/jwks.json").await.body
}

#[tokio::test]
async fn nobody_is_signed_out_by_a_rotation_of_keys() {
    let app = Upstream::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let mut server = TestServer::open(&text).await;
    let mut ann = server.signed_in(PAGE, ANN).await;
    let mut typing = server.browser();
    let form = typing.open(PAGE).await;
    let (before, kid) = (server.keys(), jwks(&server).await);
    rotate(&server);
    assert_eq!(ann.fetch(PAGE).await.status, StatusCode::OK, "a server that runs has its keys");
    server.restart(&text).await;
    ann = ann.moved(server.address());
    assert_eq!(ann.fetch(PAGE).await.status, StatusCode::OK, "an older cookie counts on");
    let page = typing.moved(server.address()).open(form.url.as_str()).await;
    assert_eq!(page.url, form.url, "and so does a link that was signed before");
    assert!(page.body.contains("type=\"password\""), "{}", page.body);
    let keys = server.keys();
    assert_eq!(keys.len(), 2);
    assert!(!keys[0].shared.same_as(before[0].shared.expose()));
    let eve = server.signed_in(PAGE, ANN).await;
    let both = jwks(&server).await;
    let kid = kid.split("\"kid\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(both.contains(kid) && both.matches("\"kid\"").count() == 2, "apps verify with either");
    // A cookie of the new keys opens nothing at who has the old ones alone.
    let store = Store::open(&server.data_dir()).unwrap();
    let file = store.key_file().unwrap().unwrap();
    assert_eq!(file, server.data_dir().join("usher.keys"));
    assert!(eve.cookies("tv.test").is_some());
}

#[tokio::test]
async fn a_lost_key_file_starts_nothing() {
    let app = Upstream::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let mut server = TestServer::open(&text).await;
    server.stop(usher_lab::patience::PATIENCE).await;
    let (file, aside) = (server.data_dir().join("usher.keys"), server.data_dir().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    let refused = server.start(crate::test_server::plan(&text)).err().unwrap();
    assert!(refused.to_string().contains("usher.keys"), "{refused}");
    assert!(refused.hint().unwrap().contains("start-over"));
    assert!(!file.exists(), "none is made in its place");
    let elsewhere = format!("key_file: {}\n{text}", aside.display());
    server.restart(&elsewhere).await;
    assert_eq!(server.signed_in(PAGE, ANN).await.fetch(PAGE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_shared_secret_that_is_replaced_signs_nobody_out_where_the_previous_one_is_named() {
    let app = Upstream::echo();
    let [one, other] = [7, 8].map(|n| BASE64_STANDARD.encode([n; 32]));
    let routes = config(&[friends("tv.test", app.address)]);
    let mut server = TestServer::closed(1).await;
    server.restart(&format!("shared_secret: {one}\ncookie_secret: {one}\n{routes}")).await;
    let mut ann = server.signed_in(PAGE, ANN).await;
    for (keys, status) in [
        (format!("shared_secret: {other}\ncookie_secret: {one}\n"), StatusCode::UNAUTHORIZED),
        (
            format!(
                "shared_secret: {other}\ncookie_secret: {other}\nshared_secret_previous: {one}\n"
            ),
            StatusCode::OK,
        ),
    ] {
        server.restart(&format!("{keys}{routes}")).await;
        let mut again = ann.clone().moved(server.address());
        assert_eq!(again.fetch(PAGE).await.status, status, "{status}");
        ann = ann.moved(server.address());
    }
}

/// A proxy knows the service's key for a minute. In that minute a person signs in all the same.
#[tokio::test]
async fn a_key_that_is_rotated_at_a_hosted_service_costs_nobody_a_failed_sign_in() {
    let app = Upstream::echo();
    let mut service = service("").await;
    let proxy = proxy_of(&origin(&service), service.running().ca_file(), &app).await;
    let at = service.running();
    let mut browser = proxy.browser().knowing("localhost", at.address(), at.ca_file());
    // Asked with the key that stands now, answered after the rotation.
    let page = "https://tv.example.com/web/";
    let asked = browser.send(Method::GET, page, NAVIGATION, "").await;
    rotate(&service);
    service.restart(SERVICE).await;
    let at = service.running();
    let mut browser = browser.knowing("localhost", at.address(), at.ca_file());
    let form = browser.follow(asked).await;
    assert_eq!(form.status, StatusCode::OK, "{}", form.body);
    assert!(form.body.contains("password"), "who was sent there before is asked: {}", form.body);
}

/// `usher service-account create` says that a running usher takes the token within seconds. So it does
/// between new keys and the start that takes them up.
#[tokio::test]
async fn a_token_made_between_new_keys_and_a_restart_counts_before_and_after_it() {
    let app = Upstream::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let mut server = TestServer::open(&text).await;
    rotate(&server);
    let line = "create ci --group friends --until never";
    let (done, token) = service_accounts::command(&server, line).await;
    assert!(done, "{token}");
    service_accounts::answers(&server, token.trim(), StatusCode::OK).await;
    for _ in 0..2 {
        server.restart(&text).await;
        service_accounts::answers(&server, token.trim(), StatusCode::OK).await;
    }
}

/// What signs ID tokens is sealed with keys that go: also where no config names an app meanwhile.
#[tokio::test]
async fn what_signs_id_tokens_outlives_the_keys_that_sealed_it() {
    let app = Upstream::echo();
    let (apps, none) = (openid::config(&app), config(&[friends("tv.test", app.address)]));
    let mut server = TestServer::open(&apps).await;
    let url = format!("{}{JWKS}", openid::LOGIN);
    let before = server.browser().fetch(&url).await.body;
    rotate(&server);
    for text in [&none, &none, &apps] {
        server.clock.turn(Duration::from_secs(2));
        server.restart(text).await;
    }
    assert_eq!(server.keys().len(), 1, "nobody needs the earlier ones");
    assert!(before.contains("kid"), "{before}");
    assert_eq!(server.browser().fetch(&url).await.body, before);
}

/// Apps fetched the old key, and verify by it what they hold: a hint at sign-out too.
#[tokio::test]
async fn another_key_signs_id_tokens_and_the_one_before_is_there_while_its_tokens_are() {
    let mut at = openid::At::known(ANN).await;
    let url = format!("{}{JWKS}", openid::LOGIN);
    let hint = at.tokens().await["id_token"].as_str().unwrap().to_owned();
    let before = at.server.browser().fetch(&url).await.body;
    let dir = at.server.data_dir();
    let said = tokio::task::spawn_blocking(move || {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        keys::run(keys::Command::Rotate, &dir, &mut output, &mut errors);
        output.extend(errors);
        String::from_utf8(output).unwrap()
    });
    assert!(said.await.unwrap().contains("another key signs ID tokens"));
    assert_eq!(at.server.browser().fetch(&url).await.body, before, "from the next start on");
    let text = openid::config(&at.app);
    at.server.clock.turn(Duration::from_secs(2));
    at.server.restart(&text).await;
    at.browser = at.browser.moved(at.server.address());
    let both = at.server.browser().fetch(&url).await.body;
    let old = kids(&before).remove(0);
    assert_eq!(kids(&both).iter().filter(|kid| **kid == old).count(), 1, "{both}");
    let fresh = at.tokens().await["id_token"].as_str().unwrap().to_owned();
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(header(&fresh), header(&hint), "the new one signs");
    let bye = "https://photos.test/bye";
    let (login, end) = (openid::LOGIN, usher_rules::openid::END_SESSION);
    let end = format!("{login}{end}?id_token_hint={hint}&post_logout_redirect_uri={bye}");
    let seen = at.browser.send(Method::GET, &end, NAVIGATION, "").await;
    assert_eq!(at.follow(seen).await.unwrap().as_str(), bye, "a hint of the old key signs out");
    at.server.clock.turn(Duration::from_secs(2));
    at.server.restart(&text).await;
    let after = kids(&at.server.browser().fetch(&url).await.body);
    assert_eq!(after.len(), 1, "nobody holds a token of the old one");
    assert_ne!(after[0], old);
}

fn kids(jwks: &str) -> Vec<String> {
    let parts = jwks.split("\"kid\":\"").skip(1);
    parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
}
