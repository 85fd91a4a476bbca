//! `/.pomerium/people`: who may look after people there, and what each button does.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use usher_lab::{
    browser::{Browser, Seen},
    upstream::Upstream,
};
use usher_rules::people::Member;

use crate::{
    authenticator::{acts, clone, hidden},
    sockets,
    test_server::{ANN, EVE, FRIENDS, TestServer, config, friends},
};

const PEOPLE: &str = "https://auth.test/.pomerium/people";
const TV: &str = "https://tv.test/";
const BOB: &str = "bob@example.com";

async fn server(app: &Upstream, more: &str) -> TestServer {
    let text = config(&[friends("tv.test", app.address)]);
    TestServer::open(&format!("admin_groups: [{FRIENDS}]\n{more}{text}")).await
}

async fn apart(app: &Upstream) -> TestServer {
    server(app, "authenticate_service_url: https://auth.test\n").await
}

/// Ann, who is an admin, at the page.
async fn desk(server: &TestServer) -> (Browser, Seen) {
    let mut ann = server.signed_in(TV, ANN).await;
    let page = ann.open(PEOPLE).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    (ann, page)
}

async fn member(server: &TestServer, email: &str) -> Option<Member> {
    let people = server.directory().list().await.unwrap();
    people.into_iter().find(|one| &*one.email == email)
}

/// The address of the link that a page shows.
fn link(page: &Seen) -> String {
    let from = page.body.split("<code>").nth(1).unwrap_or_else(|| panic!("{}", page.body));
    from.split("</code>").next().unwrap().replace("&amp;", "&")
}

/// What an operator finds of one event.
fn told(server: &TestServer, what: &str) -> Value {
    let told = server.records("people");
    let line = told.iter().find(|line| line["cause"].as_str().unwrap().contains(what));
    line.unwrap_or_else(|| panic!("{what}: {told:?}")).clone()
}

const INVITATION: [(&str, &str); 5] = [
    ("email", BOB),
    ("name", "Bob"),
    ("groups", "friends, kids"),
    ("until", "2099-12-31"),
    ("days", "3"),
];

#[tokio::test]
async fn nobody_but_an_admin_sees_the_page_of_people() {
    let app = sockets::echo();
    let server = apart(&app).await;
    let mut stranger = server.browser();
    let seen = stranger.open(PEOPLE).await;
    assert!(seen.url.path().ends_with("/sign_in") && !seen.body.contains(ANN.0), "{}", seen.url);

    let mut eve = server.signed_in(TV, EVE).await;
    let seen = eve.open(PEOPLE).await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND, "{}", seen.body);
    assert!(!seen.body.contains(ANN.0));
    let (mut ann, page) = desk(&server).await;
    let stolen = Seen { body: String::new(), ..clone(&page) };
    let flow = hidden(&page, "flow");
    let fields = [("flow", &*flow), ("action", "remove"), ("email", ANN.0)];
    let seen = eve.post(&stolen, "", &fields).await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND, "nor presses a button of it");
    assert!(member(&server, ANN.0).await.is_some());

    // Who is an admin no more is none at once, whatever the session began with.
    let home = ann.open("https://auth.test/.pomerium/").await;
    assert!(home.body.contains("href=\"/.pomerium/people\""), "{}", home.body);
    server.directory().set_groups(ANN.0, &[]).await.unwrap();
    let seen = ann.open(PEOPLE).await;
    assert!(!seen.body.contains(EVE.0), "{}", seen.body);
}

#[tokio::test]
async fn no_page_of_people_beside_an_app_on_its_host() {
    let app = sockets::echo();
    let server = server(&app, "").await;
    let mut ann = server.signed_in(TV, ANN).await;
    let seen = ann.open("https://tv.test/.pomerium/people").await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND, "its scripts would have the same power");
}

#[tokio::test]
async fn a_forged_or_stale_form_changes_nobody() {
    let app = sockets::echo();
    let server = apart(&app).await;
    let (mut ann, page) = desk(&server).await;
    let flow = hidden(&page, "flow");
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("flow", &*flow), ("action", "remove"), ("email", EVE.0)])
        .finish();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let nav = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let from = [form, ("origin", "https://tv.test"), ("sec-fetch-site", "same-site")];
    let foreign = [nav.as_slice(), &from, &[("accept", "text/html")]].concat();
    let seen = ann.send(Method::POST, PEOPLE, &foreign, body).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.body);

    let bare = Seen { body: String::new(), ..clone(&page) };
    let fields = [("flow", "x"), ("action", "remove"), ("email", EVE.0)];
    let seen = ann.post(&bare, "", &fields).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "another browser's form");

    server.clock.turn(Duration::from_secs(11 * 60));
    let seen = acts(&mut ann, &page, "remove", &[("email", EVE.0)]).await;
    assert!(seen.url.path().ends_with("/sign_in"), "asks once more: {}", seen.url);
    assert!(member(&server, EVE.0).await.is_some(), "and nobody was removed");
    let seen = ann.open(PEOPLE).await;
    assert!(seen.body.contains(EVE.0) && !seen.body.contains("value=\"remove\""), "{}", seen.body);
    let seen = ann.open(&format!("{PEOPLE}?again")).await;
    let seen = ann.post(&seen, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    assert_eq!(seen.url.as_str(), PEOPLE, "and comes back: {}", seen.body);
    assert!(seen.body.contains("value=\"remove\""), "{}", seen.body);
}

#[tokio::test]
async fn an_admin_invites_somebody_by_a_link_that_works() {
    let app = sockets::echo();
    let server = apart(&app).await;
    let (mut ann, page) = desk(&server).await;
    let typed_wrong = [
        ("email", "bob"),
        ("groups", "a\tb"),
        ("until", "soon"),
        ("until", "2020-01-01"),
        ("days", "0"),
    ];
    for (field, odd) in typed_wrong {
        let fields =
            INVITATION.map(|(name, value)| (name, if name == field { odd } else { value }));
        let seen = acts(&mut ann, &page, "invite", &fields).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{field}: {}", seen.body);
        assert!(!seen.body.contains("invitation="), "{field}");
        assert!(seen.body.contains("value=\"Bob\""), "what was typed stays: {field}");
    }
    let here = INVITATION.map(|(name, value)| (name, if name == "email" { EVE.0 } else { value }));
    let seen = acts(&mut ann, &page, "invite", &here).await;
    assert!(seen.body.contains("has that address already"), "{}", seen.body);

    let made = acts(&mut ann, &page, "invite", &INVITATION).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    assert!(made.body.contains("<svg class=\"code\""), "{}", made.body);
    let said = "You are invited to https://auth.test until <time";
    assert!(made.body.contains(said) && made.body.contains("1 January 2100"), "{}", made.body);
    let link = link(&made);
    let line = told(&server, "bob@example.com was invited by");
    assert!(line["cause"].as_str().unwrap().ends_with(ANN.0), "{line}");
    let token = link.split_once("invitation=").unwrap().1;
    assert!(!server.log().contains(token), "no log has the link");

    let mut bob = server.browser();
    let door = bob.open(&link).await;
    let seen = bob.post(&door, "", &[("name", "Bob"), ("password", "a long enough secret")]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let joined = member(&server, BOB).await.unwrap();
    assert_eq!(joined.groups.join(" "), "friends kids");
    assert_eq!(joined.until, Some(4_102_488_000), "noon of the day after, UTC");
    let list = ann.open(PEOPLE).await;
    assert!(list.body.contains(BOB) && list.body.contains(">Password<"), "{}", list.body);
    assert!(!list.body.contains("invitation="), "it was shown once");
}

#[tokio::test]
async fn an_admin_ends_sessions_and_access_and_lets_in_again() {
    let app = sockets::echo();
    let server = apart(&app).await;
    let (mut ann, page) = desk(&server).await;
    let mut eve = server.signed_in(TV, EVE).await;
    let seen = acts(&mut ann, &page, "sessions", &[("email", EVE.0)]).await;
    assert_eq!((seen.status, seen.url.as_str()), (StatusCode::OK, PEOPLE), "{}", seen.body);
    assert_eq!(eve.fetch(TV).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(told(&server, "all sessions were ended by")["email"], EVE.0);
    assert_eq!(ann.open(PEOPLE).await.status, StatusCode::OK, "Ann's own go on");

    acts(&mut ann, &page, "until", &[("email", EVE.0), ("until", "2099-12-31")]).await;
    assert_eq!(member(&server, EVE.0).await.unwrap().until, Some(4_102_488_000));
    let seen = acts(&mut ann, &page, "until", &[("email", EVE.0), ("until", "")]).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "a day left out is no word of no end");
    assert_eq!(member(&server, EVE.0).await.unwrap().until, Some(4_102_488_000));
    acts(&mut ann, &page, "no-end", &[("email", EVE.0)]).await;
    assert_eq!(member(&server, EVE.0).await.unwrap().until, None);
    assert_eq!(told(&server, "the end of the access was set: never by")["email"], EVE.0);

    let made = acts(&mut ann, &page, "recover", &[("email", EVE.0)]).await;
    assert_eq!(told(&server, "to get in again by")["email"], EVE.0);
    let mut again = server.browser();
    let door = again.open(&link(&made)).await;
    let seen = again.post(&door, "", &[("password", "another long secret")]).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let user = again.open("https://auth.test/.pomerium/user").await;
    assert_eq!(user.json()["email"], EVE.0);
}

#[tokio::test]
async fn whom_an_admin_removes_is_signed_out_and_the_last_admin_stays() {
    let app = sockets::echo();
    let server = apart(&app).await;
    let (mut ann, page) = desk(&server).await;
    let shouted = ANN.0.to_uppercase();
    for email in [ANN.0, &*shouted] {
        for (action, until) in [("remove", ""), ("until", "2099-12-31")] {
            let seen = acts(&mut ann, &page, action, &[("email", email), ("until", until)]).await;
            assert!(seen.body.contains("Nobody would be left"), "{action}: {}", seen.body);
        }
    }
    let ann_now = member(&server, ANN.0).await.unwrap();
    assert_eq!(ann_now.until, None);

    // An admin until some day is none that is left for good.
    server.directory().set_groups(EVE.0, &[FRIENDS.to_owned()]).await.unwrap();
    acts(&mut ann, &page, "until", &[("email", EVE.0), ("until", "2099-12-31")]).await;
    let seen = acts(&mut ann, &page, "remove", &[("email", ANN.0)]).await;
    assert!(seen.body.contains("Nobody would be left"), "{}", seen.body);
    acts(&mut ann, &page, "no-end", &[("email", EVE.0)]).await;
    let mut eve = server.signed_in(TV, EVE).await;
    let mut socket = sockets::open(&eve, "tv.test").await;
    acts(&mut ann, &page, "remove", &[("email", EVE.0)]).await;
    sockets::ends(&mut socket).await;
    assert_eq!(eve.fetch(TV).await.status, StatusCode::UNAUTHORIZED);
    assert!(member(&server, EVE.0).await.is_none());
    let line = told(&server, "removed by");
    assert_eq!(line["email"], EVE.0);
    assert_eq!(line["cause"], format!("removed by {}", ANN.0));
    let gone = acts(&mut ann, &page, "remove", &[("email", EVE.0)]).await;
    assert!(gone.body.contains("Nobody here has that address"), "{}", gone.body);
}
