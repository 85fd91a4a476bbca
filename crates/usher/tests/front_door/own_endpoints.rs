//! Our own pages that are about whoever asks: the portal, the same for programs, the assertion;
//! and a sign-in that other hosts learn of.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use usher_lab::{
    browser::{FETCH, NAVIGATION},
    client_ca::ClientCa,
    upstream::Upstream,
};

use crate::client_certificates::{Folder, mtls};
use crate::test_server::{ANN, EVE, TestServer, config, friends, public};
use crate::tunnels::allowed;

const PAGES: [&str; 5] = [
    "/.pomerium/user",
    "/.pomerium/jwt",
    "/.pomerium/routes",
    "/.pomerium/api/v1/routes",
    "/.pomerium/api/v1/session",
];

/// A second host, so that the first is not the one where people sign in.
fn two_hosts(upstream: &Upstream) -> String {
    config(&[friends("tv.test", upstream.address), friends("app.test", upstream.address)])
}

#[tokio::test]
async fn pages_about_somebody_ask_nobody_to_sign_in_first() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&two_hosts(&upstream)).await;
    for page in PAGES {
        let url = format!("https://app.test{page}");
        let seen = server.browser().send(Method::GET, &url, FETCH, "").await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{url}: a program is told so");
        let (decision, _) = server.recorded(seen.field("x-request-id")).await;
        assert_eq!(decision["allow"], false, "{url}: {decision}");
        assert_eq!(decision["allow-why-false"], json!(["user-unauthenticated"]), "{url}");
        assert_eq!(decision["rule"], "own-page", "{url}");
        let seen = server.browser().send(Method::GET, &url, NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::FOUND, "{url}: a person is sent to sign in");
        let to = url::Url::parse(seen.field("location")).unwrap();
        let back = to.query_pairs().find(|(name, _)| name == "pomerium_redirect_uri");
        assert_eq!(back.unwrap().1, url, "and comes back to it");
    }
    for open in ["/.pomerium/", "/.pomerium/routes/", "/.pomerium/users", "/ping"] {
        let seen = server.browser().fetch(&format!("https://app.test{open}")).await;
        let (decision, _) = server.recorded(seen.field("x-request-id")).await;
        assert_eq!(decision["allow-why-true"], json!(["pomerium-route"]), "{open} is for all");
    }
}

#[tokio::test]
async fn the_portal_lists_what_its_reader_may_open_and_nothing_else() {
    let upstream = Upstream::echo();
    let text = format!(
        "{}  description: Films & more\n- from: https://*.wild.test\n  to: http://{to}\n  \
         allow_any_authenticated_user: true\n{}",
        two_hosts(&upstream),
        public("open.test:8443", upstream.address),
        to = upstream.address,
    );
    let server = TestServer::open(&text).await;
    let names = |seen: &Value| -> Vec<String> {
        let routes = seen["routes"].as_array().unwrap().iter();
        routes.map(|route| route["from"].as_str().unwrap().to_owned()).collect()
    };
    let api = "https://tv.test/.pomerium/api/v1/routes";
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let seen = ann.fetch(api).await.json();
    let all =
        ["https://tv.test", "https://app.test", "https://*.wild.test", "https://open.test:8443"];
    assert_eq!(names(&seen), all);
    let app = &seen["routes"][1];
    assert_eq!((&app["type"], &app["name"]), (&json!("http"), &json!("app")), "{app}");
    assert_eq!(app["description"], "Films & more");
    assert_eq!(app["id"].as_str().unwrap().len(), 16);
    let page = ann.open("https://tv.test/.pomerium/routes").await;
    assert!(page.body.contains("Films &#38; more"), "{}", page.body);
    assert!(page.body.contains("<a href=\"https://app.test/\">app</a>"), "{}", page.body);
    assert!(!page.body.contains("href=\"https://*"), "a pattern is no address");

    let mut eve = server.signed_in("https://tv.test/", EVE).await;
    assert_eq!(names(&eve.fetch(api).await.json()), all[2..], "Eve is no friend");
    let seen = eve.send(Method::POST, api, FETCH, "").await;
    assert_eq!(seen.status, StatusCode::METHOD_NOT_ALLOWED);

    server.reload(&format!("runtime_flags: {{routes_portal: false}}\n{text}")).unwrap();
    for page in ["routes", "api/v1/routes"] {
        let seen = ann.fetch(&format!("https://tv.test/.pomerium/{page}")).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{page} is switched off");
    }
}

/// It would list what is refused, or hide what is open.
#[tokio::test]
async fn the_portal_counts_the_certificate_that_its_reader_shows() {
    let (upstream, folder, ca) = (Upstream::echo(), Folder::new(), ClientCa::new("Clients"));
    let server = TestServer::open(&two_hosts(&upstream)).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    server.reload(&(mtls(&folder, &ca, "") + &two_hosts(&upstream))).unwrap();
    for (mut browser, open) in [(ann.showing(&ca.issue(1, |_| {})), 2), (ann, 0)] {
        let seen = browser.fetch("https://tv.test/.pomerium/api/v1/routes").await.json();
        assert_eq!(seen["routes"].as_array().unwrap().len(), open, "{seen}");
        let seen = browser.fetch("https://app.test/").await;
        assert_eq!(seen.status == 495, open == 0, "{}", seen.status);
    }
}

#[tokio::test]
async fn the_assertion_is_given_out_where_a_flag_says_so() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&two_hosts(&upstream)).await;
    let mut ann = server.signed_in("https://app.test/", ANN).await;
    let url = "https://app.test/.pomerium/jwt";
    assert_eq!(ann.fetch(url).await.status, StatusCode::NOT_FOUND, "off by default");
    let text = format!("runtime_flags: {{pomerium_jwt_endpoint: true}}\n{}", two_hosts(&upstream));
    server.reload(&text).unwrap();
    let seen = ann.fetch(url).await;
    assert_eq!((seen.status, seen.field("content-type")), (StatusCode::OK, "application/jwt"));
    assert_eq!(seen.field("cache-control"), "no-store");
    let payload = seen.body.split('.').nth(1).unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["aud"], &claims["email"]), (&json!("app.test"), &json!(ANN.0)));
}

#[tokio::test]
async fn hosts_that_a_page_depends_on_know_whoever_signed_in_for_it() {
    let upstream = Upstream::echo();
    let route = |host: &str, more: &str| format!("{}{more}", friends(host, upstream.address));
    let server = TestServer::open(&config(&[
        route("auth.test", ""),
        route("a.test", "  depends_on: [b.test, 'https://c.test/x']\n"),
        route("b.test", "  depends_on: [a.test]\n"),
        route("c.test", ""),
        route("d.test", ""),
    ]))
    .await;
    let mut ann = server.browser();
    let page = "https://a.test/web?x=%20";
    assert_eq!(ann.sign_in(page, ANN.0, ANN.1).await.status, StatusCode::OK);
    let last = upstream.heads().pop().unwrap();
    assert!(last.starts_with("GET /web?x=%20 "), "it ends at the page: {last}");
    for (host, status) in
        [("b", StatusCode::OK), ("c", StatusCode::OK), ("d", StatusCode::UNAUTHORIZED)]
    {
        let seen = ann.send(Method::GET, &format!("https://{host}.test/api"), FETCH, "").await;
        assert_eq!(seen.status, status, "{host}: a script of the page asks it");
    }
    // A link of anybody's leads to nobody else.
    let evil = "https://b.test/.pomerium/depends_on?pomerium_redirect_uri=https://evil.test/";
    assert_eq!(ann.fetch(evil).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_refusal_shows_its_rule_where_the_route_says_so_and_no_value() {
    let upstream = Upstream::echo();
    let route = friends("tv.test", upstream.address);
    let shown = friends("shown.test", upstream.address) + "  show_error_details: true\n";
    let server = TestServer::open(&config(&[route, shown])).await;
    for (host, is_shown) in [("tv.test", false), ("shown.test", true)] {
        let mut eve = server.signed_in(&format!("https://{host}/"), EVE).await;
        let seen = eve.open(&format!("https://{host}/")).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN);
        let says = seen.body.contains("nothing-allows: claim-unauthorized");
        assert_eq!(says, is_shown, "{host}: {}", seen.body);
        assert!(!seen.body.contains("friends"), "{host}: no value of the config");
    }
}

/// Ours: a client learns when its session ends, and gets one that begins now while the old one lasts,
/// by a browser that knows its person. A yes alone would bring the old session, which ends as soon.
#[tokio::test]
async fn a_client_learns_when_its_session_ends_and_gets_the_next_one_before() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&two_hosts(&upstream)).await;
    let mut browser = server.signed_in("https://tv.test/", ANN).await;
    let login = |prompt: &str| {
        format!(
            "https://tv.test/.pomerium/api/v1/login?pomerium_redirect_uri=http://127.0.0.1:4242{prompt}"
        )
    };
    let life = async |token: &str| {
        let token = [("authorization", &*format!("Pomerium {token}"))];
        let url = "https://tv.test/.pomerium/api/v1/session";
        let seen = server.browser().send(Method::GET, url, &token, "").await;
        (seen.status == StatusCode::OK).then(|| {
            assert_eq!(seen.field("cache-control"), "no-store");
            (seen.json()["expires_in"].as_u64().unwrap(), seen.json()["lifetime"].clone())
        })
    };
    let whole = 14 * 3600;
    let link = browser.fetch(&login("")).await.body;
    let page = browser.open(&link).await;
    let first = allowed(&mut browser, &page).await;
    assert_eq!(life(&first).await, Some((whole, json!(whole))));
    server.clock.turn(Duration::from_secs(13 * 3600));
    assert_eq!(life(&first).await, Some((3600, json!(whole))));

    let link = browser.fetch(&login("")).await.body;
    let page = browser.open(&link).await;
    let same = allowed(&mut browser, &page).await;
    assert_eq!(life(&same).await.unwrap().0, 3600, "the browser's session");
    let link = browser.fetch(&login("&usher_prompt=login")).await.body;
    let page = browser.sign_in(&link, ANN.0, ANN.1).await;
    let next = allowed(&mut browser, &page).await;
    assert_eq!(life(&next).await, Some((whole, json!(whole))));
    assert_eq!(life(&first).await.unwrap().0, 3600, "the old one goes on");
    server.clock.turn(Duration::from_secs(3600));
    assert_eq!(life(&first).await, None);
    assert_eq!(life(&next).await.unwrap().0, whole - 3600);
    let api = "https://tv.test/.pomerium/api/v1/session";
    let seen = browser.send(Method::POST, api, FETCH, "").await;
    assert_eq!(seen.status, StatusCode::METHOD_NOT_ALLOWED);
}
