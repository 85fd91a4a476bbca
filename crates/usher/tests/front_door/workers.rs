//! An app's service worker reads nothing of what is typed where people sign in.

use http::{Method, StatusCode};
use usher_lab::upstream::Upstream;

use crate::house::{House, config, public};

const WORKER: &[(&str, &str)] = &[("service-worker", "script")];

fn upstream() -> Upstream {
    Upstream::start(async |exchange| {
        let fields = "Content-Type: text/javascript\r\nService-Worker-Allowed: /\r\n";
        exchange.body().await?;
        exchange.reply(200, fields, b"//").await
    })
}

#[tokio::test]
async fn no_worker_rules_the_page_on_which_passwords_are_typed() {
    let app = upstream();
    let routes = [public("tv.test", app.address), public("other.test", app.address)];
    let house = House::open(&config(&routes)).await;
    let mut browser = house.browser();
    let dest: &[(&str, &str)] = &[("sec-fetch-dest", "serviceworker")];
    for (url, fields, status, widened, why) in [
        ("https://tv.test/sw.js", WORKER, 403, false, "in the root"),
        ("https://tv.test/sw.js?v=1/2", WORKER, 403, false, "whatever the query"),
        ("https://tv.test/sw.js", dest, 403, false, "by Fetch Metadata"),
        ("https://tv.test/web/serviceworker.js", WORKER, 200, false, "Jellyfin's"),
        ("https://tv.test/sw.js", &[], 200, false, "no worker: a script"),
        ("https://other.test/sw.js", WORKER, 200, true, "nobody signs in there"),
    ] {
        let seen = browser.send(Method::GET, url, fields, "").await;
        assert_eq!(seen.status, StatusCode::from_u16(status).unwrap(), "{why}: {url}");
        let allowed = seen.fields.contains_key("service-worker-allowed");
        assert_eq!(allowed, widened, "{why}: {url}");
    }
}

/// Where somebody who is not signed in is sent from `url`.
async fn signs_in_at(house: &House, url: &str) -> String {
    let navigate = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let mut browser = house.browser();
    let seen = browser.send(Method::GET, url, &navigate, "").await;
    seen.location().unwrap().host_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_route_on_top_of_the_file_moves_no_sign_in() {
    let app = upstream();
    let route = |host| crate::house::friends(host, app.address);
    let mut house = House::open(&config(&[route("tv.test"), route("b.test")])).await;
    assert_eq!(signs_in_at(&house, "https://b.test/").await, "tv.test");
    let longer = config(&[route("a.test"), route("b.test"), route("tv.test")]);
    house.server().reload(crate::house::plan(&longer)).unwrap();
    assert_eq!(signs_in_at(&house, "https://b.test/").await, "tv.test", "after a reload");
    house.restart(&longer).await;
    assert_eq!(signs_in_at(&house, "https://b.test/").await, "tv.test", "after a restart");
    let without = config(&[route("a.test"), route("b.test")]);
    house.server().reload(crate::house::plan(&without)).unwrap();
    assert_eq!(signs_in_at(&house, "https://b.test/").await, "a.test", "when its route is gone");
}

#[tokio::test]
async fn a_second_server_on_one_data_directory_is_refused() {
    let app = upstream();
    let text = config(&[public("tv.test", app.address)]);
    let mut house = House::open(&text).await;
    let refused = house.start(crate::house::plan(&text)).map(|_| ()).unwrap_err();
    let said = format!("{refused} {}", refused.hint().unwrap());
    assert!(said.contains(&std::process::id().to_string()), "{said}");
    assert!(said.contains(&house.data_dir().display().to_string()), "{said}");
    drop(house.directory()); // `usher people` beside a server goes on working
    house.restart(&text).await;
}
