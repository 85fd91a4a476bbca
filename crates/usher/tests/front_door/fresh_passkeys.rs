//! `passkey_within`: a passkey is asked for whatever somebody signed in with, and nothing else does.

use std::time::Duration;

use http::Method;
use usher_lab::{browser::NAVIGATION, upstream::Upstream};

use crate::{
    apps_let_in::{self, App},
    authenticator::{Authenticator, Lie, ann_enrols, at_the_door, hidden, shows},
    openid::{self, At},
    permits, sockets,
    test_server::{ANN, EVE, TestServer, config, friends},
    tunnels::{allowed, ended, ends, open, parrot, says_back, ssh},
};

const STRICT: &str = "https://tv.test/admin";
const ASKS: &str = "A passkey is needed to go on";

/// The usual route, and one in front of it that wants a fresh passkey too.
fn strict(route: &str) -> String {
    route.replacen("\n  to:", "\n  prefix: /admin\n  to:", 1).replace(
        "{or: [{claim/groups: friends}]}",
        "{and: [{claim/groups: friends}, {passkey_within: 10m}]}",
    )
}

async fn house() -> (TestServer, Upstream) {
    let upstream = Upstream::echo();
    let route = friends("tv.test", upstream.address);
    (TestServer::open(&config(&[strict(&route), route])).await, upstream)
}

#[tokio::test]
async fn a_passkey_is_asked_for_whoever_is_known_and_counts_for_its_time() {
    let (server, upstream) = house().await;
    let mut key = Authenticator::new("key-of-ann");
    let mut ann = ann_enrols(&server, &mut key).await;
    let before = upstream.heads().len();

    let page = ann.open(STRICT).await;
    assert!(page.url.path().ends_with("/sign_in") && page.body.contains(ASKS), "{}", page.body);
    assert!(!page.body.contains("type=\"password\""), "nothing else is taken: {}", page.body);
    let flow = hidden(&page, "flow");
    let typed = [("flow", &*flow), ("email", ANN.0), ("password", ANN.1)];
    let bare =
        usher_lab::browser::Seen { body: String::new(), ..crate::authenticator::clone(&page) };
    let seen = ann.post(&bare, "", &typed).await;
    assert_eq!(seen.status, 403, "nor where it is sent all the same: {}", seen.body);
    assert_eq!(ann.open("https://tv.test/film").await.status, 200, "what was open stays so");
    assert_eq!(upstream.heads().len(), before + 1, "and the strict one got nothing");

    let page = ann.open(STRICT).await;
    let answer = key.signs(&page, Lie::default());
    let seen = shows(&mut ann, &page, &answer).await;
    assert_eq!((seen.status.as_u16(), seen.url.as_str()), (200, STRICT), "{}", seen.body);
    server.clock.turn(Duration::from_secs(599));
    assert_eq!(ann.open(STRICT).await.status, 200, "the last second");
    server.clock.turn(Duration::from_secs(1));
    let page = ann.open(STRICT).await;
    assert!(page.body.contains(ASKS), "by a passkey, too long ago: {}", page.body);
    let decided = server.records("authorize check");
    assert!(decided.iter().any(|line| line["verdict"] == "show-passkey"), "{decided:?}");

    // A password that is typed after it is a sign-in without one.
    let answer = key.signs(&page, Lie::default());
    assert_eq!(shows(&mut ann, &page, &answer).await.status, 200);
    ann.open("https://tv.test/.pomerium/sign_out").await;
    let mut ann = server.signed_in("https://tv.test/film", ANN).await;
    assert!(ann.open(STRICT).await.body.contains(ASKS));
    let mut eve = server.signed_in("https://tv.test/film", EVE).await;
    assert_eq!(eve.open(STRICT).await.status, 403, "no passkey would let her in");
}

/// Tabs that wait for the same passkey go on by it, and one that was shown before does not do.
#[tokio::test]
async fn a_link_for_a_passkey_is_met_by_one_that_was_shown_since() {
    let (server, _upstream) = house().await;
    let mut key = Authenticator::new("key-of-ann");
    ann_enrols(&server, &mut key).await;
    let (mut ann, page) = at_the_door(&server).await;
    let answer = key.signs(&page, Lie::default());
    assert_eq!(shows(&mut ann, &page, &answer).await.status, 200);
    assert_eq!(ann.open(STRICT).await.status, 200, "who signed in by one has shown one");

    server.clock.turn(Duration::from_secs(601));
    let [first, second] = [
        ann.send(Method::GET, STRICT, NAVIGATION, "").await,
        ann.send(Method::GET, STRICT, NAVIGATION, "").await,
    ];
    let location = first.location().unwrap();
    assert!(location.as_str().contains("usher_prompt=passkey"), "{location}");
    let page = ann.open(location.as_str()).await;
    assert!(page.body.contains(ASKS), "the one of before does not do: {}", page.body);
    let other = location.as_str().replace("usher_prompt=passkey", "usher_prompt=login");
    let seen = ann.open(&other).await;
    assert!(seen.body.contains("changed on the way"), "it is signed along: {}", seen.body);
    server.clock.turn(Duration::from_secs(1)); // moments are whole seconds
    let answer = key.signs(&page, Lie::default());
    assert_eq!(shows(&mut ann, &page, &answer).await.status, 200);
    let seen = ann.open(second.location().unwrap().as_str()).await;
    assert_eq!((seen.status.as_u16(), seen.url.as_str()), (200, STRICT), "the other tab goes on");
}

#[tokio::test]
async fn what_a_page_asks_by_itself_is_not_sent_to_show_a_passkey() {
    let (server, _upstream) = house().await;
    let mut ann = server.signed_in("https://tv.test/film", ANN).await;
    let json = [("accept", "application/json")];
    let fetched = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];
    let socket = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("origin", "https://tv.test"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for fields in [&json[..], &fetched, &socket] {
        let seen = ann.send(Method::GET, STRICT, fields, "").await;
        assert_eq!((seen.status.as_u16(), seen.location()), (401, None), "{fields:?}");
        let says = seen.field("www-authenticate");
        assert!(says.contains("insufficient_user_authentication"), "{fields:?}: {says}");
    }
}

/// Its session says how its owner signed in who let it in.
#[tokio::test]
async fn an_app_of_somebody_who_showed_a_passkey_has_shown_none() {
    let library = apps_let_in::library(&[ANN.0]).await;
    let route = apps_let_in::route(&library);
    let server = TestServer::open(&config(&[strict(&route), route])).await;
    let mut key = Authenticator::new("key-of-ann");
    ann_enrols(&server, &mut key).await;
    let (mut ann, page) = at_the_door(&server).await;
    let answer = key.signs(&page, Lie::default());
    shows(&mut ann, &page, &answer).await;
    let mut app = App::new(server.browser());
    let token = apps_let_in::let_in(&mut ann, &mut app).await;
    assert_eq!(app.get("/Users/Me", &token).await.status, 200, "it is hers");
    assert_ne!(ann.open(STRICT).await.status, 403, "she may, with the passkey of just now");
    let seen = app.get("/admin", &token).await;
    assert_eq!((seen.status.as_u16(), seen.location()), (403, None), "{}", seen.body);
}

#[tokio::test]
async fn an_app_that_asks_who_somebody_is_may_want_a_fresh_passkey() {
    let upstream = Upstream::echo();
    let text = openid::config(&upstream).replace(
        "{or: [{groups: {has: friends}}]}",
        "{and: [{groups: {has: friends}}, {passkey_within: 10m}]}",
    );
    let server = TestServer::open(&text).await;
    let browser = server.browser();
    let mut at = At { server, browser, app: upstream };
    at.browser.sign_in(&format!("{}/.pomerium/sign_in", openid::LOGIN), ANN.0, ANN.1).await;
    let asked = at.ask(&[]).await.expect_err("she is asked for a passkey");
    assert!(asked.body.contains(ASKS), "{}", asked.body);
    let told = at.ask(&[("prompt", "none")]).await.unwrap();
    assert_eq!(openid::param(&told, "error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn an_app_gets_no_new_token_when_its_policy_wants_a_passkey() {
    let mut at = At::known(ANN).await;
    let tokens = at.tokens().await;
    let wants = "{and: [{groups: {has: friends}}, {passkey_within: 10m}]}";
    let text = openid::config(&at.app).replace("{or: [{groups: {has: friends}}]}", wants);
    at.server.reload(&text).unwrap();
    openid::refused(&at.refresh(&tokens["refresh_token"]).await, "invalid_grant");
}

/// What runs is decided again.
#[tokio::test]
async fn a_socket_ends_when_a_reload_wants_a_passkey_and_when_it_is_too_old() {
    let upstream = sockets::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let mut key = Authenticator::new("key-of-ann");
    let by_password = ann_enrols(&server, &mut key).await;
    let (mut by_passkey, page) = at_the_door(&server).await;
    let answer = key.signs(&page, Lie::default());
    shows(&mut by_passkey, &page, &answer).await;
    let mut one = sockets::open(&by_password, "tv.test").await;
    let mut other = sockets::open(&by_passkey, "tv.test").await;
    let wants = "{and: [{claim/groups: friends}, {passkey_within: 10m}]}";
    server.reload(&text.replace("{or: [{claim/groups: friends}]}", wants)).unwrap();
    sockets::ends(&mut one).await;
    permits::ended(&server, "/socket", "permit_ended_expiry", 1).await;
    sockets::says_back(&mut other, "looked at, and left alone").await;
    server.clock.turn(Duration::from_secs(600));
    sockets::ends(&mut other).await;
    permits::ended(&server, "/socket", "permit_ended_expiry", 2).await;
}

/// A session that ran out leaves its tunnels an hour; a passkey that is too old leaves them nothing.
#[tokio::test]
async fn a_tunnel_ends_when_its_passkey_is_too_old() {
    let upstream = Upstream::echo();
    let anybody_s = "{or: [{claim/groups: friends}]}";
    let wants = "{and: [{claim/groups: friends}, {passkey_within: 10m}]}";
    let strict = ssh(parrot().await).replace(anybody_s, wants);
    let routes = [friends("tv.test", upstream.address), strict];
    let server = TestServer::open(&config(&routes)).await;
    let mut key = Authenticator::new("key-of-ann");
    ann_enrols(&server, &mut key).await;
    let login = "https://ssh.test/.pomerium/api/v1/login?pomerium_redirect_uri=http://127.0.0.1:1";
    let link = server.browser().fetch(login).await.body;
    let mut ann = server.browser();
    let page = ann.open(&link).await;
    let answer = key.signs(&page, Lie::default());
    let page = shows(&mut ann, &page, &answer).await;
    let handle = allowed(&mut ann, &page).await;
    let mut stream = open(&server, "ssh.test:22", &handle).await;
    server.clock.turn(Duration::from_secs(599));
    says_back(&mut stream, "the last second").await;
    server.clock.turn(Duration::from_secs(1));
    ends(stream).await;
    ended(&server, "permit_ended_expiry").await;
}
