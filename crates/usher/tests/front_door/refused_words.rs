//! What a refused visitor is led to, and what the log says of those who left.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{
    browser::NAVIGATION,
    upstream::{Exchange, Upstream},
};

use crate::test_server::{EVE, TestServer, config, eventually, friends, public};

#[tokio::test]
async fn a_program_that_is_not_signed_in_reads_where_a_person_does_so() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let seen = server.browser().fetch("https://tv.test/api").await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    assert!(seen.body.contains("https://tv.test/.pomerium/\""), "{}", seen.body);
}

/// Another account comes back to the page that was asked for; a form's target may have none.
#[tokio::test]
async fn another_account_comes_back_to_a_page_and_never_to_where_a_form_was_sent() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut eve = server.signed_in("https://tv.test/", EVE).await;
    for (method, back) in
        [(Method::GET, "https://tv.test/page"), (Method::POST, "https://tv.test/")]
    {
        let seen = eve.send(method.clone(), "https://tv.test/page", NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{method}");
        let hidden = seen.hidden();
        let way = hidden.iter().find(|(name, _)| name == "pomerium_redirect_uri");
        assert_eq!(way.map(|(_, value)| value.as_str()), Some(back), "{method}: {}", seen.body);
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_an_answer_is_said_to_have_left() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n").await?;
        loop {
            exchange.send([0; 16 * 1024]).await?;
        }
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stream = server.browser().connect("tv.test").await;
    stream.write_all(b"GET /film HTTP/1.1\r\nhost: tv.test\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 4096]).await.unwrap();
    drop(stream);
    let line = eventually("it is on record", || server.records("http-request").pop()).await;
    assert_eq!(line["response-code-details"], "downstream_remote_disconnect", "{line}");
}

#[tokio::test]
async fn what_is_below_the_level_of_the_log_is_not_written() {
    for (level, is_told) in [("warn", true), ("error", false)] {
        let route = public("tv.test", Upstream::nobody());
        let text = format!("log_level: {level}\n{}", config(&[route]));
        let mut server = TestServer::open(&text).await;
        let seen = server.browser().fetch("https://tv.test/").await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{level}");
        server.stop(Duration::ZERO).await; // everything is written by then
        assert_eq!(!server.records("upstream").is_empty(), is_told, "{level}: {}", server.log());
    }
}
