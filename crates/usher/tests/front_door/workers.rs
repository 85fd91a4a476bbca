//! An app's service worker reads nothing of what is typed where people sign in.

use http::{Method, StatusCode};
use usher_lab::upstream::Upstream;

use crate::test_server::{TestServer, config, public};

const WORKER: &[(&str, &str)] = &[("service-worker", "script")];

fn upstream() -> Upstream {
    Upstream::start(async |exchange| {
        let fields = "Content-Type: text/javascript\r\nService-Worker-Allowed: /\r\n";
        exchange.body().await?;
        exchange.reply(200, fields, b"//").await
    })
}

/// What browsers send since they say what they fetch.
const BROWSER: &[(&str, &str)] = &[
    ("service-worker", "script"),
    ("sec-fetch-dest", "serviceworker"),
    ("sec-fetch-mode", "same-origin"),
];

#[tokio::test]
async fn no_worker_rules_the_page_on_which_passwords_are_typed() {
    let app = upstream();
    let routes = [public("tv.test", app.address), public("other.test", app.address)];
    let server = TestServer::open(&config(&routes)).await;
    let mut browser = server.browser();
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
        if status == 403 {
            let (decision, _) = server.recorded(seen.field("x-request-id")).await;
            assert_eq!(decision["allow"], false, "{why}: {decision}");
        }
    }
}

/// A worker that was there before usher is taken out when the browser looks for a newer script,
/// signed in or not. A plain refusal would leave it.
#[tokio::test]
async fn a_worker_that_was_there_before_leaves() {
    let app = upstream();
    let routes =
        [crate::test_server::friends("tv.test", app.address), public("b.test", app.address)];
    let server = TestServer::open(&config(&routes)).await;
    let mut browser = server.browser();
    let seen = browser.send(Method::GET, "https://tv.test/sw.js", BROWSER, "").await;
    assert_eq!(seen.status, StatusCode::OK, "though nobody is signed in");
    assert_eq!(seen.fields["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(seen.fields["cache-control"], "no-store");
    assert!(seen.body.contains("self.registration.unregister()"), "{}", seen.body);
    assert!(seen.body.contains("if (!self.registration.active) throw"), "a new one fails");
    let seen = browser.send(Method::GET, "https://b.test/sw.js", BROWSER, "").await;
    assert_eq!(seen.body, "//", "nobody signs in there");
}

/// Below the root, or on another host than people sign in on, a worker may be. While nobody is signed
/// in it leaves: it would answer page loads from what it keeps, and never show that one has to.
#[tokio::test]
async fn a_worker_does_not_keep_somebody_who_is_signed_out() {
    let app = upstream();
    let routes = [crate::test_server::friends("tv.test", app.address)];
    let text = format!("authenticate_service_url: https://auth.test\n{}", config(&routes));
    let server = TestServer::open(&text).await;
    let mut browser = server.browser();
    for script in ["https://tv.test/sw.js", "https://tv.test/web/sw.js?v=2"] {
        let seen = browser.send(Method::GET, script, BROWSER, "").await;
        assert_eq!(seen.status, StatusCode::OK, "{script}");
        assert!(seen.body.contains("self.registration.unregister()"), "{}", seen.body);
        assert_eq!(seen.fields["cache-control"], "no-store");
        for half in [WORKER, &[("sec-fetch-dest", "serviceworker"), ("sec-fetch-mode", "cors")]] {
            let seen = browser.send(Method::GET, script, half, "").await;
            let is_asked_to_sign_in = [StatusCode::FOUND, StatusCode::UNAUTHORIZED];
            assert!(is_asked_to_sign_in.contains(&seen.status), "no browser asks so: {half:?}");
        }
    }
    let before = app.heads().len();
    let mut ann = server.signed_in("https://tv.test/", crate::test_server::ANN).await;
    let seen = ann.send(Method::GET, "https://tv.test/web/sw.js", BROWSER, "").await;
    assert_eq!(seen.body, "//", "with its person it is the app's");
    let mut eve = server.signed_in("https://tv.test/", crate::test_server::EVE).await;
    let seen = eve.send(Method::GET, "https://tv.test/web/sw.js", BROWSER, "").await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "who may not come in is told");
    assert!(app.heads().len() > before);
}

/// To whoever asks for a tunnel a 200 is one, and the script its first bytes.
#[tokio::test]
async fn who_asks_for_a_tunnel_is_sent_no_script() {
    let ssh = crate::tunnels::ssh(crate::tunnels::parrot().await);
    let tv = crate::test_server::friends("tv.test", upstream().address);
    let here = crate::tunnels::tunnel("tv.test:22", "tcp://127.0.0.1:9");
    let server = TestServer::open(&config(&[tv, here, ssh])).await;
    let fields =
        "service-worker: script\r\nsec-fetch-dest: serviceworker\r\naccept: application/json\r\n";
    for (to, why) in [("tv.test:22", "people sign in there"), ("ssh.test:22", "nobody does")] {
        let (answer, _) = crate::tunnels::ask(&server.browser(), "tv.test", to, fields).await;
        assert_eq!(crate::wire::status(&answer), 401, "{why}: {answer}");
    }
}

/// A page load that comes through a worker shows no form, and ends the worker; nor does a script.
#[tokio::test]
async fn a_worker_or_a_script_gets_no_form() {
    let app = upstream();
    let server =
        TestServer::open(&config(&[crate::test_server::friends("tv.test", app.address)])).await;
    let mut browser = server.browser();
    let form = browser.open("https://tv.test/").await;
    let url = form.url.as_str();
    assert!(form.body.contains("type=\"password\""), "{}", form.body);
    let through: &[(&str, &str)] =
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty"), ("accept", "text/html")];
    let remade: &[(&str, &str)] =
        &[("sec-fetch-mode", "same-origin"), ("sec-fetch-dest", "empty"), ("accept", "text/html")];
    let script: &[(&str, &str)] =
        &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("accept", "*/*")];
    for (fields, status, clears, why) in [
        (through, 403, true, "fetch(event.request)"),
        (remade, 403, true, "a copy of it"),
        (script, 401, false, "a script: what others do makes nobody's storage empty"),
    ] {
        for method in [Method::GET, Method::POST] {
            let fields = [fields, &[("origin", "https://tv.test")]].concat();
            let seen = browser.send(method.clone(), url, &fields, "email=a&password=b").await;
            assert_eq!(seen.status.as_u16(), status, "{method}: {why}");
            assert!(!seen.body.contains("type=\"password\""), "{method}: {why}");
            let cleared = seen.fields.get("clear-site-data").map(|field| field.as_bytes());
            assert_eq!(cleared, clears.then_some(&b"\"storage\""[..]), "{method}: {why}");
        }
    }
    let again = browser.open(url).await;
    assert!(again.body.contains("type=\"password\""), "by the browser itself: {}", again.body);
}

/// Where somebody who is not signed in is sent from `url`.
async fn signs_in_at(server: &TestServer, url: &str) -> String {
    let navigate = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let mut browser = server.browser();
    let seen = browser.send(Method::GET, url, &navigate, "").await;
    seen.location().unwrap().host_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_route_on_top_of_the_file_moves_no_sign_in() {
    let app = upstream();
    let route = |host| crate::test_server::friends(host, app.address);
    let mut server = TestServer::open(&config(&[route("tv.test"), route("b.test")])).await;
    assert_eq!(signs_in_at(&server, "https://b.test/").await, "tv.test");
    let longer = config(&[route("a.test"), route("b.test"), route("tv.test")]);
    server.running().reload(crate::test_server::plan(&longer)).unwrap();
    assert_eq!(signs_in_at(&server, "https://b.test/").await, "tv.test", "after a reload");
    server.restart(&longer).await;
    assert_eq!(signs_in_at(&server, "https://b.test/").await, "tv.test", "after a restart");
    assert!(server.records("sign-in-host").is_empty(), "nothing has moved");
    let without = config(&[route("a.test"), route("b.test")]);
    server.running().reload(crate::test_server::plan(&without)).unwrap();
    assert_eq!(signs_in_at(&server, "https://b.test/").await, "a.test", "when its route is gone");
}

/// Where its route goes away sign-in has to move: at once, told, and the next start knows.
#[tokio::test]
async fn a_move_of_sign_in_is_told_and_kept_at_the_reload() {
    let app = upstream();
    let route = |host| crate::test_server::friends(host, app.address);
    let mut server = TestServer::open(&config(&[route("tv.test"), route("b.test")])).await;
    let kept = server.data_dir().join("sign-in-host");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "tv.test");
    server.running().reload(crate::test_server::plan(&config(&[route("b.test")]))).unwrap();
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "b.test", "at once");
    let told = server.records("sign-in-host");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["from"], &told[0]["to"]), (&"tv.test".into(), &"b.test".into()));
    assert!(told[0]["hint"].as_str().unwrap().contains("authenticate_service_url: https://b.test"));
    let back = config(&[route("tv.test"), route("b.test")]);
    server.restart(&back).await;
    assert_eq!(signs_in_at(&server, "https://tv.test/").await, "b.test", "where it was last");
}

#[tokio::test]
async fn a_second_server_on_one_data_directory_is_refused() {
    let app = upstream();
    let text = config(&[public("tv.test", app.address)]);
    let mut server = TestServer::open(&text).await;
    let refused = server.start(crate::test_server::plan(&text)).map(|_| ()).unwrap_err();
    let said = format!("{refused} {}", refused.hint().unwrap());
    assert!(said.contains(&std::process::id().to_string()), "{said}");
    assert!(said.contains(&server.data_dir().display().to_string()), "{said}");
    drop(server.directory()); // `usher people` beside a server goes on working
    server.restart(&text).await;
}
