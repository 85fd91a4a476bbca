//! `time_of_day` and its like through the front door: the moment of each request counts, and of what
//! runs the one at which it began.

use std::time::Duration;

use http::StatusCode;
use tokio::io::AsyncReadExt as _;
use usher_lab::upstream::Upstream;
use usher_rules::time::Clock as _;

use crate::{
    permits::{cinema, ended, film, rest},
    sockets,
    test_server::{ANN, FRIENDS, TestServer, config, friends},
    tunnels,
};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The hour that begins now, by a server's clock.
fn this_hour(server: &TestServer) -> String {
    let now = server.clock.now().wall.seconds();
    let clock = |at: u64| format!("{}:{:02}:{:02}", at / HOUR % 24, at / 60 % 60, at % 60);
    let (after, before) = (clock(now), clock(now + HOUR));
    format!("time_of_day: {{timezone: UTC, after: '{after}', before: '{before}'}}")
}

#[tokio::test]
async fn hours_are_judged_at_the_moment_of_each_request() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let open = |policy: &str| {
        let route = friends("tv.test", upstream.address);
        config(&[route.replace(&format!("{{claim/groups: {FRIENDS}}}"), policy)])
    };
    server.reload(&open(&format!("{{{}}}", this_hour(&server)))).unwrap();
    let mut browser = server.browser();
    let mut status = async || browser.fetch("https://tv.test/").await.status;
    assert_eq!(status().await, StatusCode::OK, "its first second");
    server.clock.turn(Duration::from_secs(HOUR - 1));
    assert_eq!(status().await, StatusCode::OK, "its last second");
    server.clock.turn(Duration::from_secs(1));
    assert_eq!(status().await, StatusCode::FORBIDDEN, "an hour later");
    server.clock.turn(Duration::from_secs(DAY - HOUR));
    assert_eq!(status().await, StatusCode::OK, "the next day");

    // Without battery and network: whatever the hour, nobody knows it.
    let all_day = "{time_of_day: {timezone: UTC, after: '0:00'}}";
    server.reload(&open(all_day)).unwrap();
    assert_eq!(status().await, StatusCode::OK);
    server.clock.set(1000);
    assert_eq!(
        status().await,
        StatusCode::SERVICE_UNAVAILABLE,
        "a clock that is not set tells none"
    );
    let denied = server.records("authorize check");
    let reasons = denied.last().unwrap()["allow-why-false"].to_string();
    assert!(reasons.contains("clock-not-set"), "{denied:?}");
}

#[tokio::test]
async fn a_film_plays_past_its_hours_and_a_socket_ends_with_them() {
    let (upstream, pieces) = cinema();
    let echo = sockets::echo();
    let two = |tv: String, chat: String| config(&[tv, chat]);
    let (tv, chat) = (friends("tv.test", upstream.address), friends("chat.test", echo.address));
    let server = TestServer::open(&two(tv.clone(), chat.clone())).await;
    let hour = this_hour(&server);
    let timed = |route: String| {
        let friends = format!("{{or: [{{claim/groups: {FRIENDS}}}]}}");
        route.replace(&friends, &format!("{{and: [{{claim/groups: {FRIENDS}}}, {{{hour}}}]}}"))
    };
    let text = two(timed(tv), timed(chat));
    server.reload(&text).unwrap();
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    ann.open("https://chat.test/").await; // the sign-in carries over
    let mut stream = film(&ann).await;
    let mut socket = sockets::open(&ann, "chat.test").await;
    sockets::says_back(&mut socket, "open").await;

    server.clock.turn(Duration::from_secs(HOUR));
    sockets::ends(&mut socket).await;
    ended(&server, "/socket", "permit_ended_policy", 1).await;
    assert_eq!(
        ann.fetch("https://tv.test/").await.status,
        StatusCode::FORBIDDEN,
        "its hour is over"
    );
    server.reload(&text).unwrap(); // so that the film is decided again, in any case
    pieces.add_permits(1);
    let mut piece = [0; 4];
    stream.read_exact(&mut piece).await.unwrap();
    pieces.add_permits(1);
    assert_eq!((&piece, &*rest(&mut stream).await), (b"four", "four"), "it plays to its end");
    ended(&server, "/film", "via_upstream", 1).await;
}

/// `tunnel_after_session` is about the session alone: hours go on to count, and so does a new plan.
#[tokio::test]
async fn a_tunnel_after_its_session_ends_with_its_hours_and_by_a_reload() {
    let route = tunnels::ssh(tunnels::parrot().await);
    let text = |route: &str| format!("cookie_expire: 30m\n{}", config(&[route.to_owned()]));
    let server = TestServer::open(&text(&route)).await;
    let friends = format!("{{or: [{{claim/groups: {FRIENDS}}}]}}");
    let open = async || {
        let ann = tunnels::handle(&server, "ssh.test", ANN).await;
        let mut stream = tunnels::open(&server, "ssh.test:22", &ann).await;
        server.clock.turn(Duration::from_secs(HOUR * 3 / 4));
        tunnels::says_back(&mut stream, "after it").await;
        stream
    };
    let hour = this_hour(&server);
    let timed = format!("{{and: [{{claim/groups: {FRIENDS}}}, {{{hour}}}]}}");
    server.reload(&text(&route.replace(&friends, &timed))).unwrap();
    let stream = open().await;
    server.clock.turn(Duration::from_secs(HOUR / 2));
    tunnels::ends(stream).await;
    tunnels::ended(&server, "permit_ended_policy").await;

    server.reload(&text(&route)).unwrap();
    let stream = open().await;
    server.reload(&text(&format!("{route}  tunnel_after_session: 0s\n"))).unwrap();
    tunnels::ends(stream).await;
    tunnels::ended(&server, "permit_ended_expiry").await;
}
