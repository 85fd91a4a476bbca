//! T4: a callback link is good once, in one browser, on one host.

use usher_rules::{plan::Provider, session::SessionId, signin::sign_url, time::UnixTime};

use super::test_room::{ANN, Browser, START, Seen, TestRoom};
use crate::request::identify::SessionStore;

const PAGE: &str = "https://tv.example/web/";

/// Ann has filled in the form: the answer holds the callback link.
async fn callback_of(browser: &mut Browser<'_>) -> String {
    let form = browser.follow(PAGE).await;
    browser.fill(&form, ANN.0, ANN.1).await.location().to_owned()
}

fn refused(seen: &Seen, why: &str) {
    assert_eq!(seen.status, 400, "{why}");
    assert!(!seen.signs_in(), "{why}: {:?}", seen.cookies());
}

#[tokio::test]
async fn t4_second_use() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let link = callback_of(&mut browser).await;
    let mut copied = browser.clone();
    assert!(browser.get(&link).await.signs_in());
    let again = browser.get(&link).await;
    assert_eq!((again.status, again.location(), again.signs_in()), (302, PAGE, false), "again");
    refused(&copied.get(&link).await, "a browser with the same cookies");
}

#[tokio::test]
async fn t4_other_browser() {
    let room = TestRoom::new(Provider::Builtin);
    let mut mallory = room.browser();
    let link = callback_of(&mut mallory).await;
    let mut victim = room.browser();
    refused(&victim.get(&link).await, "a browser that began nothing");
    victim.get(PAGE).await;
    refused(&victim.get(&link).await, "a browser that began something else");
    assert!(mallory.get(&link).await.signs_in(), "a stranger's try does not use it up");
}

#[tokio::test]
async fn t4_other_host() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let link = callback_of(&mut browser).await;
    for host in ["photos.example", "auth.example", "tv.example:8443", "nowhere.example"] {
        let mut there = browser.clone();
        for ((_, name), value) in browser.jar.clone() {
            let name_only = host.split(':').next().unwrap();
            there.jar.insert((name_only.to_owned(), name), value);
        }
        let moved = link.replace("https://tv.example/", &format!("https://{host}/"));
        refused(&there.get(&moved).await, host);
    }
}

/// T2: what the signature of a callback covers.
#[tokio::test]
async fn t2_signature_coverage() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let link = callback_of(&mut browser).await;
    for (given, why) in [
        (format!("{link}&x=1"), "added"),
        (format!("{link}&usher_flow=x"), "given twice"),
        (link.replace("%2Fweb%2F", "%2Fother%2F"), "another page"),
        (link.split('?').next().unwrap().to_owned(), "nothing"),
    ] {
        refused(&browser.get(&given).await, why);
    }
    room.later(361);
    refused(&browser.get(&link).await, "too late");
}

/// T1: even a link with a good signature leads only to the host that it is for.
#[tokio::test]
async fn t1_a_callback_stays_on_its_host() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let link = callback_of(&mut browser).await;
    let url = url::Url::parse(&link).unwrap();
    let text =
        |name: &str| url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
    let (flow, sealed) = (text("usher_flow"), text("pomerium_session_encrypted"));
    for (page, works) in [
        ("https://photos.example/", false),
        ("https://evil.example/", false),
        ("https://tv.example@evil.example/", false),
        (PAGE, true),
    ] {
        let params = [
            ("pomerium_redirect_uri", page),
            ("pomerium_session_encrypted", &sealed),
            ("usher_flow", &flow),
        ];
        let base = "https://tv.example/.pomerium/callback/";
        let forged = sign_url(&room.keys, base, &params, UnixTime::from_seconds(START));
        assert_eq!(browser.clone().get(&forged).await.signs_in(), works, "{page}");
    }
}

#[tokio::test]
async fn t6_a_session_that_was_ended_meanwhile() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let link = callback_of(&mut browser).await;
    room.end_all_of("id-of-ann").await;
    refused(&browser.get(&link).await, "ended");
}

/// T6: deleted, expired, of another provider: none of them is known at the authenticate host.
#[tokio::test]
async fn t6_what_is_no_longer_known() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    browser.sign_in(PAGE, ANN).await;
    room.later(14 * 3600);
    let expired = browser.follow(PAGE).await;
    assert!(expired.text.contains("name=\"password\""), "asked again after `cookie_expire`");
    let again = browser.fill(&expired, ANN.0, ANN.1).await;
    assert!(browser.get(again.location()).await.signs_in());
    let mut void = room
        .sessions
        .of_person("id-of-ann")
        .iter()
        .map(|live| live.signed_in().clone())
        .max_by_key(|who| who.session.issued_at)
        .unwrap();
    void.session.idp_id = "another".into();
    room.sessions.insert(void).await.unwrap();
    let other = browser.follow("https://photos.example/").await;
    assert!(other.text.contains("name=\"password\""), "a changed provider makes its sessions void");
}

/// T5: a handle from a URL or another cookie is not a binding, and the other way round.
#[tokio::test]
async fn t5_tokens_are_not_for_each_other() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let link = callback_of(&mut browser).await;
    let sealed = url::Url::parse(&link).unwrap();
    let sealed = sealed
        .query_pairs()
        .find(|(name, _)| name == "pomerium_session_encrypted")
        .unwrap()
        .1
        .into_owned();
    let binding = browser.jar.iter().find(|((host, _), _)| host == "tv.example").unwrap().1.clone();
    let id = room.sessions.of_person("id-of-ann")[0].session().id.clone();
    for (token, why) in [
        (sealed, "the sealed handle of a callback"),
        (binding, "what ties a browser to a sign-in"),
        (id.as_str().to_owned(), "a session's id"),
        (SessionId::from_random([7; 16]).as_str().to_owned(), "some id"),
    ] {
        let mut thief = room.browser();
        thief.jar.insert(("tv.example".into(), "__Host-_pomerium".into()), token.clone());
        assert_eq!(thief.get(PAGE).await.status, 302, "{why} as a cookie");
        let mut thief = room.browser();
        thief.jar.insert(("auth.example".into(), "__Host-_pomerium_authenticate".into()), token);
        assert!(
            thief.follow(PAGE).await.text.contains("name=\"password\""),
            "{why} at the authenticate host"
        );
    }
}
