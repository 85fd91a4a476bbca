//! A sibling site can set cookies on the parent domain, for any path, and they come first or last
//! (RFC 6265 §8.6). It locks nobody out, and nobody acts as somebody else.

use http::{Method, StatusCode};
use usher_lab::{browser::Browser, upstream::Upstream};

use crate::test_server::{ANN, EVE, TestServer, config, friends, public};

fn handle(browser: &Browser, host: &str) -> String {
    browser.jar[host]["__Host-_pomerium"].clone()
}

/// Puts into the jar what a sibling at `evil.test` sets on `.test`.
fn tossed(browser: &mut Browser, host: &str, value: &str) {
    let jar = browser.jar.entry(host.into()).or_default();
    jar.insert("_pomerium".into(), value.into());
}

#[tokio::test]
async fn a_sibling_s_cookie_locks_nobody_out_and_signs_nobody_in() {
    let upstream = Upstream::echo();
    let routes = [friends("tv.test", upstream.address), public("open.test", upstream.address)];
    let server = TestServer::open(&config(&routes)).await;
    let mut other_ann = server.browser();
    other_ann.sign_in("https://tv.test/", ANN.0, ANN.1).await;
    let foreign = handle(&other_ann, "tv.test");
    for (value, why) in [(&*foreign, "good, and begun elsewhere"), ("e30.e30.e30", "garbage")] {
        let mut victim = server.browser();
        tossed(&mut victim, "tv.test", value);
        let before = victim.fetch("https://tv.test/").await;
        assert_eq!(before.status, StatusCode::UNAUTHORIZED, "{why}: it is nobody's");
        let seen = victim.sign_in("https://tv.test/film", ANN.0, ANN.1).await;
        assert_eq!((seen.status, seen.url.path()), (StatusCode::OK, "/film"), "{why}: no way in");
        for first in [true, false] {
            let own = handle(&victim, "tv.test");
            let [one, two] = [format!("_pomerium={value}"), format!("__Host-_pomerium={own}")];
            let cookies = if first { format!("{one}; {two}") } else { format!("{two}; {one}") };
            let mut bare = server.browser();
            for url in ["https://tv.test/web", "https://tv.test/.pomerium/user"] {
                let seen = bare.send(Method::GET, url, &[("cookie", &cookies)], "").await;
                assert_eq!(seen.status, StatusCode::OK, "{why}: {url}");
                if url.ends_with("user") {
                    assert!(seen.body.contains(ANN.0), "{why}: {}", seen.body);
                }
            }
        }
    }
    // Where somebody is signed in nowhere, the sibling's person is nobody, on open routes too.
    let mut victim = server.browser();
    tossed(&mut victim, "open.test", &handle(&other_ann, "tv.test"));
    let seen = victim.open("https://open.test/.pomerium/").await;
    assert!(!seen.body.contains(ANN.0), "she would act as somebody else: {}", seen.body);
}

#[tokio::test]
async fn every_cookie_of_ours_is_out_of_a_sibling_s_reach() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut ann = server.browser();
    let mut seen =
        ann.send(Method::GET, "https://tv.test/", usher_lab::browser::NAVIGATION, "").await;
    let mut set = Vec::new();
    while let Some(next) = seen.location() {
        set.extend(seen.fields.get_all("set-cookie").iter().cloned());
        seen = ann.send(Method::GET, next.as_str(), usher_lab::browser::NAVIGATION, "").await;
    }
    set.extend(seen.fields.get_all("set-cookie").iter().cloned());
    let mut seen = ann.post_once(&seen, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    loop {
        set.extend(seen.fields.get_all("set-cookie").iter().cloned());
        let Some(next) = seen.location() else { break };
        seen = ann.send(Method::GET, next.as_str(), usher_lab::browser::NAVIGATION, "").await;
    }
    assert!(set.len() >= 4, "{set:?}");
    for field in set {
        let field = field.to_str().unwrap();
        assert!(field.starts_with("__Host-"), "{field}");
        assert!(field.contains("; Path=/;") && !field.contains("Domain="), "{field}");
        assert!(field.contains("; Secure; SameSite="), "{field}");
    }
}

#[tokio::test]
async fn with_a_cookie_domain_two_people_s_cookies_are_nobody_s_until_somebody_signs_in() {
    let upstream = Upstream::echo();
    let routes =
        [friends("tv.home.test", upstream.address), friends("photos.home.test", upstream.address)];
    let text = format!("cookie_domain: home.test\n{}", config(&routes));
    let server = TestServer::open(&text).await;
    let mut ann = server.browser();
    ann.sign_in("https://tv.home.test/", ANN.0, ANN.1).await;
    let mut eve = server.browser();
    eve.sign_in("https://tv.home.test/", EVE.0, EVE.1).await;
    let shared = |browser: &Browser| browser.jar["tv.home.test"]["_pomerium"].clone();
    let [anns, eves] = [shared(&ann), shared(&eve)];
    let mut bare = server.browser();
    for (cookies, expected, why) in [
        (format!("_pomerium={anns}"), StatusCode::OK, "one cookie for all hosts"),
        (format!("_pomerium=x; _pomerium={anns}"), StatusCode::OK, "one verifies"),
        (format!("_pomerium={eves}; _pomerium={anns}"), StatusCode::UNAUTHORIZED, "two people"),
        (
            format!("_pomerium={eves}; __Host-_pomerium={}", handle(&ann, "tv.home.test")),
            StatusCode::FORBIDDEN,
            "a host's own cookie is for no other host, and then it is Eve's",
        ),
    ] {
        let fields = [("cookie", &*cookies), ("accept", "application/json")];
        let seen = bare.send(Method::GET, "https://photos.home.test/", &fields, "").await;
        assert_eq!(seen.status, expected, "{why}");
    }
    tossed(&mut ann, "photos.home.test", &eves);
    let seen = ann.open("https://photos.home.test/").await;
    assert_eq!(seen.status, StatusCode::OK, "a page is the person's whom this browser signed in");
    let seen = ann.open("https://photos.home.test/.pomerium/").await;
    assert!(seen.body.contains(ANN.0) && !seen.body.contains(EVE.0), "{}", seen.body);
    let seen = ann.clone().open("https://tv.home.test/").await;
    assert_eq!(seen.status, StatusCode::OK, "her own goes before what others can set");
}
