//! Guests whose time is over, wherever they are and whatever runs for them.

use std::time::Duration;

use http::StatusCode;
use usher_lab::upstream::Upstream;
use usher_rules::{accounts::AccountStore as _, time::Clock as _};

use crate::{
    hosted::{origin, proxy_of, service},
    permits,
    test_server::{ANN, TestServer, config, friends},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Ann may come for an hour from now on.
async fn ends_in_an_hour(server: &TestServer) {
    let store = usher::store::Store::open(&server.data_dir()).unwrap();
    let until = server.clock.now().wall.plus(HOUR).seconds();
    store.set_until(ANN.0, Some(until)).await.unwrap();
}

#[tokio::test]
async fn a_guest_of_a_hosted_service_has_their_end_at_its_proxies_too() {
    let app = Upstream::echo();
    let service = service("").await;
    ends_in_an_hour(&service).await;
    let at = service.running();
    let proxy = proxy_of(&origin(&service), at.ca_file(), &app).await;
    let mut ann = proxy.browser().knowing("localhost", at.address(), at.ca_file());
    let page = "https://tv.example.com/web/";
    assert_eq!(ann.sign_in(page, ANN.0, ANN.1).await.status, StatusCode::OK);
    assert_eq!(ann.fetch(page).await.status, StatusCode::OK);
    proxy.clock.turn(HOUR);
    assert_eq!(ann.fetch(page).await.status, StatusCode::UNAUTHORIZED, "not for `cookie_expire`");
}

/// A session that runs out lets a film play on; a guest whose time is over is somebody removed.
#[tokio::test]
async fn a_film_ends_within_seconds_of_its_guest_s_end() {
    let (app, pieces) = permits::cinema();
    let server = TestServer::open(&config(&[friends("tv.test", app.address)])).await;
    ends_in_an_hour(&server).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let mut film = permits::film(&ann).await;
    server.clock.turn(HOUR);
    permits::ended(&server, "/film", "permit_ended_session", 1).await;
    pieces.add_permits(2);
    assert_eq!(permits::rest(&mut film).await, "", "no more of it");
}
