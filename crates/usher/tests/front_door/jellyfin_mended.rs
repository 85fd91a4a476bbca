//! Apps of a Jellyfin that moves, that hides behind a certificate of its own, or that was away when
//! one of them was ended.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
};
use usher_lab::{
    browser::NAVIGATION,
    patience::within,
    upstream::{Exchange, Upstream},
};

use crate::{
    jellyfin::{KEY, TOKEN, TV, ask, heads, open, route},
    jellyfin_kept::{let_in, tell},
    own_certificate,
    test_server::{ANN, EVE, TestServer, config, eventually, public},
};

/// A library that does what it is asked, but drops no device.
fn away_when_devices_end() -> Upstream {
    let tokens = AtomicUsize::new(0);
    Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        match exchange.target().0 {
            "DELETE" => exchange.reply(503, "", b"").await,
            _ => tell(exchange, &tokens).await,
        }
    })
}

fn with_key(library: &Upstream) -> String {
    config(&[route(library, &format!("api_key: {KEY}"))])
}

/// The library still takes its token: here it is refused, whoever is signed in beside it.
#[tokio::test]
async fn an_ended_app_stays_ended_while_its_library_is_away() {
    let library = away_when_devices_end();
    let mut server = TestServer::open(&with_key(&library)).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let token = let_in(&server, &mut ann, "tv").await;
    let shown = [("x-emby-token", &*token)];
    assert_eq!(ask(&mut server.browser(), "GET", "/Users/Me", &shown).await.status, 200);
    let page = ann.open(&format!("{TV}/link")).await;
    ann.post(&page, "/link", &[("end", "others")]).await;
    let was_asked = || heads(&library).iter().any(|head| head.starts_with("DELETE "));
    eventually("the library is told", || was_asked().then_some(())).await;
    assert_eq!(ask(&mut ann, "GET", "/Users/Me", &shown).await.status, 401, "beside her session");
    server.restart(&with_key(&library)).await;
    let mut ann = ann.moved(server.address());
    assert_eq!(ask(&mut ann, "GET", "/Users/Me", &shown).await.status, 401, "after a restart");
    assert_eq!(ask(&mut ann, "GET", "/Users/Me", &[]).await.status, 200, "she is signed in");
}

#[tokio::test]
async fn an_app_stays_in_when_its_library_moves() {
    let (old, new) = (away_when_devices_end(), away_when_devices_end());
    let server = TestServer::open(&with_key(&old)).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let token = let_in(&server, &mut ann, "tv").await;
    server.reload(&with_key(&new)).unwrap();
    let shown = [("x-emby-token", &*token)];
    let me = ask(&mut server.browser(), "GET", "/Users/Me", &shown).await;
    assert_eq!(me.status, 200, "{}", me.body);
    assert!(heads(&new).iter().any(|head| head.starts_with("GET /Users/Me ")), "at its new place");
    let page = ann.open(&format!("{TV}/link")).await;
    assert!(page.body.contains("name=\"end\""), "it is listed: {}", page.body);
    // Another library of the same host is another one.
    let other = route(&new, &format!("api_key: {KEY}, base_path: /other"));
    server.reload(&config(&[other])).unwrap();
    assert_eq!(ask(&mut server.browser(), "GET", "/Users/Me", &shown).await.status, 401);
}

/// The same bytes behind TLS.
async fn behind_tls(to: std::net::SocketAddr) -> (std::net::SocketAddr, String) {
    own_certificate::serve("library.test", move |mut stream| async move {
        let Ok(mut behind) = TcpStream::connect(to).await else { return };
        let _ended = copy_bidirectional(&mut stream, &mut behind).await;
    })
    .await
}

/// What a route says of its upstream's certificate holds for what usher itself asks there.
#[tokio::test]
async fn an_app_is_let_in_at_a_library_with_a_certificate_of_its_own() {
    let library = away_when_devices_end();
    let (address, pem) = behind_tls(library.address).await;
    let ca = BASE64_STANDARD.encode(&pem);
    for (n, says) in [
        "  tls_skip_verify: true\n".to_owned(),
        format!("  tls_custom_ca: {ca}\n  tls_server_name: library.test\n"),
    ]
    .iter()
    .enumerate()
    {
        let plain = route(&library, &format!("api_key: {KEY}"));
        let to = format!("http://{}", library.address);
        let secure = plain.replace(&to, &format!("https://{address}"));
        assert_ne!(plain, secure);
        let server = TestServer::open(&config(&[format!("{secure}{says}")])).await;
        let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
        let token = let_in(&server, &mut ann, &format!("tv-{n}")).await;
        let me = ask(&mut server.browser(), "GET", "/Users/Me", &[("x-emby-token", &token)]).await;
        assert_eq!(me.status, 200, "{says}: {}", me.body);
    }
}

/// Apps say nothing of what they take; a redirect to a page is "no such server" to them.
#[tokio::test]
async fn an_app_that_says_nothing_of_what_it_takes_gets_401() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "").await;
    let mut app = server.browser();
    let url = format!("{TV}/Users/Me");
    for fields in [&[][..], &[("accept", "*/*")], &[("accept", "application/json")]] {
        let answer = app.send(http::Method::GET, &url, fields, "").await;
        assert_eq!(answer.status, 401, "{fields:?}");
    }
    let page = app.send(http::Method::GET, &format!("{TV}/"), NAVIGATION, "").await;
    assert_eq!(page.status, 302, "a person is sent to sign in");
}

/// A log that is read on under the rules for administrators ends when those change.
#[tokio::test]
async fn what_administrators_read_is_decided_by_the_newest_rules() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        if exchange.target().1 == "/web/" {
            return exchange.reply(200, "", b"").await;
        }
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nfour").await?;
        exchange.hung_up().await;
        Ok(())
    });
    let admin = |who: &str| {
        let policy = format!("admin_policy: [{{allow: {{or: [{{email: {{is: {who}}}}}]}}}}]");
        config(&[route(&upstream, &policy)])
    };
    for after in [admin(EVE.0), config(&[route(&upstream, "")])] {
        let server = TestServer::open(&admin(ANN.0)).await;
        let ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
        let mut stream = ann.connect("tv.test").await;
        let cookies = ann.cookies("tv.test").unwrap();
        let head = format!(
            "GET /System/Logs/Log?name=a HTTP/1.1\r\nhost: tv.test\r\ncookie: {cookies}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut began = Vec::new();
        while !began.ends_with(b"four") {
            began.push(stream.read_u8().await.unwrap());
        }
        server.reload(&after).unwrap();
        let mut rest = Vec::new();
        let _cut = within("it is cut", stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{rest:?}");
    }
}

/// A wrong `base_path` leads to no Jellyfin that could tell.
#[tokio::test]
async fn an_answer_that_says_nothing_of_a_token_lets_no_key_through() {
    for status in [302, 404, 429, 204] {
        let upstream = Upstream::start(async move |exchange: &mut Exchange| {
            exchange.body().await?;
            let status = if exchange.target().1 == "/Users/Me" { status } else { 200 };
            exchange.reply(status, "", b"").await
        });
        let server = TestServer::open(&config(&[route(&upstream, "")])).await;
        let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
        let answer = ask(&mut ann, "GET", "/Items", &[("x-emby-token", TOKEN)]).await;
        assert_eq!(answer.status, 401, "{status}: {}", answer.body);
        assert!(heads(&upstream).iter().all(|head| !head.starts_with("GET /Items ")), "{status}");
    }
}

/// Only its server knows that it is one: it lets it in, and has no user for it.
#[tokio::test]
async fn an_api_key_that_the_config_does_not_name_is_nobodys() {
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        let shown = exchange.field("authorization").unwrap_or_default();
        let status = match exchange.target().1 {
            "/Users/Me" if away.load(Ordering::SeqCst) => 503,
            "/Users/Me" if shown.contains(KEY) => 400,
            _ => 200,
        };
        exchange.reply(status, "", b"").await
    });
    let open_to_all = format!("{}  jellyfin: {{}}\n", public("tv.test", upstream.address));
    let server = TestServer::open(&config(&[route(&upstream, "")])).await;
    let ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let other = TestServer::open(&config(&[open_to_all])).await;
    for (server, mut browser) in [(&server, ann), (&other, other.browser())] {
        is_away.store(true, Ordering::SeqCst);
        for (token, expected) in [(TOKEN, 401), (KEY, 401), (TOKEN, 200), (TOKEN, 200), (KEY, 401)]
        {
            is_away.fetch_and(expected == 401 && token == TOKEN, Ordering::SeqCst);
            let answer = ask(&mut browser, "GET", "/Items", &[("x-emby-token", token)]).await;
            assert_eq!(answer.status, expected, "{token}: {}", answer.body);
            if expected == 401 {
                let (decided, _) = server.recorded(answer.field("x-request-id")).await;
                assert_eq!(decided["rule"], "jellyfin-api-key");
            }
        }
    }
    let heads = heads(&upstream);
    assert!(!heads.iter().any(|it| it.starts_with("GET /Items ") && it.contains(KEY)), "{heads:?}");
    let questions = heads.iter().filter(|it| it.starts_with("GET /Users/Me ")).count();
    assert_eq!(questions, 2 * 3, "each is asked of once, and again where it did not answer");
}
