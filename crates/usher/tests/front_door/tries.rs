//! Passwords are guessed slowly, and nobody is locked out by somebody else's guesses.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use usher_lab::{browser::NAVIGATION, upstream::Upstream};

use crate::{
    authenticator::{Authenticator, FILM, Lie, ann_enrols, at_the_door, house, shows},
    test_server::{ANN, TestServer, config, friends},
};

const PAGE: &str = "https://tv.test/";
const DEVICE: &str = "__Host-_pomerium_device_";

#[tokio::test]
async fn a_neighbour_behind_the_same_router_locks_nobody_out() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut ann = server.signed_in(PAGE, ANN).await;
    let device = |jar: &usher_lab::browser::Browser| {
        let held: Vec<_> = jar.jar["tv.test"].iter().collect();
        let ours = held.into_iter().filter(|(name, _)| name.starts_with(DEVICE));
        ours.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
    };
    let [(name, value)] = &device(&ann)[..] else { panic!("one device: {:?}", device(&ann)) };
    assert!(!value.contains(ANN.0), "{value}");
    let (_, sealed) = value.split_once('.').expect("when, and what is sealed");
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).expect("base64");
    assert!(!sealed.windows(ANN.0.len()).any(|part| part == ANN.0.as_bytes()), "in the clear");
    let seen = ann.fetch("https://tv.test/echo").await;
    assert!(!seen.body.contains("_device_"), "the app does not get it: {}", seen.body);

    let mut neighbour = server.browser();
    let mut last = StatusCode::OK;
    for _ in 0..12 {
        last = neighbour.sign_in(PAGE, ANN.0, "a guess").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "guessing is slowed down");
    let mut strange = server.browser();
    let seen = strange.sign_in(PAGE, ANN.0, ANN.1).await;
    assert_eq!(seen.status, StatusCode::TOO_MANY_REQUESTS, "a browser that nobody knows waits");

    // Hers, long after her session: only what is kept for long is left.
    let mut later = server.browser();
    let jar = later.jar.entry("tv.test".into()).or_default();
    jar.insert(name.clone(), value.clone());
    let seen = later.sign_in(PAGE, ANN.0, ANN.1).await;
    assert_eq!(seen.status, StatusCode::OK, "she gets in from the same address");
    assert_eq!(device(&later).len(), 1, "and is the same device as before");
    assert_eq!(device(&later)[0].0, *name);

    // Not a way in, and not for others' accounts.
    let mut only = server.browser();
    only.jar.entry("tv.test".into()).or_default().insert(name.clone(), value.clone());
    assert_eq!(only.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED, "it opens nothing");
    let fields = [NAVIGATION, &[("cookie", "__Host-_pomerium_device_x=1.y")]].concat();
    let seen = server.browser().send(Method::GET, PAGE, &fields, "").await;
    assert_eq!(seen.status, StatusCode::FOUND, "garbage is nobody's device");
}

/// At three in the morning: who is tried, from where, and is it one visitor? Behind a proxy all come
/// from one peer. What is no account's address may be a password in the wrong field.
#[tokio::test]
async fn an_operator_sees_who_guesses_at_whom_and_from_where() {
    let upstream = Upstream::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    for (more, shows_email) in [("", true), ("authorize_log_fields: [request-id, user]\n", false)] {
        let server = TestServer::open(&format!("xff_num_trusted_hops: 1\n{more}{text}")).await;
        let ann = server.directory().list().await.unwrap();
        let ann = ann.iter().find(|member| *member.email == *ANN.0).unwrap().id.clone();
        server.browser().sign_in(PAGE, ANN.0, "a secret guess").await;
        server.browser().sign_in(PAGE, "hunter2@hunter2", "another guess").await;
        server.signed_in(PAGE, ANN).await;
        let failed = server.records("sign-in-failed");
        let [known, unknown] = &failed[..] else { panic!("two: {failed:?}") };
        let came = server.records("sign-in");
        let [came] = &came[..] else { panic!("one: {came:?}") };
        for line in [known, came] {
            assert_eq!(line["user-id"], *ann, "{line}");
            assert_eq!(line["email"] == ANN.0, shows_email, "{line}");
        }
        for line in [known, unknown, came] {
            assert_eq!(line["ip"], "127.0.0.1", "{line}");
            let (_, access) = server.recorded(line["request-id"].as_str().unwrap()).await;
            assert_eq!(access["path"], "/.pomerium/sign_in", "{line}");
        }
        assert!(unknown.get("user-id").is_none() && unknown.get("email").is_none(), "{unknown}");
        for secret in ["hunter2", "guess", ANN.1] {
            assert!(!server.log().contains(secret), "{secret}: {}", server.log());
        }
    }
}

/// The way of a form past a proxy that is trusted: the visitor is told, not the proxy.
#[tokio::test]
async fn a_guesser_behind_a_trusted_proxy_is_told_by_their_own_address() {
    let upstream = Upstream::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&format!("xff_num_trusted_hops: 1\n{text}")).await;
    let mut browser = server.browser();
    let form = browser.open(PAGE).await;
    let fields = [
        ("x-forwarded-for", "198.51.100.4"),
        ("origin", "https://tv.test"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let flow = form.body.split("name=\"flow\" value=\"").nth(1).unwrap();
    let flow = flow.split('"').next().unwrap();
    let filled = format!("flow={flow}&email=ann%40example.com&password=a+guess");
    browser.send(Method::POST, form.url.as_str(), &fields, filled).await;
    let failed = server.records("sign-in-failed").pop().unwrap();
    assert_eq!(failed["ip"], "198.51.100.4", "{failed}");
}

#[tokio::test]
async fn tries_of_passkeys_are_counted() {
    let (server, _upstream) = house().await;
    let mut strange = Authenticator::new("strange");
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let (mut browser, page) = at_the_door(&server).await;
        let answer = strange.signs(&page, Lie::default());
        statuses.push(shows(&mut browser, &page, &answer).await.status.as_u16());
    }
    assert_eq!(statuses[..10], [403; 10]);
    assert_eq!(statuses[10..], [429; 2]);
    let mut ann = server.browser();
    let seen = ann.sign_in(FILM, ANN.0, ANN.1).await;
    assert_eq!(seen.status, 200, "and whoever has a password does not notice");
}

/// The once-only store is bounded: were a wrong answer to take a place, anybody could fill it.
#[tokio::test]
async fn a_wrong_answer_of_a_passkey_uses_nothing_up() {
    let (server, _upstream) = house().await;
    let mut key = Authenticator::new("key-of-ann");
    ann_enrols(&server, &mut key).await;
    let mut strange = Authenticator { owner: key.owner.clone(), ..Authenticator::new("strange") };
    let (mut browser, page) = at_the_door(&server).await;
    let origin = Lie { origin: Some("https://evil.test"), ..Lie::default() };
    for answer in [strange.signs(&page, Lie::default()), key.signs(&page, origin)] {
        assert_eq!(shows(&mut browser, &page, &answer).await.status, 403);
    }
    let answer = key.signs(&page, Lie::default());
    let mut copy = browser.clone();
    let seen = shows(&mut browser, &page, &answer).await;
    assert_eq!(seen.url.as_str(), FILM, "the question is as good as it was: {}", seen.body);
    let answer = key.signs(&page, Lie::default());
    assert_eq!(shows(&mut copy, &page, &answer).await.status, 403, "a right one used it");
}
