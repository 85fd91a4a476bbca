//! Tries of passwords behind trusted proxies, by people who write their own `X-Forwarded-For`: a
//! proxy appends what it saw, so all that stands left of that is up to whoever sent it.

use http::{Method, StatusCode};
use usher_lab::{browser::Browser, upstream::Upstream};

use crate::test_server::{ANN, TestServer, config, eventually, friends};

const PAGE: &str = "https://tv.test/";

async fn open_house(hops: u32) -> (TestServer, Upstream) {
    let upstream = Upstream::echo();
    let routes = config(&[friends("tv.test", upstream.address)]);
    (TestServer::open(&format!("xff_num_trusted_hops: {hops}\n{routes}")).await, upstream)
}

/// A try of Ann's password by a browser that nobody knows, with these fields from the proxies.
async fn tries(server: &TestServer, way: &[String], password: &str) -> StatusCode {
    let mut browser: Browser = server.browser();
    let page = browser.open(PAGE).await;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(page.hidden()).append_pair("email", ANN.0).append_pair("password", password);
    let mut fields = vec![
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://tv.test"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "same-origin"),
    ];
    fields.extend(way.iter().map(|line| ("x-forwarded-for", &**line)));
    browser.send(Method::POST, page.url.as_str(), &fields, form.finish()).await.status
}

/// The ways in which somebody at `seen` writes another address for each try; `behind` is what a
/// second proxy appends.
fn forged(n: usize, seen: &str, behind: &str) -> Vec<String> {
    let lines: &[String] = match n % 6 {
        0 => &[format!("203.0.113.{n}, {seen}{behind}")],
        1 => &[format!("203.0.113.{n}"), format!("{seen}{behind}")],
        2 => &[format!("garbage{n}, , {seen}{behind}")],
        3 => &[format!("[2001:db8:{n}::1]:443"), String::new(), format!("{seen}{behind}")],
        4 => &[format!("198.51.100.77,,,\"203.0.113.{n}:80\",{seen}{behind}")],
        _ => &[format!("203.0.113.{n}:{n}, unknown, _hidden, {seen}{behind}")],
    };
    lines.to_vec()
}

#[tokio::test]
async fn nobody_gets_fresh_tries_by_writing_another_way() {
    for (hops, behind) in [(1, ""), (2, ", 192.0.2.80"), (2, ",[2001:db8:ffff::80]:1234")] {
        let (server, _upstream) = open_house(hops).await;
        // The same in every form: with a port that changes, too, and another host of an IPv6 /64.
        for (at, seen) in ["198.51.100.4", "2001:db8:1:1::"].into_iter().enumerate() {
            let mut last = StatusCode::OK;
            for n in 1..=12 {
                let seen = match at {
                    0 if n % 2 == 0 => format!("{seen}:{}", 4000 + n),
                    0 => seen.to_owned(),
                    _ if n % 2 == 0 => format!("[{seen}{n}]:{}", 4000 + n),
                    _ => format!("{seen}{n}"),
                };
                last = tries(&server, &forged(n, &seen, behind), "a guess").await;
            }
            assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "{seen}, {hops} hops, {behind}");
        }
        // The guesser wrote her address on the left of his own, and she writes his on hers.
        let hers = [format!("198.51.100.4, 198.51.100.77{behind}")];
        let status = tries(&server, &hers, ANN.1).await;
        assert!(status.is_redirection(), "nobody is locked out from elsewhere: {status}");
    }
}

/// A client's own `Forwarded` behind a proxy that writes `X-Forwarded-For` made everybody the proxy,
/// and the operator read of it nowhere.
#[tokio::test]
async fn two_fields_that_name_two_visitors_are_told_once_for_many() {
    let (server, _upstream) = open_house(1).await;
    let mut browser = server.browser();
    let both = |forwarded| [("x-forwarded-for", "198.51.100.4"), ("forwarded", forwarded)];
    for forwarded in ["for=198.51.100.4", "for=203.0.113.9", "for=203.0.113.8", "for=_hidden"] {
        browser.send(Method::GET, PAGE, &both(forwarded), "").await;
    }
    let told = eventually("the log says it", || server.records("forwarded").into_iter().next());
    let told = told.await;
    assert_eq!((&told["level"], &told["requests"]), (&"warn".into(), &"3".into()), "{told}");
    for (field, word) in
        [("cause", "`Forwarded`"), ("effect", "neither counts"), ("hint", "remove")]
    {
        assert!(told[field].as_str().unwrap().contains(word), "{told}");
    }
    assert_eq!(server.records("forwarded").len(), 1, "once");
}

/// What can't be read at the place that counts is the proxy's own address, whatever stands there.
#[tokio::test]
async fn garbage_where_the_visitor_stands_is_one_visitor() {
    let (server, _upstream) = open_house(2).await;
    let mut last = StatusCode::OK;
    for n in 1..=12 {
        let way = match n % 3 {
            0 => format!("203.0.113.{n}, garbage{n}, 192.0.2.80"),
            1 => format!("203.0.113.{n}, , 192.0.2.80"),
            _ => format!("198.51.100.{n}"), // a chain that is too short
        };
        last = tries(&server, &[way], "a guess").await;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    let hers = ["198.51.100.77, 192.0.2.80".to_owned()];
    assert!(tries(&server, &hers, ANN.1).await.is_redirection(), "nobody else is kept out");
}
