//! What runs beside requests: it is started again when it panics, and told of.

use usher_lab::{patience::PATIENCE, upstream::Upstream};

use crate::{
    metrics::{figures, value},
    test_server::{TestServer, config, eventually, public},
};

const METRICS: &str = "metrics_address: 127.0.0.1:9090\n";

/// The clock breaks where three tasks ask it first, whichever these are.
#[tokio::test]
async fn a_task_that_panics_is_started_again_and_told() {
    let upstream = Upstream::echo();
    let text = format!("{METRICS}{}", config(&[public("tv.test", upstream.address)]));
    let mut server = TestServer::closed(1).await;
    server.clock.break_on("chores", 6); // and while the first ones are told
    server.restart(&text).await;

    let lines = eventually("all panics are told", || {
        Some(server.records("panic")).filter(|lines| lines.len() == 3)
    })
    .await;
    for line in &lines {
        assert_eq!(line["level"], "error", "{line}");
        assert_eq!(line["problem"], "the clock broke", "{line}");
        assert!(line["place"].as_str().unwrap().contains("clock.rs:"), "{line}");
        assert!(line["effect"].as_str().unwrap().contains("started again after"), "{line}");
    }

    // Readers of figures are taken on the very thread.
    let figures = figures(&server).await;
    let restarts =
        |task: &str| value(&figures, &format!("usher_task_restarts_total{{task=\"{task}\"}}"));
    for line in &lines {
        let task = line["task"].as_str().unwrap();
        let told = lines.iter().filter(|other| other["task"] == task).count();
        assert_eq!(restarts(task), f64::from(u32::try_from(told).unwrap()), "{task}: {figures}");
    }
    assert_eq!(restarts("accept"), 0.0);
    assert_eq!(value(&figures, "usher_panics_total"), 3.0);
    let seen = server.browser().fetch("https://tv.test/").await;
    assert_eq!(seen.status, 200, "nobody else notices");
    server.stop(PATIENCE).await;
}

/// A disk that hangs, or a file that is gone, is no visitor's business: the page is in memory.
#[tokio::test]
async fn the_certificate_page_waits_for_no_disk() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut browser = server.browser();
    let before = std::fs::read_to_string(server.running().ca_file()).unwrap();
    std::fs::remove_file(server.running().ca_file()).unwrap();
    let seen = browser.fetch("https://tv.test/.pomerium/trust").await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let seen = browser.fetch("https://tv.test/.pomerium/trust/usher-ca.pem").await;
    assert_eq!((seen.status.as_u16(), seen.body), (200, before));
}

/// On a full disk a sign-out would be undone by a restart, and nobody knew before.
#[tokio::test]
async fn a_directory_without_room_for_the_reserve_says_so() {
    let upstream = Upstream::echo();
    let mut server = TestServer::closed(1).await;
    // Where it can't be written, as on a disk without space.
    let reserve = server.data_dir().join("usher.reserve");
    std::fs::remove_file(&reserve).unwrap();
    std::fs::create_dir(&reserve).unwrap();
    server.restart(&config(&[public("tv.test", upstream.address)])).await;
    let told = eventually("it is told", || server.records("store").pop()).await;
    assert_eq!(told["level"], "warn", "{told}");
    for (field, words) in [("cause", "usher.reserve"), ("hint", "space"), ("effect", "sign-out")] {
        assert!(told[field].as_str().unwrap().contains(words), "{field}: {told}");
    }
    assert_eq!(server.browser().open("https://tv.test/").await.status, 200, "it serves");
}
