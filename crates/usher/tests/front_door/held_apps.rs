//! `pairing: hold`: apps that sign in by name and password, held while somebody says yes.

use std::time::Duration;

use http::Method;
use serde_json::json;
use usher_lab::{browser::Seen, patience::within};

use crate::{
    apps_let_in::{App, button, library, route},
    test_server::{ANN, TestServer, config},
};

const TV: &str = "https://tv.test";
const PATH: &str = "/Users/AuthenticateByName";

async fn open(library: &usher_cinema::RunningCinema) -> TestServer {
    let held = route(library).replace("{api_key", "{pairing: hold, api_key");
    TestServer::open(&config(&[held])).await
}

async fn sign_in(mut app: App, password: &str) -> (App, Seen) {
    let body = json!({ "Username": "ann", "Pw": password }).to_string();
    let seen = app.ask(Method::POST, PATH, "", &body).await;
    (app, seen)
}

/// The page once an app waits on it.
async fn waiting(browser: &mut usher_lab::browser::Browser) -> Seen {
    let mut page = browser.open(&format!("{TV}/link")).await;
    within("it waits", async {
        while !page.body.contains("signs in as ann, and shows no code") {
            tokio::time::sleep(Duration::from_millis(50)).await;
            page = browser.open(&format!("{TV}/link")).await;
        }
    })
    .await;
    page
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
    let (_, answer) = sign_in(App::new(shut.browser()), "x").await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    let server = open(&library).await;
    let mut held = Vec::new();
    for n in 0..5 {
        let app = App::new(server.browser());
        held.push(tokio::spawn(async move { sign_in(app, &format!("{n}")).await }));
    }
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    within("all wait", async {
        loop {
            let page = ann.open(&format!("{TV}/link")).await;
            if page.body.matches("shows no code").count() == 5 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let (_, answer) = sign_in(App::new(server.browser()), "one more").await;
    assert_eq!(answer.status, 429);
    assert!(!answer.field("retry-after").is_empty());
    let mut bad = App::new(server.browser());
    held.iter().for_each(|one| one.abort());
    within("their places are free", async {
        while bad.ask(Method::POST, PATH, "", "no json").await.status != 400 {}
    })
    .await;
}
