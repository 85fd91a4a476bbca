//! `pairing: hold`: apps that sign in by name and password, held while somebody says yes.

use std::time::Duration;

use http::Method;
use serde_json::json;
use usher_lab::{
    browser::Seen,
    patience::{answered, within},
};

use crate::{
    apps_let_in::{APP, App, button, library, route},
    test_server::{ANN, TestServer, config},
};

const TV: &str = "https://tv.test";
const PATH: &str = "/Users/AuthenticateByName";

async fn open(library: &usher_cinema::RunningCinema) -> TestServer {
    let held = route(library).replace("{api_key", "{pairing: hold, api_key");
    TestServer::open(&config(&[held])).await
}

async fn sign_in(app: App, password: &str) -> (App, Seen) {
    sign_in_as("ann", app, password).await
}

async fn sign_in_as(name: &str, mut app: App, password: &str) -> (App, Seen) {
    let body = json!({ "Username": name, "Pw": password }).to_string();
    let seen = app.ask(Method::POST, PATH, "", &body).await;
    (app, seen)
}

/// The page once an app waits on it.
async fn waiting(browser: &mut usher_lab::browser::Browser) -> Seen {
    answered("it waits", async || {
        let page = browser.open(&format!("{TV}/link")).await;
        page.body.contains("signs in as ann, and shows no code").then_some(page)
    })
    .await
}

#[tokio::test]
async fn an_app_without_codes_is_held_until_its_owner_says_yes() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let app = App::new(server.browser());
    let held = tokio::spawn(async move { sign_in(app, "anything").await });
    let page = waiting(&mut ann).await;
    assert!(!held.is_finished(), "nobody has said yes");
    let said = ann.post(&page, "/link", &[("app", &button(&page, "app"))]).await;
    assert!(said.body.contains("is in."), "{}", said.body);
    let (mut app, answer) = held.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = answer.json();
    assert_eq!(answer["User"]["Name"], json!(ANN.0), "whatever name was typed");
    let token = answer["AccessToken"].as_str().unwrap().to_owned();
    assert_eq!(app.get("/Users/Me", &token).await.status, 200);
    let page = ann.open("https://tv.test/.pomerium/devices").await;
    assert!(page.body.contains("let in while it waited"), "{}", page.body);
    // Once: the same again has to wait again.
    let held = tokio::spawn(async move { sign_in(app, "anything").await });
    waiting(&mut ann).await;
    assert!(!held.is_finished());
    held.abort();
    assert!(!server.log().contains("anything"), "what was typed is in no log");
}

/// Most apps give up before somebody has looked, and are tried again.
#[tokio::test]
async fn an_app_that_gave_up_gets_in_by_its_next_try_and_nobody_else_does() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let app = App::new(server.browser());
    let gave_up = tokio::spawn(async move { sign_in(app, "hers").await });
    let page = waiting(&mut ann).await;
    gave_up.abort();
    let said = ann.post(&page, "/link", &[("app", &button(&page, "app"))]).await;
    assert!(said.body.contains("is in."), "{}", said.body);
    // Another password, in the same network and of the same device: another app.
    let other = App::new(server.browser());
    let other = tokio::spawn(async move { sign_in(other, "guessed").await });
    waiting(&mut ann).await;
    assert!(!other.is_finished(), "it gets nothing of hers");
    other.abort();
    let (_, answer) = within("let in", sign_in(App::new(server.browser()), "hers")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn without_the_key_a_password_gets_nothing_and_no_more_than_five_are_held() {
    let library = library(&[]).await;
    let shut = TestServer::open(&config(&[route(&library)])).await;
    let at_once = tokio::time::timeout(Duration::from_secs(20), async {
        sign_in(App::new(shut.browser()), "x").await.1
    });
    assert_eq!(at_once.await.expect("it is not held").status, 401);
    let server = open(&library).await;
    let mut held = Vec::new();
    for n in 0..5 {
        let app = App::new(server.browser());
        held.push(tokio::spawn(async move { sign_in(app, &format!("{n}")).await }));
    }
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    answered("all wait", async || {
        let page = ann.open(&format!("{TV}/link")).await;
        (page.body.matches("shows no code").count() == 5).then_some(())
    })
    .await;
    let (_, answer) = sign_in(App::new(server.browser()), "one more").await;
    assert_eq!(answer.status, 429);
    assert!(!answer.field("retry-after").is_empty());
    // They leave: what waits longest gives way to the same device, which is held in its place.
    held.iter().for_each(|one| one.abort());
    server.clock.turn(Duration::from_secs(61));
    let another = || {
        let app = App::new(server.browser());
        tokio::spawn(async move { sign_in_as("bea", app, "after them").await })
    };
    let mut tried = another();
    answered("their places are free", async || {
        if tried.is_finished() {
            tried = another(); // it has not been seen yet that they left
        }
        let page = ann.open(&format!("{TV}/link")).await;
        page.body.contains("signs in as bea, and shows no code").then_some(())
    })
    .await;
    assert!(!tried.is_finished());
    tried.abort();
    let mut bad = App::new(server.browser());
    assert_eq!(bad.ask(Method::POST, PATH, "", "no json").await.status, 400);
}

/// A page of another site that is open in somebody's house would wait beside their apps, and would
/// read the token.
#[tokio::test]
async fn a_page_of_another_site_is_neither_held_nor_given_a_code() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut page = server.browser();
    let body = json!({ "Username": "ann", "Pw": "x" }).to_string();
    for foreign in [
        &[("origin", "https://evil.test")][..],
        &[("origin", "null")],
        &[("origin", "https://evil.test"), ("origin", "file://")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", "null")],
    ] {
        let app = [("authorization", APP), ("content-type", "application/json")];
        let fields = [&app[..], foreign].concat();
        for method in [Method::POST, Method::GET] {
            let url = format!("{TV}/QuickConnect/Initiate");
            let seen = page.send(method, &url, &fields, "").await;
            assert_eq!(seen.status, 403, "{foreign:?}: {}", seen.body);
        }
        let url = format!("{TV}{PATH}");
        let refused = page.send(Method::POST, &url, &fields, body.clone());
        let refused = tokio::time::timeout(Duration::from_secs(20), refused).await;
        assert_eq!(refused.expect("it is not held").status, 401, "{foreign:?}");
        server.clock.turn(Duration::from_secs(16 * 60)); // so many wrong ones are refused anyway
    }
    // Apps are no pages, the web client is of this site, and no site says `file://`.
    for own in [
        &[][..],
        &[("sec-fetch-site", "same-origin"), ("origin", TV)],
        &[("sec-fetch-site", "cross-site"), ("origin", "file://")],
    ] {
        let fields = [&[("authorization", APP)][..], own].concat();
        let url = format!("{TV}/QuickConnect/Initiate");
        let seen = page.send(Method::POST, &url, &fields, "").await;
        assert_eq!(seen.status, 200, "{own:?}: {}", seen.body);
    }
}
