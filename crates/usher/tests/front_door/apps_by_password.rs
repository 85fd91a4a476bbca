//! Apps that know only a name and a password: an app password lets one of them in, and whatever else
//! they bring is answered as the server answers a wrong password.

use http::Method;
use serde_json::json;
use usher_lab::browser::{Browser, Seen};

use crate::{
    app_passwords::{self, basic},
    apps_let_in::{library, open, route},
    test_server::{ANN, EVE, TestServer, config, friends},
};

const TV: &str = "https://tv.test";
const WRONG: (u16, &str) = (401, "Error processing request.");

fn app(device: &str) -> String {
    format!("MediaBrowser Client=Kodi, Device=Living room, DeviceId={device}, Version=1.1.1")
}

async fn says(browser: &mut Browser, device: &str, body: &str) -> Seen {
    let app = app(device);
    let fields = [("x-emby-authorization", &*app), ("content-type", "application/json")];
    let url = format!("{TV}/Users/AuthenticateByName");
    browser.send(Method::POST, &url, &fields, body.to_owned()).await
}

async fn signs_in(browser: &mut Browser, device: &str, name: &str, password: &str) -> Seen {
    says(browser, device, &json!({ "Username": name, "Pw": password }).to_string()).await
}

/// What a token is answered; 0 where the connection was cut while the answer was under way, as it is
/// when its session ends in that moment.
async fn me(browser: &mut Browser, token: &str) -> u16 {
    let (mut browser, token) = (browser.at(1), token.to_owned());
    let asked = async move {
        let url = format!("{TV}/Users/Me");
        browser.send(Method::GET, &url, &[("x-emby-token", &token)], "").await.status.as_u16()
    };
    tokio::spawn(asked).await.unwrap_or_default()
}

fn token(answer: &Seen) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["AccessToken"].as_str().unwrap().to_owned()
}

fn told(answer: &Seen) -> (u16, &str) {
    (answer.status.as_u16(), &*answer.body)
}

async fn id_of(server: &TestServer) -> String {
    app_passwords::command(server, "list").await.1[..8].to_owned()
}

#[tokio::test]
async fn an_app_password_lets_one_device_in_and_both_end_together() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let mut kodi = server.browser();
    let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let answer = signs_in(&mut kodi, "a", "ANN@example.com", &password).await;
    let first = token(&answer);
    let answer = answer.json();
    assert_eq!(answer["User"]["Name"], json!(ANN.0));
    assert_eq!(answer["SessionInfo"]["DeviceId"], json!("a"));
    assert!(answer["ServerId"].is_string());
    assert_eq!(me(&mut kodi, &first).await, 200);
    let second = token(&signs_in(&mut kodi, "a", ANN.0, &password).await);
    assert_eq!((me(&mut kodi, &first).await, me(&mut kodi, &second).await), (401, 200), "renewed");
    // From another device it is wrong, and as Basic it counts no more.
    assert_eq!(told(&signs_in(&mut kodi, "b", ANN.0, &password).await), WRONG);
    let basic = basic(ANN.0, &password);
    let fields = [("authorization", &*basic)];
    let seen = kodi.send(Method::GET, &format!("{TV}/link"), &fields, "").await;
    assert_eq!(seen.status, 401, "{}", seen.body);
    assert_eq!(me(&mut kodi, &second).await, 200);
    let id = id_of(&server).await;
    assert!(app_passwords::command(&server, &format!("revoke {id}")).await.0);
    usher_lab::patience::within("it ends", async { while me(&mut kodi, &second).await != 401 {} })
        .await;
    assert_eq!(told(&signs_in(&mut kodi, "a", ANN.0, &password).await), WRONG, "it was ended");
    let log = server.log();
    assert!(log.contains("by its app password") && !log.contains(&password), "{log}");
}

#[tokio::test]
async fn the_end_of_an_app_ends_its_password() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let (mut kodi, mut ann) =
        (server.browser(), server.signed_in(&format!("{TV}/web/"), ANN).await);
    let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let token = token(&signs_in(&mut kodi, "a", ANN.0, &password).await);
    let page = ann.open(&format!("{TV}/link")).await;
    let end = crate::apps_let_in::button(&page, "end");
    ann.post(&page, "/link", &[("end", &end)]).await;
    assert_eq!(me(&mut kodi, &token).await, 401);
    assert_eq!(told(&signs_in(&mut kodi, "a", ANN.0, &password).await), WRONG);
    assert!(app_passwords::command(&server, "list").await.1.is_empty());
}

#[tokio::test]
async fn whatever_is_wrong_with_a_name_and_a_password_is_told_alike() {
    let library = library(&[ANN.0, EVE.0]).await;
    let files = friends("files.test", library.addr);
    let server = TestServer::open(&config(&[route(&library), files])).await;
    let mut kodi = server.browser();
    let anns = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let elsewhere = app_passwords::made(&server, &format!("{} files.test", ANN.0)).await;
    let nobodys = format!("usher_{}", "0".repeat(32));
    for (name, password) in [
        (ANN.0, "known to nobody"), // the server's own
        (ANN.0, &*nobodys),
        ("nobody@example.com", &*nobodys),
        (EVE.0, &*anns),
        (ANN.0, &*elsewhere),
    ] {
        let answer = signs_in(&mut kodi, "a", name, password).await;
        assert_eq!(told(&answer), WRONG, "{name} {password}");
    }
    for body in [
        format!(r#"{{"Username":"{}","Pw":"{anns}","Pw":"{anns}"}}"#, ANN.0),
        format!(r#"{{"Username":"{}","Pw":"{anns}","pw":"x"}}"#, ANN.0),
    ] {
        assert_eq!(says(&mut kodi, "a", &body).await.status, 400, "{body}");
    }
    let long = json!({ "Username": ANN.0, "Pw": anns, "More": "x".repeat(5000) }).to_string();
    assert_eq!(says(&mut kodi, "a", &long).await.status, 413);
    token(&signs_in(&mut kodi, "a", ANN.0, &anns).await);
}

#[tokio::test]
async fn whom_the_policy_denies_gets_no_token_and_no_user() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let mut kodi = server.browser();
    let eves = app_passwords::made(&server, &format!("{} tv.test", EVE.0)).await;
    assert_eq!(signs_in(&mut kodi, "a", EVE.0, &eves).await.status, 403);
    let anns = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let token = token(&signs_in(&mut kodi, "a", ANN.0, &anns).await);
    server.directory().remove(ANN.0).await.unwrap();
    usher_lab::patience::within("it ends", async { while me(&mut kodi, &token).await != 401 {} })
        .await;
    assert_eq!(told(&signs_in(&mut kodi, "a", ANN.0, &anns).await), WRONG, "she was removed");
}

#[tokio::test]
async fn wrong_names_and_passwords_hold_their_network_back() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let mut kodi = server.browser();
    let anns = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    for n in 0..5 {
        assert_eq!(told(&signs_in(&mut kodi, "a", ANN.0, &format!("{n}")).await), WRONG);
    }
    assert_eq!(told(&signs_in(&mut kodi, "a", ANN.0, &anns).await), WRONG, "held back");
    server.clock.turn(std::time::Duration::from_secs(15 * 60));
    token(&signs_in(&mut kodi, "a", ANN.0, &anns).await);
}
