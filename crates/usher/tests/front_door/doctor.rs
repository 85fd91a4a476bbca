//! `/.pomerium/doctor`: who has the server examined, and what they read.

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_cinema::{Cinema, CinemaOptions, RunningCinema};
use usher_lab::{
    browser::{Browser, Seen},
    patience::answered,
};

use crate::{
    apps_let_in::{KEY, answer_of, route},
    authenticator::{clone, hidden},
    sockets,
    test_server::{ANN, EVE, FRIENDS, TestServer, config, friends},
};

const DOCTOR: &str = "https://auth.test/.pomerium/doctor";
const TV: &str = "https://tv.test/";

async fn server(more: &str) -> (TestServer, usher_lab::upstream::Upstream) {
    let app = sockets::echo();
    let text = config(&[friends("tv.test", app.address)]);
    (TestServer::open(&format!("admin_groups: [{FRIENDS}]\n{more}{text}")).await, app)
}

/// The page once the examination is over.
async fn done(browser: &mut Browser) -> Seen {
    answered("the examination is over", async || {
        let page = browser.open(DOCTOR).await;
        (!page.fields.contains_key("refresh")).then_some(page)
    })
    .await
}

#[tokio::test]
async fn an_admin_has_the_server_examined_and_everybody_sees_the_same() {
    let (server, _app) = server("authenticate_service_url: https://auth.test\n").await;
    let mut ann = server.signed_in(TV, ANN).await;
    let home = ann.open("https://auth.test/.pomerium/").await;
    assert!(home.body.contains("href=\"/.pomerium/doctor\""), "{}", home.body);
    let page = ann.open(DOCTOR).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(page.body.contains("Nothing was examined"), "a look begins nothing: {}", page.body);
    let page = ann.open(DOCTOR).await;
    assert!(page.body.contains("Nothing was examined"), "nor a second one: {}", page.body);

    let stolen = Seen { body: String::new(), ..clone(&page) };
    let seen = ann.post(&stolen, "", &[("flow", "x")]).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "another browser's form: {}", seen.body);

    let mut other = server.signed_in(TV, ANN).await;
    let form = other.open(DOCTOR).await;
    let page = ann.open(DOCTOR).await;
    let seen = ann.post(&page, "", &[]).await;
    assert_eq!((seen.status, seen.url.as_str()), (StatusCode::OK, DOCTOR), "{}", seen.body);
    let theirs = other.post(&form, "", &[]).await;
    let is_too_late = theirs.body.contains("has only just ended");
    assert!(is_too_late || theirs.status == StatusCode::OK, "{}", theirs.body);

    let (seen, theirs) = (done(&mut ann).await, done(&mut other).await);
    let findings = |page: &Seen| {
        page.body.split("<form").next().unwrap().split("<h1>").nth(1).unwrap().to_owned()
    };
    assert_eq!(findings(&seen), findings(&theirs), "one examination for both");
    for words in ["Examined ", "D001", "upstream http://127.0.0.1", "taken: usher runs and answers"]
    {
        assert!(seen.body.contains(words), "{words}: {}", seen.body);
    }
    assert!(seen.body.contains("<dd lang=\"en\">"), "{}", seen.body);

    let seen = ann.post(&seen, "", &[]).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{}", seen.body);
    assert!(seen.body.contains("has only just ended"), "servers have rest: {}", seen.body);
    server.clock.turn(std::time::Duration::from_secs(30));
    let page = ann.open(DOCTOR).await;
    assert_eq!(ann.post(&page, "", &[]).await.status, StatusCode::OK);
    done(&mut ann).await;

    ann.jar.entry("auth.test".into()).or_default().insert("usher_language".into(), "de".into());
    let seen = ann.open(DOCTOR).await;
    assert!(seen.body.contains("Untersuchung dieses Servers"), "{}", seen.body);
    assert!(seen.body.contains("taken: usher runs and answers"), "{}", seen.body);
}

#[tokio::test]
async fn nobody_but_an_admin_has_the_server_examined() {
    let (server, _app) = server("authenticate_service_url: https://auth.test\n").await;
    let mut stranger = server.browser();
    let seen = stranger.open(DOCTOR).await;
    assert!(seen.url.path().ends_with("/sign_in"), "{}", seen.url);

    let mut eve = server.signed_in(TV, EVE).await;
    let seen = eve.open(DOCTOR).await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND, "{}", seen.body);
    let mut ann = server.signed_in(TV, ANN).await;
    let page = ann.open(DOCTOR).await;
    let stolen = Seen { body: String::new(), ..clone(&page) };
    let flow = hidden(&page, "flow");
    let seen = eve.post(&stolen, "", &[("flow", &*flow)]).await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND, "nor begins one");

    let body = format!("flow={flow}");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let nav = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let from = [form, ("origin", "https://tv.test"), ("sec-fetch-site", "same-site")];
    let foreign = [nav.as_slice(), &from, &[("accept", "text/html")]].concat();
    let seen = ann.send(Method::POST, DOCTOR, &foreign, body).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "another site's form: {}", seen.body);
    let page = ann.open(DOCTOR).await;
    assert!(page.body.contains("Nothing was examined"), "{}", page.body);
}

#[tokio::test]
async fn no_page_of_a_doctor_beside_an_app_on_its_host() {
    let (server, _app) = server("").await;
    let mut ann = server.signed_in(TV, ANN).await;
    let seen = ann.open("https://tv.test/.pomerium/doctor").await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND, "its scripts could read it: {}", seen.body);
}

/// A button of the page, pressed with nothing but what is meant.
async fn presses(browser: &mut Browser, page: &Seen, fields: &[(&str, &str)]) -> Seen {
    let flow = hidden(page, "flow");
    let bare = Seen { body: String::new(), ..clone(page) };
    browser.post(&bare, "", &[&[("flow", &*flow)], fields].concat()).await
}

/// What the library says of Quick Connect, to who asks it with its key.
async fn has_quick_connect(library: &RunningCinema) -> bool {
    let url = format!("http://{}/System/Configuration?ApiKey={KEY}", library.addr);
    let (_, body) = answer_of(&url).await;
    let object = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()]; // it comes in pieces
    let settings: serde_json::Value = serde_json::from_str(object).unwrap();
    settings["QuickConnectAvailable"].as_bool().unwrap()
}

/// Somebody turns Quick Connect on by themselves.
async fn turns_quick_connect_on(library: &RunningCinema) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let body = serde_json::json!({ "QuickConnectAvailable": true }).to_string();
    let head = format!(
        "POST /System/Configuration?ApiKey={KEY} HTTP/1.1\r\nhost: library\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(library.addr).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
}

/// To put back what was there when it was shown would take away what was set in between.
#[tokio::test]
async fn what_somebody_changed_since_it_was_shown_is_not_mended() {
    let system = serde_json::json!({ "QuickConnectAvailable": false });
    let options = CinemaOptions { admin_key: Some(KEY.into()), system, ..Default::default() };
    let library = Cinema::start(options).await.unwrap();
    let keys = format!("authenticate_service_url: https://auth.test\nadmin_groups: [{FRIENDS}]\n");
    let server = TestServer::open(&format!("{keys}{}", config(&[route(&library)]))).await;
    let mut ann = server.signed_in(TV, ANN).await;
    let page = ann.open(DOCTOR).await;
    presses(&mut ann, &page, &[]).await;
    let page = done(&mut ann).await;
    presses(&mut ann, &page, &[("action", "compare")]).await;
    let page = done(&mut ann).await;
    let number = hidden(&page, "offer");
    turns_quick_connect_on(&library).await;
    presses(&mut ann, &page, &[("action", "mend"), ("offer", &*number)]).await;
    let page = done(&mut ann).await;
    assert!(page.body.contains("was changed since it was shown"), "{}", page.body);
    assert!(has_quick_connect(&library).await, "it stays as they set it");
    presses(&mut ann, &page, &[("action", "put-back")]).await;
    done(&mut ann).await;
    assert!(
        has_quick_connect(&library).await,
        "nor is it put back with what was changed before it"
    );
}

#[tokio::test]
async fn what_is_shown_is_changed_by_who_signed_in_lately_and_put_back() {
    let system = serde_json::json!({ "QuickConnectAvailable": false });
    let options = CinemaOptions { admin_key: Some(KEY.into()), system, ..Default::default() };
    let library = Cinema::start(options).await.unwrap();
    let keys = format!("authenticate_service_url: https://auth.test\nadmin_groups: [{FRIENDS}]\n");
    let server = TestServer::open(&format!("{keys}{}", config(&[route(&library)]))).await;
    let mut ann = server.signed_in(TV, ANN).await;
    let page = ann.open(DOCTOR).await;
    presses(&mut ann, &page, &[("action", "mend"), ("offer", "1")]).await;
    assert!(ann.open(DOCTOR).await.body.contains("Nothing was examined"), "nothing was shown");
    presses(&mut ann, &page, &[]).await;
    let page = done(&mut ann).await;
    assert!(page.body.contains("D214") || page.body.contains("Quick Connect"), "{}", page.body);

    presses(&mut ann, &page, &[("action", "compare")]).await;
    let page = done(&mut ann).await;
    for shown in ["QuickConnectAvailable", "<code>false</code>", "<code>true</code>"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert!(!has_quick_connect(&library).await, "shown, and not changed");
    assert!(!page.body.contains(KEY));
    let number = hidden(&page, "offer");
    let other = presses(&mut ann, &page, &[("action", "mend"), ("offer", "99")]).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    assert!(other.body.contains("not what was shown last"), "{}", other.body);

    // A session that was left open changes nothing.
    server.clock.turn(std::time::Duration::from_secs(601));
    let mend = [("action", "mend"), ("offer", &*number)];
    let asked = presses(&mut ann, &page, &mend).await;
    assert!(asked.body.contains("type=\"password\""), "asks who it is: {}", asked.body);
    assert!(!has_quick_connect(&library).await);
    let page = ann.post(&asked, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    assert_eq!(page.url.as_str(), DOCTOR, "and comes back: {}", page.body);
    presses(&mut ann, &page, &mend).await;
    let page = done(&mut ann).await;
    assert!(page.body.contains("It was changed, and everything was examined"), "{}", page.body);
    assert!(has_quick_connect(&library).await);
    let again = presses(&mut ann, &page, &mend).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "once: {}", again.body);

    presses(&mut ann, &page, &[("action", "put-back")]).await;
    let page = done(&mut ann).await;
    assert!(page.body.contains("was put back"), "{}", page.body);
    assert!(!has_quick_connect(&library).await, "as it was");
    assert!(!page.body.contains("value=\"put-back\""), "nothing is left to put back");
    let lines = server.records("upstream");
    let said = |words: &str| {
        lines.iter().any(|line| line["email"] == ANN.0 && line["cause"].to_string().contains(words))
    };
    assert!(said("are changed") && said("are put back"), "{lines:?}");
}

/// A library without Quick Connect that knows no proxy, and a server in front of it that Ann looks after.
async fn ill_house() -> (RunningCinema, TestServer, String) {
    let system = serde_json::json!({ "QuickConnectAvailable": false });
    let restart_time = std::time::Duration::from_millis(100);
    let admin_key = Some(KEY.into());
    let options = CinemaOptions { admin_key, system, restart_time, ..Default::default() };
    let library = Cinema::start(options).await.unwrap();
    let keys = format!("authenticate_service_url: https://auth.test\nadmin_groups: [{FRIENDS}]\n");
    let text = format!("{keys}{}", config(&[route(&library)]));
    let server = TestServer::open(&text).await;
    (library, server, text)
}

/// Has everything examined, and looks at what would be changed.
async fn offered(ann: &mut Browser) -> Seen {
    let page = ann.open(DOCTOR).await;
    presses(ann, &page, &[]).await;
    let page = done(ann).await;
    presses(ann, &page, &[("action", "compare")]).await;
    done(ann).await
}

/// A page that was left open over a restart shows what may not be so any more.
#[tokio::test]
async fn what_was_shown_before_a_restart_is_not_changed_after_it() {
    let (library, mut server, text) = ill_house().await;
    let mut ann = server.signed_in(TV, ANN).await;
    let before = hidden(&offered(&mut ann).await, "offer");
    server.clock.turn(std::time::Duration::from_secs(60));
    server.restart(&text).await;
    let mut ann = ann.moved(server.address());
    let page = offered(&mut ann).await;
    let old = [("action", "mend"), ("offer", &*before)];
    let seen = presses(&mut ann, &page, &old).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{}", seen.body);
    assert!(seen.body.contains("not what was shown last"), "{}", seen.body);
    assert!(!has_quick_connect(&library).await);
    let shown = hidden(&page, "offer");
    presses(&mut ann, &page, &[("action", "mend"), ("offer", &*shown)]).await;
    let page = done(&mut ann).await;
    assert!(page.body.contains("It was changed"), "{}", page.body);
    assert!(has_quick_connect(&library).await);
}

/// Sets which proxies the library believes, as its administrator.
async fn sets_proxies(library: &RunningCinema, proxies: &str) {
    let mut stream = tokio::net::TcpStream::connect(library.addr).await.unwrap();
    let body = format!("{{\"KnownProxies\":{proxies}}}");
    let head = format!(
        "POST /System/Configuration/network HTTP/1.1\r\nHost: tv\r\nConnection: close\r\n\
         Authorization: MediaBrowser Token=\"{KEY}\"\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn what_was_not_put_back_is_not_said_to_be() {
    let (library, server, _) = ill_house().await;
    let mut ann = server.signed_in(TV, ANN).await;
    let page = offered(&mut ann).await;
    let shown = hidden(&page, "offer");
    let mend = [("action", "mend"), ("offer", &*shown)];
    presses(&mut ann, &page, &mend).await;
    let page = done(&mut ann).await;
    assert!(page.body.contains("It was changed"), "{}", page.body);
    sets_proxies(&library, "[\"127.0.0.1\",\"10.1.1.1\"]").await;
    presses(&mut ann, &page, &[("action", "put-back")]).await;
    let page = done(&mut ann).await;
    assert!(page.body.contains("KnownProxies of"), "{}", page.body);
    assert!(page.body.contains("was changed since, and left alone"), "{}", page.body);
    assert!(!page.body.contains("was put back"), "{}", page.body);

    // Somebody was faster, by a command.
    sets_proxies(&library, "[]").await;
    let shown = offered_again(&server, &mut ann).await;
    presses(&mut ann, &shown, &[("action", "mend"), ("offer", &hidden(&shown, "offer"))]).await;
    let page = done(&mut ann).await;
    std::fs::remove_file(server.data_dir().join("doctor-before.json")).unwrap();
    presses(&mut ann, &page, &[("action", "put-back")]).await;
    let page = done(&mut ann).await;
    assert!(page.body.contains("nothing is left to put back"), "{}", page.body);
    assert!(!page.body.contains("was put back"), "{}", page.body);
}

async fn offered_again(server: &TestServer, ann: &mut Browser) -> Seen {
    server.clock.turn(std::time::Duration::from_secs(30));
    offered(ann).await
}
