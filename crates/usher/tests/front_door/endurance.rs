//! The invariants that need a while: permits that end, progress, back-pressure.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::upstream::{Exchange, Upstream};

use crate::{
    house::{ANN, House, config, eventually, friends, public},
    sockets,
};

/// 10. A socket ends with its session and with its policy, not with the clock.
#[tokio::test]
async fn a_permit_ends_by_sign_out_and_policy_and_not_by_expiry() {
    let upstream = sockets::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let house = House::open(&text).await;
    let mut ann = house.signed_in("https://tv.test/", ANN).await;
    let mut socket = sockets::open(&ann, "tv.test").await;
    house.clock.turn(Duration::from_secs(15 * 3600));
    sockets::says_back(&mut socket, "still here").await;
    house.reload(&text).unwrap();
    sockets::says_back(&mut socket, "after a reload that changes nothing for her").await;

    ann.jar.clear();
    ann.sign_in("https://tv.test/", ANN.0, ANN.1).await;
    let mut second = sockets::open(&ann, "tv.test").await;
    let page = ann.open("https://tv.test/.pomerium/").await;
    ann.post(&page, "/.pomerium/sign_out", &[("scope", "here")]).await;
    sockets::ends(&mut second).await;

    ann.sign_in("https://tv.test/", ANN.0, ANN.1).await;
    let mut third = sockets::open(&ann, "tv.test").await;
    house.directory().set_groups(ANN.0, &[]).await.unwrap();
    sockets::ends(&mut third).await;

    house.directory().set_groups(ANN.0, &["friends".into()]).await.unwrap();
    ann.jar.clear();
    ann.sign_in("https://tv.test/", ANN.0, ANN.1).await;
    let mut fourth = sockets::open(&ann, "tv.test").await;
    house.reload(&text.replace("friends", "family")).unwrap();
    sockets::ends(&mut fourth).await;
}

/// 11. An upload may take longer than every limit, as long as something comes.
#[tokio::test]
async fn what_makes_progress_is_never_cut() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        let body = exchange.body().await?;
        exchange.reply(200, "", body.len().to_string().as_bytes()).await
    });
    let route = public("tv.test", upstream.address);
    let text = format!(
        "timeout_read: 2s\ntimeout_write: 0s\n{}  timeout: 2s\n  idle_timeout: 2s\n",
        config(&[route])
    );
    let house = House::open(&text).await;
    let mut stream = house.browser().connect("tv.test").await;
    let head = "POST / HTTP/1.1\r\nhost: tv.test\r\ncontent-length: 12\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.write_all(b"x").await.unwrap();
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200", "3.6 seconds of upload under limits of two");
}

/// 12. Who reads nothing costs what is in the buffers, and no more.
#[tokio::test]
async fn a_client_that_reads_nothing_stops_the_upstream() {
    const MOST: u64 = 64 << 20;
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await?;
        loop {
            exchange.send([7; 16 * 1024]).await?;
            count.fetch_add(16 * 1024, Ordering::Relaxed);
        }
    });
    let house = House::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stream = house.browser().connect("tv.test").await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: tv.test\r\n\r\n").await.unwrap();
    let (mut before, mut quiet) = (0, 0);
    while quiet < 20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = sent.load(Ordering::Relaxed);
        quiet = if now > 0 && now == before { quiet + 1 } else { 0 };
        before = now;
        assert!(now < MOST, "the upstream is read for somebody who does not read: {now}");
    }
    let mut piece = vec![0; 4 << 20];
    stream.read_exact(&mut piece).await.unwrap();
    let more = || (sent.load(Ordering::Relaxed) > before).then_some(());
    eventually("it goes on when the client reads", more).await;
}

/// One upstream that hangs is its own visitors' trouble.
#[tokio::test]
async fn a_hanging_upstream_holds_nobody_else_up() {
    let hung = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&hung);
    let upstream = Upstream::start(async move |exchange: &mut Exchange| {
        if exchange.target().1 == "/hang" {
            flag.store(true, Ordering::Relaxed);
            exchange.hung_up().await;
            return Ok(());
        }
        exchange.reply(200, "", b"").await
    });
    let house = House::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut stuck = house.browser();
    let waiting = tokio::spawn(async move { stuck.fetch("https://tv.test/hang").await });
    upstream.came(1).await;
    assert!(hung.load(Ordering::Relaxed));
    assert_eq!(house.browser().fetch("https://tv.test/").await.status, StatusCode::OK);
    waiting.abort();
}
