//! `max_sessions`: who comes too late is told so, and nobody who is signed in ever pays for it.

use http::StatusCode;
use usher_lab::{browser::Browser, patience::PATIENCE};

use crate::{
    sockets,
    test_server::{ANN, TestServer, config, friends, plan},
};

const TV: &str = "https://tv.test/";

#[tokio::test]
async fn a_reload_admits_fewer_or_more_and_signs_nobody_out() {
    let app = sockets::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let server = TestServer::open(&text).await;
    let admit = |most| {
        let mut plan = plan(&text);
        plan.sessions.most = most;
        server.running().reload(plan).unwrap();
    };
    let (mut here, mut phone) = (server.signed_in(TV, ANN).await, server.signed_in(TV, ANN).await);
    let mut socket = sockets::open(&phone, "tv.test").await;

    admit(1);
    let mut late = server.browser();
    let refused = late.sign_in(TV, ANN.0, ANN.1).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.body);
    assert!(refused.body.contains("no room for another session"), "{}", refused.body);
    assert!(refused.fields.contains_key(http::header::RETRY_AFTER));
    assert_eq!(late.fetch(TV).await.status, StatusCode::UNAUTHORIZED);
    let told = "1 sessions or more are in force, no new one is begun (give `max_sessions`";
    assert!(server.log().contains(told), "{}", server.log());
    for signed_in in [&mut here, &mut phone] {
        assert_eq!(signed_in.fetch(TV).await.status, StatusCode::OK, "fewer ends nobody");
    }
    sockets::says_back(&mut socket, "and nothing that runs").await;

    admit(3);
    late.sign_in(TV, ANN.0, ANN.1).await;
    for signed_in in [&mut here, &mut phone, &mut late] {
        assert_eq!(signed_in.fetch(TV).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_start_admits_as_many_as_the_config_says_and_signs_nobody_out() {
    let app = sockets::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let mut server = TestServer::open(&text).await;
    server.signed_in(TV, ANN).await;
    server.stop(PATIENCE).await;

    let mut fewer = plan(&text);
    fewer.sessions.most = 1;
    let running = server.start(fewer).unwrap();
    let mut late = Browser::new(running.address(), running.ca_file());
    let refused = late.sign_in(TV, ANN.0, ANN.1).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.body);
    tokio::task::spawn_blocking(move || running.stop(PATIENCE)).await.unwrap();

    server.restart(&text).await;
    let mut late = server.signed_in(TV, ANN).await;
    assert_eq!(late.fetch(TV).await.status, StatusCode::OK, "there is room");
}
