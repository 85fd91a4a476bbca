//! Nobody signs in twice: whoever is signed in opens the library as their user, and nobody else's.

use std::{sync::Arc, time::Duration};

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::form_urlencoded;
use usher::{idp::NewMember, request::identify::SessionStore as _, store::Store};
use usher_cinema::{Cinema, CinemaOptions, CinemaUser, JellyfinVersion, Readiness, RunningCinema};
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    patience::within,
};
use usher_rules::{secret::Secret, time::Clock as _};

use crate::test_server::{ANN, FRIENDS, TestServer, config, friends};

pub const TV: &str = "https://tv.test";
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
pub const DEVICE: &str = "TW96aWxsYS81LjB8MTc5NTgzNzk5MDAwMA11";
/// May enter as well.
pub const BOB: (&str, &str) = ("bob@example.com", "canary-bob-pass-5Lw1");

pub fn library_of(version: JellyfinVersion, users: Vec<CinemaUser>) -> CinemaOptions {
    CinemaOptions { version, users, admin_key: Some(KEY.into()), ..Default::default() }
}

pub async fn library(users: Vec<CinemaUser>) -> RunningCinema {
    Cinema::start(library_of(JellyfinVersion::V10_11, users)).await.unwrap()
}

pub fn ann_s() -> CinemaUser {
    CinemaUser::new(ANN.0, "known to nobody")
}

/// A route with more said of its library.
pub fn with(library: &RunningCinema, keys: &str) -> String {
    config(&[format!("{}  jellyfin: {{api_key: {KEY}{keys}}}\n", friends("tv.test", library.addr))])
}

pub async fn open(library: &RunningCinema) -> TestServer {
    TestServer::open(&with(library, "")).await
}

/// What a browser gets that opens a page by its address.
pub async fn goes_to(browser: &mut Browser, path: &str) -> Seen {
    browser.send(Method::GET, &format!("{TV}{path}"), NAVIGATION, "").await
}

/// As the page's script asks.
pub async fn asks(browser: &mut Browser, device: &str, token: &str) -> Seen {
    let form: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("device", device), ("token", token)])
        .finish();
    let fields = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "application/json"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-site", "same-origin"),
    ];
    browser.send(Method::POST, &format!("{TV}/seat"), &fields, form).await
}

/// What it is told.
pub async fn told(browser: &mut Browser, device: &str, token: &str) -> Value {
    let answer = asks(browser, device, token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

pub async fn token(browser: &mut Browser) -> String {
    let told = told(browser, DEVICE, "").await;
    told["token"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// Why somebody is not let in.
pub async fn words(browser: &mut Browser) -> String {
    let told = told(browser, DEVICE, "").await;
    assert_eq!(told["token"], Value::Null, "{told}");
    told["words"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// As the web client asks, in a browser with its cookies.
pub async fn api(browser: &mut Browser, method: Method, path: &str, token: &str) -> Seen {
    let authorization = format!("MediaBrowser Client=\"Jellyfin Web\", Token=\"{token}\"");
    let fields = [
        ("authorization", &*authorization),
        ("accept", "application/json"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-origin"),
    ];
    browser.send(method, &format!("{TV}{path}"), &fields, "").await
}

/// Who a token is, as usher's visitors see it.
pub async fn name(browser: &mut Browser, token: &str) -> Value {
    let me = api(browser, Method::GET, "/Users/Me", token).await;
    if me.status == 200 { me.json()["Name"].clone() } else { json!(me.status.as_u16()) }
}

/// The library itself, past usher.
pub async fn there(
    library: &RunningCinema,
    method: &str,
    target: &str,
    token: &str,
) -> (u16, Value) {
    let mut stream = tokio::net::TcpStream::connect(library.addr).await.unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: library\r\nconnection: close\r\ncontent-length: 0\r\n\
         authorization: MediaBrowser Token=\"{token}\"\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    // In one chunk, where it comes in chunks.
    let from = body.find(['{', '[']).unwrap_or(0);
    let to = body.rfind(['}', ']']).map_or(0, |end| end + 1);
    let json = body.get(from..to).unwrap_or_default();
    (head[9..12].parse().unwrap(), serde_json::from_str(json).unwrap_or_default())
}

/// A user, as their administrator sees them.
pub async fn user(library: &RunningCinema, name: &str) -> Option<Value> {
    let (_, users) = there(library, "GET", "/Users", KEY).await;
    users.as_array().unwrap().iter().find(|user| user["Name"] == name).cloned()
}

pub async fn revoked_there(library: &RunningCinema, token: &str) {
    within("the library takes it back", async {
        while there(library, "GET", "/Users/Me", token).await.0 != 401 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub async fn add(server: &TestServer, (email, password): (&str, &str), name: &str) {
    let new = NewMember { email, name, groups: &[FRIENDS.into()] };
    let password = Secret::new(password.as_bytes());
    server.directory().add(new, password, server.clock.now().wall).await.unwrap();
}

#[tokio::test]
async fn whoever_is_signed_in_opens_the_library_as_their_user() {
    for version in [JellyfinVersion::V10_10, JellyfinVersion::V10_11, JellyfinVersion::V12] {
        let library = Cinema::start(library_of(version, vec![ann_s()])).await.unwrap();
        let server = open(&library).await;
        let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
        for path in ["/", "/web/", "/WEB/index.html"] {
            let first = goes_to(&mut ann, path).await;
            let to = first.location().unwrap();
            assert_eq!((first.status.as_u16(), to.path()), (302, "/seat"), "{path}");
        }
        let page = goes_to(&mut ann, "/seat").await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.field("content-security-policy").contains("connect-src 'self'"));
        assert!(page.body.contains("data-seat=\"\""), "{}", page.body);

        let answer = asks(&mut ann, DEVICE, "").await;
        assert_eq!(answer.field("cache-control"), "no-store");
        assert!(!answer.fields.contains_key("access-control-allow-origin"), "it is this site's");
        let told_first = answer.json();
        let token = told_first["token"].as_str().unwrap();
        assert_eq!(told_first["device"], json!(DEVICE));
        let (_, info) = there(&library, "GET", "/System/Info/Public", "").await;
        assert_eq!(
            (&told_first["server"], &told_first["name"]),
            (&info["Id"], &info["ServerName"])
        );
        assert_eq!(name(&mut ann, token).await, json!(ANN.0), "{version:?}");
        // Each tab opens it once; then it is looked at again whether the token is good.
        assert_eq!(goes_to(&mut ann, "/web/").await.status, 200);
        assert_eq!(goes_to(&mut ann, "/web/").await.status, 302);
        let kept = told(&mut ann, DEVICE, token).await;
        assert_eq!((&kept["token"], &kept["user"]), (&Value::Null, &told_first["user"]));
        assert_eq!(name(&mut ann, token).await, json!(ANN.0), "it is kept");
        // Without the cookie the token alone is hers, as an app's is.
        let me = api(&mut server.browser(), Method::GET, "/Users/Me", token).await;
        let (decided, _) = server.recorded(me.field("x-request-id")).await;
        assert_eq!((me.status.as_u16(), &decided["email"]), (200, &json!(ANN.0)));
        let log = server.log();
        assert!(!log.contains(token) && !log.contains(KEY), "no secret");
        // Scripts, pictures and frames are none of it; nor is who opened it to themselves.
        for fields in [
            &[("sec-fetch-mode", "cors"), ("accept", "text/html")][..],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
        ] {
            let seen = ann.send(Method::GET, &format!("{TV}/web/"), fields, "").await;
            assert_eq!(seen.status, 200, "{fields:?}");
        }
        server.reload(&with(&library, ", sign_in: false")).unwrap();
        assert_eq!(goes_to(&mut ann, "/web/").await.status, 200);
        assert_eq!(asks(&mut ann, DEVICE, "").await.status, 404, "it is the library's");
    }
}

#[tokio::test]
async fn tabs_that_open_at_once_have_one_token() {
    let library = library(vec![ann_s()]).await;
    let server = open(&library).await;
    let ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    let (mut one, mut two, mut three) = (ann.clone(), ann.clone(), ann);
    let (a, b, c) = tokio::join!(token(&mut one), token(&mut two), token(&mut three));
    assert!(a == b && b == c);
    assert_eq!(name(&mut one, &a).await, json!(ANN.0));
    // Another browser of hers is another device, and both go on.
    let mut phone = server.signed_in(&format!("{TV}/link"), ANN).await;
    let other = told(&mut phone, "cGhvbmU1", "").await["token"].as_str().unwrap().to_owned();
    assert_ne!(other, a);
    assert_eq!((name(&mut one, &a).await, name(&mut phone, &other).await), {
        (json!(ANN.0), json!(ANN.0))
    });
}

#[tokio::test]
async fn a_token_ends_with_its_browser_s_session_here_and_there() {
    let library = library(vec![ann_s()]).await;
    let mut server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    let first = token(&mut ann).await;
    server.restart(&with(&library, "")).await;
    let mut ann = ann.moved(server.address());
    assert_eq!(name(&mut ann, &first).await, json!(ANN.0), "a restart ends nothing");
    assert_eq!(told(&mut ann, DEVICE, &first).await["token"], Value::Null, "nor is it made anew");
    let page = ann.open(&format!("{TV}/link")).await;
    assert!(!page.body.contains("Jellyfin Web"), "its browser stands for it: {}", page.body);
    let page = ann.open(&format!("{TV}/.pomerium/sign_out")).await;
    let hidden = page.hidden();
    let mut form: Vec<_> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();
    form.push(("scope", "here"));
    ann.post(&page, &page.action(), &form).await;
    let alone = api(&mut server.browser(), Method::GET, "/Users/Me", &first).await;
    assert_eq!(alone.status, 401, "at once, and not a second later");
    revoked_there(&library, &first).await;
    // Who signs in anew has a token of that sign-in; what they had before is none of it.
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    let second = told(&mut ann, DEVICE, &first).await["token"].as_str().unwrap().to_owned();
    assert_eq!(name(&mut ann, &second).await, json!(ANN.0));
    // Removed, she has none at all.
    server.directory().remove(ANN.0).await.unwrap();
    revoked_there(&library, &second).await;
}

#[tokio::test]
async fn signing_out_in_the_library_is_signing_out_and_leads_nobody_back() {
    let library = library(vec![ann_s()]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    let token = token(&mut ann).await;
    // Another site has no token; the cookie alone signs nobody out.
    let alone = ann.send(Method::POST, &format!("{TV}/Sessions/Logout"), &[], "").await;
    assert_eq!((alone.status.as_u16(), name(&mut ann, &token).await), (401, json!(ANN.0)));
    let out = api(&mut ann, Method::POST, "/sessions/LOGOUT", &token).await;
    assert_eq!(out.status, 204, "{}", out.body);
    assert_eq!(there(&library, "GET", "/Users/Me", &token).await.0, 401);
    assert_eq!(name(&mut ann, &token).await, json!(401));
    assert_eq!(api(&mut ann, Method::GET, "/Users/Me", "").await.status, 401, "nor by her cookie");
    // The provider knows her browser still, say, and signs her in without a word.
    let asked = ann.sign_in(&format!("{TV}/web/"), ANN.0, ANN.1).await;
    assert!(asked.body.contains("You signed out of the library."), "{}", asked.body);
    assert!(asked.body.contains(ANN.0) && asked.body.contains("href=\"/seat\""));
    let page = goes_to(&mut ann, "/seat").await;
    assert!(page.field("set-cookie").contains("Max-Age=0"), "she comes back on purpose");
    assert_eq!(goes_to(&mut ann, "/web/").await.status, 302);
    assert_ne!(self::token(&mut ann).await, token);
}

#[tokio::test]
async fn whoever_is_not_let_in_reads_why() {
    let library = library(vec![ann_s()]).await;
    let route = friends("tv.test", library.addr);
    let without = config(&[format!("{route}  jellyfin: {{}}\n")]);
    let server = TestServer::open(&without).await;
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    // Nothing is in the way of the library's own sign-in; the page says what is missing.
    assert_eq!(goes_to(&mut ann, "/web/").await.status, 200);
    let page = goes_to(&mut ann, "/seat").await;
    assert!(page.body.contains("API key is missing here"), "{}", page.body);
    assert!(words(&mut ann).await.contains("API key is missing here"));
    // One that the library does not take any more.
    let other = KEY.replace('0', "f");
    server.reload(&with(&library, "").replace(KEY, &other)).unwrap();
    assert!(words(&mut ann).await.contains("The log says why"));
    server.reload(&with(&library, "")).unwrap();
    library.set_readiness(Readiness::Starting);
    let told_then = told(&mut ann, DEVICE, "").await;
    assert!(told_then["words"].as_str().unwrap().contains("does not answer right now"));
    assert_eq!(told_then["final"], json!(false), "the page asks again by itself");
    assert_eq!(goes_to(&mut ann, "/web/").await.status, 302, "nobody goes on meanwhile");
    library.set_readiness(Readiness::Ready);
    let token = token(&mut ann).await;
    // Revoked there: a token that is no good is not kept.
    assert_eq!(there(&library, "DELETE", &format!("/Devices?id={DEVICE}"), KEY).await.0, 204);
    let again = told(&mut ann, DEVICE, &token).await["token"].as_str().unwrap().to_owned();
    assert_eq!((again != token, name(&mut ann, &again).await), (true, json!(ANN.0)));
    // Somebody who is sent in a circle reads so, and goes on after a minute.
    within("the circle ends", async {
        while asks(&mut ann, DEVICE, &again).await.status != 429 {}
    })
    .await;
    let said = asks(&mut ann, DEVICE, &again).await.json();
    assert!(said["words"].as_str().unwrap().contains("again and again"), "{said}");
    server.clock.turn(Duration::from_secs(61));
    assert_eq!(told(&mut ann, DEVICE, &again).await["token"], Value::Null);
    // Each sign-in of hers has so many tokens.
    let mut last = Value::Null;
    for n in 0..12 {
        last = asks(&mut ann, &format!("{DEVICE}{n}"), "").await.json();
    }
    assert!(last["words"].as_str().unwrap().contains("again and again"), "{last}");
}

#[tokio::test]
async fn a_disabled_user_is_told_so() {
    let library = library(vec![]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    let token = token(&mut ann).await;
    let mut policy = user(&library, ANN.0).await.unwrap();
    let id = policy["Id"].as_str().unwrap().to_owned();
    policy["Policy"]["IsDisabled"] = json!(true);
    let body = policy["Policy"].to_string();
    let mut stream = tokio::net::TcpStream::connect(library.addr).await.unwrap();
    let head = format!(
        "POST /Users/{id}/Policy HTTP/1.1\r\nhost: library\r\nconnection: close\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\nauthorization: MediaBrowser \
         Token=\"{KEY}\"\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    let said = told(&mut ann, DEVICE, &token).await;
    assert!(said["words"].as_str().unwrap().contains("is disabled"), "{said}");
}

/// A browser in which she signs in anew keeps the token that it has, for as long as that sign-in.
#[tokio::test]
async fn a_newer_session_takes_the_seat_over() {
    let library = library(vec![ann_s()]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    let token = token(&mut ann).await;
    server.clock.turn(Duration::from_secs(3600));
    let mut later = server.signed_in(&format!("{TV}/link"), ANN).await;
    assert_eq!(told(&mut later, DEVICE, &token).await["token"], Value::Null, "it is kept");
    server.clock.turn(Duration::from_secs(13 * 3600 + 1800));
    assert_eq!(api(&mut ann, Method::GET, "/Users/Me", "").await.status, 401, "the first ran out");
    assert_eq!(name(&mut later, &token).await, json!(ANN.0), "and with it went nothing");
    let store = Arc::new(Store::open(&server.data_dir()).unwrap());
    let apps = store.all().iter().filter(|one| one.session().app.is_some()).count();
    assert_eq!(apps, 1);
}

#[tokio::test]
async fn the_library_s_own_sign_in_page_has_a_way_back() {
    let library = library(vec![ann_s()]).await;
    let server = open(&library).await;
    let mut web = server.browser();
    let url = format!("{TV}/Branding/Configuration");
    let same = [("sec-fetch-site", "same-origin"), ("accept-language", "de")];
    let shown = web.send(Method::GET, &url, &same, "").await.json();
    let said = shown["LoginDisclaimer"].as_str().unwrap();
    assert!(
        said.ends_with("</button></form>") && said.contains("<form action=\"/seat\">"),
        "{said}"
    );
    assert!(said.contains("Weiter mit usher"), "{said}");
    // Apps would show its tags.
    let app = web.send(Method::GET, &url, &[], "").await.json();
    assert!(!app["LoginDisclaimer"].to_string().contains("<form"), "{app}");
    server.reload(&with(&library, ", sign_in: false")).unwrap();
    let off = web.send(Method::GET, &url, &same, "").await.json();
    assert!(!off["LoginDisclaimer"].to_string().contains("<form"), "{off}");
}
