//! Heads that are longer than we take: whoever sent one learns why, and how it ends.

use http::{Method, StatusCode};
use usher_lab::{
    browser::{Browser, FETCH, NAVIGATION},
    upstream::Upstream,
};

use crate::test_server::{ANN, TestServer, config, friends, public};

const KIB: usize = 1024;
/// As many cookies as a browser keeps for a domain.
const MOST: usize = 180;

/// What a sibling site at `evil.test` sets on `.test`: so many cookies of four KiB.
fn bombed(browser: &mut Browser, host: &str, cookies: usize) {
    let jar = browser.jar.entry(host.into()).or_default();
    for n in 0..cookies {
        jar.insert(format!("bomb{n}"), "x".repeat(4 * KIB));
    }
}

fn both(server: &TestServer) -> [Browser; 2] {
    [server.browser(), server.browser().over_http2()]
}

/// Without a way out the person gets no page of the domain until they find where their browser
/// keeps cookies.
#[tokio::test]
async fn a_cookie_bomb_has_a_way_out_and_reaches_no_app() {
    let upstream = Upstream::echo();
    let routes = [friends("tv.test", upstream.address), public("open.test", upstream.address)];
    let server = TestServer::open(&config(&routes)).await;
    let browsers = both(&server).into_iter().chain(both(&server));
    for (mut browser, cookies) in browsers.zip([40, 40, MOST, MOST]) {
        browser.sign_in("https://tv.test/", ANN.0, ANN.1).await;
        let before = upstream.heads().len();
        for host in ["tv.test", "open.test"] {
            bombed(&mut browser, host, cookies);
            for path in ["/film?secret=1", "/.pomerium/"] {
                let url = format!("https://{host}{path}");
                let seen = browser.send(Method::GET, &url, NAVIGATION, "").await;
                assert_eq!(seen.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{url}");
                assert_eq!(seen.field("clear-site-data"), "\"cookies\"", "{url}");
                assert!(seen.body.contains("more cookies for this site"), "{}", seen.body);
                assert!(seen.body.contains("Try again"), "{}", seen.body);
                let (decision, access) = server.recorded(seen.field("x-request-id")).await;
                assert_eq!(decision["allow"], false);
                assert!(!decision.to_string().contains(ANN.0), "nobody is identified: {decision}");
                assert_eq!(access["response-code-details"], "request_headers_too_large");
            }
        }
        assert_eq!(upstream.heads().len(), before, "nothing was forwarded");
        browser.jar.clear(); // as a browser does that is told so
        let seen = browser.open("https://open.test/").await;
        assert_eq!(seen.status, StatusCode::OK, "and all is well again");
    }
}

/// Deleting cookies signs out: no link and no script can have it done to somebody whose cookies are
/// in order, and programs read no page.
#[tokio::test]
async fn cookies_are_deleted_for_a_page_load_that_they_made_too_long_alone() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let link = format!("https://tv.test/?{}", "x".repeat(63 * KIB));
    let fields: String = "x".repeat(126 * KIB);
    let long: &[(&str, &str)] = &[NAVIGATION, &[("x-long", &*fields)]].concat();
    for (url, cookies, fields, status, why) in [
        ("https://tv.test/", 40, FETCH, 431, "a script reads no page"),
        (&*link, 15, NAVIGATION, 200, "a long link, and cookies in order"),
        ("https://tv.test/", 2, long, 431, "it is not the cookies"),
        ("https://tv.test/", 30, NAVIGATION, 200, "what fits goes through"),
    ] {
        for mut browser in both(&server) {
            bombed(&mut browser, "tv.test", cookies);
            let seen = browser.send(Method::GET, url, fields, "").await;
            assert_eq!(seen.status, StatusCode::from_u16(status).unwrap(), "{why}");
            assert!(!seen.fields.contains_key("clear-site-data"), "{why}");
            assert!(seen.fields.contains_key("x-request-id"), "{why}");
        }
    }
}

/// Beyond what is read at all there is no request that could be recorded.
#[tokio::test]
async fn what_is_longer_than_what_is_read_gets_the_bare_answer() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for mut browser in both(&server) {
        bombed(&mut browser, "tv.test", MOST + 20);
        let seen = browser.send(Method::GET, "https://tv.test/", NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert!(seen.body.is_empty() && !seen.fields.contains_key("clear-site-data"));
    }
    assert!(upstream.heads().is_empty());
}
