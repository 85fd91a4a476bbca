//! `/.pomerium/sessions`: where somebody is signed in, and what ends it.

use http::StatusCode;
use serde_json::json;
use usher_lab::{browser::Browser, upstream::Upstream};

use crate::{
    provider_choice::{ANYBODY, Choice},
    sockets,
    test_server::{ANN, EVE, FRIENDS, TestServer, config, friends},
};

const LIST: &str = "https://auth.test/.pomerium/sessions";
const TV: &str = "https://tv.test/";

async fn server(app: &Upstream, more: &str) -> TestServer {
    let text = config(&[friends("tv.test", app.address)]);
    TestServer::open(&format!("authenticate_service_url: https://auth.test\n{more}{text}")).await
}

/// The ids in the buttons of a page.
fn ids(body: &str) -> Vec<String> {
    let values = body.split("name=\"end\" value=\"").skip(1);
    let ids = values.filter_map(|rest| rest.split('"').next()).filter(|id| *id != "others");
    ids.map(str::to_owned).collect()
}

async fn ends(browser: &mut Browser, which: &str) {
    let page = browser.open(LIST).await;
    let after = browser.post(&page, "/.pomerium/sessions", &[("end", which)]).await;
    assert_eq!(after.status, StatusCode::OK, "{}", after.body);
}

#[tokio::test]
async fn each_session_ends_alone_and_only_by_its_own_person() {
    let app = sockets::echo();
    let server = server(&app, "").await;
    let mut here = server.signed_in(TV, ANN).await;
    let mut kitchen = server.signed_in(TV, ANN).await;
    let mut phone = server.signed_in(TV, ANN).await;
    let mut eve = server.signed_in(TV, EVE).await;
    let mut socket = sockets::open(&kitchen, "tv.test").await;

    let page = here.open(LIST).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let others = ids(&page.body);
    assert_eq!(others.len(), 2, "her own, but for this one, and nobody else's: {}", page.body);
    assert!(page.body.contains("127.0.0.1") && page.body.contains("This one."), "{}", page.body);
    assert!(!page.body.contains("Everybody else"), "she looks after nobody");
    let moved = here.open("https://tv.test/.pomerium/sessions").await;
    assert_eq!(moved.body, page.body, "an app's host leads to it");

    for id in &others {
        ends(&mut eve, id).await;
    }
    sockets::says_back(&mut socket, "Eve ends nothing of Ann's").await;
    assert_eq!(phone.fetch(TV).await.status, StatusCode::OK);

    let page = here.open(LIST).await;
    let foreign = [("sec-fetch-site", "same-site"), ("origin", "https://tv.test")];
    let body = format!("end={}", others[0]);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let fields = [foreign.as_slice(), &form].concat();
    let refused = here.send(http::Method::POST, LIST, &fields, body).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "no app's page presses the button");

    here.post(&page, "/.pomerium/sessions", &[("end", "others")]).await;
    sockets::ends(&mut socket).await;
    for ended in [&mut kitchen, &mut phone] {
        assert_eq!(ended.fetch(TV).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(here.fetch(TV).await.status, StatusCode::OK, "but for this one");
    assert_eq!(ids(&eve.open(LIST).await.body).len(), 0, "and Eve's goes on");
}

#[tokio::test]
async fn an_admin_sees_and_ends_everybody_s_sessions() {
    let app = sockets::echo();
    let server = server(&app, &format!("admin_groups: [{FRIENDS}]\n")).await;
    let mut ann = server.signed_in(TV, ANN).await;
    let mut eve = server.signed_in(TV, EVE).await;
    let page = ann.open(LIST).await;
    assert!(page.body.contains("Everybody else") && page.body.contains(EVE.0), "{}", page.body);
    assert!(!eve.open(LIST).await.body.contains(ANN.0), "Eve is in no such group");
    let [of_eve] = ids(&page.body).try_into().unwrap();
    ends(&mut ann, &of_eve).await;
    assert!(ids(&ann.open(LIST).await.body).is_empty());
    assert_eq!(eve.fetch(TV).await.status, StatusCode::UNAUTHORIZED);
    let told = server.records("sign-out");
    let line = told.iter().find(|line| line["email"] == EVE.0).unwrap();
    assert_eq!(line["cause"], format!("ended by {}", ANN.0), "{line}");

    // Beside an app on the same host its scripts would have the same power.
    let text = config(&[friends("tv.test", app.address)]);
    server.reload(&format!("admin_groups: [{FRIENDS}]\n{text}")).unwrap();
    let mut beside = server.signed_in(TV, ANN).await;
    let page = beside.open("https://tv.test/.pomerium/sessions").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.body.contains("Everybody else"), "{}", page.body);
}

/// Anybody can make an organisation at GitHub and call it as an admin group is called.
#[tokio::test]
async fn a_group_that_another_provider_tells_makes_nobody_an_admin() {
    for (builtin, name, other, is_admin, why) in [
        ("- idp_provider: builtin\n", "work", "home", false, "people of our own are there"),
        ("- idp_provider: builtin\n", "home", "work", false, "for the first provider, too"),
        ("", "work", "home", false, "it is not the first"),
        ("", "home", "work", true, "the first provider, without people of our own"),
    ] {
        let more = format!("{builtin}admin_groups: [admins, {FRIENDS}]\n");
        let at = Choice::open(&more, &[("tv.test", ANYBODY)]).await;
        let eve = json!({"sub": "eve", "groups": ["admins", FRIENDS]});
        at.home.says(if name == "home" { eve.clone() } else { json!({"sub": "mum"}) });
        at.work.says(if name == "work" { eve } else { json!({"sub": "mum"}) });
        let signed_in = async |name| {
            let mut browser = at.server.browser();
            let (_, door) = at.page(&mut browser, TV).await;
            assert_eq!(at.choose(&mut browser, &door, name).await.status, StatusCode::OK);
            browser
        };
        let (mut here, mut phone) = (signed_in(other).await, signed_in(other).await);
        let [of_mum] = ids(&here.open(LIST).await.body).try_into().unwrap();
        let mut eve = signed_in(name).await;
        let page = eve.open(LIST).await;
        assert_eq!(page.body.contains("Everybody else"), is_admin, "{why}: {}", page.body);
        ends(&mut eve, &of_mum).await;
        let goes_on = phone.fetch(TV).await.status == StatusCode::OK;
        assert_eq!(goes_on, !is_admin, "{why}");
        if !builtin.is_empty() {
            let mut ann = at.server.signed_in(TV, ANN).await;
            let page = ann.open(LIST).await;
            assert!(page.body.contains("Everybody else"), "groups of our own: {}", page.body);
        }
    }
}
