//! Addresses that are opened late, again, elsewhere, or by somebody who was sent there.

use std::time::Duration;

use http::{Method, StatusCode};
use usher_lab::{
    browser::{Browser, FETCH, NAVIGATION},
    upstream::{Upstream, field},
};

use crate::test_server::{ANN, EVE, TestServer, config, friends, public};

/// Signs in, and gives every address that the browser came by.
async fn every_step(browser: &mut Browser, url: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let mut seen = browser.send(Method::GET, url, NAVIGATION, "").await;
    while let Some(next) = seen.location() {
        steps.push(next.to_string());
        seen = browser.send(Method::GET, next.as_str(), NAVIGATION, "").await;
    }
    let mut seen = browser.post_once(&seen, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    while let Some(next) = seen.location() {
        steps.push(next.to_string());
        seen = browser.send(Method::GET, next.as_str(), NAVIGATION, "").await;
    }
    assert_eq!((seen.status, seen.url.as_str()), (StatusCode::OK, url));
    steps
}

#[tokio::test]
async fn a_step_of_sign_in_that_is_over_leads_on_and_signs_nobody_in() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut ann = server.browser();
    let steps = every_step(&mut ann, "https://tv.test/film?a=1").await;
    assert!(steps.iter().any(|step| step.contains("/.pomerium/sign_in?")), "{steps:?}");
    assert!(steps.iter().any(|step| step.contains("/.pomerium/callback/?")), "{steps:?}");
    let before = ann.jar["tv.test"]["__Host-_pomerium"].clone();
    for minutes in [0, 30] {
        server.clock.turn(Duration::from_secs(60 * minutes));
        for step in &steps {
            let seen = ann.open(step).await;
            assert_eq!(seen.status, StatusCode::OK, "after {minutes} min: {step}");
            assert_eq!(seen.url.as_str(), "https://tv.test/film?a=1", "{step}");
            let mut stranger = server.browser();
            let seen = stranger.open(step).await;
            assert_ne!(seen.url.as_str(), "https://tv.test/film?a=1", "{step}");
            let in_jar = |jar: &std::collections::BTreeMap<String, String>| {
                jar.keys().any(|name| name == "__Host-_pomerium" || name.ends_with("_authenticate"))
            };
            assert!(!stranger.jar.values().any(in_jar), "somebody else is signed in by {step}");
        }
    }
    assert_eq!(ann.jar["tv.test"]["__Host-_pomerium"], before, "and no other session was made");
}

#[tokio::test]
async fn long_links_survive_the_sign_in_or_somebody_says_so() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    for octets in [100, 1024, 1100, 3000, 6000, 9000] {
        let url = format!("https://tv.test/find?q={}", "x".repeat(octets));
        let mut ann = server.browser();
        let seen = ann.sign_in(&url, ANN.0, ANN.1).await;
        if octets < 6500 {
            assert_eq!((seen.status, seen.url.as_str()), (StatusCode::OK, &*url), "{octets}");
        } else {
            assert!(seen.body.contains("too long to be kept"), "{octets}: {}", seen.body);
            assert_eq!(ann.open(&url).await.status, StatusCode::OK, "she is signed in now");
        }
        let waits = ann.jar["tv.test"].keys().any(|name| name.contains("_deep_"));
        assert!(!waits, "{octets}: it is taken away again");
    }
}

#[tokio::test]
async fn a_session_in_a_link_is_for_programs_only() {
    let upstream = Upstream::echo();
    let routes = [friends("tv.test", upstream.address), public("open.test", upstream.address)];
    let server = TestServer::open(&config(&routes)).await;
    let mut eve = server.browser();
    eve.sign_in("https://tv.test/", EVE.0, EVE.1).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let handle = ann.jar["tv.test"]["__Host-_pomerium"].clone();
    let link = format!("https://tv.test//x?a=1&pomerium_session={handle}&b=%20");

    let mut program = server.browser();
    let seen = program.send(Method::GET, &link, &[], "").await;
    assert_eq!(seen.status, StatusCode::OK, "a program may");
    assert!(!seen.body.contains(&handle), "and the app does not see it: {}", seen.body);

    let cross = [("sec-fetch-mode", "no-cors"), ("sec-fetch-site", "cross-site")];
    let seen = program.send(Method::GET, &link, &cross, "").await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "an image on a page of another site");
    for mut visitor in [server.browser(), eve.clone()] {
        for method in [Method::GET, Method::HEAD] {
            let seen = visitor.send(method, &link, NAVIGATION, "").await;
            assert_eq!(seen.status, StatusCode::FOUND);
            assert_eq!(seen.field("location"), "https://tv.test//x?a=1&b=%20", "and nowhere else");
            assert_eq!(seen.field("referrer-policy"), "no-referrer");
        }
        let seen = visitor.send(Method::POST, &link, NAVIGATION, "").await;
        assert_ne!(seen.status, StatusCode::OK, "a form's target is a link, too");
        assert_ne!(seen.field("location"), "https://tv.test//x?a=1&b=%20", "and its body is lost");
    }
    let seen = eve.send(Method::GET, &link, FETCH, "").await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "a cookie goes before it: she is Eve");

    // The handle was made for tv.test.
    for (name, value) in [
        ("x-pomerium-authorization", handle.clone()),
        ("authorization", format!("Pomerium {handle}")),
        ("cookie", format!("__Host-_pomerium={handle}")),
    ] {
        let seen = program
            .send(Method::GET, "https://open.test/.pomerium/user", &[(name, &value)], "")
            .await;
        assert_ne!(seen.status, StatusCode::OK, "{name}: elsewhere it is nobody's");
    }
    let referer = format!("https://open.test/x?pomerium_session={handle}&b=1");
    let seen = program.send(Method::GET, "https://open.test/", &[("referer", &referer)], "").await;
    assert_eq!(field(&seen.body, "referer").as_deref(), Some("https://open.test/x?b=1"));
}

#[tokio::test]
async fn a_program_gets_in_when_somebody_says_so_and_not_by_a_link() {
    let upstream = Upstream::echo();
    let routes = [friends("tv.test", upstream.address), friends("photos.test", upstream.address)];
    let server = TestServer::open(&config(&routes)).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let program = "http://127.0.0.1:4242/cb";
    let login = "https://photos.test/.pomerium/api/v1/login?pomerium_redirect_uri=";
    let link = ann.send(Method::GET, &format!("{login}{program}"), &[], "").await.body;

    let page = ann.open(&link).await;
    assert_eq!(page.status, StatusCode::OK, "a link alone gives nothing away");
    for word in [program, "photos.test", ANN.0] {
        assert!(page.body.contains(word), "{word}: {}", page.body);
    }
    assert!(page.field("content-security-policy").contains("http://127.0.0.1:4242"));
    let yes = [("program", "allow")];
    let flow = &page.hidden()[0].1;
    let form = format!("program=allow&usher_flow={flow}");
    let cross = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let seen = ann.send(Method::POST, &link, &cross, form.clone()).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "a page of another site posts it");
    let seen = ann.send(Method::POST, &link, &[], "program=allow").await;
    assert!(!seen.field("location").contains("pomerium_jwt"), "no page of ours was shown");

    let action = page.body.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    let action = action.replace("&#38;", "&").replace("&amp;", "&");
    let mut stranger = server.browser();
    let seen = stranger.post_once(&page, &action, &yes).await;
    assert!(!seen.field("location").contains("pomerium_jwt"), "another browser");
    let seen = ann.post_once(&page, &action, &yes).await;
    let to = seen.location().unwrap();
    assert_eq!((to.host_str(), to.port()), (Some("127.0.0.1"), Some(4242)));
    let handle = to.query_pairs().find(|(name, _)| name == "pomerium_jwt").unwrap().1.into_owned();
    let again = ann.post_once(&page, &action, &yes).await;
    assert!(!again.field("location").contains("pomerium_jwt"), "once");

    let bearer = format!("Pomerium {handle}");
    for (host, expected) in [("photos.test", StatusCode::OK), ("tv.test", StatusCode::UNAUTHORIZED)]
    {
        let fields = [("authorization", &*bearer), ("accept", "application/json")];
        let url = format!("https://{host}/");
        let seen = server.browser().send(Method::GET, &url, &fields, "").await;
        assert_eq!(seen.status, expected, "the handle is for photos.test, here {host}");
    }
    let mut nobody = server.browser();
    let page = nobody.sign_in(&link, ANN.0, ANN.1).await;
    assert!(page.body.contains(program), "who signs in for it is asked, too: {}", page.body);
}
