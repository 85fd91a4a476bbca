//! Apps that people let in by Quick Connect: whose they are from then on, and until when.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest as _};
use usher_cinema::{Cinema, CinemaOptions, CinemaUser, RunningCinema};
use usher_lab::{
    browser::{Browser, Seen},
    patience::{PATIENCE, within},
};

use crate::app_passwords;
use crate::test_server::{ANN, EVE, TestServer, config, friends};

pub const TV: &str = "https://tv.test";
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
pub const APP: &str = "MediaBrowser Client=\"Jellyfin%20TV\", Device=\"SHIELD\", DeviceId=\"shield-1\", \
                   Version=\"0.19\"";

/// A library in which Ann has an account already.
pub async fn library(users: &[&str]) -> RunningCinema {
    let users = users.iter().map(|name| CinemaUser::new(*name, "known to nobody")).collect();
    let admin_key = Some(KEY.into());
    Cinema::start(CinemaOptions { users, admin_key, ..Default::default() }).await.unwrap()
}

pub fn route(library: &RunningCinema) -> String {
    format!("{}  jellyfin: {{api_key: {KEY}}}\n", friends("tv.test", library.addr))
}

pub async fn open(library: &RunningCinema) -> TestServer {
    TestServer::open(&config(&[route(library)])).await
}

/// An app, as it asks: no cookies, and maybe a token.
pub struct App(pub Browser, String);

impl App {
    /// A television.
    pub fn new(browser: Browser) -> Self {
        Self(browser, APP.to_owned())
    }

    /// The same app on another device.
    pub fn on(browser: Browser, device_id: &str) -> Self {
        Self(browser, APP.replace("shield-1", device_id))
    }

    pub async fn ask(&mut self, method: Method, path: &str, token: &str, body: &str) -> Seen {
        let authorization = match token {
            "" => self.1.clone(),
            token => format!("{}, Token=\"{token}\"", self.1),
        };
        let json = "application/json";
        let fields = [("authorization", &*authorization), ("content-type", json), ("accept", json)];
        self.0.send(method, &format!("{TV}{path}"), &fields, body.to_owned()).await
    }

    pub async fn get(&mut self, path: &str, token: &str) -> Seen {
        self.ask(Method::GET, path, token, "").await
    }

    /// Begins; gives the code and the secret.
    pub async fn begin(&mut self) -> (String, String) {
        let begun = self.ask(Method::POST, "/QuickConnect/Initiate", "", "").await;
        assert_eq!(begun.status, 200, "{}", begun.body);
        let begun = begun.json();
        let text = |name: &str| begun[name].as_str().unwrap().to_owned();
        (text("Code"), text("Secret"))
    }

    pub async fn exchange(&mut self, secret: &str) -> Seen {
        let body = json!({ "Secret": secret }).to_string();
        self.ask(Method::POST, "/Users/AuthenticateWithQuickConnect", "", &body).await
    }
}

/// What stands in the page's button.
pub fn button(page: &Seen, name: &str) -> String {
    let from = page.body.split(&format!("name=\"{name}\" value=\"")).nth(1);
    let from = from.unwrap_or_else(|| panic!("no button {name}: {}", page.body));
    from.split('"').next().unwrap().to_owned()
}

/// Somebody types a code and says yes; what the page says then.
pub async fn say_yes(browser: &mut Browser, code: &str) -> Seen {
    let page = browser.open(&format!("{TV}/link")).await;
    let asked = browser.post(&page, "/link", &[("code", code)]).await;
    let id = button(&asked, "app");
    browser.post(&asked, "/link", &[("app", &id)]).await
}

/// An app of whoever is signed in in that browser; its token.
pub async fn let_in(browser: &mut Browser, app: &mut App) -> String {
    let (code, secret) = app.begin().await;
    let page = say_yes(browser, &code).await;
    assert!(page.body.contains("is in."), "{}", page.body);
    let answer = app.exchange(&secret).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["AccessToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_app_is_its_owners_from_the_moment_they_say_yes() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let mut app = App::new(server.browser());
    assert_eq!(app.get("/QuickConnect/Enabled", "").await.json(), json!(true));
    assert_eq!(app.get("/Users/Me", "").await.status, 401, "nobody's");
    let (code, secret) = app.begin().await;
    let poll = format!("/QuickConnect/Connect?secret={secret}");
    let polled = app.get(&poll, "").await.json();
    assert_eq!((&polled["Authenticated"], &polled["Code"]), (&json!(false), &json!(code)));
    assert_eq!(app.exchange(&secret).await.status, 404, "nobody has said yes");
    // The library never heard of the code: nobody can take it over there.
    let there = app.get("/QuickConnect/Connect?secret=ABCDEF", "").await;
    assert_eq!((there.status.as_u16(), &*there.body), (404, "\"Unknown secret\""));

    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let page = ann.open(&format!("{TV}/link")).await;
    assert!(page.body.contains("Waiting in your network"), "{}", page.body);
    let asked =
        ann.post(&page, "/link", &[("code", &format!("{} {}", &code[..3], &code[3..]))]).await;
    for shown in [&*code, "Jellyfin TV", "SHIELD", "127.0.0.1"] {
        assert!(asked.body.contains(shown), "{shown}: {}", asked.body);
    }
    let said = ann.post(&asked, "/link", &[("app", &button(&asked, "app"))]).await;
    assert!(said.body.contains("Jellyfin TV on SHIELD is in."), "{}", said.body);

    server.clock.turn(Duration::from_secs(1));
    assert_eq!(app.get(&poll, "").await.json()["Authenticated"], json!(true));
    let answer = app.exchange(&secret).await;
    assert_eq!((answer.status.as_u16(), answer.field("cache-control")), (200, "no-store"));
    let answer = answer.json();
    assert_eq!(answer["User"]["Name"], json!(ANN.0));
    assert_eq!(answer["SessionInfo"]["DeviceId"], json!("shield-1"));
    let token = answer["AccessToken"].as_str().unwrap();
    assert_eq!(app.exchange(&secret).await.status, 404, "replayed");
    let me = app.get("/Users/Me", token).await;
    assert_eq!((me.status.as_u16(), &me.json()["Name"]), (200, &json!(ANN.0)), "{}", me.body);
    let (decided, access) = server.recorded(me.field("x-request-id")).await;
    assert_eq!((&decided["email"], &access["email"]), (&json!(ANN.0), &json!(ANN.0)));
    assert_eq!(decided["verdict"], json!("allow"));
    let log = server.log();
    assert!(!log.contains(token) && !log.contains(&secret) && !log.contains(KEY), "no secret");
}

#[tokio::test]
async fn what_was_let_in_ends_at_once_here_and_at_the_library() {
    let library = library(&[]).await;
    let mut server = open(&library).await;
    let (mut app, mut other) = (App::new(server.browser()), App::new(server.browser()));
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let token = let_in(&mut ann, &mut app).await; // her account is made
    let stays = let_in(&mut ann, &mut other).await;
    assert_eq!(app.get("/Users/Me", &token).await.status, 401, "the same device, let in anew");
    let token = stays;
    server.restart(&config(&[route(&library)])).await;
    let mut ann = ann.moved(server.address());
    let mut app = App::new(server.browser());
    assert_eq!(app.get("/Users/Me", &token).await.status, 200, "a restart ends nothing");

    let mut request = "wss://tv.test/socket".into_client_request().unwrap();
    let shown = format!("{APP}, Token=\"{token}\"");
    request.headers_mut().insert("authorization", shown.parse().unwrap());
    let stream = app.0.connect("tv.test").await;
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    let page = ann.open(&format!("{TV}/link")).await;
    assert!(page.body.contains("SHIELD (Jellyfin TV)"), "{}", page.body);
    let page = ann.post(&page, "/link", &[("end", &button(&page, "end"))]).await;
    assert!(!page.body.contains("SHIELD"), "{}", page.body);
    assert_eq!(app.get("/Users/Me", &token).await.status, 401);
    // Whatever the library had said before.
    within("it ends", async { while let Some(Ok(_)) = socket.next().await {} }).await;
    // Who goes around us finds the token revoked, too.
    let url = format!("http://{}/Users/Me?ApiKey={token}", library.addr);
    let began = std::time::Instant::now();
    while status_of(&url).await != 401 {
        assert!(began.elapsed() < PATIENCE, "the library still takes it");
        tokio::task::yield_now().await;
    }
    assert_eq!(ann.fetch(&format!("{TV}/web/index.html")).await.status, 200, "she is signed in");
}

/// Of a GET to the library itself.
pub async fn status_of(url: &str) -> u16 {
    answer_of(url).await.0
}

/// Its status and its body.
pub async fn answer_of(url: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let url = url::Url::parse(url).unwrap();
    let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    let head = format!("GET {target} HTTP/1.1\r\nhost: library\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (answer[9..12].parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn apps_go_with_their_owner_and_have_their_rights() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let (mut app, mut phone) = (App::new(server.browser()), App::new(server.browser()));
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let token = let_in(&mut ann, &mut app).await;
    // From inside an app that is hers; whom it names does not count.
    let (code, secret) = phone.begin().await;
    let path =
        format!("/QuickConnect/Authorize?code={code}&userId=ffffffffffffffffffffffffffffffff");
    let answer = app.ask(Method::POST, &path, &token, "").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "true"));
    assert_eq!(phone.exchange(&secret).await.json()["User"]["Name"], json!(ANN.0));
    // Her browser's session runs out, her app does not.
    server.clock.turn(Duration::from_secs(15 * 3600));
    assert_eq!(ann.fetch(&format!("{TV}/Users/Me")).await.status, 401);
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let token = let_in(&mut ann, &mut app).await;
    // The policy decides about each request of it.
    let nobody = route(&library).replace("claim/groups: friends", "claim/groups: nobody");
    server.reload(&config(&[nobody])).unwrap();
    assert_eq!(app.get("/Users/Me", &token).await.status, 403);
    server.reload(&config(&[route(&library)])).unwrap();
    assert_eq!(app.get("/Users/Me", &token).await.status, 200);
    server.directory().remove(ANN.0).await.unwrap();
    eventually_refused(&mut app, &token).await;
}

async fn eventually_refused(app: &mut App, token: &str) {
    // A page of ours: what comes from the library would be cut where it is.
    let began = std::time::Instant::now();
    while app.get("/link", token).await.status != 401 {
        assert!(began.elapsed() < PATIENCE, "an app of somebody who was removed goes on");
    }
}

#[tokio::test]
async fn nobody_lets_an_app_in_that_is_not_theirs_to_let_in() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let mut app = App::new(server.browser());
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let (code, secret) = app.begin().await;
    let page = ann.open(&format!("{TV}/link")).await;
    let asked = ann.post(&page, "/link", &[("code", &code)]).await;
    let id = button(&asked, "app");
    // A page of another site that makes her browser say yes.
    for site in ["cross-site", "same-site"] {
        let fields =
            [("sec-fetch-site", site), ("content-type", "application/x-www-form-urlencoded")];
        for (path, body) in [
            ("/link".to_owned(), format!("app={id}")),
            (format!("/QuickConnect/Authorize?code={code}"), String::new()),
        ] {
            let answer = ann.send(Method::POST, &format!("{TV}{path}"), &fields, body).await;
            assert_eq!(answer.status, 403, "{site} {path}: {}", answer.body);
        }
    }
    // Whom the policy denies gets as far as the route's door.
    let mut eve = server.signed_in(&format!("{TV}/web/"), EVE).await;
    for method in [Method::GET, Method::POST] {
        let answer = eve.send(method, &format!("{TV}/link"), &[], format!("app={id}")).await;
        assert_eq!(answer.status, 403);
    }
    // A stranger is asked to sign in, whatever they bring.
    let mut stranger = server.browser();
    let path = format!("/QuickConnect/Authorize?code={code}");
    for path in ["/link", &path] {
        let answer =
            stranger.send(Method::POST, &format!("{TV}{path}"), &[], format!("app={id}")).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    assert_eq!(app.exchange(&secret).await.status, 404, "it is nobody's still");
    // Two minutes are enough to look at it.
    server.clock.turn(Duration::from_secs(121));
    let page = ann.post(&asked, "/link", &[("app", &id)]).await;
    assert!(page.body.contains("more than two minutes"), "{}", page.body);
    for n in 0..5 {
        let page = ann.post(&page, "/link", &[("code", &format!("{n}"))]).await;
        assert!(page.body.contains("No app waits with this code"), "{}", page.body);
    }
    let page = ann.post(&page, "/link", &[("code", &code)]).await;
    assert!(page.body.contains("Too many tries"), "{}", page.body);
    let answers: Vec<u16> = many(&mut app, 6).await;
    assert_eq!(answers, [200, 200, 200, 200, 429, 429], "one waits already; the next are too many");
}

/// What a program brings ends with it. An app that it let in would go on as its owner's.
#[tokio::test]
async fn a_program_lets_no_app_in() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let mut app = App::new(server.browser());
    let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let basic = app_passwords::basic("whoever", &password);
    let fields = [("authorization", &*basic), ("origin", TV), ("sec-fetch-site", "same-origin")];
    let mut program = server.browser();
    let url = format!("{TV}/link");
    within("the server knows the password", async {
        while program.send(Method::GET, &url, &fields, "").await.status != 200 {}
    })
    .await;
    let (code, secret) = app.begin().await;
    let url = format!("{TV}/QuickConnect/Authorize?code={code}");
    assert_eq!(program.send(Method::POST, &url, &fields, "").await.status, 403);
    assert_eq!(app.exchange(&secret).await.status, 404, "it is nobody's still");
    // What was refused is hers to allow.
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let page = say_yes(&mut ann, &code).await;
    assert!(page.body.contains("is in."), "{}", page.body);
}

/// The statuses of so many begins.
pub async fn many(app: &mut App, count: usize) -> Vec<u16> {
    let mut answers = Vec::new();
    for n in 0..count {
        let other = APP.replace("shield-1", &format!("other-{n}"));
        let url = format!("{TV}/QuickConnect/Initiate");
        let begun = app.0.send(Method::POST, &url, &[("authorization", &*other)], "").await;
        answers.push(begun.status.as_u16());
    }
    answers
}

#[tokio::test]
async fn an_account_is_never_somebody_elses() {
    let library = library(&["ann", "admin", "ANN@example.com"]).await;
    let server = open(&library).await;
    let mut app = App::new(server.browser());
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let token = let_in(&mut ann, &mut app).await;
    let me: Value = app.get("/Users/Me", &token).await.json();
    assert_eq!(
        me["Name"],
        json!("ANN@example.com"),
        "by the whole address, which has no case there"
    );
    // By a claim that she does not have she is nobody there.
    let by_claim = route(&library).replace("api_key", "user_claim: nickname, api_key");
    server.reload(&config(&[by_claim])).unwrap();
    let (code, _) = app.begin().await;
    let page = say_yes(&mut ann, &code).await;
    assert!(page.body.contains("names a user of the library"), "{}", page.body);
    // Without a key nobody is let in, and the library's own Quick Connect is shut.
    server.reload(&config(&[route(&library).replace(&format!("api_key: {KEY}"), "")])).unwrap();
    for path in ["/QuickConnect/Enabled", "/QuickConnect/Connect?secret=1"] {
        assert_eq!(app.get(path, "").await.status, 401, "{path}");
    }
}

/// Most apps show pictures, and several play films, without saying who they are.
#[tokio::test]
async fn what_an_app_asks_without_its_token_is_open_where_it_asked_with_it() {
    let library = library(&[ANN.0]).await;
    let server = open(&library).await;
    let (mut app, mut bare) = (App::new(server.browser()), server.browser());
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let token = let_in(&mut ann, &mut app).await;
    let items = app.get("/Items?Recursive=true&IncludeItemTypes=Movie", "").await;
    assert_eq!(items.status, 401);
    let json = &[("accept", "application/json")][..];
    let picture = format!("{TV}/Items/{}/Images/Primary", "0".repeat(32));
    assert_eq!(bare.send(Method::GET, &picture, json, "").await.status, 401, "nobody has asked");
    let items = app.get("/Items?Recursive=true&IncludeItemTypes=Movie", &token).await.json();
    let film = items["Items"][0]["Id"].as_str().unwrap().to_owned();
    let picture = format!("{TV}/Items/{film}/Images/Primary");
    let play = format!("{TV}/Videos/{film}/stream?static=true");
    let shown = bare.send(Method::GET, &picture, json, "").await;
    assert_ne!(shown.status, 401, "{}", shown.body);
    let (decided, _) = server.recorded(shown.field("x-request-id")).await;
    assert_eq!(decided["email"], json!(ANN.0), "it is on record as hers");
    let mut head = async |url: &str| bare.send(Method::HEAD, url, json, "").await.status.as_u16();
    assert_eq!(head(&play).await, 401, "it is not to be played");
    let info = app.ask(Method::POST, &format!("/Items/{film}/PlaybackInfo"), &token, "{}").await;
    assert_eq!(info.status, 200, "{}", info.body);
    assert_eq!(head(&play).await, 200);
    assert_eq!(
        head(&play.replace("?static=true", "")).await,
        401,
        "nobody transcodes for a stranger"
    );
    assert_eq!(head(&format!("{TV}/Users/Me")).await, 401, "nothing else");
    // Who has no access any more has none without a token either.
    let nobody = route(&library).replace("claim/groups: friends", "claim/groups: nobody");
    server.reload(&config(&[nobody])).unwrap();
    assert_eq!(head(&play).await, 403);
    let strict = route(&library).replace("api_key", "grants: false, api_key");
    server.reload(&config(&[strict])).unwrap();
    assert_eq!((head(&play).await, head(&picture).await), (401, 401), "the strict way");
    server.reload(&config(&[route(&library)])).unwrap();
    assert_eq!(head(&play).await, 200);
    let page = ann.open(&format!("{TV}/link")).await;
    ann.post(&page, "/link", &[("end", &button(&page, "end"))]).await;
    assert_eq!((head(&play).await, head(&picture).await), (401, 401), "it ends with the app");
}
