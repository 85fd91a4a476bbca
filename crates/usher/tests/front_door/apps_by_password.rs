//! Apps that know only a name and a password: an app password lets one of them in, and whatever else
//! they bring is answered as the server answers a wrong password.

use std::{sync::atomic::AtomicUsize, time::Duration};

use http::Method;
use serde_json::json;
use usher_lab::{
    browser::{Browser, Seen},
    upstream::{Exchange, Upstream},
};
use usher_rules::time::{Clock as _, UnixTime};

use crate::{
    app_passwords::{self, basic},
    apps_let_in::{App, library, open, route},
    authenticator::ways_in,
    jellyfin::KEY,
    jellyfin_kept::tell_as,
    test_server::{ANN, EVE, TestServer, config, friends},
};

const TV: &str = "https://tv.test";
const WRONG: (u16, &str) = (401, "Error processing request.");

fn app(device: &str) -> String {
    format!("MediaBrowser Client=Kodi, Device=Living room, DeviceId={device}, Version=1.1.1")
}

async fn says(browser: &mut Browser, at: &str, (device, more): (&str, &str), body: &str) -> Seen {
    let app = format!("{}{more}", app(device));
    let fields = [("x-emby-authorization", &*app), ("content-type", "application/json")];
    let url = format!("{TV}{at}/Users/AuthenticateByName");
    browser.send(Method::POST, &url, &fields, body.to_owned()).await
}

fn typed(name: &str, password: &str) -> String {
    json!({ "Username": name, "Pw": password }).to_string()
}

async fn signs_in(browser: &mut Browser, device: &str, name: &str, password: &str) -> Seen {
    says(browser, "", (device, ""), &typed(name, password)).await
}

/// Is a token refused before the library is asked, where an older one of a device is good no more?
async fn is_refused_here(server: &TestServer, token: &str) -> bool {
    let url = format!("{TV}/Users/Me");
    let seen = server.browser().send(Method::GET, &url, &[("x-emby-token", token)], "").await;
    let (decided, _) = server.recorded(seen.field("x-request-id")).await;
    seen.status == 401 && decided["verdict"] != "allow"
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
    assert!(is_refused_here(&server, &first).await, "by us, whatever the library thinks of it");
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
        assert_eq!(says(&mut kodi, "", ("a", ""), &body).await.status, 400, "{body}");
    }
    let long = json!({ "Username": ANN.0, "Pw": anns, "More": "x".repeat(5000) }).to_string();
    assert_eq!(says(&mut kodi, "", ("a", ""), &long).await.status, 413);
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
    server.clock.turn(Duration::from_secs(15 * 60));
    token(&signs_in(&mut kodi, "a", ANN.0, &anns).await);
}

/// Two libraries on one host are two: the password of one opens nothing of the other, whose try ends
/// nothing.
#[tokio::test]
async fn an_app_password_is_one_library_s_of_its_host() {
    let tokens = AtomicUsize::new(0);
    let both = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        let target = exchange.target().1.to_owned();
        let target = ["/films", "/songs"].iter().find_map(|base| target.strip_prefix(base));
        tell_as(exchange, target.unwrap_or_default(), &tokens).await
    });
    let route = |base: &str| {
        let route = friends("tv.test", both.address);
        format!("{route}  prefix: {base}\n  jellyfin: {{api_key: {KEY}, base_path: {base}}}\n")
    };
    let server = TestServer::open(&config(&[route("/films"), route("/songs")])).await;
    let mut kodi = server.browser();
    let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let typed = typed(ANN.0, &password);
    let token = token(&says(&mut kodi, "/films", ("a", ""), &typed).await);
    assert_eq!(told(&says(&mut kodi, "/songs", ("a", ""), &typed).await), WRONG);
    let fields = [("x-emby-token", &*token)];
    let me = kodi.send(Method::GET, &format!("{TV}/films/Users/Me"), &fields, "").await;
    assert_eq!(me.status, 200, "it goes on: {}", me.body);
}

/// What its owner calls an app is kept when it signs in anew, and so when they do it at that moment.
#[tokio::test]
async fn an_app_that_signs_in_anew_keeps_its_name() {
    let library = library(&[ANN.0]).await;
    let text =
        format!("authenticate_service_url: https://auth.test\n{}", config(&[route(&library)]));
    let server = TestServer::open(&text).await;
    let (mut kodi, mut ann) =
        (server.browser(), server.signed_in(&format!("{TV}/web/"), ANN).await);
    let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    token(&signs_in(&mut kodi, "a", ANN.0, &password).await);
    let list = "https://auth.test/.pomerium/devices";
    let page = ann.open(list).await;
    let id = crate::apps_let_in::button(&page, "rename");
    ann.post(&page, "/.pomerium/devices", &[("rename", &id), ("name", "attic")]).await;
    let renewed = token(&signs_in(&mut kodi, "a", ANN.0, &password).await);
    let page = ann.open(list).await;
    assert!(page.body.contains("attic"), "{}", page.body);
    assert_eq!(me(&mut kodi, &renewed).await, 200);
}

#[tokio::test]
async fn a_guest_past_their_end_signs_no_app_in() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let mut kodi = server.browser();
    let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let wall = server.clock.now().wall;
    let end: UnixTime = wall.plus(Duration::from_secs(3600));
    ways_in(&server).set_until(ANN.0, Some(end)).await.unwrap();
    let token = token(&signs_in(&mut kodi, "a", ANN.0, &password).await);
    assert_eq!(me(&mut kodi, &token).await, 200, "their last hour");
    server.clock.turn(Duration::from_secs(3600));
    assert_eq!(told(&signs_in(&mut kodi, "a", ANN.0, &password).await), WRONG);
    assert_eq!(me(&mut kodi, &token).await, 401, "nor does what they had go on");
    let log = server.log();
    assert!(log.contains("its owner's time is over"), "{log}");
}

/// One request is one person's: what else is in it must not be somebody else's.
#[tokio::test]
async fn a_second_credential_beside_an_app_password_lets_nobody_in() {
    let library = library(&[ANN.0]).await;
    let policy = "policy: [{allow: {or: [{claim/groups: friends}]}}]";
    let text = route(&library).replace(policy, "allow_any_authenticated_user: true");
    let server = TestServer::open(&config(&[text])).await;
    let mut kodi = server.browser();
    let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let typed = typed(ANN.0, &password);
    let mut eve = server.signed_in(&format!("{TV}/link"), EVE).await;
    let mut eves = App::on(server.browser(), "hers");
    let of_eve = crate::apps_let_in::let_in(&mut eve, &mut eves).await;
    // Eve's token, and her browser's cookie.
    let beside = format!(", Token={of_eve}");
    assert_eq!(told(&says(&mut kodi, "", ("a", &beside), &typed).await), WRONG);
    assert_eq!(says(&mut eve, "", ("a", ""), &typed).await.status, 401);
    // A token that counts for nothing is nobody's: devices send what they had.
    let beside = format!(", Token={}", "0".repeat(32));
    token(&says(&mut kodi, "", ("a", &beside), &typed).await);
    // Her own device signs in anew with what it had.
    let anns = token(&says(&mut kodi, "", ("a", ""), &typed).await);
    let beside = format!(", Token={anns}");
    let again = token(&says(&mut kodi, "", ("a", &beside), &typed).await);
    assert_eq!((me(&mut kodi, &again).await, me(&mut kodi, &of_eve).await), (200, 200));
}

#[tokio::test]
async fn of_two_sign_ins_at_once_with_one_password_one_token_counts() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    for round in 0..4 {
        server.clock.turn(Duration::from_secs(60));
        let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
        let device = format!("device-{round}");
        let (mut one, mut other) = (server.browser(), server.browser());
        let both = tokio::join!(
            signs_in(&mut one, &device, ANN.0, &password),
            signs_in(&mut other, &device, ANN.0, &password),
        );
        let tokens = [token(&both.0), token(&both.1)];
        let counts = [
            is_refused_here(&server, &tokens[0]).await,
            is_refused_here(&server, &tokens[1]).await,
        ];
        assert_eq!(counts.iter().filter(|is_refused| **is_refused).count(), 1, "{counts:?}");
        let mut good = [me(&mut one, &tokens[0]).await, me(&mut one, &tokens[1]).await];
        good.sort_unstable();
        assert_eq!(good, [200, 401], "the same one here and at the library");
        // From two devices the first one has it.
        let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
        let devices = [format!("first-{round}"), format!("second-{round}")];
        let both = tokio::join!(
            signs_in(&mut one, &devices[0], ANN.0, &password),
            signs_in(&mut other, &devices[1], ANN.0, &password),
        );
        let mut said = [both.0.status.as_u16(), both.1.status.as_u16()];
        said.sort_unstable();
        assert_eq!(said, [200, 401]);
    }
}
