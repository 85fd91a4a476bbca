//! Mail to people: who forgot what signs them in gets a link, nobody learns who is here, and nobody's
//! mailbox is filled.

use std::{path::PathBuf, time::Duration};

use http::{Method, StatusCode, header};
use serde_json::Value;
use usher_lab::{
    browser::{Browser, Seen},
    mail_server::{Begins, MailServer, Mood, TakenMail},
    ports::free_port,
    upstream::Upstream,
};
use usher_rules::{
    config::{Effective, Environment, Input, read},
    time::Clock,
};

use crate::{
    authenticator::{clone, hidden, ways_in},
    test_server::{ANN, EVE, FRIENDS, TestServer, config, eventually, friends},
};

const FORGOT: &str = "https://auth.test/.pomerium/forgot";
const TV: &str = "https://tv.test/";
const PASSWORD: &str = "canary-mail-pass-9Lk3";
const NEW: &str = "a good long password of ann";
/// The first of the pauses between tries.
const PAUSE: Duration = Duration::from_secs(30);

/// A server whose mail goes to `mail`, which it trusts or not.
struct House {
    server: TestServer,
    mail: MailServer,
    _app: Upstream,
}

fn smtp(address: impl std::fmt::Display, tls: &str, ca: &str) -> String {
    format!(
        "authenticate_service_url: https://auth.test\n{ca}admin_groups: [{FRIENDS}]\n\
         smtp:\n  address: {address}\n  tls: {tls}\n  username: tv@example.com\n  password: {PASSWORD}\n  \
         from: Our TV <tv@example.com>\n"
    )
}

impl House {
    async fn with(mail: MailServer, tls: &str) -> Self {
        let app = Upstream::echo();
        let mut server = TestServer::closed(1).await;
        let ca: PathBuf = server.data_dir().join("mail-ca.pem");
        std::fs::write(&ca, mail.authority()).unwrap();
        let ca = format!("certificate_authority_file: {}\n", ca.display());
        let routes = config(&[friends("tv.test", app.address)]);
        server.restart(&(smtp(mail.address, tls, &ca) + &routes)).await;
        Self { server, mail, _app: app }
    }

    async fn open() -> Self {
        Self::with(MailServer::start(Begins::Tls), "implicit").await
    }

    async fn mails(&self, least: usize) -> Vec<TakenMail> {
        let there = || Some(self.mail.mails()).filter(|mails| mails.len() >= least);
        eventually("mail has come", there).await
    }

    async fn told(&self, event: &str, what: &str) -> Value {
        told(&self.server, event, what).await
    }
}

async fn told(server: &TestServer, event: &str, what: &str) -> Value {
    let said = |line: &Value| line["cause"].as_str().unwrap().contains(what);
    eventually(what, || server.records(event).into_iter().find(said)).await
}

/// Somebody in a browser asks for a link.
async fn asks(browser: &mut Browser, email: &str) -> Seen {
    let page = browser.open(FORGOT).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    browser.post(&page, "", &[("email", email)]).await
}

/// The link in a mail, whose lines are quoted-printable (RFC 2045 §6.7).
fn link(mail: &TakenMail) -> String {
    let begins = "https://auth.test/.pomerium/welcome?invitation=";
    let text = mail.text.replace("=\r\n", "").replace("=3D", "=");
    let line = text.lines().find(|line| line.starts_with(begins));
    line.unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn field<'m>(mail: &'m TakenMail, name: &str) -> Vec<&'m str> {
    let head = mail.text.split("\r\n\r\n").next().unwrap();
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_link_that_comes_by_mail() {
    for (begins, tls) in [(Begins::Tls, "implicit"), (Begins::Plain, "starttls")] {
        let house = House::with(MailServer::start(begins), tls).await;
        let mut ann = house.server.browser();
        let page = ann.open(TV).await;
        let way = page.body.split("href=\"").find(|part| part.starts_with("/.pomerium/forgot"));
        let way = way.unwrap().split('"').next().unwrap().replace("&amp;", "&");
        let page = ann.open(page.url.join(&way).unwrap().as_str()).await;
        let back = "href=\"/.pomerium/sign_in?";
        assert!(page.body.contains(back), "and back to where they were going: {}", page.body);
        let seen = ann.post(&page, "", &[("email", " Ann@Example.com")]).await;
        assert!(seen.body.contains("on its way"), "{}", seen.body);

        let mail = house.mails(1).await.remove(0);
        assert!(mail.secured, "{tls}");
        assert_eq!((&*mail.from, &*mail.to), ("tv@example.com", &["ann@example.com".into()][..]));
        assert_eq!(mail.login, Some(("tv@example.com".into(), PASSWORD.into())));
        assert_eq!(field(&mail, "subject"), ["Get in again to auth.test"]);
        assert_eq!(field(&mail, "auto-submitted"), ["auto-generated"]);
        assert!(field(&mail, "from")[0].contains("Our TV"), "{}", mail.text);

        let url = link(&mail);
        let page = ann.open(&url).await;
        let seen = ann.post(&page, "", &[("password", NEW)]).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
        assert_eq!(ann.open(TV).await.url.as_str(), TV, "signed in");
        let mut other = house.server.browser();
        assert_eq!(other.open(&url).await.status, 400, "the link is used up");
        let seen = other.sign_in(TV, ANN.0, ANN.1).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "what was forgotten opens nothing");
        let notice = house.mails(2).await.remove(1);
        assert_eq!(field(&notice, "subject"), ["What signs you in to auth.test was replaced"]);
        assert!(!notice.text.contains("invitation="), "{}", notice.text);

        let sent = house.told("mail", "a link to get in again was sent").await;
        assert_eq!(sent["email"], ANN.0, "{sent}");
        house.told("mail", "word that somebody got in again was sent").await;
        let (log, token) = (house.server.log(), url.split('=').nth(1).unwrap());
        assert!(!log.contains(PASSWORD) && !log.contains(token), "no secret in a line");
    }
}

#[tokio::test]
async fn nobody_learns_by_a_forgotten_password_who_is_here() {
    let house = House::open().await;
    let over = house.server.clock.now().wall;
    ways_in(&house.server).set_until(EVE.0, Some(over)).await.unwrap();
    let mut answers = Vec::new();
    for typed in [ANN.0, EVE.0, "nobody@example.com", "my-password-by-mistake", ""] {
        let mut browser = house.server.browser();
        let seen = asks(&mut browser, typed).await;
        let mut names: Vec<_> = seen.fields.keys().map(ToString::to_string).collect();
        names.sort();
        answers.push((seen.status, seen.body, names));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    house.told("mail-failed", "their access has ended").await;
    let nobody = "nobody here has the address";
    let strangers = || {
        let told = house.server.records("mail-failed");
        let told = told.iter().filter(|line| line["cause"].as_str().unwrap().contains(nobody));
        (told.count() == 3).then_some(())
    };
    eventually("all were looked up", strangers).await;
    let mails = house.mails(1).await;
    assert_eq!(mails.len(), 1, "to her who is here: {mails:?}");
    let log = house.server.log();
    assert!(
        !log.contains("by-mistake") && !log.contains("nobody@"),
        "what was typed is in no line"
    );
}

#[tokio::test]
async fn nobody_s_mailbox_is_filled_and_no_network_asks_on_and_on() {
    let house = House::open().await;
    let browser = house.server.browser();
    for n in 2..7 {
        let seen = asks(&mut browser.at(n), ANN.0).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    }
    let enough = || {
        let told = house.server.records("mail-failed");
        let enough = |line: &&Value| line["cause"].as_str().unwrap().contains("enough of them");
        (told.iter().filter(enough).count() == 2).then_some(())
    };
    eventually("two were too many", enough).await;
    assert_eq!(house.mails(3).await.len(), 3);

    let mut one = browser.at(9);
    for _ in 0..10 {
        assert_eq!(asks(&mut one, "nobody@example.com").await.status, StatusCode::OK);
    }
    let seen = asks(&mut one, ANN.0).await;
    assert_eq!(seen.status, StatusCode::TOO_MANY_REQUESTS, "{}", seen.body);
    assert_eq!(seen.fields[header::RETRY_AFTER], "30");
    assert_eq!(asks(&mut browser.at(10), EVE.0).await.status, StatusCode::OK, "a neighbour");
    house.server.clock.turn(Duration::from_secs(30));
    assert_eq!(asks(&mut one, ANN.0).await.status, StatusCode::OK);
}

#[tokio::test]
async fn no_stranger_writes_a_line_into_the_head_of_a_mail() {
    let house = House::open().await;
    let hostile = [
        "ann@example.com\r\nBcc: eve@example.com",
        "ann@example.com\nSubject: hello",
        "ann@example.com,eve@example.com",
        "ann@example.com> RCPT TO:<eve@example.com",
        "\"Ann\"<ann@example.com>",
    ];
    for typed in hostile {
        assert_eq!(asks(&mut house.server.browser(), typed).await.status, StatusCode::OK);
    }
    let all = || (house.server.records("mail-failed").len() == hostile.len()).then_some(());
    eventually("none is anybody's address", all).await;
    asks(&mut house.server.browser(), ANN.0).await;
    let mails = house.mails(1).await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].to, ["ann@example.com"]);
    assert_eq!(
        (field(&mails[0], "to"), field(&mails[0], "bcc").len()),
        (vec!["ann@example.com"], 0)
    );
    assert_eq!(field(&mails[0], "subject").len(), 1);
}

#[tokio::test]
async fn a_mail_server_that_hangs_delays_no_page_and_gets_the_mail_later() {
    let house = House::open().await;
    house.mail.set(Mood::Silent);
    asks(&mut house.server.browser(), ANN.0).await;
    let hangs = || (house.mail.connections() == 1).then_some(());
    eventually("it hangs", hangs).await;
    let seen = asks(&mut house.server.browser(), "nobody@example.com").await;
    assert!(seen.body.contains("on its way"), "meanwhile: {}", seen.body);
    house.told("mail-failed", "nobody here has the address").await;
    assert!(house.mail.mails().is_empty());

    house.mail.set(Mood::Busy); // and hangs up
    house.told("mail-failed", "it is tried again in 30 s").await;
    house.server.clock.turn(PAUSE);
    house.told("mail-failed", "it is tried again in 120 s").await;
    house.mail.set(Mood::Takes);
    house.server.clock.turn(4 * PAUSE);
    assert_eq!(house.mails(1).await[0].to, ["ann@example.com"]);
}

#[tokio::test]
async fn mail_that_nobody_takes_is_given_up_and_told() {
    let app = Upstream::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let server = TestServer::open(&(smtp(free_port(), "starttls", "") + &text)).await;
    asks(&mut server.browser(), ANN.0).await;
    for pause in [30, 120, 600] {
        let what = format!(
            "it can't be reached: Connection refused (os error 111); it is tried again in {pause} s"
        );
        told(&server, "mail-failed", &what).await;
        server.clock.turn(Duration::from_secs(pause));
    }
    let given_up = told(&server, "mail-failed", "is given up").await;
    assert_eq!((&given_up["level"], &given_up["email"]), (&"warn".into(), &ANN.0.into()));

    for (mood, why) in [(Mood::Refuses, "no such mailbox"), (Mood::KnowsNobody, "who are you?")] {
        let house = House::open().await;
        house.mail.set(mood);
        asks(&mut house.server.browser(), ANN.0).await;
        let told = house.told("mail-failed", "is given up").await;
        assert!(told["cause"].as_str().unwrap().contains(why), "at once: {told}");
        assert!(!house.server.log().contains(PASSWORD));
    }
}

#[tokio::test]
async fn a_mail_server_without_the_right_certificate_or_tls_hears_no_secret() {
    let strange = || MailServer::named(Begins::Tls, "other.test", [192, 0, 2, 7].into());
    let injects = MailServer::start(Begins::Plain);
    injects.set(Mood::Injects);
    let bare = MailServer::start(Begins::Plain);
    bare.set(Mood::NoTls);
    for (mail, tls, why) in [
        (strange(), "implicit", "its TLS does not hold"),
        (MailServer::start(Begins::Plain), "implicit", "its TLS does not hold"),
        (bare, "starttls", "it offers no STARTTLS, and nothing is sent in the clear"),
        (injects, "starttls", "behind its answer to STARTTLS"),
    ] {
        let house = House::with(mail, tls).await;
        asks(&mut house.server.browser(), ANN.0).await;
        house.told("mail-failed", why).await;
        let (mails, lines) = (house.mail.mails(), house.mail.lines());
        assert!(mails.is_empty(), "{why}: {mails:?}");
        let harmless = |line: &String| line.starts_with("EHLO") || line == "STARTTLS";
        assert!(tls == "implicit" || lines.iter().all(harmless), "{why}: {lines:?}");
    }

    // An authority that nobody named vouches for nobody.
    for (begins, tls) in [(Begins::Tls, "implicit"), (Begins::Plain, "starttls")] {
        let (mail, app) = (MailServer::start(begins), Upstream::echo());
        let text = smtp(mail.address, tls, "") + &config(&[friends("tv.test", app.address)]);
        let server = TestServer::open(&text).await;
        asks(&mut server.browser(), ANN.0).await;
        told(&server, "mail-failed", "its TLS does not hold").await;
        assert!(mail.mails().is_empty());
    }
}

#[tokio::test]
async fn a_stranger_who_asks_takes_no_link_away() {
    let house = House::open().await;
    let (day, now) = (Duration::from_secs(86_400), house.server.clock.now().wall);
    let (_, token) = ways_in(&house.server).recover(ANN.0, day, now).await.unwrap();
    let token = token.expose_str().unwrap();
    let admins = format!("https://auth.test/.pomerium/welcome?invitation={token}");
    for n in 2..4 {
        asks(&mut house.server.browser().at(n), ANN.0).await;
    }
    let links = house.mails(2).await.iter().map(link).chain([admins]).collect::<Vec<_>>();
    for url in &links {
        assert_eq!(house.server.browser().open(url).await.status, StatusCode::OK, "{url}");
    }
    let mut ann = house.server.browser();
    let page = ann.open(&links[0]).await;
    assert_eq!(ann.post(&page, "", &[("password", NEW)]).await.status, StatusCode::OK);
    for url in &links {
        assert_eq!(house.server.browser().open(url).await.status, 400, "one ends all: {url}");
    }

    // A mailed one is good for an hour.
    house.server.clock.turn(Duration::from_secs(4 * 3600));
    asks(&mut house.server.browser(), ANN.0).await;
    let url = link(house.mails(4).await.last().unwrap());
    house.server.clock.turn(Duration::from_secs(3599));
    assert_eq!(house.server.browser().open(&url).await.status, StatusCode::OK);
    house.server.clock.turn(Duration::from_secs(1));
    assert_eq!(house.server.browser().open(&url).await.status, 400);
}

#[tokio::test]
async fn the_link_in_a_mail_leads_to_the_configured_address() {
    let house = House::open().await;
    let mut browser = house.server.browser();
    let page = browser.open("https://auth.test:8443/.pomerium/forgot").await;
    assert_eq!(page.status, StatusCode::OK);
    browser.post(&page, "", &[("email", ANN.0)]).await;
    let mail = house.mails(1).await.remove(0);
    assert!(link(&mail).starts_with("https://auth.test/") && !mail.text.contains("8443"));

    // An invitation is no other's, though the page shows its link with the port that was asked.
    let mut ann = house.server.signed_in(TV, ANN).await;
    let page = ann.open("https://auth.test:8443/.pomerium/people").await;
    let flow = hidden(&page, "flow");
    let typed =
        [("action", "invite"), ("email", "bob@example.com"), ("name", "Bob"), ("days", "3")];
    let typed = [&typed[..], &[("mail", "yes"), ("flow", &flow)]].concat();
    let seen = ann.post(&Seen { body: String::new(), ..clone(&page) }, "", &typed).await;
    assert!(seen.body.contains("<code>https://auth.test:8443/"), "{}", seen.body);
    let mail = house.mails(2).await.remove(1);
    assert!(link(&mail).starts_with("https://auth.test/") && !mail.text.contains("8443"));
}

#[tokio::test]
async fn a_forged_form_asks_for_no_mail() {
    let house = House::open().await;
    let mut browser = house.server.browser();
    let page = browser.open(FORGOT).await;
    let bare = Seen { body: String::new(), ..clone(&page) };
    let seen = browser.post(&bare, "", &[("flow", "x"), ("email", ANN.0)]).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "no page of ours");
    let flow = hidden(&page, "flow");
    let body = format!("flow={flow}&email=ann%40example.com");
    let head = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "same-site"),
        ("accept", "text/html"),
        ("origin", "https://tv.test"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let seen = browser.send(Method::POST, FORGOT, &head, body).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.body);
    asks(&mut house.server.browser(), "nobody@example.com").await;
    house.told("mail-failed", "nobody here has the address").await;
    assert!(house.mail.mails().is_empty() && house.server.records("mail").is_empty());
}

#[tokio::test]
async fn an_invitation_goes_out_by_mail_where_an_admin_says_so() {
    let house = House::open().await;
    let mut ann = house.server.signed_in(TV, ANN).await;
    let page = ann.open("https://auth.test/.pomerium/people").await;
    let typed = |email, mail| {
        [
            ("action", "invite"),
            ("email", email),
            ("name", "Bob\r\nBcc: eve@example.com"),
            ("groups", FRIENDS),
            ("until", ""),
            ("days", "3"),
            ("mail", mail),
        ]
    };
    let bare = Seen { body: String::new(), ..clone(&page) };
    let flow = hidden(&page, "flow");
    let mut fields = typed("bob@example.com", "yes").to_vec();
    fields.push(("flow", &flow));
    let seen = ann.post(&bare, "", &fields).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "a name of one line: {}", seen.body);
    fields[2].1 = "Bob";
    let page = ann.open("https://auth.test/.pomerium/people").await;
    let flow = hidden(&page, "flow");
    fields[7].1 = &flow;
    let seen = ann.post(&bare, "", &fields).await;
    assert!(seen.body.contains("is on its way to"), "{}", seen.body);
    let mail = house.mails(1).await.remove(0);
    assert_eq!(mail.to, ["bob@example.com"]);
    assert_eq!(field(&mail, "subject"), ["You are invited to auth.test"]);
    let mut bob = house.server.browser();
    let page = bob.open(&link(&mail)).await;
    let seen = bob.post(&page, "", &[("name", "Bob"), ("password", NEW)]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    assert_eq!(bob.open(TV).await.url.as_str(), TV);
}

#[tokio::test]
async fn without_a_mail_server_there_is_no_such_page() {
    let app = Upstream::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let server =
        TestServer::open(&format!("authenticate_service_url: https://auth.test\n{text}")).await;
    let mut browser = server.browser();
    let page = browser.open(TV).await;
    assert!(!page.body.contains("forgot"), "{}", page.body);
    assert_eq!(browser.open(FORGOT).await.status, StatusCode::NOT_FOUND);
}

#[test]
fn a_mail_server_s_password_is_not_in_what_is_shown_of_a_config() {
    let text = smtp("mail.example.com:587", "starttls", "");
    let draft = read(Input { name: Some("config.yaml"), text: &text }, &Environment::new());
    let shown = Effective::of(&draft).to_string();
    assert!(shown.contains("mail.example.com:587") && !shown.contains(PASSWORD), "{shown}");
    let problems = format!("{:?}", crate::test_server::problems(&text.replace("starttls", "none")));
    assert!(problems.contains("U559") && !problems.contains(PASSWORD), "{problems}");
}
