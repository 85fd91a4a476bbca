//! A page that ends somewhere says how to go on.

use http::{Method, StatusCode};
use usher_lab::{
    browser::{FETCH, NAVIGATION},
    upstream::Upstream,
};

use crate::house::{ANN, EVE, House, config, friends, public};

#[tokio::test]
async fn a_page_for_an_app_that_is_away_has_a_link_to_the_same_address() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let house = House::open(&config(&[public("open.test", closed)])).await;
    let mut browser = house.browser();
    let page = browser.open("https://open.test/film?a=1&b=2").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    let link = "<a class=\"button\" href=\"/film?a=1&#38;b=2\">Try again</a>";
    assert!(page.body.contains(link), "{}", page.body);
    let posted = browser.send(Method::POST, "https://open.test/film", NAVIGATION, "a=1").await;
    assert_eq!(posted.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!posted.body.contains("Try again</a>"), "a link asks for no form again");
}

#[tokio::test]
async fn who_is_not_let_in_reads_whom_to_ask() {
    let upstream = Upstream::echo();
    let routes = config(&[friends("tv.test", upstream.address)]);
    let house = House::open(&format!("contact: ann@example.com\n{routes}")).await;
    let mut eve = house.browser();
    let refused = eve.sign_in("https://tv.test/", EVE.0, EVE.1).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    for words in ["forbidden", "Contact: <a href=\"mailto:ann@example.com\">ann@example.com</a>"] {
        assert!(refused.body.contains(words), "{words}: {}", refused.body);
    }
    let mut program = house.browser();
    let seen = program.send(Method::GET, "https://tv.test/", FETCH, "").await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    assert_eq!(seen.json()["contact"], "ann@example.com");
    let seen = program.send(Method::GET, "https://tv.test/.pomerium/user", FETCH, "").await;
    assert_eq!(seen.json()["contact"], "ann@example.com");

    let mut ann = house.signed_in("https://tv.test/", ANN).await;
    let identity = ann.open("https://tv.test/.pomerium/").await;
    assert!(identity.body.contains("<a class=\"button\" href=\"/\">Back to tv.test</a>"));
}
