//! A page that ends somewhere says how to go on.

use http::{Method, StatusCode};
use usher_lab::{
    browser::{FETCH, NAVIGATION},
    upstream::Upstream,
};

use crate::test_server::{ANN, EVE, TestServer, config, friends, public};

#[tokio::test]
async fn a_page_for_an_app_that_is_away_has_a_link_to_the_same_address() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = TestServer::open(&config(&[public("open.test", closed)])).await;
    let mut browser = server.browser();
    let page = browser.open("https://open.test/film?a=1&b=2").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    let link = "<a class=\"button\" href=\"/film?a=1&#38;b=2\">Try again</a>";
    assert!(page.body.contains(link), "{}", page.body);
    let posted = browser.send(Method::POST, "https://open.test/film", NAVIGATION, "a=1").await;
    assert_eq!(posted.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!posted.body.contains("Try again</a>"), "a link asks for no form again");
    let link = "<a class=\"button\" href=\"/\">Go to the start</a>";
    assert!(posted.body.contains(link), "a button all the same: {}", posted.body);
}

/// A page with a password or a time has our script, and its policy lets in nothing else.
#[tokio::test]
async fn passwords_can_be_shown_and_times_are_the_reader_s() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut ann = server.browser();
    let form = ann.open("https://tv.test/").await;
    let show = "<button class=\"show\" type=\"button\" aria-controls=\"password\" \
                aria-pressed=\"false\" hidden>";
    assert!(form.body.contains(show), "{}", form.body);
    ann.sign_in("https://tv.test/", ANN.0, ANN.1).await;
    let mut nobody = server.browser();
    for (page, has_script, why) in [
        (form, true, "a password"),
        (ann.open("https://tv.test/.pomerium/").await, true, "times of sessions"),
        (nobody.open("https://tv.test/.pomerium/nope").await, true, "the time of an error"),
        (nobody.open("https://tv.test/.pomerium/").await, false, "neither"),
        (ann.open("https://tv.test/.pomerium/sign_out").await, false, "neither"),
    ] {
        let policy = page.fields["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; "), "{why}: {policy}");
        assert_eq!(policy.contains("; script-src 'self'; "), has_script, "{why}: {policy}");
        assert!(!policy.contains("unsafe"), "{why}: {policy}");
        assert_eq!(page.body.matches("<script").count(), usize::from(has_script), "{why}");
        let Some((_, script)) = page.body.split_once("<script src=\"") else { continue };
        let url = format!("https://tv.test{}", script.split_once('"').unwrap().0);
        let script = nobody.send(Method::GET, &url, &[], "").await;
        assert_eq!(script.fields["content-type"], "text/javascript; charset=utf-8", "{why}");
    }
}

#[tokio::test]
async fn who_is_not_let_in_reads_whom_to_ask() {
    let upstream = Upstream::echo();
    let routes = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&format!("contact: ann@example.com\n{routes}")).await;
    let mut eve = server.browser();
    let refused = eve.sign_in("https://tv.test/", EVE.0, EVE.1).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    for words in ["forbidden", "Contact: <a href=\"mailto:ann@example.com\">ann@example.com</a>"] {
        assert!(refused.body.contains(words), "{words}: {}", refused.body);
    }
    let mut program = server.browser();
    let seen = program.send(Method::GET, "https://tv.test/", FETCH, "").await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    assert_eq!(seen.json()["contact"], "ann@example.com");
    let seen = program.send(Method::GET, "https://tv.test/.pomerium/user", FETCH, "").await;
    assert_eq!(seen.json()["contact"], "ann@example.com");

    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let identity = ann.open("https://tv.test/.pomerium/").await;
    assert!(identity.body.contains("<a class=\"button\" href=\"/\">Back to tv.test</a>"));
}
