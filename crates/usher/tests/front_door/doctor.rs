//! `/.pomerium/doctor`: who has the server examined, and what they read.

use http::{Method, StatusCode};
use usher_lab::browser::{Browser, Seen};

use crate::{
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
    let mut page = browser.open(DOCTOR).await;
    for _ in 0..600 {
        if !page.fields.contains_key("refresh") {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        page = browser.open(DOCTOR).await;
    }
    panic!("{}", page.body)
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
