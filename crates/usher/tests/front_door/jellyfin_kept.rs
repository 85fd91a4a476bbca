//! What keeps apps of a Jellyfin in, and its keys and sockets out.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Semaphore};
use usher_lab::{
    browser::{Browser, Seen},
    patience::within,
    upstream::{Exchange, Upstream},
};

use crate::{
    apps_let_in::{self, button, library, say_yes},
    jellyfin::{KEY, TOKEN, TV, ask, heads, open},
    test_server::{ANN, TestServer, config, eventually, public},
};

/// An app with that id of its device, as it asks.
async fn as_app(browser: &mut Browser, path: &str, id: &str, body: &str) -> Seen {
    let says =
        format!("MediaBrowser Client=\"Web\", Device=\"TV\", DeviceId=\"{id}\", Version=\"1\"");
    let fields = [("authorization", &*says), ("content-type", "application/json")];
    browser.send(Method::POST, &format!("{TV}{path}"), &fields, body.to_owned()).await
}

/// What it is told when it begins: `Code` and `Secret`.
async fn begin(server: &TestServer, id: &str) -> Value {
    let begun = as_app(&mut server.browser(), "/QuickConnect/Initiate", id, "").await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    begun.json()
}

/// Lets it in; gives its token.
pub async fn let_in(server: &TestServer, ann: &mut Browser, id: &str) -> String {
    let begun = begin(server, id).await;
    let page = say_yes(ann, begun["Code"].as_str().unwrap()).await;
    assert!(page.body.contains("is in."), "{}", page.body);
    let body = json!({ "Secret": begun["Secret"] }).to_string();
    let path = "/Users/AuthenticateWithQuickConnect";
    let answer = as_app(&mut server.browser(), path, id, &body).await;
    answer.json()["AccessToken"].as_str().unwrap().to_owned()
}

/// A web client's id is its browser's name and then the time.
#[tokio::test]
async fn devices_whose_ids_begin_alike_are_two() {
    let library = library(&[ANN.0]).await;
    let server = apps_let_in::open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let id = "x".repeat(200);
    let first = let_in(&server, &mut ann, &format!("{id}1")).await;
    let second = let_in(&server, &mut ann, &format!("{id}2")).await;
    for token in [&first, &second] {
        let fields = [("x-emby-token", &**token)];
        let me = ask(&mut server.browser(), "GET", "/Users/Me", &fields).await;
        assert_eq!(me.status, 200, "{}", me.body);
    }
    let too_long = "x".repeat(1025);
    let begun = as_app(&mut server.browser(), "/QuickConnect/Initiate", &too_long, "").await;
    assert_eq!(begun.status, 400);
}

/// What a Jellyfin answers where an app is let in, each app with another token.
fn answer(target: &str, tokens: &AtomicUsize) -> Value {
    let id = "1".repeat(32);
    match target.split('?').next().unwrap_or_default() {
        "/Users" => {
            let policy = json!({ "IsDisabled": false, "IsAdministrator": false });
            json!([{ "Name": ANN.0, "Id": id, "Policy": policy }])
        }
        "/QuickConnect/Initiate" | "/QuickConnect/Connect" => {
            json!({ "Secret": "AB", "Code": "123456" })
        }
        "/Users/AuthenticateWithQuickConnect" => {
            let n = tokens.fetch_add(1, Ordering::Relaxed);
            json!({ "AccessToken": format!("{n:032x}"), "User": { "Id": id } })
        }
        _ => json!(true),
    }
}

pub async fn tell(exchange: &mut Exchange, tokens: &AtomicUsize) -> io::Result<()> {
    let target = exchange.target().1.to_owned();
    tell_as(exchange, &target, tokens).await
}

/// As if that had been asked.
pub async fn tell_as(
    exchange: &mut Exchange,
    target: &str,
    tokens: &AtomicUsize,
) -> io::Result<()> {
    let told = answer(target, tokens).to_string();
    exchange.reply(200, "content-type: application/json\r\n", told.as_bytes()).await
}

#[tokio::test]
async fn an_app_waits_on_when_whoever_says_yes_leaves() {
    let gate = Arc::new(Semaphore::new(0));
    let (held, tokens) = (Arc::clone(&gate), AtomicUsize::new(0));
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        if exchange.target().1 == "/Users" {
            held.acquire().await.unwrap().forget();
        }
        tell(exchange, &tokens).await
    });
    let server = open(&upstream, &format!("api_key: {KEY}")).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    begin(&server, "tv").await;
    let page = ann.open(&format!("{TV}/link")).await;
    let id = button(&page, "app");
    let mut leaves = ann.clone();
    let is_asked = || heads(&upstream).iter().any(|head| head.starts_with("GET /Users "));
    let fields = [("app", &*id)];
    tokio::select! {
        biased;
        said = leaves.post(&page, "/link", &fields) => panic!("it was held: {}", said.body),
        () = eventually("the library is asked", || is_asked().then_some(())) => {}
    }
    let page = within("the app waits again", async {
        loop {
            let page = ann.open(&format!("{TV}/link")).await;
            if page.body.contains("name=\"app\"") {
                break page;
            }
        }
    });
    let page = page.await;
    gate.add_permits(8);
    let said = ann.post(&page, "/link", &[("app", &button(&page, "app"))]).await;
    assert!(said.body.contains("is in."), "{}", said.body);
}

/// A library that does not answer keeps nobody's session from being looked after.
#[tokio::test]
async fn the_end_of_one_app_waits_for_no_other_s() {
    let (together, alone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (both, one) = (Arc::clone(&together), Arc::clone(&alone));
    let (barrier, tokens) = (Barrier::new(2), AtomicUsize::new(0));
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        if exchange.target().0 == "DELETE" {
            tokio::select! {
                _ = barrier.wait() => both.fetch_add(1, Ordering::Relaxed),
                () = exchange.hung_up() => one.fetch_add(1, Ordering::Relaxed),
            };
        }
        tell(exchange, &tokens).await
    });
    let server = open(&upstream, &format!("api_key: {KEY}")).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    for id in ["tv", "phone"] {
        let_in(&server, &mut ann, id).await;
    }
    let page = ann.open(&format!("{TV}/link")).await;
    ann.post(&page, "/link", &[("end", "others")]).await;
    let ended = || {
        let (both, one) = (together.load(Ordering::Relaxed), alone.load(Ordering::Relaxed));
        (both + one >= 2).then_some((both, one))
    };
    assert_eq!(eventually("both were ended there", ended).await, (2, 0));
}

/// Whoever has no session is let in there, but nobody with a key that opens everything.
#[tokio::test]
async fn a_public_route_takes_no_api_key_either() {
    let upstream = Upstream::echo();
    let route = format!("{}  jellyfin: {{api_key: {KEY}}}\n", public("tv.test", upstream.address));
    let server = TestServer::open(&config(&[route])).await;
    let mut browser = server.browser();
    for (token, expected) in [(TOKEN, 200), (KEY, 401)] {
        let answer = ask(&mut browser, "GET", "/Users", &[("x-emby-token", token)]).await;
        assert_eq!(answer.status, expected, "{}", answer.body);
    }
    assert!(!heads(&upstream).iter().any(|head| head.contains(KEY)), "the key went no further");
}

/// RFC 8441 has no `Upgrade`, and a client may leave out what else tells that it is a socket.
#[tokio::test]
async fn a_socket_over_http_2_is_one_too() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "").await;
    let ann = server.signed_in(&format!("{TV}/"), ANN).await;
    let cookie = ann.cookies("tv.test").unwrap();
    let io = TokioIo::new(ann.connect_http2("tv.test").await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let get = Request::get(format!("{TV}/Items")).body(Empty::<Bytes>::new()).unwrap();
    let _settled = sender.send_request(get).await.unwrap(); // and with it the server's settings
    let request = Request::connect(format!("{TV}/Items"))
        .extension(Protocol::from_static("websocket"))
        .header("origin", TV)
        .header("cookie", cookie)
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 403);
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(server.recorded(&id).await.0["rule"], "jellyfin-socket");
}
