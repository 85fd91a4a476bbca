//! What one client can take: a test for each kind of siege that can be told without a clock.

use std::net::SocketAddr;

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use usher_lab::{browser::Tls, upstream::Upstream};

use crate::{
    connections::{RST_STREAM, frame, get, next, preface},
    test_server::{TestServer, config, public},
};

/// More than one client may have connections.
const CROWD: usize = 600;
const PING: u8 = 6;

async fn open_house(more: &str) -> (TestServer, Upstream) {
    let upstream = Upstream::echo();
    let text = format!("{more}{}", config(&[public("tv.test", upstream.address)]));
    (TestServer::open(&text).await, upstream)
}

/// So many connections from the person's own address that say no more than this.
async fn crowd(door: SocketAddr, word: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut tcp = TcpStream::connect(door).await.unwrap();
        tcp.write_all(word).await.unwrap();
        crowd.push(tcp);
    }
    crowd
}

/// Has the other side said nothing yet, nor gone?
fn is_open(stream: &TcpStream) -> bool {
    let mut buffer = [0];
    stream.try_read(&mut buffer).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn idle_handshakes_leave_a_place_for_a_neighbour() {
    let (server, _upstream) = open_house("").await;
    let crowd = crowd(server.address(), &[22, 3, 1, 2, 0, 1]).await;
    let seen = server.browser().fetch("https://tv.test/").await;
    assert_eq!(seen.status, StatusCode::OK);
    drop(crowd);
}

/// The port that sends to https counts with the other one: it was outside of every share.
#[tokio::test]
async fn idle_visits_to_the_redirect_port_make_room_as_others_do() {
    let (server, _upstream) = open_house("http_redirect_addr: ':80'\n").await;
    let redirect = server.running().redirect_address().unwrap();
    let mut crowd = crowd(redirect, b"GET / HTTP/1.1\r\n").await;
    let seen = server.browser().fetch("https://tv.test/").await;
    assert_eq!(seen.status, StatusCode::OK);
    let ended = crowd[0].read(&mut [0]).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "who came first makes room");
    assert!(is_open(&crowd[CROWD / 2]), "and not all of them, as when their time is over");
}

/// Eight of these were as many readers as there could be.
#[tokio::test]
async fn idle_readers_of_figures_keep_nobody_from_reading() {
    let (server, _upstream) = open_house("metrics_address: 127.0.0.1:9090\n").await;
    let figures = server.running().metrics_address().unwrap();
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(figures).await.unwrap());
    }
    let mut reader = TcpStream::connect(figures).await.unwrap();
    reader.write_all(b"GET /metrics HTTP/1.1\r\nhost: figures\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    reader.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(idle.iter().all(is_open), "the others' time is not over yet");
}

/// Fifty requests that are taken back, and a word that all of it was read.
async fn cancels(stream: &mut Tls, first: u32) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    for id in (first..).step_by(2).take(50) {
        bytes.extend(get(id, "tv.test", "/"));
        bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    bytes.extend(frame(PING, 0, 0, &[7; 8]));
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    loop {
        match next(stream).await? {
            (PING, 1, ..) => return Ok(()),
            _other => {}
        }
    }
}

/// No connection goes beyond what one connection may take back; all of them together do.
#[tokio::test]
async fn cancelled_requests_count_over_all_connections_of_a_client() {
    let (server, _upstream) = open_house("").await;
    let mut sent = 0;
    loop {
        let mut stream = server.browser().connect_http2("tv.test").await;
        stream.write_all(&preface()).await.unwrap();
        for round in 0..8 {
            if cancels(&mut stream, 100 * round + 1).await.is_err() {
                assert!(sent >= 1000, "one connection may take back a thousand: {sent}");
                return;
            }
            sent += 50;
        }
        assert!(sent < 100_000, "it takes back as many as it likes");
    }
}
