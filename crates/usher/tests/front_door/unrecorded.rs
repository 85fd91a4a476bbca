//! What becomes of requests of which no record can be kept.

use std::fs;

use http::StatusCode;
use usher::store::DecisionFile;
use usher_lab::{patience::answered, upstream::Upstream};

use crate::{
    metrics::{figures, value},
    test_server::{TestServer, config, eventually, public},
};

/// Decisions can't be written where a folder has the name of their file: an operator's mistake, and to
/// a log the same as a disk without room.
#[tokio::test]
async fn who_asks_for_records_has_no_request_without_one() {
    let app = Upstream::echo();
    let mut server = TestServer::closed(1).await;
    let file = server.data_dir().join("decisions.jsonl");
    fs::create_dir(&file).unwrap();
    let records = "metrics_address: 127.0.0.1:9090\ndecision_records: all\n";
    let served = records.to_owned() + &config(&[public("tv.test", app.address)]);
    server.restart(&served).await;
    let mut browser = server.browser();
    let mut status = async || browser.fetch("https://tv.test/").await.status;
    assert_eq!(status().await, StatusCode::OK);
    let told = eventually("the other log tells", || server.records("log-stuck").pop()).await;
    assert!(told["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{told}");
    assert_eq!(status().await, StatusCode::OK, "nobody asked for more");

    server.reload(&format!("unrecorded_requests: refused\n{served}")).unwrap();
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    let refused = server.records("authorize check").pop().unwrap();
    assert_eq!(refused["rule"], "unrecorded", "{refused}");

    fs::remove_dir(&file).unwrap();
    answered("it is written again", async || (status().await == StatusCode::OK).then_some(()))
        .await;
    eventually("which is told", || (server.records("log-stuck").len() == 2).then_some(())).await;
    eventually("the three are kept that were served", || {
        server.log();
        DecisionFile::read(&server.data_dir()).ok().filter(|kept| kept.lines().count() == 3)
    })
    .await;
    let lost = value(&figures(&server).await, "usher_records_lost_total");
    assert!(lost.abs() < f64::EPSILON, "{lost}");
}
