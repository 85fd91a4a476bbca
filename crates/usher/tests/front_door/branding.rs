//! `primary_color`, `logo_url` and their like: pages of usher look as their operator wants them to.

use http::{Method, StatusCode};
use usher_lab::{
    browser::{FETCH, NAVIGATION},
    upstream::{Exchange, Upstream},
};

use crate::test_server::{TestServer, config, friends, public};

const KEYS: &str = "primary_color: '#6f43e7'
darkmode_primary_color: '#6f43e7'
logo_url: data:image/svg+xml;base64,PHN2Zy8+
favicon_url: data:image/png;base64,AAAA
error_message_first_paragraph: Ask <Ann> at the desk.
";

/// The addresses on a page that begin like this.
fn addresses(page: &str, begins: &str) -> Vec<String> {
    let begins = format!("/.pomerium/assets/{begins}");
    let found = page.match_indices(&begins).map(|(at, _)| page[at..].split('"').next().unwrap());
    found.map(str::to_owned).collect()
}

#[tokio::test]
async fn pages_look_as_the_config_says_and_an_app_s_do_not() {
    let app = Upstream::start(async |exchange: &mut Exchange| {
        let page = b"<main class=\"seat torn\"><h1>app</h1>\n</main>";
        exchange.reply(200, "content-type: text/html; charset=utf-8\r\n", page).await
    });
    let routes = config(&[
        friends("tv.test", app.address),
        public("open.test", app.address) + "  prefix: /app\n",
    ]);
    let server = TestServer::open(&format!("{KEYS}{routes}")).await;
    let mut browser = server.browser();
    let refused = browser.send(Method::GET, "https://open.test/", NAVIGATION, "").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(refused.body.contains("<p>Ask &#60;Ann&#62; at the desk.</p>"), "{}", refused.body);
    let policy = refused.field("content-security-policy").to_owned();
    assert!(policy.contains("style-src 'self'") && !policy.contains("unsafe"), "{policy}");
    for (begins, kind, holds) in [
        ("brand.", "text/css; charset=utf-8", "--on-torch:#ffffff;"),
        ("logo.", "image/svg+xml", "<svg/>"),
        ("icon.", "image/png", "\0"),
    ] {
        let found = addresses(&refused.body, begins);
        assert_eq!(found.len(), 1, "{begins}: {}", refused.body);
        let url = format!("https://open.test{}", found[0]);
        let seen = browser.send(Method::GET, &url, FETCH, "").await;
        assert_eq!((seen.status, seen.field("content-type")), (StatusCode::OK, kind), "{url}");
        assert!(seen.body.contains(holds), "{url}: {}", seen.body);
        assert!(seen.field("content-security-policy").contains("sandbox"), "{url}");
    }
    let asked = browser.send(Method::GET, "https://tv.test/", NAVIGATION, "").await;
    let asked = browser.follow(asked).await;
    assert_eq!(addresses(&asked.body, "logo.").len(), 1, "where people sign in: {}", asked.body);
    assert!(!asked.body.contains("Ann"), "which is no error: {}", asked.body);
    let own = browser.fetch("https://open.test/app").await;
    assert_eq!(own.body, "<main class=\"seat torn\"><h1>app</h1>\n</main>");
    server.reload(&routes).unwrap();
    let plain = browser.send(Method::GET, "https://open.test/", NAVIGATION, "").await;
    assert!(addresses(&plain.body, "logo.").is_empty() && !plain.body.contains("Ann"));
}
