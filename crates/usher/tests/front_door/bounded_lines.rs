//! Lines that strangers, or large accounts, could fill the log with: told once for many.

use tokio::io::AsyncWriteExt as _;
use usher_lab::{browser::FETCH, upstream::Upstream};
use usher_rules::{secret::Secret, time::Clock as _};

use crate::{
    connections::{HEADERS, RST_STREAM, await_frame, frame, get, preface},
    metrics::{figures, value},
    test_server::{FRIENDS, TestServer, config, eventually, friends, public},
};

/// Two lines for each of them would be a megabyte a second from one client.
#[tokio::test]
async fn a_flood_of_requests_that_were_taken_back_has_few_lines() {
    let upstream = Upstream::echo();
    let routes = config(&[public("tv.test", upstream.address)]);
    let server = TestServer::open(&format!("metrics_address: 127.0.0.1:9090\n{routes}")).await;
    let mut stream = server.browser().connect_http2("tv.test").await;
    let mut bytes = preface();
    for number in 0..150 {
        let id = 2 * number + 1;
        bytes.extend(get(id, "tv.test", "/taken-back"));
        bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    bytes.extend(get(301, "tv.test", "/last"));
    stream.write_all(&bytes).await.unwrap();
    await_frame(&mut stream, HEADERS, 301).await;
    let told = eventually("the rest is told in one line", || {
        server.records("taken-back").into_iter().next()
    })
    .await;
    let lines = |message: &str| {
        let records = server.records(message);
        records.iter().filter(|line| line["path"] != "/last").count()
    };
    let (decisions, accesses) = (lines("authorize check"), lines("http-request"));
    assert!((1..=40).contains(&decisions) && decisions == accesses, "{decisions}, {accesses}");
    let left_out: usize = told["requests"].as_str().unwrap().parse().unwrap();
    assert!(left_out >= 100 && left_out + accesses <= 150, "{told}: {accesses}");
    let figures = figures(&server).await;
    let gone = value(&figures, "usher_requests_total{route=\"-\",status=\"none\"}");
    assert!(gone >= left_out as f64, "the figures know each: {figures}");
}

/// Report 30: an app behind refuses fields of this size, and nobody knows why.
#[tokio::test]
async fn a_large_identity_is_told_once_a_session_and_route() {
    const MANY: (&str, &str) = ("many@example.com", "canary-many-pass-9Lw1");
    let upstream = Upstream::echo();
    let routes = [friends("tv.test", upstream.address), friends("music.test", upstream.address)];
    let server = TestServer::open(&config(&routes)).await;
    let groups = (0..90).map(|n| format!("group-{n:094}")); // a hundred letters each
    let groups: Vec<_> = groups.chain([FRIENDS.to_owned()]).collect();
    let new = usher::idp::NewMember { email: MANY.0, name: "", groups: &groups };
    let now = server.clock.now().wall;
    server.directory().add(new, Secret::new(MANY.1.as_bytes()), now).await.unwrap();
    let mut many = server.signed_in("https://tv.test/", MANY).await;
    for _ in 0..3 {
        for host in ["tv.test", "music.test"] {
            let seen = many.open(&format!("https://{host}/")).await;
            assert_eq!(seen.status, 200, "{}", seen.body);
        }
    }
    let told = server.records("identity");
    let routes: Vec<_> = told.iter().map(|line| line["route"].as_str().unwrap()).collect();
    assert_eq!(routes, ["tv", "music"], "one for each route: {told:?}");
    for line in &told {
        assert_eq!(line["level"], "warn");
        assert!(line["octets"].as_str().unwrap().parse::<usize>().unwrap() > 8 * 1024, "{line}");
    }
    let mut ann = server.signed_in("https://tv.test/", crate::test_server::ANN).await;
    ann.send(http::Method::GET, "https://tv.test/", FETCH, "").await;
    assert_eq!(server.records("identity").len(), 2, "a small one is nobody's business");
}
