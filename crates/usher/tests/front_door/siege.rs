//! More connections of one kind than a client may have, all from a person's own address: they make
//! room, and the person is answered. `cargo xtask siege` does the same by the thousand, for minutes.

use std::io;

use http::StatusCode;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use usher_lab::{
    browser::{Browser, Tls},
    upstream::{Exchange, Upstream},
};

use crate::{
    connections::{frame, get},
    test_server::{TestServer, config, eventually, public},
};

/// A few more connections than one client may have.
const CROWD: usize = 520;
/// So many with a hundred films each: more bytes than may wait for a client.
const GREEDY: usize = 40;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;

/// Has a page, a film, a socket, and a place to upload to.
fn app() -> Upstream {
    Upstream::start(async |exchange: &mut Exchange| match exchange.target().1 {
        "/film" => film(exchange).await,
        "/socket" => socket(exchange).await,
        _ => {
            exchange.body().await?;
            exchange.reply(200, "", b"a page").await
        }
    })
}

async fn film(exchange: &mut Exchange) -> io::Result<()> {
    exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n").await?;
    loop {
        exchange.send([0; 16 * 1024]).await?;
    }
}

async fn socket(exchange: &mut Exchange) -> io::Result<()> {
    let key = exchange.field("sec-websocket-key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    let head = "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
    exchange.send(format!("{head}sec-websocket-accept: {accept}\r\n\r\n")).await?;
    exchange.hung_up().await;
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn head(line: &str, fields: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: tv.test\r\n{fields}\r\n").into_bytes()
}

/// HTTP/2 with this window for each stream, and so many films.
fn films(window: u32, count: u32) -> Vec<u8> {
    let settings = [&[0, 4][..], &window.to_be_bytes()].concat(); // INITIAL_WINDOW_SIZE
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &settings));
    bytes.extend(frame(WINDOW_UPDATE, 0, 0, &0x4000_0000_u32.to_be_bytes()));
    for number in 0..count {
        bytes.extend(get(2 * number + 1, "tv.test", "/film"));
    }
    bytes
}

#[derive(Clone, Copy)]
enum Over {
    Http1,
    Http2,
}

async fn holds(browser: &Browser, over: Over, word: &[u8]) -> Tls {
    let mut stream = match over {
        Over::Http1 => browser.connect("tv.test").await,
        Over::Http2 => browser.connect_http2("tv.test").await,
    };
    stream.write_all(word).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

/// The crowd says its word and takes nothing; a newcomer at the same address gets a page.
async fn a_newcomer_is_answered_beside(crowd: usize, over: Over, word: &[u8]) {
    let app = app();
    let server = TestServer::open(&config(&[public("tv.test", app.address)])).await;
    let mut browser = server.browser();
    let mut hold = Vec::new();
    for _ in 0..crowd {
        hold.push(holds(&browser, over, word).await);
    }
    let seen = browser.fetch("https://tv.test/").await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.body, "a page");
    eventually("somebody made room, which is told", || server.records("overload").pop()).await;
}

#[tokio::test]
async fn stalled_answers_leave_a_place_for_a_neighbour() {
    a_newcomer_is_answered_beside(CROWD, Over::Http2, &films(0, 1)).await;
}

#[tokio::test]
async fn unread_answers_leave_a_place_for_a_neighbour() {
    a_newcomer_is_answered_beside(CROWD, Over::Http1, &head("GET /film", "")).await;
}

#[tokio::test]
async fn a_hundred_unread_answers_on_each_connection_leave_a_place_for_a_neighbour() {
    a_newcomer_is_answered_beside(GREEDY, Over::Http2, &films(0x7fff_ffff, 100)).await;
}

#[tokio::test]
async fn slow_uploads_leave_a_place_for_a_neighbour() {
    let word = [head("POST /upload", "content-length: 1000000\r\n"), vec![b'x']].concat();
    a_newcomer_is_answered_beside(CROWD, Over::Http1, &word).await;
}

#[tokio::test]
async fn idle_keep_alives_leave_a_place_for_a_neighbour() {
    a_newcomer_is_answered_beside(CROWD, Over::Http1, &head("GET /", "")).await;
}

#[tokio::test]
async fn silent_websockets_leave_a_place_for_a_neighbour() {
    let fields = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                  sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\norigin: https://tv.test\r\n";
    a_newcomer_is_answered_beside(CROWD, Over::Http1, &head("GET /socket", fields)).await;
}
