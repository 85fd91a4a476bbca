//! Invariant 10: a permit ends on sign-out, revocation and a changed policy; and what becomes of
//! a stream whose session runs out, by kind of stream.
//!
//! A socket is looked at once a second. That one was looked at and left alone is known by another
//! one, opened later, that has been ended meanwhile: nobody sleeps.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Semaphore,
};
use usher_lab::{
    browser::{Browser, Tls},
    upstream::{Exchange, Upstream},
};

use crate::{
    sockets,
    test_server::{ANN, FRIENDS, TestServer, config, eventually, friends},
};

/// The longest session that the config of these tests gives.
const LATER: Duration = Duration::from_secs(15 * 3600);

/// A route in front of another one, for people that there are none of.
fn strict(prefix: &str, to: std::net::SocketAddr) -> String {
    friends("tv.test", to)
        .replace(FRIENDS, "nobody")
        .replace("  to:", &format!("  prefix: {prefix}\n  to:"))
}

/// An upstream whose film goes on by as many pieces as there are permits.
pub fn cinema() -> (Upstream, Arc<Semaphore>) {
    let pieces = Arc::new(Semaphore::new(1));
    let next = Arc::clone(&pieces);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        if exchange.target().1 != "/film" {
            return exchange.reply(200, "", b"no film").await;
        }
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n").await?;
        for _ in 0..3 {
            next.acquire().await.unwrap().forget();
            exchange.send("four").await?;
        }
        Ok(())
    });
    (upstream, pieces)
}

/// Ann's film, of which the first piece has come.
pub async fn film(ann: &Browser) -> Tls {
    let mut stream = ann.connect("tv.test").await;
    let cookies = ann.cookies("tv.test").unwrap_or_default();
    let head = format!(
        "GET /film HTTP/1.1\r\nhost: tv.test\r\ncookie: {cookies}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut began = Vec::new();
    while !began.ends_with(b"four") {
        began.push(stream.read_u8().await.unwrap());
    }
    stream
}

pub async fn rest(stream: &mut Tls) -> String {
    let mut rest = Vec::new();
    let _cut = stream.read_to_end(&mut rest).await;
    String::from_utf8_lossy(&rest).into_owned()
}

/// How many of the lines of this path ended so.
pub async fn ended(server: &TestServer, path: &str, details: &str, times: usize) {
    let is = |line: &&Value| line["path"] == path && line["response-code-details"] == details;
    eventually(&format!("{path} ends {times} times with {details}"), || {
        (server.records("http-request").iter().filter(is).count() == times).then_some(())
    })
    .await;
}

async fn again(ann: &mut Browser) {
    ann.jar.clear();
    ann.sign_in("https://tv.test/", ANN.0, ANN.1).await;
}

#[tokio::test]
async fn a_permit_ends_by_sign_out_revocation_and_policy() {
    let upstream = sockets::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;

    let mut first = sockets::open(&ann, "tv.test").await;
    let page = ann.open("https://tv.test/.pomerium/").await;
    ann.post(&page, "/.pomerium/sign_out", &[("scope", "here")]).await;
    sockets::ends(&mut first).await;
    ended(&server, "/socket", "permit_ended_session", 1).await;

    again(&mut ann).await;
    let mut second = sockets::open(&ann, "tv.test").await;
    server.directory().set_groups(ANN.0, &[]).await.unwrap();
    sockets::ends(&mut second).await;
    ended(&server, "/socket", "permit_ended_session", 2).await;

    server.directory().set_groups(ANN.0, &[FRIENDS.into()]).await.unwrap();
    again(&mut ann).await;
    let mut third = sockets::open(&ann, "tv.test").await;
    server.reload(&text.replace(FRIENDS, "family")).unwrap();
    sockets::ends(&mut third).await;
    ended(&server, "/socket", "permit_ended_policy", 1).await;

    server.reload(&text).unwrap();
    let mut fourth = sockets::open(&ann, "tv.test").await;
    server.reload(&text.replace("allow_websockets: true", "allow_websockets: false")).unwrap();
    sockets::ends(&mut fourth).await;
    ended(&server, "/socket", "permit_ended_route", 1).await;
}

#[tokio::test]
async fn a_stricter_route_in_front_ends_what_runs_behind_it_and_nothing_else() {
    let upstream = sockets::echo();
    let own = friends("tv.test", upstream.address);
    let text = config(std::slice::from_ref(&own));
    let server = TestServer::open(&text).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let mut stays = sockets::open(&ann, "tv.test").await;

    // Twice another route in front, which takes other paths: a socket that was opened between
    // the two and ends by a third has been looked at, and so has the first.
    server.reload(&config(&[strict("/other", upstream.address), own.clone()])).unwrap();
    let mut ends = sockets::open(&ann, "tv.test").await;
    sockets::says_back(&mut ends, "open").await;
    sockets::says_back(&mut stays, "left alone").await;

    server.reload(&config(&[strict("/socket", upstream.address), own])).unwrap();
    sockets::ends(&mut ends).await;
    sockets::ends(&mut stays).await;
    ended(&server, "/socket", "permit_ended_policy", 2).await;
}

#[tokio::test]
async fn t14_a_stricter_route_in_front_ends_a_film() {
    let (upstream, pieces) = cinema();
    let own = friends("tv.test", upstream.address);
    let server = TestServer::open(&config(std::slice::from_ref(&own))).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let mut stream = film(&ann).await;
    server.reload(&config(&[strict("/other", upstream.address), own.clone()])).unwrap();
    pieces.add_permits(1);
    let mut piece = [0; 4];
    stream.read_exact(&mut piece).await.unwrap();
    assert_eq!(&piece, b"four", "a route in front that takes other paths ends nothing");
    server.reload(&config(&[strict("/film", upstream.address), own])).unwrap();
    pieces.add_permits(1);
    assert_eq!(rest(&mut stream).await, "", "nothing more comes through");
    ended(&server, "/film", "permit_ended_policy", 1).await;
}

#[tokio::test]
async fn a_film_outlives_its_session_and_ends_with_a_sign_out() {
    let (upstream, pieces) = cinema();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let mut stream = film(&ann).await;
    server.clock.turn(LATER);
    server.reload(&text).unwrap(); // so that it is decided again, in any case
    pieces.add_permits(2);
    assert_eq!(rest(&mut stream).await, "fourfour", "it plays to its end");
    ended(&server, "/film", "via_upstream", 1).await;
    let seen = ann.fetch("https://tv.test/").await;
    assert_ne!(seen.status, http::StatusCode::OK, "and the session is over indeed");

    again(&mut ann).await;
    pieces.add_permits(1);
    let mut stream = film(&ann).await;
    let page = ann.open("https://tv.test/.pomerium/").await;
    ann.post(&page, "/.pomerium/sign_out", &[("scope", "here")]).await;
    pieces.add_permits(1);
    assert_eq!(rest(&mut stream).await, "", "nothing more comes through");
    ended(&server, "/film", "permit_ended_session", 1).await;
}

/// A page that wants a recent sign-in took the film of another tab along.
#[tokio::test]
async fn signing_in_again_cuts_no_film_of_one_s_own_and_signing_out_ends_them_all() {
    let (upstream, pieces) = cinema();
    let recent = friends("admin.test", upstream.address)
        .replace("{or: [{claim/groups: friends}]}", "{and: [{signed_in_within: 10m}]}");
    let text = config(&[friends("tv.test", upstream.address), recent]);
    let server = TestServer::open(&text).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let mut copied = ann.clone();
    let mut stream = film(&ann).await;
    for _ in 0..2 {
        server.clock.turn(Duration::from_secs(3600));
        let page = ann.sign_in("https://admin.test/", ANN.0, ANN.1).await;
        assert_eq!(page.status, http::StatusCode::OK, "{}", page.body);
    }
    pieces.add_permits(1);
    let mut piece = [0; 4];
    stream.read_exact(&mut piece).await.unwrap();
    assert_eq!(&piece, b"four", "it goes on");
    assert_eq!(ann.fetch("https://tv.test/").await.status, 200, "and so does the app in that tab");
    let page = ann.open("https://tv.test/.pomerium/").await;
    assert!(!page.body.contains("elsewhere"), "it is one sign-in, here: {}", page.body);

    let page = ann.open("https://admin.test/.pomerium/").await;
    ann.post(&page, "/.pomerium/sign_out", &[("scope", "here")]).await;
    pieces.add_permits(1);
    assert_eq!(rest(&mut stream).await, "", "nothing more comes through");
    ended(&server, "/film", "permit_ended_session", 1).await;
    assert_eq!(copied.fetch("https://tv.test/").await.status, 401, "a copy is worth nothing");
}

#[tokio::test]
async fn a_socket_ends_with_its_session_s_time() {
    let upstream = sockets::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let mut socket = sockets::open(&ann, "tv.test").await;
    sockets::says_back(&mut socket, "open").await;
    server.clock.turn(LATER);
    sockets::ends(&mut socket).await;
    ended(&server, "/socket", "permit_ended_expiry", 1).await;
}

/// A reload that changes nothing for her ends nothing of hers.
#[tokio::test]
async fn a_socket_survives_a_reload_that_still_lets_its_person_in() {
    let upstream = sockets::echo();
    let (stays, ends) =
        (friends("tv.test", upstream.address), friends("old.test", upstream.address));
    let both = config(&[stays.clone(), ends]);
    let server = TestServer::open(&both).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    ann.open("https://old.test/").await; // the sign-in carries over
    let mut kept = sockets::open(&ann, "tv.test").await;
    server.reload(&both).unwrap();
    let mut later = sockets::open(&ann, "old.test").await; // it is not looked at for a second
    sockets::says_back(&mut later, "open").await;
    server.reload(&config(&[stays])).unwrap();
    sockets::ends(&mut later).await;
    sockets::says_back(&mut kept, "looked at meanwhile, and left alone").await;
    ended(&server, "/socket", "permit_ended_route", 1).await;
}
